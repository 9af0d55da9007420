/* fuzz_tokenizer_encode.c - any bytes as a text to encode, over a small set of tables.
 *
 * The first byte of the input chooses the tables and the flags, the rest is the text. Whatever it is:
 * an answer, no access outside, and where every byte has a token, decoding gives the text back, or
 * the same text in normal form C where the tables ask for that.
 */
#include "text/normal_form.h"
#include "text/utf8.h"
#include "tokenizer_fixture.h"

#define SPACE_SYMBOL "\xE2\x96\x81" /* U+2581 */

enum { TABLES = 8, WORDS_AT = 256, CHOOSE_FORM = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "fuzz_tokenizer_encode: %s\n", what);
        abort();
    }
}

/* Tokens 0..255 stand for the bytes, then words, merges for every cut of a word, and specials. */
static void make_tables(struct tokenizer_fixture *fixture, uint32_t kind, uint32_t splitter,
                        uint32_t flags, bool specials) {
    static const char *const words[] = {"th",        "he",   "the", " t",  " the", "  ",
                                        "    ",      "\n\n", "aa",  "aaa", "aaaa", "\xC3\xA9",
                                        "e\xC3\xA9", "'s",   "ll",  "'ll"};
    enum { WORDS = sizeof words / sizeof words[0] };
    struct tokenizer_builder builder;
    uint32_t next = WORDS_AT;
    tercet_status status = tokenizer_builder_open(&builder, "fuzz", 400, NULL);
    builder.kind = kind;
    builder.splitter = splitter;
    builder.flags = flags;
    builder.beginning = 0;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint8_t text = (uint8_t)byte;
        bool is_byte = kind == TOKENIZER_SENTENCEPIECE;
        status |= tokenizer_builder_add(&builder, byte, &text, 1,
                                        is_byte ? TOKEN_BYTE : TOKEN_NORMAL, !is_byte, NULL);
    }
    for (uint32_t i = 0; i < WORDS; i++) {
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)words[i],
                                        strlen(words[i]), TOKEN_NORMAL, true, NULL);
    }
    if (kind == TOKENIZER_SENTENCEPIECE) { /* its characters need tokens beside the byte tokens */
        for (const char *c = " aehlst'\n"; *c != '\0'; c++) {
            status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)c, 1, TOKEN_NORMAL,
                                            true, NULL);
        }
    }
    if (specials) {
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)"<|end|>", 7,
                                        TOKEN_CONTROL, false, NULL);
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)"<|end", 5,
                                        TOKEN_USER_DEFINED, false, NULL);
    }
    status |= tokenizer_builder_index(&builder, NULL);
    for (uint32_t i = 0; i < WORDS; i++) {
        const uint8_t *word = (const uint8_t *)words[i];
        for (size_t cut = 1, bytes = strlen(words[i]); cut < bytes; cut++) {
            uint32_t left = tokenizer_builder_find(&builder, word, cut);
            uint32_t right = tokenizer_builder_find(&builder, word + cut, bytes - cut);
            if (left != TERCET_NO_TOKEN && right != TERCET_NO_TOKEN) {
                status |= tokenizer_builder_add_merge(&builder, left, right, i / 2, NULL);
            }
        }
    }
    status |= fixture_from_builder(fixture, &builder, NULL);
    must(status == TERCET_OK, "the tables are refused");
}

static void make_all_tables(struct tokenizer_fixture *fixtures, uint32_t more) {
    const uint32_t prefix = TOKENIZER_FLAG_ADD_PREFIX_SPACE, bytes = TOKENIZER_FLAG_BYTE_FALLBACK;
    make_tables(&fixtures[0], TOKENIZER_BYTE_BPE, SPLITTER_GPT2, more, true);
    make_tables(&fixtures[1], TOKENIZER_BYTE_BPE, SPLITTER_LLAMA3,
                more | TOKENIZER_FLAG_IGNORE_MERGES, true);
    make_tables(&fixtures[2], TOKENIZER_BYTE_BPE, SPLITTER_QWEN2,
                more | TOKENIZER_FLAG_ADD_BEGINNING, false);
    make_tables(&fixtures[3], TOKENIZER_BYTE_BPE, SPLITTER_NONE, more, true);
    make_tables(&fixtures[4], TOKENIZER_SENTENCEPIECE, SPLITTER_NONE,
                more | prefix | bytes | TOKENIZER_FLAG_PREFIX_EVERY_PART, false);
    make_tables(&fixtures[5], TOKENIZER_SENTENCEPIECE, SPLITTER_NONE,
                more | prefix | TOKENIZER_FLAG_PREFIX_IF_MISSING, true);
    make_tables(&fixtures[6], TOKENIZER_SENTENCEPIECE, SPLITTER_NONE, more | bytes, true);
    make_tables(&fixtures[7], TOKENIZER_SENTENCEPIECE, SPLITTER_NONE, more, false);
}

static const struct tokenizer_fixture *tables_of(uint32_t choice) {
    static struct tokenizer_fixture fixtures[2][TABLES];
    if (fixtures[0][0].memory == NULL) {
        make_all_tables(fixtures[0], 0);
        make_all_tables(fixtures[1], TOKENIZER_FLAG_NFC);
    }
    return &fixtures[(choice & CHOOSE_FORM) != 0][choice % TABLES];
}

/* Puts a text of valid UTF-8 into form C; malloc'ed. */
static char *form_of(const char *text, size_t bytes, size_t *formed) {
    const uint8_t *in = (const uint8_t *)text;
    struct normal_form_stretch stretch = {0, 0};
    size_t bound = (size_t)normal_form_bound(in, bytes), copied = 0;
    uint8_t *out = malloc(bound), *memory = malloc(NORMAL_FORM_MEMORY(bytes) + 1);
    must(out != NULL && memory != NULL, "out of memory");
    *formed = 0;
    while (normal_form_find(in, bytes, stretch.end, &stretch)) {
        memcpy(out + *formed, in + copied, stretch.begin - copied);
        *formed += stretch.begin - copied;
        *formed += normal_form_compose(in + stretch.begin, stretch.end - stretch.begin, memory,
                                       out + *formed);
        copied = stretch.end;
    }
    memcpy(out + *formed, in + copied, bytes - copied);
    *formed += bytes - copied;
    must(*formed <= bound, "form C is longer than was promised");
    free(memory);
    return (char *)out;
}

/* The same text, or two that mean the same: what is cut out of a text keeps its neighbours apart. */
static bool is_same(const char *a, size_t a_bytes, const char *b, size_t b_bytes, bool formed) {
    if (!formed) {
        return a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
    }
    size_t x_bytes, y_bytes;
    char *x = form_of(a, a_bytes, &x_bytes), *y = form_of(b, b_bytes, &y_bytes);
    bool same = is_same(x, x_bytes, y, y_bytes, false);
    free(x);
    free(y);
    return same;
}

/* What a SentencePiece tokenizer cannot tell apart: U+2581 becomes a space. Returns the new size. */
static size_t replace_space_symbols(char *text, size_t bytes) {
    size_t written = 0;
    for (size_t at = 0; at < bytes;) {
        if (bytes - at >= 3 && memcmp(text + at, SPACE_SYMBOL, 3) == 0) {
            text[written++] = ' ';
            at += 3;
        } else {
            text[written++] = text[at++];
        }
    }
    return written;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const struct tokenizer_fixture *fixture = tables_of(data[0]);
    const struct container_tokenizer *tables = &fixture->tables;
    uint32_t flags = data[0] >> 3 & (TERCET_TEXT_ADD_BEGINNING | TERCET_TEXT_PARSE_SPECIAL);
    tercet_error error = {TERCET_OK, 0, ""};
    size_t count, bytes = size - 1, decoded_bytes;
    char *text = malloc(bytes + 1);
    must(text != NULL, "out of memory");
    memcpy(text, data + 1, bytes);

    uint32_t *tokens = fixture_encode(fixture, text, bytes, flags, &count, &error);
    size_t valid = utf8_valid_prefix((const uint8_t *)text, bytes);
    must((tokens != NULL) == (valid == bytes), "validity decides about success");
    if (tokens == NULL) {
        must(error.status == TERCET_INVALID_UTF8 && error.where == valid, "the error is another");
        free(text);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        must(tokens[i] < tables->token_count, "a token is out of range");
    }
    char *decoded = fixture_decode(fixture, tokens, count, &decoded_bytes, &error);
    must(decoded != NULL, "the tokens cannot be decoded");
    must(utf8_valid_prefix((const uint8_t *)decoded, decoded_bytes) == decoded_bytes,
         "the decoded text is not UTF-8");
    bool every_byte =
        tables->kind == TOKENIZER_BYTE_BPE || (tables->flags & TOKENIZER_FLAG_BYTE_FALLBACK) != 0;
    if (every_byte && flags == 0) {
        if (tables->kind == TOKENIZER_SENTENCEPIECE) {
            bytes = replace_space_symbols(text, bytes);
        }
        must(
            is_same(decoded, decoded_bytes, text, bytes, (tables->flags & TOKENIZER_FLAG_NFC) != 0),
            "decoding does not give the text back");
    }
    free(decoded);
    free(tokens);
    free(text);
    return 0;
}
