/* fuzz_tokenizer_encode.c - any bytes as a text to encode, over a small set of tables.
 *
 * The first byte of the input chooses the tables and the flags, the rest is the text. Whatever it is:
 * an answer, no access outside, and where every byte has a token, decoding gives the text back, or
 * the same text in normal form C where the tables ask for that.
 */
#include "text/normal_form.h"
#include "text/utf8.h"
#include "text_tables.h"

#define SPACE_SYMBOL "\xE2\x96\x81" /* U+2581 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "fuzz_tokenizer_encode: %s\n", what);
        abort();
    }
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
    const struct tokenizer_fixture *fixture = text_tables(data[0]);
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
