/* test_tokenizer.c - encoding and decoding over small tables made by hand: one case for each rule of tokenizer.h. */
#include "small_tokenizers.h"

#define SYMBOL "\xE2\x96\x81" /* U+2581 */

/* ---- byte-level BPE */

static void test_byte_bpe(void) {
    const uint32_t special = TERCET_TEXT_PARSE_SPECIAL, beginning = TERCET_TEXT_ADD_BEGINNING;
    struct tokenizer_fixture plain, whole;
    make_byte_bpe(&plain, SPLITTER_GPT2, TOKENIZER_FLAG_ADD_BEGINNING, NONE);
    check_ids(&plain, "", 0, "");
    check_ids(&plain, "", beginning, "20");
    check_ids(&plain, "abc", 0, "8"); /* bc first, then a bc */
    check_ids(&plain, "ab ab", beginning,
              "20 6 9");                  /* the splitter keeps the space with the word */
    check_ids(&plain, "caa", 0, "2 0 0"); /* a token that no merge reaches */
    check_ids(&plain, "\xC3\xA9", 0, "10");
    /* bytes without a token are dropped where there is no unknown token; what is left may merge */
    check_ids(&plain, "azb", 0, "6");
    /* specials: user-defined ones always, the others on request; leftmost, then longest */
    check_ids(&plain, "a<u>b<s>", 0, "0 17 1");
    check_ids(&plain, "a<u>b<s>", special, "0 17 1 20");
    check_ids(&plain, "<|x|>c", special, "15 2");
    check_ids(&plain, "<|x|>b", special, "18");
    check_ids(&plain, "<|x|>b", 0, "18");
    check_ids(&plain, "<|x|", special, "16"); /* the rest, "|", has no token */
    check_ids(&plain, "<<u><u", 0, "17");
    check_ids(&plain, "a<s>b<unk>c", special, "0 20 1 21 2");
    /* nothing merges or splits across a special */
    check_ids(&plain, "ab<u>c", 0, "6 17 2");
    check_ids(&plain, "a <u>b", 0, "0 3 17 1");
    fixture_free(&plain);

    make_byte_bpe(&whole, SPLITTER_GPT2, TOKENIZER_FLAG_IGNORE_MERGES, 21);
    check_ids(&whole, "caa", beginning, "11"); /* no beginning token without the flag */
    check_ids(&whole, "caac", 0, "2 0 0 2");
    check_ids(&whole, "azzzbz", 0, "0 21 1 21"); /* a run of unknown bytes is one token */
    check_ids(&whole, "z z", 0, "21 3 21");      /* ... but not across pieces */
    fixture_free(&whole);

    make_byte_bpe(&plain, SPLITTER_NONE, 0, NONE);
    check_ids(&plain, "a abc", 0, "0 3 8");
    fixture_free(&plain);
}

/* A piece longer than any token is not looked up as a whole. */
static void test_long_piece(void) {
    struct tokenizer_builder builder;
    struct tokenizer_fixture fixture;
    CHECK_STATUS(tokenizer_builder_open(&builder, "test", 2, NULL), TERCET_OK);
    builder.kind = TOKENIZER_BYTE_BPE;
    builder.flags = TOKENIZER_FLAG_IGNORE_MERGES;
    add(&builder, 0, "a", TOKEN_NORMAL);
    add(&builder, 1, "aa", TOKEN_NORMAL);
    CHECK_STATUS(tokenizer_builder_index(&builder, NULL), TERCET_OK);
    REQUIRE(fixture_from_builder(&fixture, &builder, NULL) == TERCET_OK);
    check_ids(&fixture, "aa", 0, "1");
    char text[LIMIT_TOKEN_BYTES + 1];
    memset(text, 'a', sizeof text);
    size_t count;
    uint32_t *tokens = fixture_encode(&fixture, text, sizeof text, 0, &count, NULL);
    CHECK_EQ(count, sizeof text); /* there are no merges */
    free(tokens);
    CHECK_EQ(tokenizer_scratch_bytes(&fixture.tables, "", SIZE_MAX),
             tokenizer_scratch_bytes(&fixture.tables, "", (size_t)1 << 30));
    fixture_free(&fixture);
}

/* ---- WordPiece: what no vocabulary of the packer has. Words of sound ones: packer/test_tokenizer_wordpiece.c, wordpiece.test.mjs. */

static void test_wordpiece(void) {
    struct tokenizer_builder builder;
    struct tokenizer_fixture fixture;
    CHECK_STATUS(tokenizer_builder_open(&builder, "test", 7, NULL), TERCET_OK);
    builder.kind = TOKENIZER_WORDPIECE;
    builder.unknown = 0;
    add(&builder, 0, "[UNK]", TOKEN_UNKNOWN);
    add(&builder, 1, " a", TOKEN_NORMAL);
    add(&builder, 2, "b", TOKEN_NORMAL);
    add(&builder, 3, " ", TOKEN_NORMAL);         /* of no word */
    add(&builder, 4, " \xE2\x80", TOKEN_NORMAL); /* the beginning of a sign */
    add(&builder, 5, "\xE2\x80\x94", TOKEN_NORMAL);
    add(&builder, 6, " \u4E2D", TOKEN_NORMAL);
    CHECK_STATUS(tokenizer_builder_index(&builder, NULL), TERCET_OK);
    REQUIRE(fixture_from_builder(&fixture, &builder, NULL) == TERCET_OK);
    check_ids(&fixture, "ab", 0, "1 2");
    check_ids(&fixture, "z a", 0, "0 1");
    check_ids(&fixture, "ab\u4E2D\u4E2Da", 0, "1 2 6 6 1"); /* a Chinese sign is a word */
    check_ids(&fixture, "0 a", 0, "0 1"); /* the space alone is no beginning of a word */
    check_ids(&fixture, "a\xE2\x80\x94", 0, "1 5");
    check_ids_of(&fixture,
                 "a\0b\xC2\x85"
                 "b",
                 6, 0, "1 2 2"); /* controls are no ends */
    uint32_t token = NONE;
    uint64_t scratch[256];
    size_t count;
    REQUIRE(tokenizer_scratch_bytes(&fixture.tables, "ab", 2) <= sizeof scratch);
    CHECK_STATUS(tokenizer_encode(&fixture.tables, "ab", 2, 0, &token, 1, &count, scratch, NULL),
                 TERCET_BAD_ARGUMENT);
    CHECK(token == 1 && count == 2);
    fixture_free(&fixture);
}

/* ---- SentencePiece */

static void test_sentencepiece(void) {
    const uint32_t special = TERCET_TEXT_PARSE_SPECIAL, beginning = TERCET_TEXT_ADD_BEGINNING;
    const uint32_t prefix = TOKENIZER_FLAG_ADD_PREFIX_SPACE;
    struct tokenizer_fixture fixture;
    make_sentencepiece(&fixture, TOKENIZER_FLAG_BYTE_FALLBACK | TOKENIZER_FLAG_ADD_BEGINNING);
    check_ids(&fixture, "", beginning, "1");
    check_ids(&fixture, "ab", beginning, "1 10");
    check_ids(&fixture, "a  b", 0, "7 11 8");
    check_ids(&fixture, "a" SYMBOL " b", 0, "7 11 8"); /* U+2581 counts as a space */
    check_ids(&fixture, "ab\xC3\xA9", 0, "7 13");      /* equal ranks apart, lower one first */
    check_ids(&fixture, "a\xE2\x98\x83z\n", 0, "7 3 4 5 0 2"); /* bytes, or unknown */
    check_ids(&fixture, "zz\xE2\x98\x84z", 0, "0");            /* a byte is missing: all unknown */
    check_ids(&fixture, "za<u>z", 0, "0 7 14 0");
    check_ids(&fixture, "a<s>a", special, "7 1 7");
    fixture_free(&fixture);

    /* Where the space goes. */
    make_sentencepiece(&fixture, prefix);
    check_ids(&fixture, "", 0, "");
    check_ids(&fixture, "a", 0, "9");
    check_ids(&fixture, " a", 0, "6 9");
    check_ids(&fixture, "a<u>a", 0, "9 14 7");
    check_ids(&fixture, "<u>a", 0, "14 7");
    check_ids(&fixture, "\n", 0, "6 0"); /* no byte tokens without the flag */
    fixture_free(&fixture);

    make_sentencepiece(&fixture, prefix | TOKENIZER_FLAG_PREFIX_EVERY_PART);
    check_ids(&fixture, " a<u>a<u> a<u><u>", 0, "6 9 14 9 14 6 9 14 14");
    check_ids(&fixture, "<s>a", special, "1 9");
    fixture_free(&fixture);

    make_sentencepiece(&fixture, prefix | TOKENIZER_FLAG_PREFIX_IF_MISSING);
    check_ids(&fixture, "a", 0, "9");
    check_ids(&fixture, " a", 0, "9");
    check_ids(&fixture, SYMBOL "a", 0, "9");
    check_ids(&fixture, "  a", 0, "6 9");
    check_ids(&fixture, "a<u>a", 0, "9 14 7");
    fixture_free(&fixture);

    make_sentencepiece(&fixture, prefix | TOKENIZER_FLAG_PREFIX_IF_MISSING |
                                     TOKENIZER_FLAG_PREFIX_EVERY_PART);
    check_ids(&fixture, "a<u>a<u> a", 0, "9 14 9 14 9");
    fixture_free(&fixture);
}

/* ---- normal form C */

/* Each part between specials is put into form C before anything else; without the flag none is. */
static void test_normal_form(void) {
    struct tokenizer_fixture fixture;
    const uint32_t prefix = TOKENIZER_FLAG_ADD_PREFIX_SPACE, form = TOKENIZER_FLAG_NFC;
    make_sentencepiece(&fixture, form);
    check_ids(&fixture, "b\u00E9", 0, "13");
    check_ids(&fixture, "be\u0301", 0, "13");
    check_ids(&fixture, "abe\u0301ab", 0, "7 13 10");
    check_ids(&fixture, "e\u0301<u>e\u0301", 0, "12 14 12");
    check_ids(&fixture, "<u>\u0338", 0, "14 0"); /* not U+226F: the special was cut out before */
    check_ids(&fixture, "be\u0323\u0301", 0, "8 0"); /* U+1EB9 U+0301 are no tokens */
    fixture_free(&fixture);
    make_sentencepiece(&fixture, 0);
    check_ids(&fixture, "be\u0301", 0, "8 0");
    fixture_free(&fixture);
    make_sentencepiece(&fixture, form | prefix | TOKENIZER_FLAG_PREFIX_IF_MISSING);
    check_ids(&fixture, "a<u>e\u0301", 0, "9 14 12"); /* only the first begins the text */
    fixture_free(&fixture);

    make_byte_bpe(&fixture, SPLITTER_QWEN2, form, NONE);
    check_ids(&fixture, "\u1100\u1161", 0, ""); /* \uAC00, of which no byte is a token */
    check_ids(&fixture, "ab \u212A", 0, "6 3"); /* K is none either */
    fixture_free(&fixture);

    /* Room is asked for what the text becomes: U+1D160 is three times as long in form C. */
    make_sentencepiece(&fixture, form | TOKENIZER_FLAG_BYTE_FALLBACK);
    char text[4 * 500];
    for (size_t i = 0; i < sizeof text; i += 4) {
        memcpy(text + i, "\U0001D160", 4);
    }
    check_ids_of(&fixture, text, sizeof text, 0, "0");
    check_ids_of(&fixture, "\xCC\x81\xFF", 3, 0, NULL); /* what is not UTF-8 is refused as ever */
    fixture_free(&fixture);
}

/* ---- decoding */

static void test_decode(void) {
    struct tokenizer_fixture fixture;
    const uint8_t *bytes;
    size_t count;
    make_sentencepiece(&fixture, TOKENIZER_FLAG_ADD_PREFIX_SPACE);
    const uint32_t text[] = {1, 9, 8, 11, 8};
    check_text(&fixture, text, 0, "");
    check_text(&fixture, text, 1, "");  /* a control token has no text */
    check_text(&fixture, text, 2, "a"); /* one space is taken off, behind the beginning */
    check_text(&fixture, text, 5, "ab  b");
    check_text(&fixture, text + 1, 4, "ab  b");
    check_text(&fixture, text + 3, 2, " b");   /* only one */
    check_text(&fixture, text + 2, 3, "b  b"); /* none, where the text starts with something else */
    const uint32_t snowman[] = {3, 4, 5, 2, 14, 0};
    check_text(&fixture, snowman, 6, "\xE2\x98\x83\n<u><unk>");
    check_text(&fixture, snowman, 2, "\xEF\xBF\xBD"); /* half a character at the end */
    check_text(&fixture, snowman + 1, 3, "\xEF\xBF\xBD\xEF\xBF\xBD\n");
    CHECK(tokenizer_token_bytes(&fixture.tables, 9, &bytes, &count) && count == 2);
    CHECK_MEM(bytes, " a", 2);
    CHECK(tokenizer_token_bytes(&fixture.tables, 1, &bytes, &count) && count == 0);
    CHECK(tokenizer_token_bytes(&fixture.tables, 23, &bytes, &count) && count == 0); /* unused */
    CHECK(!tokenizer_token_bytes(&fixture.tables, 24, &bytes, &count));
    CHECK(!tokenizer_token_bytes(&fixture.tables, NONE, &bytes, &count));

    tercet_error error;
    const uint32_t bad[] = {9, 24};
    CHECK_STATUS(tokenizer_decode(&fixture.tables, bad, 2, NULL, 0, &count, &error),
                 TERCET_BAD_TOKEN);
    CHECK_EQ(error.where, 1);
    fixture_free(&fixture);
}

static void test_capacity(void) {
    struct tokenizer_fixture fixture;
    tercet_error error;
    make_byte_bpe(&fixture, SPLITTER_GPT2, TOKENIZER_FLAG_ADD_BEGINNING, NONE);
    const char text[] = "ab ab abc";
    uint32_t tokens[8];
    uint64_t scratch[1024];
    size_t count;
    REQUIRE(tokenizer_scratch_bytes(&fixture.tables, text, strlen(text)) <= sizeof scratch);
    for (size_t capacity = 0; capacity <= 6; capacity++) {
        memset(tokens, 0xFF, sizeof tokens);
        tercet_status status =
            tokenizer_encode(&fixture.tables, text, strlen(text), TERCET_TEXT_ADD_BEGINNING, tokens,
                             capacity, &count, scratch, &error);
        CHECK_STATUS(status, capacity < 5 ? TERCET_BAD_ARGUMENT : TERCET_OK);
        CHECK_EQ(count, 5);
        static const uint32_t expected[] = {20, 6, 9, 3, 8};
        CHECK_MEM(tokens, expected, (capacity < 5 ? capacity : 5) * sizeof *tokens);
        CHECK_EQ(tokens[capacity < 5 ? capacity : 5], NONE); /* nothing behind the capacity */
    }
    CHECK_STATUS(
        tokenizer_encode(&fixture.tables, text, strlen(text), 0, NULL, 0, &count, scratch, &error),
        TERCET_BAD_ARGUMENT);
    CHECK_EQ(count, 4);
    CHECK_STATUS(tokenizer_encode(&fixture.tables, NULL, 0, 0, NULL, 0, &count, scratch, &error),
                 TERCET_OK);
    struct container_tokenizer without = fixture.tables;
    without.beginning = TERCET_NO_TOKEN;
    CHECK_STATUS(tokenizer_encode(&without, text, strlen(text), TERCET_TEXT_ADD_BEGINNING, tokens,
                                  8, &count, scratch, &error),
                 TERCET_OK);
    CHECK_EQ(count, 4);
    CHECK_STATUS(tokenizer_encode(&fixture.tables, text, 2, 4, tokens, 8, &count, scratch, &error),
                 TERCET_BAD_ARGUMENT);

    const uint32_t ids[] = {20, 6, 9};
    char out[8];
    for (size_t capacity = 0; capacity <= 6; capacity++) {
        memset(out, '#', sizeof out);
        CHECK_STATUS(tokenizer_decode(&fixture.tables, ids, 3, out, capacity, &count, &error),
                     capacity < 5 ? TERCET_BAD_ARGUMENT : TERCET_OK);
        CHECK_EQ(count, 5);
        CHECK_EQ(out[capacity < 5 ? capacity : 5], '#');
    }
    CHECK_MEM(out, "ab ab#", 6);
    fixture_free(&fixture);
}

static void test_invalid_text(void) {
    struct tokenizer_fixture fixture;
    tercet_error error;
    size_t count;
    make_byte_bpe(&fixture, SPLITTER_GPT2, 0, NONE);
    CHECK(fixture_encode(&fixture, "ab\xC3", 3, 0, &count, &error) == NULL);
    CHECK_STATUS(error.status, TERCET_INVALID_UTF8);
    CHECK_EQ(error.where, 2);
    CHECK_EQ(count, 0);
    CHECK(fixture_encode(&fixture, "\xED\xA0\x80", 3, 0, &count, &error) == NULL);
    CHECK_EQ(error.where, 0);
    check_ids_of(&fixture, "a\0b", 3, 0, "0 1"); /* NUL is a character like any other */
    /* Refused before scratch is touched: the text is never looked at. */
    CHECK_STATUS(tokenizer_encode(&fixture.tables, "", (size_t)(1u << 30) + 1, 0, NULL, 0, &count,
                                  NULL, &error),
                 TERCET_BAD_ARGUMENT);
    fixture_free(&fixture);
}

int main(void) {
    test_byte_bpe();
    test_long_piece();
    test_wordpiece();
    test_sentencepiece();
    test_normal_form();
    test_decode();
    test_capacity();
    test_invalid_text();
    return check_done();
}
