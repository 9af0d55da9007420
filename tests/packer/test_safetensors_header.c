/*
 * test_safetensors_header.c: every rule of the format broken once, by name. The texts are made here; none comes from a file.
 */
#include "check.h"
#include "safetensors_header.h"

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}"
#define B "\"b\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[16,22]}"
#define BUFFER 22u

static tercet_status parse(const char *text, size_t bytes, uint64_t buffer,
                           struct source_table *header, tercet_error *error) {
    /* A block of the exact size: the sanitizer sees one byte too many. */
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
    memcpy(copy, text, bytes);
    tercet_status status =
        safetensors_parse_header("x.safetensors", copy, bytes, buffer, header, error);
    free(copy);
    return status;
}

static const struct fault {
    const char *name, *text;
    uint64_t buffer;
    tercet_status want;
} faults[] = {
    {"sound", "{" A "," B "}", BUFFER, TERCET_OK},
    {"other order in the text", "{" B "," A "}", BUFFER, TERCET_OK},
    {"padded with spaces", "{" A "," B "}       ", BUFFER, TERCET_OK},
    {"metadata", "{\"__metadata__\":{\"format\":\"pt\"}," A "," B "}", BUFFER, TERCET_OK},
    {"no tensors, no bytes", "{}", 0, TERCET_OK},
    {"scalar", "{\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, TERCET_OK},
    {"empty tensor",
     "{" A ",\"e\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[16,16]}," B "}", BUFFER,
     TERCET_OK},
    {"unknown key in an entry",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1, TERCET_OK},
    {"mask of booleans", "{\"m\":{\"dtype\":\"BOOL\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
     TERCET_OK},

    {"empty text", "", BUFFER, TERCET_BAD_SOURCE},
    {"one space", " ", BUFFER, TERCET_BAD_SOURCE},
    {"leading space", " {" A "," B "}", BUFFER, TERCET_BAD_SOURCE},
    {"byte order mark", "\xef\xbb\xbf{" A "," B "}", BUFFER, TERCET_BAD_SOURCE},
    {"no closing brace", "{" A "," B, BUFFER, TERCET_BAD_SOURCE},
    {"trailing comma", "{" A "," B ",}", BUFFER, TERCET_BAD_SOURCE},
    {"array in place of an object", "[" A "]", BUFFER, TERCET_BAD_SOURCE},
    {"second object behind", "{" A "," B "}{}", BUFFER, TERCET_BAD_SOURCE},
    {"comment", "{/**/" A "," B "}", BUFFER, TERCET_BAD_SOURCE},
    {"single quotes", "{'a':{}}", 0, TERCET_BAD_SOURCE},
    {"open string", "{\"a", 0, TERCET_BAD_SOURCE},
    {"escape at the end", "{\"a\\", 0, TERCET_BAD_SOURCE},
    {"short escape", "{\"\\u12\":0}", 0, TERCET_BAD_SOURCE},
    {"lone surrogate", "{\"\\ud800\":{}}", 0, TERCET_BAD_SOURCE},
    {"no UTF-8", "{\"\xff\":{}}", 0, TERCET_BAD_SOURCE},
    {"metadata that is a number", "{\"__metadata__\":7," A "," B "}", BUFFER, TERCET_BAD_SOURCE},
    {"metadata with a list", "{\"__metadata__\":{\"k\":[]}," A "," B "}", BUFFER,
     TERCET_BAD_SOURCE},
    {"metadata twice", "{\"__metadata__\":{},\"__metadata__\":{}," A "," B "}", BUFFER,
     TERCET_BAD_SOURCE},

    {"name twice", "{" A "," B "," A "}", BUFFER, TERCET_BAD_SOURCE},
    {"name twice, spelt with an escape",
     "{" A ",\"\\u0061\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[16,22]}}", BUFFER,
     TERCET_BAD_SOURCE},
    {"name twice, both empty tensors",
     "{\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
     "\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
     0, TERCET_BAD_SOURCE},
    {"empty name", "{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
     TERCET_BAD_SOURCE},
    {"name with an escape sequence",
     "{\"\\u001b[2J\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
     TERCET_BAD_SOURCE},
    {"dtype twice",
     "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
     TERCET_BAD_SOURCE},
    {"entry that is a number", "{\"a\":7}", 0, TERCET_BAD_SOURCE},
    {"entry that is null", "{\"a\":null}", 0, TERCET_BAD_SOURCE},
    {"no dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, TERCET_BAD_SOURCE},
    {"no shape", "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, TERCET_BAD_SOURCE},
    {"no offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, TERCET_BAD_SOURCE},
    {"dtype that is a number", "{\"a\":{\"dtype\":8,\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
     TERCET_BAD_SOURCE},
    {"unknown dtype", "{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
     TERCET_UNSUPPORTED_SOURCE},
    {"dtype in small letters", "{\"a\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
     4, TERCET_UNSUPPORTED_SOURCE},
    {"wider dtype", "{\"a\":{\"dtype\":\"F64\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", 16,
     TERCET_BAD_SOURCE},

    {"shape that is a string", "{\"a\":{\"dtype\":\"U8\",\"shape\":\"1\",\"data_offsets\":[0,1]}}",
     1, TERCET_BAD_SOURCE},
    {"negative size", "{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1,
     TERCET_BAD_SOURCE},
    {"fractional size", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1.5],\"data_offsets\":[0,1]}}", 1,
     TERCET_BAD_SOURCE},
    {"infinite size", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1e999],\"data_offsets\":[0,1]}}", 1,
     TERCET_BAD_SOURCE},
    {"size above 2^53",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[99999999999999999999],\"data_offsets\":[0,1]}}", 1,
     TERCET_BAD_SOURCE},
    {"size that is true", "{\"a\":{\"dtype\":\"U8\",\"shape\":[true],\"data_offsets\":[0,1]}}", 1,
     TERCET_BAD_SOURCE},
    {"product that wraps to 0",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
     TERCET_BAD_SOURCE},
    {"product that wraps before a 0",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296,0],\"data_offsets\":[0,0]}}", 0,
     TERCET_BAD_SOURCE},
    {"bytes that wrap",
     "{\"a\":{\"dtype\":\"F64\",\"shape\":[2147483648,1073741824],\"data_offsets\":[0,0]}}", 0,
     TERCET_BAD_SOURCE},
    {"nine dimensions",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
     TERCET_BAD_SOURCE},
    {"one row too many", "{\"a\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,16]}}", 16,
     TERCET_BAD_SOURCE},

    {"one offset", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1,
     TERCET_BAD_SOURCE},
    {"three offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,1]}}", 1,
     TERCET_BAD_SOURCE},
    {"swapped offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}", 1,
     TERCET_BAD_SOURCE},
    {"negative offset", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1,
     TERCET_BAD_SOURCE},
    {"wrapping offset",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[18446744073709551615,0]}}", 1,
     TERCET_BAD_SOURCE},
    {"end behind the buffer", "{" A "," B "}", BUFFER - 1, TERCET_BAD_SOURCE},
    {"bytes behind the last tensor", "{" A "," B "}", BUFFER + 1, TERCET_BAD_SOURCE},
    {"no tensors, but bytes", "{}", 1, TERCET_BAD_SOURCE},
    {"gap in front", "{" B "}", BUFFER, TERCET_BAD_SOURCE},
    {"gap between", "{" A ",\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[18,22]}}",
     BUFFER, TERCET_BAD_SOURCE},
    {"overlap", "{" A ",\"b\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[14,22]}}", BUFFER,
     TERCET_BAD_SOURCE},
    {"two tensors on one place",
     "{" A ",\"c\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}," B "}", BUFFER,
     TERCET_BAD_SOURCE},
};

static void test_faults(void) {
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct source_table header;
        tercet_error error = {0};
        if (!CHECK_EQ(
                parse(faults[i].text, strlen(faults[i].text), faults[i].buffer, &header, &error),
                faults[i].want)) {
            fprintf(stderr, "    fault: %s (%s)\n", faults[i].name, error.detail);
        }
        if (faults[i].want == TERCET_OK) {
            source_table_free(&header);
        } else {
            CHECK(header.tensors == NULL && header.names == NULL);
            CHECK(strstr(error.detail, "x.safetensors") != NULL);
        }
    }
}

static void test_table(void) {
    struct source_table header;
    const char *text = "{" B "," A "}";
    REQUIRE(parse(text, strlen(text), BUFFER, &header, NULL) == TERCET_OK);
    CHECK_EQ(header.count, 2);
    CHECK_STR(header.tensors[0].name, "a");
    CHECK_EQ(header.tensors[0].dtype, SOURCE_F32);
    CHECK_EQ(header.tensors[0].rank, 2);
    CHECK_EQ(header.tensors[0].shape[1], 2);
    CHECK_EQ(header.tensors[0].elements, 4);
    CHECK_STR(header.tensors[1].name, "b");
    CHECK_STR(header.tensors[1].dtype_name, "BF16");
    CHECK_EQ(header.tensors[1].offset, 16);
    CHECK_EQ(header.tensors[1].bytes, 6);
    source_table_free(&header);
}

/* Depth and zero bytes need more than a literal. */
static void test_made_texts(void) {
    enum { DEPTH = 100000 };
    struct source_table header;
    tercet_error error;
    char *text = malloc(2 * DEPTH + 16);
    memcpy(text, "{\"x\":", 5);
    memset(text + 5, '[', DEPTH);
    memset(text + 5 + DEPTH, ']', DEPTH);
    text[5 + 2 * DEPTH] = '}';
    CHECK_STATUS(parse(text, 6 + 2 * DEPTH, 0, &header, &error), TERCET_LIMIT_EXCEEDED);
    for (size_t i = 0; i + 5 < 2 * DEPTH; i += 5) {
        memcpy(text + i, "{\"x\":", 5);
    }
    CHECK_STATUS(parse(text, 2 * DEPTH - 5, 0, &header, &error), TERCET_LIMIT_EXCEEDED);
    free(text);
    CHECK_STATUS(parse("{}\0\0", 4, 0, &header, &error), TERCET_BAD_SOURCE);

    char name[SOURCE_NAME_BYTES_MAX + 80];
    memset(name, 'n', sizeof name);
    memcpy(name, "{\"", 2);
    strcpy(name + 2 + SOURCE_NAME_BYTES_MAX,
           "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    CHECK_STATUS(parse(name, strlen(name), 1, &header, &error), TERCET_OK);
    source_table_free(&header);
    strcpy(name + 3 + SOURCE_NAME_BYTES_MAX,
           "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    name[2 + SOURCE_NAME_BYTES_MAX] = 'n';
    CHECK_STATUS(parse(name, strlen(name), 1, &header, &error), TERCET_BAD_SOURCE);
}

static tercet_status length_of(uint64_t announced, uint64_t file_bytes, uint64_t *header_bytes) {
    uint8_t length[8];
    for (int i = 0; i < 8; i++) {
        length[i] = (uint8_t)(announced >> (8 * i));
    }
    return safetensors_header_bytes("x.safetensors", length, file_bytes, header_bytes, NULL);
}

static void test_length(void) {
    uint64_t bytes = 0;
    CHECK_STATUS(length_of(100, 108, &bytes), TERCET_OK);
    CHECK_EQ(bytes, 100);
    CHECK_STATUS(length_of(101, 108, &bytes), TERCET_BAD_SOURCE);
    CHECK_STATUS(length_of(0, 7, &bytes), TERCET_BAD_SOURCE);
    CHECK_STATUS(length_of(UINT64_MAX, UINT64_MAX, &bytes), TERCET_BAD_SOURCE);
    CHECK_STATUS(length_of(UINT64_MAX - 7, UINT64_MAX, &bytes), TERCET_BAD_SOURCE);
    CHECK_STATUS(length_of(100000000, 100000008, &bytes), TERCET_OK);
    CHECK_STATUS(length_of(100000001, 1ull << 40, &bytes), TERCET_LIMIT_EXCEEDED);
}

int main(void) {
    test_faults();
    test_table();
    test_made_texts();
    test_length();
    return check_done();
}
