/*
 * test_tokenizer_builder.c: what no tables of a container can hold is refused where it is added, with a sentence that names the
 * source. Sound tables are in the tests of the core's tokenizer.
 */
#include "tokenizer_builder.h"
#include "check.h"

static const uint8_t text[LIMIT_TOKEN_BYTES + 1] = "abcdefgh";

static void start(struct tokenizer_builder *builder, uint32_t vocabulary) {
    REQUIRE(tokenizer_builder_open(builder, "some.file", vocabulary, NULL) == TERCET_OK);
}

static void test_vocabulary(void) {
    static const uint32_t sizes[] = {0, LIMIT_VOCABULARY + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct tokenizer_builder builder;
        tercet_error error = {0};
        CHECK_STATUS(tokenizer_builder_open(&builder, "some.file", sizes[i], &error),
                     TERCET_LIMIT_EXCEEDED);
        CHECK(strstr(error.detail, "is not possible: 1 to 1048576 are") != NULL);
        CHECK_EQ(error.where, sizes[i]);
        tokenizer_builder_close(&builder);
    }
}

static void refuse_token(struct tokenizer_builder *builder, uint32_t id, size_t bytes,
                         tercet_status want, const char *sentence) {
    tercet_error error = {0};
    CHECK_STATUS(tokenizer_builder_add(builder, id, text, bytes, TOKEN_NORMAL, true, &error), want);
    CHECK_STR(error.detail, sentence);
}

static void test_tokens(void) {
    struct tokenizer_builder builder;
    tercet_error error = {0};
    start(&builder, 3);
    CHECK_STATUS(tokenizer_builder_add(&builder, 1, text, 2, TOKEN_NORMAL, true, NULL), TERCET_OK);
    refuse_token(&builder, 3, 2, TERCET_BAD_SOURCE,
                 "some.file has a token 3, but the embedding of the model has only 3 rows");
    refuse_token(&builder, 1, 2, TERCET_BAD_SOURCE, "some.file has two tokens with the id 1");
    refuse_token(
        &builder, 2, LIMIT_TOKEN_BYTES + 1, TERCET_LIMIT_EXCEEDED,
        "some.file: token 2 has 1025 bytes; one token may have 1024, all of them 33554432");
    CHECK_STATUS(tokenizer_builder_add(&builder, 2, text, 2, TOKEN_NORMAL, true, NULL), TERCET_OK);
    CHECK_STATUS(tokenizer_builder_index(&builder, &error), TERCET_BAD_SOURCE);
    CHECK_STR(error.detail, "some.file: tokens 1 and 2 have the same text");
    tokenizer_builder_close(&builder);
}

/* All texts together: as many of the longest as fit, and one byte. */
static void test_all_texts(void) {
    const uint32_t fits = LIMIT_TOKEN_TEXT_BYTES / LIMIT_TOKEN_BYTES;
    struct tokenizer_builder builder;
    start(&builder, fits + 1);
    for (uint32_t id = 0; id < fits; id++) {
        REQUIRE(tokenizer_builder_add(&builder, id, text, LIMIT_TOKEN_BYTES, TOKEN_NORMAL, true,
                                      NULL) == TERCET_OK);
    }
    refuse_token(
        &builder, fits, 1, TERCET_LIMIT_EXCEEDED,
        "some.file: token 32768 has 1 bytes; one token may have 1024, all of them 33554432");
    tokenizer_builder_close(&builder);
}

static void test_merges(void) {
    struct tokenizer_builder builder;
    tercet_error error = {0};
    start(&builder, 2);
    CHECK_STATUS(tokenizer_builder_add(&builder, 0, text, 1, TOKEN_NORMAL, true, NULL), TERCET_OK);
    CHECK_STATUS(tokenizer_builder_add(&builder, 1, text + 1, 1, TOKEN_NORMAL, true, NULL),
                 TERCET_OK);
    REQUIRE(tokenizer_builder_index(&builder, NULL) == TERCET_OK);
    CHECK_EQ(tokenizer_builder_find(&builder, text + 1, 1), 1);
    CHECK_EQ(tokenizer_builder_find(&builder, text, 2), TERCET_NO_TOKEN);
    CHECK_STATUS(tokenizer_builder_add_merge(&builder, 0, 1, 7, &error), TERCET_BAD_SOURCE);
    CHECK_STR(error.detail,
              "some.file: merge 7 joins tokens 0 and 1 to something that is no token");
    tokenizer_builder_close(&builder);
}

/* More specials than the core's tables hold: every token is one. */
static void test_specials(void) {
    struct tokenizer_builder builder;
    struct tokenizer_section section = {0};
    tercet_error error = {0};
    start(&builder, LIMIT_SPECIALS + 1);
    for (uint32_t id = 0; id <= LIMIT_SPECIALS; id++) {
        REQUIRE(tokenizer_builder_add(&builder, id, text, 1 + id % 8, TOKEN_CONTROL, false, NULL) ==
                TERCET_OK);
    }
    REQUIRE(tokenizer_builder_index(&builder, NULL) == TERCET_OK);
    CHECK_STATUS(tokenizer_builder_finish(&builder, &section, &error), TERCET_LIMIT_EXCEEDED);
    CHECK(strstr(error.detail, "tables with 65537 special tokens are more than a file can hold "
                               "(67108864, 65536)") != NULL);
    CHECK(section.bytes == NULL);
    tokenizer_builder_close(&builder);
}

int main(void) {
    test_vocabulary();
    test_tokens();
    test_all_texts();
    test_merges();
    test_specials();
    return check_done();
}
