/*
 * sampler.h: logits -> token. Seeded and clockless: the same options, seed and logits give the same token on every build.
 * Order of the steps: mask, repetition penalty, temperature, top-k, top-p, min-p, draw. Allocates nothing after the layout.
 */
#ifndef TERCET_GENERATE_SAMPLER_H
#define TERCET_GENERATE_SAMPLER_H

#include "../base/arena.h"

#define SAMPLER_WINDOW_MAX 4096u

struct sampler {
    tercet_sampling options;
    uint32_t vocabulary;
    uint64_t random[4];  /* state of xoshiro256** */
    float *logits;       /* [vocabulary] working copy */
    float *weights;      /* [vocabulary] exp((logit - max) / temperature) */
    uint32_t *heap;      /* [vocabulary] */
    uint32_t *kept;      /* [vocabulary] candidates, best first when they were ordered */
    uint32_t *marked_at; /* [vocabulary] round in which the penalty met the token */
    uint32_t round;
    uint32_t *allowed; /* [(vocabulary + 31) / 32] a bit for each token, the lowest first */
    bool masked;       /* what `allowed` does not name is never sampled */
};

/* Fields are all zero before; counting pass or real one (arena.h). */
void sampler_layout(struct sampler *sampler, uint32_t vocabulary, struct arena *arena);
/* Once after the real layout. */
void sampler_clear(struct sampler *sampler);
/* TERCET_BAD_ARGUMENT naming the option that is out of range. */
tercet_status sampler_check(const tercet_sampling *options, tercet_error *error);
/* Checked options; the random stream starts from the seed. */
void sampler_start(struct sampler *sampler, const tercet_sampling *options);
/* words: (vocabulary + 31) / 32 of them, copied; NULL: every token may come. */
void sampler_set_mask(struct sampler *sampler, const uint32_t *words);
/* history: all tokens of the context, the latest last. TERCET_NO_TOKEN when the mask allows none. */
uint32_t sampler_sample(struct sampler *sampler, const float *logits, const uint32_t *history,
                        uint32_t history_count);

#endif
