/*
 * unicode_folding.h: characters as uncased WordPiece models see them: in normal form D, without marks (category Mn), in lower
 * case, one by one. The tables are generated (scripts/generate-unicode-folding.mjs).
 */
#ifndef TERCET_TEXT_UNICODE_FOLDING_H
#define TERCET_TEXT_UNICODE_FOLDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One character becomes at most so many. */
#define UNICODE_FOLD_MOST 3u

enum unicode_fold_kind {
    UNICODE_REMOVED,     /* marks, control, format and private characters */
    UNICODE_SHIFTED,     /* code + value */
    UNICODE_EVERY_OTHER, /* likewise, but only each second one: `count` of them */
    UNICODE_LISTED /* unicode_fold_list[value + (code - first)]: a code, or beyond them 0x110000 + a sequence */
};

/* Rising and disjoint; what lies between folds to itself. */
struct unicode_fold {
    uint32_t first;
    uint16_t count;
    uint8_t kind; /* enum unicode_fold_kind */
    int32_t value;
};
extern const struct unicode_fold unicode_folds[];
extern const uint32_t unicode_fold_count;
extern const uint32_t unicode_fold_list[];
extern const uint32_t unicode_fold_sequences[][UNICODE_FOLD_MOST]; /* 0 ends one */

struct unicode_stretch {
    uint32_t first;
    uint16_t count;
};
extern const struct unicode_stretch unicode_punctuation[];
extern const uint32_t unicode_punctuation_count;

/* Writes what the character becomes; how many characters that is. */
size_t unicode_fold_character(uint32_t code, uint32_t out[UNICODE_FOLD_MOST]);
/* Category P*, and every sign of ASCII that is neither letter, digit nor space, as BERT has it. */
bool unicode_is_punctuation(uint32_t code);

#endif
