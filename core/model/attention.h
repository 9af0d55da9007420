/*
 * attention.h: from the projections of a slice of tokens to what its heads gather: rotation, the cache of keys and values,
 * weighted sums over all earlier positions. Between the matrices that make q, k and v and the one that reads `output`.
 * A token's result depends on its own query and the rows of the cache up to its position, and on nothing else.
 */
#ifndef TERCET_MODEL_ATTENTION_H
#define TERCET_MODEL_ATTENTION_H

#include "kv_cache.h"
#include "model.h"

#define ATTENTION_VECTORS 5u

struct attention {
    const struct tercet_model *model;
    const struct tercet_kernels *kernels;
    struct thread_pool *pool;
    struct kv_cache cache;
    /* [slice][stride], strides padded to 16 so that kernels write whole strips. */
    size_t query_stride, kv_stride;
    float *q;       /* [slice][query_stride] */
    float *k, *v;   /* [slice][kv_stride] */
    float *output;  /* [slice][query_stride] */
    float *cos_sin; /* [slice][head_dim / 2][2] */
    /* Of an int8 or int4 cache: [slice * heads] and [slice * kv_heads] rows. */
    struct activations query_codes, key_codes, value_codes;
    const float *biases[3]; /* of q, k and v, in this layer; NULL: there is none */
    const float *norms[2];  /* of q and k */
    float *
        widened; /* [ATTENTION_VECTORS][widened_stride] for those of halves; the caller's, who may share it */
    size_t widened_stride;
    float *scratch; /* [threads][scratch_stride] */
    size_t scratch_stride;
    /* Of the run in progress. */
    uint32_t layer, position, count;
    uint32_t tokens_together, heads_together; /* queries of one call of the kernel */
    uint32_t items, shares;                   /* calls of the kernel, and in how many parts */
};

/* Counting pass or real one, as arena.h says. kv: TERCET_KV_*, not the default. */
void attention_layout(struct attention *attention, const struct tercet_model *model, uint32_t kv,
                      uint32_t context, uint32_t slice, struct arena *arena);

/* Once a slice, before its first layer: the angles of `count` tokens at position.. */
void attention_place(struct attention *attention, uint32_t count, uint32_t position);

/* One layer: q, k and v of `count` tokens at position.. are there; k and v enter the cache, `output` gets the result. */
void attention_run(struct attention *attention, uint32_t layer, uint32_t count, uint32_t position);

#endif
