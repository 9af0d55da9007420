/*
 * unicode_lookup.c: asks the generated tables what unicode_ranges.h, unicode_forms.h and unicode_folding.h promise. Hangul syllables
 * follow a formula (The Unicode Standard, 3.12) that folding does here; all else is in the tables.
 */
#include "unicode_folding.h"
#include "unicode_ranges.h"
#include "unicode_tables.h"

/* What a table would say as well, but not as fast. The first with a decomposition; accents, all of which are hidden: */
#define FIRST_WHOLE 0xC0u
#define ACCENTS_FIRST 0x300u
#define ACCENTS 0x70u
/* All of these fold to themselves. */
#define CHINESE_FIRST 0x3400u
#define CHINESE_LAST 0x9FFFu

#define HANGUL_FIRST 0xAC00u
#define HANGUL_LAST 0xD7A3u
#define LEADING 0x1100u
#define VOWEL 0x1161u
#define TRAILING 0x11A7u
#define VOWELS 21u
#define TRAILINGS 28u

static inline uint32_t run_length(const struct unicode_runs *runs, uint32_t run) {
    uint32_t length = runs->lengths[run];
    return length < RUN_LONG ? length + 1 : UINT32_C(256) << (length - RUN_LONG);
}

/* The last of `starts` that is not behind the character, without a branch that nobody can foretell. */
static inline uint32_t find_step(const struct unicode_runs *runs, uint32_t code) {
    uint32_t low = 0;
    for (uint32_t count = runs->start_count, half; count > 1; count -= half) {
        half = count / 2;
        low += runs->starts[low + half] <= code ? half : 0;
    }
    return low;
}

static inline uint32_t find_value(const struct unicode_runs *runs, uint32_t code) {
    uint32_t step = find_step(runs, code), run = step * RUN_STEP, length;
    for (code -= runs->starts[step]; code >= (length = run_length(runs, run)); run++)
        code -= length;
    return runs->values[run];
}

enum unicode_kind unicode_kind_beyond_ascii(uint32_t code_point) {
    return (enum unicode_kind)find_value(&unicode_kinds, code_point);
}

struct unicode_mark unicode_mark_of(uint32_t code) {
    return unicode_mark_list[find_value(&unicode_marks, code)];
}

/* Number of the decomposition, or unicode_decomposition_count. */
static uint32_t find_decomposition(uint32_t code) {
    if (code < FIRST_WHOLE)
        return unicode_decomposition_count;
    uint32_t step = find_step(&unicode_wholes, code), run = step * RUN_STEP, length;
    uint32_t number = unicode_whole_numbers[step];
    for (code -= unicode_wholes.starts[step]; code >= (length = run_length(&unicode_wholes, run));
         run++) {
        code -= length;
        number += unicode_wholes.values[run] * length;
    }
    return unicode_wholes.values[run] != 0 ? number + code : unicode_decomposition_count;
}

static uint32_t first_part(uint32_t number) {
    return unicode_first_lows[number] | (uint32_t)unicode_first_middles[number] << 8 |
           (uint32_t)unicode_first_highs[number] << 16;
}

static uint32_t second_part(uint32_t number) {
    return unicode_seconds[unicode_second_places[number]];
}

size_t unicode_decompose(uint32_t code, uint32_t out[UNICODE_MOST_PARTS]) {
    uint32_t seconds[UNICODE_MOST_PARTS], count = 0;
    size_t written = 0;
    for (uint32_t at; (at = find_decomposition(code)) != unicode_decomposition_count;) {
        if (second_part(at) != 0)
            seconds[count++] = second_part(at);
        code = first_part(at);
    }
    out[written++] = code;
    while (count > 0)
        out[written++] = seconds[--count];
    return written;
}

/* The character whose decomposition has that number. */
static uint32_t whole_of(uint32_t number) {
    uint32_t step = 0, code, before;
    /* Branches not counted: the last that are whole are not made by joining */
    while (step + 1 < unicode_wholes.start_count && unicode_whole_numbers[step + 1] <= number)
        step++;
    code = unicode_wholes.starts[step];
    before = unicode_whole_numbers[step];
    for (uint32_t run = step * RUN_STEP;; run++) {
        uint32_t length = run_length(&unicode_wholes, run);
        if (unicode_wholes.values[run] != 0) {
            if (number - before < length)
                return code + (number - before);
            before += length;
        }
        code += length;
    }
}

uint32_t unicode_join(uint32_t first, uint32_t second) {
    const uint64_t wanted = (uint64_t)first << 32 | second;
    uint32_t low = 0, high = unicode_composition_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t at = unicode_composition_lows[middle] | (uint32_t)unicode_composition_highs[middle]
                                                             << 8;
        uint64_t there = (uint64_t)first_part(at) << 32 | second_part(at);
        if (there == wanted)
            return whole_of(at);
        if (there < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

static uint32_t lower(uint32_t code) {
    uint32_t shift = find_value(&unicode_lowers, code);
    switch (shift) {
    case SHIFT_NONE:
        return code;
    case SHIFT_EVEN:
        return code | 1;
    case SHIFT_ODD:
        return code + (code & 1);
    default:
        return code + (uint32_t)unicode_shifts[shift - SHIFT_LISTED];
    }
}

static bool is_hidden(uint32_t code) {
    return code - ACCENTS_FIRST < ACCENTS || find_value(&unicode_kinds, code) == UNICODE_HIDDEN;
}

size_t unicode_fold_character(uint32_t code, uint32_t out[UNICODE_FOLD_MOST]) {
    uint32_t parts[UNICODE_MOST_PARTS];
    size_t written = 0;
    out[0] = code;
    if (code < 0xA0) {
        if (code - 'A' < 26)
            out[0] = code + 0x20;
        return code < 0x20 || code >= 0x7F ? 0 : 1;
    }
    if (code >= CHINESE_FIRST && code <= CHINESE_LAST)
        return 1;
    if (code >= HANGUL_FIRST && code <= HANGUL_LAST) {
        uint32_t index = code - HANGUL_FIRST, trailing = index % TRAILINGS;
        out[0] = LEADING + index / (VOWELS * TRAILINGS);
        out[1] = VOWEL + index / TRAILINGS % VOWELS;
        out[2] = TRAILING + trailing;
        return trailing == 0 ? 2 : 3;
    }
    size_t count = unicode_decompose(code, parts);
    for (size_t i = 0; i < count; i++) {
        if (parts[i] < 0x80)
            out[written++] = parts[i] - 'A' < 26 ? parts[i] + 0x20 : parts[i];
        else if (!is_hidden(parts[i]))
            out[written++] = lower(parts[i]);
    }
    return written;
}

bool unicode_is_punctuation(uint32_t code) {
    if (code < 0x80)
        return code > 0x20 && code < 0x7F && code - '0' >= 10 && (code | 0x20) - 'a' >= 26;
    return find_value(&unicode_kinds, code) == UNICODE_PUNCTUATION;
}
