/*
 * unicode_tables.h: the shapes of the generated tables in unicode_tables.c, which only unicode_lookup.c reads: the other unicode_*.h
 * say what they mean. They are columns of bytes, since a page downloads them: gzip makes such half as long as rows of numbers.
 */
#ifndef TERCET_TEXT_UNICODE_TABLES_H
#define TERCET_TEXT_UNICODE_TABLES_H

#include <stdint.h>

/* All characters from 0 on as runs of one value, to the end of 32 bits. A length below RUN_LONG counts from 1; n above it is
 * 2^(n - RUN_LONG + 8), and a run of another length is several of one value. `starts`: the first character of every
 * RUN_STEP-th one. */
#define RUN_LONG 224u
#define RUN_STEP 16u
struct unicode_runs {
    const uint8_t *lengths, *values;
    const uint32_t *starts;
    uint32_t start_count;
};

/* enum unicode_kind; of each character, as all runs here. */
extern const struct unicode_runs unicode_kinds;
/* 0, or a place in unicode_mark_list. */
extern const struct unicode_runs unicode_marks;
struct unicode_mark {
    uint8_t order, form; /* as in unicode_forms.h */
};
extern const struct unicode_mark unicode_mark_list[];
/* SHIFT_*, or a place in unicode_shifts behind those. Characters that have a decomposition may have any. */
extern const struct unicode_runs unicode_lowers;
enum {
    SHIFT_NONE,
    SHIFT_EVEN, /* even ones become the next */
    SHIFT_ODD,  /* odd ones do */
    SHIFT_LISTED
};
extern const int32_t unicode_shifts[];

/* 1: has a canonical decomposition. The n-th of them becomes a first part, in three columns of bytes, and a second part,
 * unicode_seconds[...] (0: none), where unicode_seconds rises. The first part may have a decomposition of its own, the second
 * has none. `unicode_whole_numbers`: how many there are before each of `starts`. */
extern const struct unicode_runs unicode_wholes;
extern const uint16_t unicode_whole_numbers[];
extern const uint8_t unicode_first_lows[], unicode_first_middles[], unicode_first_highs[];
extern const uint8_t unicode_second_places[];
extern const uint32_t unicode_seconds[];
extern const uint32_t unicode_decomposition_count;

/* Numbers of the decompositions that form C makes whole again, by rising (first, second), in two columns. */
extern const uint8_t unicode_composition_lows[], unicode_composition_highs[];
extern const uint32_t unicode_composition_count;

#endif
