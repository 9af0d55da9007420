/*
 * unicode_forms.h: what Unicode says of characters that can be written in more than one way: canonical decompositions,
 * combining classes, and which characters may change in normal form C. Generated tables (scripts/generate-unicode-tables.mjs),
 * without Hangul, whose syllables follow from arithmetic (normal_form.c).
 */
#ifndef TERCET_TEXT_UNICODE_FORMS_H
#define TERCET_TEXT_UNICODE_FORMS_H

#include <stdint.h>

/* NFC_Quick_Check: what form C does with a character. */
enum unicode_form {
    FORM_STAYS,
    FORM_JOINS,  /* may become one with a character in front of it */
    FORM_CHANGED /* never occurs in the form */
};

/* Rising and disjoint; what lies between has class 0 and stays. None below U+0300. */
struct unicode_mark {
    uint32_t first;
    uint16_t count;
    uint8_t order; /* canonical combining class */
    uint8_t form;  /* enum unicode_form */
};
extern const struct unicode_mark unicode_marks[];
extern const uint32_t unicode_mark_count;

/* Decomposition n: unicode_wholes[n], which rise, become unicode_firsts[n] and unicode_seconds[n]. The first part may have a
 * decomposition of its own, the second has none; 0: there is no second. Columns, since they pack better than rows. */
extern const uint32_t unicode_wholes[], unicode_firsts[], unicode_seconds[];
extern const uint32_t unicode_decomposition_count;

/* Numbers of the decompositions that form C makes whole again, by rising (first, second). */
extern const uint16_t unicode_compositions[];
extern const uint32_t unicode_composition_count;

#endif
