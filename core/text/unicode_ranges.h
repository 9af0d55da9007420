/*
 * unicode_ranges.h: which characters are letters (general category L*), numbers (N*) and white space (property
 * White_Space), as the regular expressions of byte-level tokenizers mean \p{L}, \p{N} and \s. The table is generated
 * (scripts/generate-unicode-tables.mjs); the C library's locale functions are never asked.
 */
#ifndef TERCET_TEXT_UNICODE_RANGES_H
#define TERCET_TEXT_UNICODE_RANGES_H

#include <stdint.h>

enum unicode_class { UNICODE_OTHER, UNICODE_LETTER, UNICODE_NUMBER, UNICODE_SPACE };

/* Rising and disjoint; what lies between is UNICODE_OTHER. */
struct unicode_range {
    uint32_t first;
    uint16_t count;
    uint8_t kind; /* enum unicode_class */
};
extern const struct unicode_range unicode_ranges[];
extern const uint32_t unicode_range_count;

static inline enum unicode_class unicode_classify(uint32_t code_point) {
    if (code_point < 0x80) {
        if ((code_point | 0x20) - 'a' < 26) {
            return UNICODE_LETTER;
        }
        if (code_point - '0' < 10) {
            return UNICODE_NUMBER;
        }
        return code_point == ' ' || code_point - '\t' < 5 ? UNICODE_SPACE : UNICODE_OTHER;
    }
    /* The last range that starts at or before the character. */
    uint32_t low = 0, high = unicode_range_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (unicode_ranges[middle].first <= code_point) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const struct unicode_range *range = &unicode_ranges[low];
    /* Below the first range the difference wraps to a large number. */
    return code_point - range->first < range->count ? (enum unicode_class)range->kind
                                                    : UNICODE_OTHER;
}

#endif
