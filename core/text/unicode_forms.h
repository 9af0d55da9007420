/*
 * unicode_forms.h: what Unicode says of characters that can be written in more than one way: canonical decompositions,
 * combining classes, and which characters may change in normal form C. Without Hangul, whose syllables follow from arithmetic
 * (normal_form.c).
 */
#ifndef TERCET_TEXT_UNICODE_FORMS_H
#define TERCET_TEXT_UNICODE_FORMS_H

#include "unicode_tables.h"

#include <stddef.h>

/* NFC_Quick_Check: what form C does with a character. */
enum unicode_form {
    FORM_STAYS,
    FORM_JOINS,  /* may become one with a character in front of it */
    FORM_CHANGED /* never occurs in the form */
};

/* Canonical combining class (`order`) and enum unicode_form (`form`); below U+0300 all have class 0 and stay. */
struct unicode_mark unicode_mark_of(uint32_t code);

/* A character becomes at most so many, and at most 2 for each byte that it has in UTF-8. */
#define UNICODE_MOST_PARTS 4u
/* Writes the whole canonical decomposition, the character itself where it has none; how many there are. */
size_t unicode_decompose(uint32_t code, uint32_t out[UNICODE_MOST_PARTS]);
/* The character that two join to in form C, or 0. */
uint32_t unicode_join(uint32_t first, uint32_t second);

#endif
