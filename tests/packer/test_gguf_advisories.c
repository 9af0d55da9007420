/*
 * test_gguf_advisories.c: the files of published advisories against readers of GGUF, each made again field by field: here they
 * are refused with a sentence before anything is taken for them. SECURITY.md says which advisory is which test.
 */
#include "gguf_bytes.h"
#include "gguf_header.h"
#include "tokenizer_gguf.h"

enum { U8_TYPE = 0, U32_TYPE = 4, I32_TYPE = 5, F32_TYPE = 6, BLOCK_F32 = 0 };

/* Numbers at which a product, a sum, a cast or a sign goes wrong somewhere. */
static const uint64_t wrapping[] = {
    INT32_MAX,
    (uint64_t)INT32_MAX + 1,
    UINT32_MAX,
    (uint64_t)UINT32_MAX + 1,
    UINT64_MAX / 88 + 1, /* times the size of a record */
    UINT64_MAX / 32 + 1,
    UINT64_MAX / 8 + 1,
    UINT64_MAX / 4 + 1,
    INT64_MAX,
    (uint64_t)INT64_MAX + 1,
    UINT64_MAX - 31, /* up to the next multiple of 32 */
    UINT64_MAX - 7,
    UINT64_MAX,
};
#define WRAPPING (sizeof wrapping / sizeof *wrapping)

/* Refused with a sentence, and nothing is held: a leak would show under the sanitizer. Frees the file. */
static void refuse(struct gguf_bytes *file, int line, uint64_t value) {
    struct gguf_header header;
    tercet_error error = {0};
    bool cut = false;
    /* A block of its size: the sanitizer sees one byte too many. */
    uint8_t *bytes = malloc(file->count);
    REQUIRE(bytes != NULL);
    memcpy(bytes, file->bytes, file->count);
    tercet_status status =
        gguf_parse_header("m.gguf", bytes, file->count, file->count, &header, &cut, &error);
    if (!CHECK(status == TERCET_BAD_SOURCE || status == TERCET_LIMIT_EXCEEDED)) {
        fprintf(stderr, "    line %d, %llu: %s\n", line, (unsigned long long)value,
                tercet_status_name(status));
    }
    CHECK(error.status == status && error.detail[0] != '\0' && !cut);
    CHECK(header.keys == NULL && header.table.tensors == NULL && header.names == NULL);
    free(bytes);
    gguf_free(file);
}
#define REFUSES(file, value) refuse(file, __LINE__, value)

/* The number of keys is multiplied by the size of a record (CVE-2024-23605), that of tensors likewise (CVE-2024-21836). */
static void test_counts(void) {
    for (size_t i = 0; i < WRAPPING; i++) {
        struct gguf_bytes file;
        gguf_start(&file, 3, 0, wrapping[i]);
        REFUSES(&file, wrapping[i]);
        gguf_start(&file, 3, wrapping[i], 0);
        REFUSES(&file, wrapping[i]);
    }
}

/* The length of a text is taken plus one (CVE-2024-23496): of a key's name, of a value, of a tensor's name. */
static void test_lengths_of_texts(void) {
    for (size_t i = 0; i < WRAPPING; i++) {
        struct gguf_bytes file;
        gguf_start(&file, 3, 0, 1);
        gguf_put_u64(&file, wrapping[i]);
        gguf_fill(&file, 'k', 64);
        REFUSES(&file, wrapping[i]);
        gguf_start(&file, 3, 0, 1);
        gguf_put_text(&file, "general.name");
        gguf_put_u32(&file, STRING_TYPE);
        gguf_put_u64(&file, wrapping[i]);
        gguf_fill(&file, 'v', 64);
        REFUSES(&file, wrapping[i]);
        gguf_start(&file, 3, 1, 0);
        gguf_put_u64(&file, wrapping[i]);
        gguf_fill(&file, 't', 64);
        REFUSES(&file, wrapping[i]);
    }
}

/* The elements of an array are multiplied by their size (CVE-2024-21825), of texts and of numbers of every width. */
static void test_lengths_of_arrays(void) {
    for (size_t i = 0; i < WRAPPING; i++) {
        for (uint32_t type = 0; type <= 12; type++) {
            struct gguf_bytes file;
            if (type == ARRAY_TYPE) {
                continue;
            }
            gguf_start(&file, 3, 0, 1);
            gguf_put_array(&file, "list", type, wrapping[i]);
            gguf_fill(&file, 0, 64);
            REFUSES(&file, wrapping[i]);
        }
    }
}

/* A tensor of more dimensions than the table has room for (CVE-2024-21802). */
static void test_dimensions(void) {
    static const uint32_t ranks[] = {5,         8, 255, 256, INT32_MAX, (uint32_t)INT32_MAX + 1,
                                     UINT32_MAX};
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        struct gguf_bytes file;
        gguf_start(&file, 3, 1, 0);
        gguf_put_text(&file, "w");
        gguf_put_u32(&file, ranks[i]);
        gguf_fill(&file, 1, 4096);
        REFUSES(&file, ranks[i]);
    }
}

/* Two tensors whose sizes are possible and whose sum, with padding, is not (CVE-2025-53630, CVE-2026-27940): one small, so that
 * the first is right. */
static void test_sum_of_tensors(void) {
    for (size_t i = 0; i < WRAPPING; i++) {
        struct gguf_bytes file;
        gguf_start(&file, 3, 2, 0);
        gguf_put_tensor(&file, "first", 8, 0, BLOCK_F32, 0);
        gguf_put_tensor(&file, "second", wrapping[i] / 4, 0, BLOCK_F32, 32);
        gguf_pad(&file, 32);
        gguf_fill(&file, 0, 96);
        REFUSES(&file, wrapping[i]);
    }
}

/* Dimensions whose product, or its bytes, come round to a small number (CVE-2026-33298). */
static void test_product_of_dimensions(void) {
    static const uint64_t shapes[][4] = {
        {(uint64_t)1 << 32, (uint64_t)1 << 32, 1, 1},
        {((uint64_t)1 << 32) + 1, (uint64_t)1 << 32, 1, 1},
        {((uint64_t)1 << 42) + 1, 1152, 1152, 1},
        {(uint64_t)1 << 16, (uint64_t)1 << 16, (uint64_t)1 << 16, (uint64_t)1 << 16},
        {(uint64_t)1 << 62, 1, 1, 1},       /* times 4 bytes */
        {((uint64_t)1 << 62) + 8, 1, 1, 1}, /* 32 bytes are left of it */
        {(uint64_t)1 << 31, (uint64_t)1 << 31, 1, 1},
        {8, UINT64_MAX, 1, 1},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
        {0, UINT64_MAX, 1, 1},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct gguf_bytes file;
        gguf_start(&file, 3, 1, 0);
        gguf_put_text(&file, "w");
        gguf_put_u32(&file, 4);
        for (size_t d = 0; d < 4; d++) {
            gguf_put_u64(&file, shapes[i][d]);
        }
        gguf_put_u32(&file, BLOCK_F32);
        gguf_put_u64(&file, 0);
        gguf_pad(&file, 32);
        gguf_fill(&file, 0, 96);
        REFUSES(&file, i);
    }
}

/* A tensor that is said to lie, or to end, behind the file (CVE-2026-7482). */
static void test_places_of_tensors(void) {
    for (size_t i = 0; i < WRAPPING; i++) {
        struct gguf_bytes file;
        gguf_start(&file, 3, 1, 0);
        gguf_put_tensor(&file, "w", 8, 0, BLOCK_F32, wrapping[i] & ~(uint64_t)31);
        gguf_pad(&file, 32);
        gguf_fill(&file, 0, 64);
        REFUSES(&file, wrapping[i]);
    }
    for (uint64_t bytes = 0; bytes < 32; bytes++) { /* it begins in the file and ends behind it */
        struct gguf_bytes file;
        gguf_start(&file, 3, 1, 0);
        gguf_put_tensor(&file, "w", 8, 0, BLOCK_F32, 0);
        gguf_pad(&file, 32);
        gguf_fill(&file, 0, (size_t)bytes);
        REFUSES(&file, bytes);
    }
}

/* ---------------------------------------------------------------- tokenizer */

/* What is wrong with the lists of a small vocabulary. */
struct vocabulary {
    uint32_t score_type, kind_type;
    const char *byte_token;
    const char *last;
};

static tercet_status build(const struct vocabulary *v, tercet_error *error) {
    static const char *const pieces[] = {"<unk>", "<s>", "</s>", "<0x0A>", "\xE2\x96\x81", "a"};
    static const uint32_t kinds[] = {2, 3, 3, 6, 1, 1};
    enum { COUNT = 6 };
    struct gguf_bytes file;
    struct gguf_header header;
    struct tokenizer_section section;
    bool cut;
    gguf_start(&file, 3, 0, 4);
    gguf_put_key_text(&file, "tokenizer.ggml.model", "llama");
    gguf_put_array(&file, "tokenizer.ggml.tokens", STRING_TYPE, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        gguf_put_text(&file, i == 3 && v->byte_token != NULL     ? v->byte_token
                             : i == COUNT - 1 && v->last != NULL ? v->last
                                                                 : pieces[i]);
    }
    gguf_put_array(&file, "tokenizer.ggml.scores", v->score_type, COUNT);
    gguf_fill(&file, 0, COUNT * (size_t)(v->score_type == U8_TYPE ? 1 : 4));
    gguf_put_array(&file, "tokenizer.ggml.token_type", v->kind_type, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        gguf_put_number(&file, kinds[i], v->kind_type == U8_TYPE ? 1 : 4);
    }
    REQUIRE(gguf_parse_header("m.gguf", file.bytes, file.count, file.count, &header, &cut, error) ==
            TERCET_OK);
    tercet_status status = tokenizer_gguf_build(&header, 0, &section, error);
    if (status == TERCET_OK) {
        tokenizer_section_free(&section);
    }
    gguf_header_free(&header);
    gguf_free(&file);
    return status;
}

static void test_tokenizer(void) {
    tercet_error error = {0};
    const struct vocabulary sound = {.score_type = F32_TYPE, .kind_type = I32_TYPE};
    CHECK_STATUS(build(&sound, &error), TERCET_OK);

    /* Lists of bytes that are read as lists of four bytes each. */
    struct vocabulary narrow = sound;
    narrow.score_type = U8_TYPE;
    CHECK_STATUS(build(&narrow, &error), TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, "scores") != NULL);
    narrow = sound;
    narrow.kind_type = U8_TYPE;
    CHECK_STATUS(build(&narrow, &error), TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, "token_type") != NULL);

    /* A byte's number that a careless reader of hexadecimal takes for -1, for more than a byte, or for none. */
    static const char *const bytes[] = {"<0x-1>", "<0x+1>", "<0x 1>", "<0xZZ>",
                                        "<0x1>",  "<0x>",   "<0x100>"};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        struct vocabulary odd = sound;
        odd.byte_token = bytes[i];
        if (!CHECK_STATUS(build(&odd, &error), TERCET_BAD_SOURCE)) {
            fprintf(stderr, "    %s\n", bytes[i]);
        }
    }

    /* A token longer than what it is copied into (CVE-2025-49847): refused at the limit, however long. */
    for (size_t count = 1025; count < 500000; count *= 3) {
        char *text = malloc(count + 1);
        REQUIRE(text != NULL);
        memset(text, 'x', count);
        text[count] = '\0';
        struct vocabulary long_one = sound;
        long_one.last = text;
        CHECK_STATUS(build(&long_one, &error), TERCET_LIMIT_EXCEEDED);
        free(text);
    }
}

int main(void) {
    test_counts();
    test_lengths_of_texts();
    test_lengths_of_arrays();
    test_dimensions();
    test_sum_of_tensors();
    test_product_of_dimensions();
    test_places_of_tensors();
    test_tokenizer();
    return check_done();
}
