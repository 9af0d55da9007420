/*
 * test_gguf_header.c: sound heads of GGUF files and what they say, and every rule that a damaged one can break.
 */
#include "gguf_bytes.h"
#include "gguf_header.h"

#include <math.h>

/* The status, and that the sentence names what it must. `cut` must not be asked for: the whole file is there. */
static void expect(const struct gguf_bytes *file, tercet_status want, const char *named, int line) {
    struct gguf_header header;
    tercet_error error = {0};
    bool cut = false;
    tercet_status status =
        gguf_parse_header("m.gguf", file->bytes, file->count, file->count, &header, &cut, &error);
    if (status != want || (want != TERCET_OK && strstr(error.detail, named) == NULL)) {
        fprintf(stderr, "line %d: %s: %s\n", line, tercet_status_name(status), error.detail);
    }
    CHECK_EQ(status, want);
    CHECK(!cut);
    if (status == TERCET_OK) {
        gguf_header_free(&header);
    } else {
        CHECK(strstr(error.detail, named) != NULL);
        CHECK(header.keys == NULL && header.table.tensors == NULL && header.names == NULL);
    }
}

#define REFUSES(file, status, named) expect(file, TERCET_##status, named, __LINE__)

static void test_sound(void) {
    for (uint32_t version = 2; version <= 3; version++) {
        struct gguf_bytes file;
        struct gguf_header header;
        tercet_error error;
        bool cut;
        gguf_start(&file, version, 3, 4);
        gguf_put_key_text(&file, "general.architecture", "llama");
        gguf_put_key(&file, "general.alignment", 4, 64, 4);
        gguf_put_array(&file, "words", 8, 2);
        gguf_put_text(&file, "one");
        gguf_put_text(&file, "");
        gguf_put_key(&file, "a.bool", 7, 1, 1);
        gguf_put_tensor(&file, "w", 256, 3, 35, 64);
        gguf_put_tensor(&file, "norm", 4, 0, 0, 0);
        gguf_put_tensor(&file, "i2", 128, 2, 36, 320);
        gguf_pad(&file, 64);
        size_t data = file.count;
        gguf_fill(&file, 0, 320 + 256 / 4 + 32);
        CHECK_STATUS(
            gguf_parse_header("m.gguf", file.bytes, file.count, file.count, &header, &cut, &error),
            TERCET_OK);
        CHECK_EQ(header.version, version);
        CHECK_EQ(header.alignment, 64);
        CHECK_EQ(header.key_count, 4);
        REQUIRE(header.table.count == 3);
        const struct source_tensor *i2 = &header.table.tensors[0], *norm = &header.table.tensors[1],
                                   *w = &header.table.tensors[2];
        CHECK(strcmp(i2->name, "i2") == 0 && strcmp(norm->name, "norm") == 0);
        CHECK_EQ(i2->bytes, 64 + 32);
        CHECK_EQ(norm->rank, 1);
        CHECK_EQ(norm->bytes, 16);
        CHECK_EQ(norm->offset, data);
        CHECK_EQ(w->dtype, SOURCE_TQ2_0);
        CHECK_EQ(w->rank, 2);
        CHECK_EQ(w->shape[0], 3); /* rows first */
        CHECK_EQ(w->shape[1], 256);
        CHECK_EQ(w->bytes, 3 * 66);
        CHECK_EQ(w->offset, data + 64);
        const struct gguf_key *words;
        CHECK_STATUS(gguf_get_array(&header, "words", GGUF_STRING, &words, &error), TERCET_OK);
        REQUIRE(words != NULL && words->count == 2);
        const uint8_t *cursor = words->value;
        CHECK(gguf_text_is(gguf_next_text(&cursor), "one"));
        CHECK_EQ(gguf_next_text(&cursor).count, 0);
        CHECK(cursor == words->value + words->bytes);
        gguf_header_free(&header);
        gguf_free(&file);
    }
}

static void test_values(void) {
    struct gguf_bytes file;
    struct gguf_header header;
    tercet_error error;
    bool cut, found, flag = false;
    uint32_t number = 77;
    double real = 7;
    struct gguf_text text = {NULL, 0};
    const struct gguf_key *array;
    static const struct {
        uint32_t type;
        size_t bytes;
    } integers[] = {{0, 1}, {1, 1}, {2, 2}, {3, 2}, {4, 4}, {5, 4}, {10, 8}, {11, 8}};
    gguf_start(&file, 3, 0, 16);
    for (uint32_t i = 0; i < 8; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "n%u", integers[i].type);
        gguf_put_key(&file, name, integers[i].type, 100, integers[i].bytes);
    }
    gguf_put_key(&file, "minus", 5, 0xFFFFFFFF, 4);
    gguf_put_key(&file, "float", 6, 0x3F000000, 4);
    gguf_put_key(&file, "double", 12, 0x3FE0000000000000, 8);
    gguf_put_key(&file, "nan", 6, 0x7FC00000, 4);
    gguf_put_key(&file, "yes", 7, 1, 1);
    gguf_put_array(&file, "same", 5, 3);
    for (int i = 0; i < 3; i++) {
        gguf_put_u32(&file, 9);
    }
    gguf_put_array(&file, "differ", 4, 2);
    gguf_put_u32(&file, 9);
    gguf_put_u32(&file, 8);
    gguf_put_array(&file, "none", 4, 0);
    CHECK_STATUS(gguf_parse_header("m", file.bytes, file.count, file.count, &header, &cut, &error),
                 TERCET_OK);
    for (uint32_t i = 0; i < 8; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "n%u", integers[i].type);
        number = 0;
        CHECK_STATUS(gguf_get_u32(&header, name, 100, &number, &found, &error), TERCET_OK);
        CHECK(found && number == 100);
        CHECK_STATUS(gguf_get_u32(&header, name, 99, &number, NULL, &error), TERCET_BAD_SOURCE);
        CHECK(strstr(error.detail, name) != NULL);
        CHECK_STATUS(gguf_get_number(&header, name, &real, NULL, &error), TERCET_BAD_SOURCE);
    }
    number = 77;
    CHECK_STATUS(gguf_get_u32(&header, "absent", 100, &number, &found, &error), TERCET_OK);
    CHECK(!found && number == 77);
    CHECK_STATUS(gguf_get_u32(&header, "minus", UINT32_MAX, &number, NULL, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STATUS(gguf_get_u32(&header, "same", 100, &number, NULL, &error), TERCET_OK);
    CHECK_EQ(number, 9);
    CHECK_STATUS(gguf_get_u32(&header, "differ", 100, &number, NULL, &error),
                 TERCET_UNSUPPORTED_SOURCE);
    CHECK_STATUS(gguf_get_u32(&header, "none", 100, &number, NULL, &error), TERCET_BAD_SOURCE);
    CHECK_STATUS(gguf_get_u32(&header, "yes", 100, &number, NULL, &error), TERCET_BAD_SOURCE);
    CHECK_STATUS(gguf_get_number(&header, "float", &real, &found, &error), TERCET_OK);
    CHECK(found && real == 0.5);
    real = 0;
    CHECK_STATUS(gguf_get_number(&header, "double", &real, NULL, &error), TERCET_OK);
    CHECK(real == 0.5);
    CHECK_STATUS(gguf_get_number(&header, "nan", &real, NULL, &error), TERCET_BAD_SOURCE);
    CHECK_STATUS(gguf_get_bool(&header, "yes", &flag, &found, &error), TERCET_OK);
    CHECK(found && flag);
    CHECK_STATUS(gguf_get_bool(&header, "n0", &flag, NULL, &error), TERCET_BAD_SOURCE);
    CHECK_STATUS(gguf_get_text(&header, "n0", &text, NULL, &error), TERCET_BAD_SOURCE);
    CHECK_STATUS(gguf_get_text(&header, "absent", &text, &found, &error), TERCET_OK);
    CHECK(!found && text.bytes == NULL);
    CHECK_STATUS(gguf_get_array(&header, "same", GGUF_STRING, &array, &error), TERCET_BAD_SOURCE);
    CHECK_STATUS(gguf_get_array(&header, "n0", GGUF_U8, &array, &error), TERCET_BAD_SOURCE);
    CHECK_STATUS(gguf_get_array(&header, "absent", GGUF_U8, &array, &error), TERCET_OK);
    CHECK(array == NULL);
    gguf_header_free(&header);
    gguf_free(&file);
}

/* Every cut of the header: more bytes are asked for while the file has them, and refused when it has not. */
static void test_cuts(void) {
    struct gguf_bytes file;
    struct gguf_header header;
    tercet_error error;
    bool cut = false;
    gguf_start(&file, 3, 1, 2);
    gguf_put_key_text(&file, "general.architecture", "llama");
    gguf_put_array(&file, "numbers", 4, 2);
    gguf_put_u64(&file, 1);
    gguf_put_tensor(&file, "w", 32, 1, 8, 0);
    size_t header_bytes = file.count;
    gguf_pad(&file, 32);
    gguf_fill(&file, 0, 34);
    for (size_t count = 0; count < header_bytes; count++) {
        CHECK_STATUS(gguf_parse_header("m", file.bytes, count, file.count, &header, &cut, &error),
                     TERCET_BAD_SOURCE);
        CHECK(cut);
        CHECK_STATUS(gguf_parse_header("m", file.bytes, count, count, &header, &cut, &error),
                     TERCET_BAD_SOURCE);
        CHECK(!cut);
    }
    CHECK_STATUS(
        gguf_parse_header("m", file.bytes, header_bytes, file.count, &header, &cut, &error),
        TERCET_OK);
    gguf_header_free(&header);
    for (size_t count = header_bytes; count < file.count; count++) {
        struct gguf_bytes shorter = {file.bytes, count};
        REFUSES(&shorter, BAD_SOURCE, "cut short");
    }
    gguf_free(&file);
}

static void test_start(void) {
    struct gguf_bytes file;
    gguf_start(&file, 3, 0, 0);
    expect(&file, TERCET_OK, "", __LINE__);
    file.bytes[0] = 'g';
    REFUSES(&file, BAD_SOURCE, "no GGUF file");
    file.bytes[0] = 'G';
    file.bytes[4] = 1;
    REFUSES(&file, UNSUPPORTED_SOURCE, "version");
    file.bytes[4] = 0;
    file.bytes[7] = 3;
    REFUSES(&file, UNSUPPORTED_SOURCE, "big-endian");
    gguf_free(&file);
    gguf_start(&file, 3, UINT64_MAX, 0);
    REFUSES(&file, LIMIT_EXCEEDED, "announces");
    gguf_free(&file);
    gguf_start(&file, 3, 0, (uint64_t)1 << 63);
    REFUSES(&file, LIMIT_EXCEEDED, "announces");
    gguf_free(&file);
    gguf_start(&file, 3, 200000, 60000);
    REFUSES(&file, BAD_SOURCE, "than 24 bytes can hold");
    gguf_free(&file);
}

static void test_bad_keys(void) {
    static const struct {
        const char *name, *named;
        uint32_t type;
        uint64_t value;
        size_t bytes;
    } cases[] = {
        {"", "name of a key", 4, 0, 4},
        {"a\x01", "name of a key", 4, 0, 4},
        {"a\xFF", "name of a key", 4, 0, 4},
        {"k", "unknown type", 13, 0, 8},
        {"k", "neither 0 nor 1", 7, 2, 1},
        {"k", "longer than the file", 8, 1000, 8},
        {"general.alignment", "power of two", 4, 0, 4},
        {"general.alignment", "power of two", 4, 33, 4},
        {"general.alignment", "power of two", 4, 1u << 31, 4},
        {"general.alignment", "no integer", 7, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gguf_bytes file;
        gguf_start(&file, 3, 0, 1);
        gguf_put_key(&file, cases[i].name, cases[i].type, cases[i].value, cases[i].bytes);
        expect(&file, TERCET_BAD_SOURCE, cases[i].named, __LINE__);
        gguf_free(&file);
    }
    struct gguf_bytes file;
    gguf_start(&file, 3, 0, 2);
    gguf_put_key(&file, "twice", 4, 0, 4);
    gguf_put_key(&file, "twice", 0, 0, 1);
    REFUSES(&file, BAD_SOURCE, "twice is there twice");
    gguf_free(&file);
    gguf_start(&file, 3, 0, 1);
    gguf_put_array(&file, "nested", ARRAY_TYPE, 1);
    REFUSES(&file, BAD_SOURCE, "array of arrays");
    gguf_free(&file);
    gguf_start(&file, 3, 0, 1);
    gguf_put_array(&file, "huge", 4, (uint64_t)1 << 62);
    REFUSES(&file, BAD_SOURCE, "more elements");
    gguf_free(&file);
}

static void test_bad_tensors(void) {
    static const struct {
        const char *name, *named;
        uint64_t columns, rows, offset;
        uint32_t type;
        tercet_status status;
    } cases[] = {
        {"w", "impossible shape", 0, 1, 0, 0, TERCET_BAD_SOURCE},
        {"w", "impossible shape", UINT64_MAX, 1, 0, 0, TERCET_BAD_SOURCE},
        {"w", "impossible shape", (uint64_t)1 << 32, (uint64_t)1 << 32, 0, 0, TERCET_BAD_SOURCE},
        {"w", "impossible shape", (uint64_t)1 << 62, 1, 0, 0, TERCET_BAD_SOURCE},
        {"w", "impossible type", 32, 1, 0, UINT32_MAX, TERCET_BAD_SOURCE},
        {"w", "behind the end", 32, 1, (uint64_t)1 << 40, 0, TERCET_BAD_SOURCE},
        {"w", "multiple of the alignment", 32, 1, 1, 0, TERCET_BAD_SOURCE},
        {"w", "cut short", 32, 1, 64, 0, TERCET_BAD_SOURCE},
        {"w", "blocks of TQ2_0 have 256", 128, 1, 0, 35, TERCET_BAD_SOURCE},
        {"w", "nobody has defined", 32, 1, 0, 99, TERCET_UNSUPPORTED_SOURCE},
        {"w", "TL1", 128, 1, 0, 38, TERCET_UNSUPPORTED_SOURCE},
        {"w", "MXFP4", 128, 1, 0, 39, TERCET_UNSUPPORTED_SOURCE},
        {"w", "Q4_K", 256, 1, 0, 12, TERCET_UNSUPPORTED_SOURCE},
        {"", "name of a tensor", 32, 1, 0, 0, TERCET_BAD_SOURCE},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "63 bytes", 32, 1, 0,
         0, TERCET_BAD_SOURCE},
        {"other", "overlaps", 16, 1, 0, 0, TERCET_BAD_SOURCE},
        {"first", "is there twice", 8, 1, 32, 0, TERCET_BAD_SOURCE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gguf_bytes file;
        gguf_start(&file, 3, 2, 0);
        gguf_put_tensor(&file, "first", 8, 1, 0, 0);
        gguf_put_tensor(&file, cases[i].name, cases[i].columns, cases[i].rows, cases[i].type,
                        cases[i].offset);
        gguf_pad(&file, 32);
        gguf_fill(&file, 0, 96);
        expect(&file, cases[i].status, cases[i].named, __LINE__);
        gguf_free(&file);
    }
    for (uint32_t rank = 0; rank <= 5; rank += 5) {
        struct gguf_bytes file;
        gguf_start(&file, 3, 1, 0);
        gguf_put_text(&file, "w");
        gguf_put_u32(&file, rank);
        gguf_fill(&file, 1, 100);
        REFUSES(&file, BAD_SOURCE, "dimensions");
        gguf_free(&file);
    }
    struct gguf_bytes file;
    gguf_start(&file, 3, 1, 1); /* number 39 is TL2 in Microsoft's fork */
    gguf_put_key_text(&file, "general.architecture", "bitnet-b1.58");
    gguf_put_tensor(&file, "w", 256, 1, 39, 0);
    gguf_fill(&file, 0, 200);
    REFUSES(&file, UNSUPPORTED_SOURCE, "TL2");
    gguf_free(&file);
}

/* Two tensors of type 42 with `bytes` each, at the offsets that these sizes give. */
static void check_q2_0(uint64_t columns, size_t bytes, bool padded_end, bool wide) {
    struct gguf_bytes file;
    struct gguf_header header;
    tercet_error error;
    bool cut;
    size_t padded = (bytes + 31) / 32 * 32;
    gguf_start(&file, 3, 2, 0);
    gguf_put_tensor(&file, "a", columns, 1, 42, 0);
    gguf_put_tensor(&file, "b", columns, 1, 42, padded);
    gguf_pad(&file, 32);
    gguf_fill(&file, 0, padded + (padded_end ? padded : bytes));
    CHECK_STATUS(gguf_parse_header("m", file.bytes, file.count, file.count, &header, &cut, &error),
                 TERCET_OK);
    CHECK_EQ(header.wide_q2_0, wide);
    for (uint32_t i = 0; i < header.table.count; i++) {
        CHECK_EQ(header.table.tensors[i].bytes, bytes);
        CHECK_EQ(header.table.tensors[i].dtype, wide ? SOURCE_PQ2_0 : SOURCE_Q2_0);
    }
    gguf_header_free(&header);
    gguf_free(&file);
}

static void test_two_forms_of_q2_0(void) {
    for (int padded_end = 0; padded_end <= 1; padded_end++) {
        check_q2_0(4096, 4096 / 64 * 18, padded_end, false);
        check_q2_0(4096, 4096 / 128 * 34, padded_end, true);
        check_q2_0(256, 72, padded_end,
                   false); /* both take 96 bytes when padded: the official one */
    }
    check_q2_0(64, 18, true, false); /* cannot be the other */
    struct gguf_bytes file;          /* neither fits: too short for the official form */
    gguf_start(&file, 3, 1, 0);
    gguf_put_tensor(&file, "a", 1024, 1, 42, 0);
    gguf_pad(&file, 32);
    gguf_fill(&file, 0, 200);
    REFUSES(&file, BAD_SOURCE, "cut short");
    gguf_free(&file);
}

int main(void) {
    test_sound();
    test_values();
    test_cuts();
    test_start();
    test_bad_keys();
    test_bad_tensors();
    test_two_forms_of_q2_0();
    return check_done();
}
