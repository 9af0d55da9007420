/*
 * unicode_ranges.h: what kind of character one is: letters (general category L*), numbers (N*) and white space (property
 * White_Space), as the regular expressions of byte-level tokenizers mean \p{L}, \p{N} and \s. The C library's locale functions
 * are never asked.
 */
#ifndef TERCET_TEXT_UNICODE_RANGES_H
#define TERCET_TEXT_UNICODE_RANGES_H

#include <stdint.h>

enum unicode_kind {
    UNICODE_OTHER,
    UNICODE_LETTER,
    UNICODE_NUMBER,
    UNICODE_SPACE,
    /* What only unicode_folding.h tells from others. */
    UNICODE_PUNCTUATION, /* P* */
    UNICODE_HIDDEN       /* Mn, Cc, Cf and Co, but for white space */
};

/* Of a character from U+0080 on. */
enum unicode_kind unicode_kind_beyond_ascii(uint32_t code_point);

/* Letter, number, space, or other for all else. */
static inline enum unicode_kind unicode_classify(uint32_t code_point) {
    if (code_point < 0x80) {
        if ((code_point | 0x20) - 'a' < 26) {
            return UNICODE_LETTER;
        }
        if (code_point - '0' < 10) {
            return UNICODE_NUMBER;
        }
        return code_point == ' ' || code_point - '\t' < 5 ? UNICODE_SPACE : UNICODE_OTHER;
    }
    enum unicode_kind kind = unicode_kind_beyond_ascii(code_point);
    return kind <= UNICODE_SPACE ? kind : UNICODE_OTHER;
}

#endif
