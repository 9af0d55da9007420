/* small_tokenizers.h - tokenizers made by hand, and what a text becomes with them.
 *
 * Why it exists: the tests of core/text share two vocabularies small enough that every id in a case can be checked by eye. It
 * must never hold a rule of encoding itself: the packer's builder lays the tables out, the core reads them.
 */
#ifndef TERCET_TESTS_SMALL_TOKENIZERS_H
#define TERCET_TESTS_SMALL_TOKENIZERS_H

#include "check.h"
#include "tokenizer_fixture.h"

#define NONE TERCET_NO_TOKEN

static inline void add(struct tokenizer_builder *builder, uint32_t id, const char *text,
                       uint8_t kind) {
    bool matchable = kind == TOKEN_NORMAL;
    CHECK_STATUS(tokenizer_builder_add(builder, id, (const uint8_t *)text, strlen(text), kind,
                                       matchable, NULL),
                 TERCET_OK);
}

static inline void merge(struct tokenizer_builder *builder, const char *left, const char *right,
                         uint32_t rank) {
    uint32_t a = tokenizer_builder_find(builder, (const uint8_t *)left, strlen(left));
    uint32_t b = tokenizer_builder_find(builder, (const uint8_t *)right, strlen(right));
    REQUIRE(a != NONE && b != NONE);
    CHECK_STATUS(tokenizer_builder_add_merge(builder, a, b, rank, NULL), TERCET_OK);
}

/* Encodes and compares with "1 2 3"; NULL: the text is refused. */
static inline void check_ids_of(const struct tokenizer_fixture *fixture, const char *text,
                                size_t bytes, uint32_t flags, const char *expected) {
    char got[512] = "";
    size_t count = 0, at = 0;
    uint32_t *tokens = fixture_encode(fixture, text, bytes, flags, &count, NULL);
    if (expected == NULL) {
        CHECK(tokens == NULL);
        return;
    }
    REQUIRE(tokens != NULL);
    for (size_t i = 0; i < count && at + 16 < sizeof got; i++) {
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%u", i > 0 ? " " : "", tokens[i]);
    }
    free(tokens);
    CHECK_STR(got, expected);
}

static inline void check_ids(const struct tokenizer_fixture *fixture, const char *text,
                             uint32_t flags, const char *expected) {
    check_ids_of(fixture, text, strlen(text), flags, expected);
}

static inline void check_text(const struct tokenizer_fixture *fixture, const uint32_t *tokens,
                              size_t count, const char *expected) {
    size_t bytes;
    char *text = fixture_decode(fixture, tokens, count, &bytes, NULL);
    REQUIRE(text != NULL);
    CHECK_EQ(bytes, strlen(expected));
    CHECK_STR(text, expected);
    free(text);
}

/* Byte-level BPE of a few letters, with specials that share their beginnings. */
static inline void make_byte_bpe(struct tokenizer_fixture *fixture, uint32_t splitter,
                                 uint32_t flags, uint32_t unknown) {
    struct tokenizer_builder builder;
    CHECK_STATUS(tokenizer_builder_open(&builder, "test", 24, NULL), TERCET_OK);
    builder.kind = TOKENIZER_BYTE_BPE;
    builder.splitter = splitter;
    builder.flags = flags;
    builder.beginning = 20;
    builder.unknown = unknown;
    static const char *const words[] = {"a",  "b",  "c",   " ",   "\xC3",     "\xA9",
                                        "ab", "bc", "abc", " ab", "\xC3\xA9", "caa"};
    for (uint32_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        add(&builder, i, words[i], TOKEN_NORMAL);
    }
    add(&builder, 15, "<|x|>", TOKEN_CONTROL);
    add(&builder, 16, "<|x", TOKEN_CONTROL);
    add(&builder, 17, "<u>", TOKEN_USER_DEFINED);
    add(&builder, 18, "<|x|>b", TOKEN_USER_DEFINED);
    add(&builder, 20, "<s>", TOKEN_CONTROL);
    add(&builder, 21, "<unk>", TOKEN_UNKNOWN);
    CHECK_STATUS(tokenizer_builder_index(&builder, NULL), TERCET_OK);
    merge(&builder, "b", "c", 0);
    merge(&builder, "a", "b", 1);
    merge(&builder, "a", "bc", 2);
    merge(&builder, " ", "ab", 3);
    merge(&builder, "\xC3", "\xA9", 4);
    tercet_error error;
    REQUIRE(fixture_from_builder(fixture, &builder, &error) == TERCET_OK);
}

/* SentencePiece's pairs, with the bytes of a line's end and of a snowman. */
static inline void make_sentencepiece(struct tokenizer_fixture *fixture, uint32_t flags) {
    struct tokenizer_builder builder;
    CHECK_STATUS(tokenizer_builder_open(&builder, "test", 24, NULL), TERCET_OK);
    builder.kind = TOKENIZER_SENTENCEPIECE;
    builder.flags = flags;
    builder.beginning = 1;
    builder.unknown = 0;
    add(&builder, 0, "<unk>", TOKEN_UNKNOWN);
    add(&builder, 1, "<s>", TOKEN_CONTROL);
    add(&builder, 2, "\n", TOKEN_BYTE);
    add(&builder, 3, "\xE2", TOKEN_BYTE);
    add(&builder, 4, "\x98", TOKEN_BYTE);
    add(&builder, 5, "\x83", TOKEN_BYTE);
    add(&builder, 6, " ", TOKEN_NORMAL);
    add(&builder, 7, "a", TOKEN_NORMAL);
    add(&builder, 8, "b", TOKEN_NORMAL);
    add(&builder, 9, " a", TOKEN_NORMAL);
    add(&builder, 10, "ab", TOKEN_NORMAL);
    add(&builder, 11, "  ", TOKEN_NORMAL);
    add(&builder, 12, "\xC3\xA9", TOKEN_NORMAL);
    add(&builder, 13, "b\xC3\xA9", TOKEN_NORMAL);
    add(&builder, 14, "<u>", TOKEN_USER_DEFINED);
    CHECK_STATUS(tokenizer_builder_index(&builder, NULL), TERCET_OK);
    merge(&builder, " ", "a", 0);
    merge(&builder, "a", "b", 1);
    merge(&builder, " ", " ", 2);
    merge(&builder, "b", "\xC3\xA9", 0);
    tercet_error error;
    REQUIRE(fixture_from_builder(fixture, &builder, &error) == TERCET_OK);
}

#endif
