/*
 * unicode_folding.h: characters as uncased WordPiece models see them: in normal form D, without marks (category Mn), in lower
 * case, one by one.
 */
#ifndef TERCET_TEXT_UNICODE_FOLDING_H
#define TERCET_TEXT_UNICODE_FOLDING_H

#include "unicode_forms.h"

#include <stdbool.h>

/* One character becomes at most so many. */
#define UNICODE_FOLD_MOST UNICODE_MOST_PARTS

/* Writes what the character becomes; how many characters that is. */
size_t unicode_fold_character(uint32_t code, uint32_t out[UNICODE_FOLD_MOST]);
/* Category P*, and every sign of ASCII that is neither letter, digit nor space, as BERT has it. */
bool unicode_is_punctuation(uint32_t code);

#endif
