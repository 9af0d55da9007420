/*
 * wordpiece.c: see wordpiece.h. A token that begins a word has a space in front in its text, one that goes on has none, so one sorted
 * table serves both. A punctuation sign is a word by itself and may be there without the space: so it is written behind a word.
 */
#include "wordpiece.h"

#include "unicode_folding.h"
#include "unicode_ranges.h"
#include "utf8.h"

#include <string.h>

struct words {
    const struct container_tokenizer *tables;
    uint32_t *tokens;
    size_t capacity, count;
    uint8_t text[1 + 4 * WORDPIECE_WORD_CHARACTERS]; /* a space, and the word so far */
    uint32_t bytes, characters;                      /* of the word */
};

static void emit(struct words *words, uint32_t token) {
    if (words->count < words->capacity)
        words->tokens[words->count] = token;
    words->count++;
}

static const uint8_t *text_of(const struct container_tokenizer *tables, uint32_t index,
                              uint32_t *bytes) {
    uint32_t token = tables->sorted[index], start = tables->text_offsets[token];
    *bytes = tables->text_offsets[token + 1] - start;
    return tables->text + start;
}

static uint32_t common_bytes(const uint8_t *a, uint32_t a_bytes, const uint8_t *b,
                             uint32_t b_bytes) {
    uint32_t shorter = a_bytes < b_bytes ? a_bytes : b_bytes, same = 0;
    while (same < shorter && a[same] == b[same])
        same++;
    return same;
}

/* How many entries of `sorted` are not behind these bytes. */
static uint32_t count_until(const struct container_tokenizer *tables, const uint8_t *text,
                            uint32_t bytes) {
    uint32_t low = 0, high = tables->sorted_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2, length;
        const uint8_t *entry = text_of(tables, middle, &length);
        int order = memcmp(entry, text, length < bytes ? length : bytes);
        if (order < 0 || (order == 0 && length <= bytes))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token of at least `least` bytes that the text begins with, or TERCET_NO_TOKEN. The last entry that is not behind
 * the text has at least as many bytes in common with it as any token that is its beginning: so cut the text to those. */
static uint32_t find_longest(const struct container_tokenizer *tables, const uint8_t *text,
                             uint32_t bytes, uint32_t least, uint32_t *length) {
    while (bytes >= least) {
        uint32_t until = count_until(tables, text, bytes), entry_bytes;
        if (until == 0)
            break;
        const uint8_t *entry = text_of(tables, until - 1, &entry_bytes);
        uint32_t same = common_bytes(entry, entry_bytes, text, bytes);
        if (same == entry_bytes && same >= least) {
            *length = same;
            return tables->sorted[until - 1];
        }
        bytes = same;
    }
    return TERCET_NO_TOKEN;
}

static void end_word(struct words *words) {
    uint32_t pieces[WORDPIECE_WORD_CHARACTERS], count = 0, at = 0, end = 1 + words->bytes, length;
    bool known = words->characters <= WORDPIECE_WORD_CHARACTERS;
    if (words->characters == 0)
        return;
    while (known && at < end) {
        /* More than the space alone. */
        uint32_t token =
            find_longest(words->tables, words->text + at, end - at, at == 0 ? 2 : 1, &length);
        /* Branches not counted: a word of so many characters has no more pieces */
        known = token != TERCET_NO_TOKEN && count < WORDPIECE_WORD_CHARACTERS;
        if (known) {
            pieces[count++] = token;
            at += length;
        }
    }
    for (uint32_t i = 0; known && i < count; i++)
        emit(words, pieces[i]);
    if (!known && words->tables->unknown != TERCET_NO_TOKEN)
        emit(words, words->tables->unknown);
    words->bytes = words->characters = 0;
}

static void add_character(struct words *words, uint32_t code) {
    if (words->characters < WORDPIECE_WORD_CHARACTERS)
        words->bytes += (uint32_t)utf8_encode(code, words->text + 1 + words->bytes);
    words->characters++;
}

/* One sign: with its space if that is a token, else as it is. */
static void add_punctuation(struct words *words, uint32_t code) {
    uint32_t length, token;
    end_word(words);
    add_character(words, code);
    token = find_longest(words->tables, words->text, 1 + words->bytes, 2, &length);
    if (token == TERCET_NO_TOKEN || length != 1 + words->bytes) {
        token = find_longest(words->tables, words->text + 1, words->bytes, 1, &length);
        if (length != words->bytes)
            token = TERCET_NO_TOKEN;
    }
    if (token == TERCET_NO_TOKEN)
        token = words->tables->unknown;
    if (token != TERCET_NO_TOKEN)
        emit(words, token);
    words->bytes = words->characters = 0;
}

/* The blocks that BERT's normalizer takes for Chinese, each of whose characters is a word. */
static bool is_chinese(uint32_t code) {
    static const uint32_t blocks[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                         {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
                                         {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    if (code < 0x3400)
        return false;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (code >= blocks[i][0] && code <= blocks[i][1])
            return true;
    return false;
}

static bool is_space(uint32_t code) {
    /* What is a control character as well is removed, but for these three. */
    if (code < 0x20 || code == 0x85)
        return code == '\t' || code == '\n' || code == '\r';
    return unicode_classify(code) == UNICODE_SPACE;
}

static void add_text_character(struct words *words, uint32_t code) {
    uint32_t folded[UNICODE_FOLD_MOST];
    if (code == 0 || code == 0xFFFD)
        return;
    if (is_space(code)) {
        end_word(words);
        return;
    }
    bool alone = is_chinese(code);
    if (alone)
        end_word(words);
    size_t count = unicode_fold_character(code, folded);
    for (size_t i = 0; i < count; i++) {
        if (unicode_is_punctuation(folded[i]))
            add_punctuation(words, folded[i]);
        else
            add_character(words, folded[i]);
    }
    if (alone)
        end_word(words);
}

void wordpiece_encode(const struct container_tokenizer *tables, const uint8_t *text, size_t bytes,
                      uint32_t *tokens, size_t capacity, size_t *count) {
    struct words words = {
        .tables = tables, .tokens = tokens, .capacity = capacity, .count = *count, .text = {' '}};
    size_t length;
    for (size_t at = 0; at < bytes; at += length)
        add_text_character(&words, utf8_decode(text + at, bytes - at, &length));
    end_word(&words);
    *count = words.count;
}
