/*
 * pretokenizer.c: see pretokenizer.h. The regular expressions are those of the models' tokenizer.json files:
 *
 *   GPT-2    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   Llama-3  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|
 *            \s*[\r\n]+|\s+(?!\S)|\s+
 *   Qwen2    as Llama-3 with \p{N} in place of \p{N}{1,3}
 *
 * Alternatives are tried in order and the first that matches wins, so the code below asks in the same order. Every
 * character is a letter, a number, white space or other, so some alternative always matches.
 */
#include "pretokenizer.h"

#include "../container/container_layout.h"
#include "unicode_ranges.h"
#include "utf8.h"

#include <stdbool.h>

struct character {
    uint32_t code_point;
    enum unicode_kind kind;
    size_t
        length; /* 0: the text ends here; kind is then UNICODE_OTHER and no test below may pass */
};

static struct character character_at(const uint8_t *text, size_t bytes, size_t at) {
    struct character c = {0, UNICODE_OTHER, 0};
    if (at < bytes) {
        c.code_point = utf8_decode(text + at, bytes - at, &c.length);
        c.kind = unicode_classify(c.code_point);
    }
    return c;
}

static bool is_newline(uint32_t code_point) {
    return code_point == '\r' || code_point == '\n';
}

/* Where the run of characters of that class ends that starts at `at` (`at` itself when there is none). */
static size_t run_end(const uint8_t *text, size_t bytes, size_t at, enum unicode_kind kind) {
    for (;;) {
        struct character c = character_at(text, bytes, at);
        if (c.length == 0 || c.kind != kind) {
            return at;
        }
        at += c.length;
    }
}

/* Bytes of a contraction ('s 't 're 've 'm 'll 'd), 0 if there is none. With `any_case` the letters match as (?i) does in
 * Unicode: simple case folding, by which U+017F (long s) also is an s. It is the only such character: no other code point
 * outside ASCII folds to one of s t r e v m l d. */
static size_t contraction(const uint8_t *text, size_t bytes, bool any_case) {
    if (text[0] != '\'' || bytes < 2) {
        return 0;
    }
    if (any_case && bytes >= 3 && text[1] == 0xC5 && text[2] == 0xBF) {
        return 3;
    }
    uint8_t fold = any_case ? 0x20 : 0;
    uint8_t first = text[1] | fold;
    if (first == 's' || first == 't' || first == 'm' || first == 'd') {
        return 2;
    }
    uint8_t second = bytes >= 3 ? text[2] | fold : 0;
    if (((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l')) {
        return 3;
    }
    return 0;
}

/* \s+(?!\S)|\s+ for a run of white space [0, end): it keeps all at the end of the text, else gives up its last
 * character, unless that is its only one. */
static size_t white_space_piece(const uint8_t *text, size_t bytes, size_t end) {
    if (end == bytes) {
        return end;
    }
    size_t last = end - 1;
    while ((text[last] & 0xC0) == 0x80) {
        last--;
    }
    return last > 0 ? last : end;
}

static size_t next_gpt2(const uint8_t *text, size_t bytes) {
    size_t length = contraction(text, bytes, false);
    if (length > 0) {
        return length;
    }
    struct character c = character_at(text, bytes, 0);
    size_t start = c.length;
    if (c.code_point == ' ') {
        struct character next = character_at(text, bytes, start);
        if (next.length == 0 || next.kind == UNICODE_SPACE) {
            return white_space_piece(text, bytes, run_end(text, bytes, 0, UNICODE_SPACE));
        }
        c = next;
    }
    if (c.kind == UNICODE_SPACE) {
        return white_space_piece(text, bytes, run_end(text, bytes, 0, UNICODE_SPACE));
    }
    return run_end(text, bytes, start, c.kind);
}

/* \s*[\r\n]+ for a run of white space [0, end): up to its last newline; 0 if it has none. Only the bytes \r and \n need
 * looking at: they occur in no longer character. */
static size_t through_last_newline(const uint8_t *text, size_t end) {
    while (end > 0 && !is_newline(text[end - 1])) {
        end--;
    }
    return end;
}

static size_t next_llama3(const uint8_t *text, size_t bytes, unsigned most_digits) {
    size_t length = contraction(text, bytes, true);
    if (length > 0) {
        return length;
    }
    struct character c = character_at(text, bytes, 0);
    struct character next = character_at(text, bytes, c.length);
    if (c.kind == UNICODE_LETTER) {
        return run_end(text, bytes, c.length, UNICODE_LETTER);
    }
    if (c.kind == UNICODE_NUMBER) {
        size_t end = c.length;
        for (unsigned digits = 1; digits < most_digits && next.kind == UNICODE_NUMBER; digits++) {
            end += next.length;
            next = character_at(text, bytes, end);
        }
        return end;
    }
    if (next.kind == UNICODE_LETTER && !is_newline(c.code_point)) {
        return run_end(text, bytes, c.length, UNICODE_LETTER);
    }
    if (c.kind == UNICODE_OTHER ||
        (c.code_point == ' ' && next.length > 0 && next.kind == UNICODE_OTHER)) {
        size_t end = run_end(text, bytes, c.length, UNICODE_OTHER);
        while (end < bytes && is_newline(text[end])) {
            end++;
        }
        return end;
    }
    size_t end = run_end(text, bytes, 0, UNICODE_SPACE);
    length = through_last_newline(text, end);
    return length > 0 ? length : white_space_piece(text, bytes, end);
}

size_t pretokenizer_next(uint32_t splitter, const uint8_t *text, size_t bytes) {
    switch (splitter) {
    case SPLITTER_GPT2:
        return next_gpt2(text, bytes);
    case SPLITTER_LLAMA3:
        return next_llama3(text, bytes, 3);
    case SPLITTER_QWEN2:
        return next_llama3(text, bytes, 1);
    default:
        return bytes;
    }
}
