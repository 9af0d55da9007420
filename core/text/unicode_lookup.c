/*
 * unicode_lookup.c: see unicode_folding.h. Hangul syllables follow a formula (The Unicode Standard, 3.12); all else is in the
 * tables.
 */
#include "unicode_folding.h"

#define HANGUL_FIRST 0xAC00u
#define HANGUL_LAST 0xD7A3u
#define LEADING 0x1100u
#define VOWEL 0x1161u
#define TRAILING 0x11A7u
#define VOWELS 21u
#define TRAILINGS 28u
#define BEYOND_UNICODE 0x110000u

/* The last entry that begins at or before the character; NULL when there is none. */
static const struct unicode_fold *find_fold(uint32_t code) {
    uint32_t low = 0, high = unicode_fold_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (unicode_folds[middle].first <= code)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : &unicode_folds[low - 1];
}

static size_t take_listed(uint32_t entry, uint32_t out[UNICODE_FOLD_MOST]) {
    size_t count = 0;
    if (entry < BEYOND_UNICODE) {
        out[0] = entry;
        return 1;
    }
    const uint32_t *sequence = unicode_fold_sequences[entry - BEYOND_UNICODE];
    while (count < UNICODE_FOLD_MOST && sequence[count] != 0) {
        out[count] = sequence[count];
        count++;
    }
    return count;
}

size_t unicode_fold_character(uint32_t code, uint32_t out[UNICODE_FOLD_MOST]) {
    out[0] = code;
    if (code < 0x80) {
        if (code - 'A' < 26)
            out[0] = code + 0x20;
        return code < 0x20 || code == 0x7F ? 0 : 1;
    }
    if (code >= HANGUL_FIRST && code <= HANGUL_LAST) {
        uint32_t index = code - HANGUL_FIRST, trailing = index % TRAILINGS;
        out[0] = LEADING + index / (VOWELS * TRAILINGS);
        out[1] = VOWEL + index / TRAILINGS % VOWELS;
        out[2] = TRAILING + trailing;
        return trailing == 0 ? 2 : 3;
    }
    const struct unicode_fold *fold = find_fold(code);
    if (fold == NULL)
        return 1;
    uint32_t step = fold->kind == UNICODE_EVERY_OTHER ? 2 : 1, distance = code - fold->first;
    if (distance / step >= fold->count || distance % step != 0)
        return 1;
    switch (fold->kind) {
    case UNICODE_REMOVED:
        return 0;
    case UNICODE_LISTED:
        return take_listed(unicode_fold_list[(uint32_t)fold->value + distance], out);
    default:
        out[0] = code + (uint32_t)fold->value;
        return 1;
    }
}

bool unicode_is_punctuation(uint32_t code) {
    if (code < 0x80)
        return code > 0x20 && code < 0x7F && code - '0' >= 10 && (code | 0x20) - 'a' >= 26;
    uint32_t low = 0, high = unicode_punctuation_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (unicode_punctuation[middle].first <= code)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 &&
           code - unicode_punctuation[low - 1].first < unicode_punctuation[low - 1].count;
}
