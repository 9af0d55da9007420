/*
 * lookup.h: guesses the next tokens from the text so far: what followed the latest earlier place that ends like the text
 * does now. Costs no model, and is only ever a guess: session.c checks each token that is drafted here against the one
 * that is sampled, so nothing in this file can change a text. It must never read a clock: how often guesses come true
 * is counted on the text itself, drafted or not, so the same text drafts the same everywhere.
 */
#ifndef TERCET_GENERATE_LOOKUP_H
#define TERCET_GENERATE_LOOKUP_H

#include "../base/arena.h"
#include <stdbool.h>
#include <stdint.h>

/* Guesses are counted by how many tokens the two places share: 2, 3, 4-5, 6-8, 9-15, 16 and more. */
#define LOOKUP_CLASSES 6u
/* Probabilities are integers, in units of 1/65536. */
#define LOOKUP_ONE 65536u

struct lookup_guess {
    uint32_t source;               /* position of the token that is expected next; 0: none */
    uint32_t shared;               /* tokens before it that are the last ones of the text, too */
    uint32_t rate[LOOKUP_CLASSES]; /* how often such a guess came true lately */
};

struct lookup {
    uint32_t *
        heads; /* [head_count] latest position at which a pair of tokens with this hash ends; 0: none */
    uint32_t *previous; /* [context] the one before it in the same list, by position */
    uint32_t head_count;
    uint32_t count; /* tokens of the text that are known here */
    struct lookup_guess guess;
};

/* Counting pass or real one (arena.h). */
void lookup_layout(struct lookup *lookup, uint32_t context, struct arena *arena);
/* Once after the real layout. */
void lookup_clear(struct lookup *lookup);

/* In all that follows `history` is the whole text, of which the first lookup->count tokens are known already. */

/* The text has `count` tokens now; the new ones are the prompt's and say nothing about guesses. */
void lookup_read(struct lookup *lookup, const uint32_t *history, uint32_t count);
/* One more token, which the model wrote: history[lookup->count]. Counts whether it was the guess. */
void lookup_follow(struct lookup *lookup, const uint32_t *history);
/* Only the first `count` tokens are left. The guess is gone, what was learned stays. */
void lookup_truncate(struct lookup *lookup, const uint32_t *history, uint32_t count);
/* Forgets what was learned of guesses. */
void lookup_forget_rates(struct lookup *lookup);

/* Writes expected tokens behind the text, at history[lookup->count]..., and returns how many: as many as give the most
 * tokens in a unit of time, up to `most`. cost: what a pass over 4 and over 8 tokens takes, in percent of a pass over
 * one (kernels.h); NULL: always `most`, if anything is expected. */
uint32_t lookup_draft(const struct lookup *lookup, uint32_t *history, uint32_t most,
                      const uint16_t cost[2]);

#endif
