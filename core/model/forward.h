/*
 * forward.h: one slice of tokens through the layers. Owns no memory of its own: forward_layout cuts everything from the
 * session's block, so that running allocates nothing. A token's result does not depend on how the prompt was sliced, nor
 * on the number of threads.
 */
#ifndef TERCET_MODEL_FORWARD_H
#define TERCET_MODEL_FORWARD_H

#include "attention.h"
#include "state_space.h"

#include <stdatomic.h>

#define FORWARD_VECTORS 6u

struct forward {
    const struct tercet_model *model;
    const struct tercet_kernels *kernels;
    struct thread_pool *pool;
    atomic_int *cancel;         /* 1: stop between two layers */
    atomic_int *layers_run;     /* counts them, for who waits */
    struct attention attention; /* one of the two has memory, as the model asks */
    struct state_space state_space;
    uint32_t slice;       /* most tokens at once */
    uint32_t logits_rows; /* most tokens whose logits are kept here */

    /* [slice][stride], strides padded to 16 so that kernels write whole strips. */
    size_t hidden_stride, inner_stride, widest_stride;
    float *x;         /* [slice][hidden_stride] the residual stream */
    float *y;         /* [slice][hidden_stride] what a block adds to it */
    float *normed;    /* [slice][widest_stride] */
    float *gate, *up; /* [slice][inner_stride]; gate only of a model with gates */
    size_t widened_stride;
    float
        *widened; /* [FORWARD_VECTORS][widened_stride]: vectors of halves, as floats for one step */
    struct activations quantised; /* of the widest input */
    size_t logits_stride;         /* vocabulary padded to 16 */
    float *
        logits; /* [logits_rows][logits_stride] of the last tokens of the latest run that kept any */
    uint32_t count, position,
        layer; /* of the latest run: its tokens, and the layer that comes next */
};

/* Counting pass or real one, as arena.h says. */
void forward_layout(struct forward *forward, const struct tercet_model *model, uint32_t kv,
                    uint32_t context, uint32_t slice, uint32_t logits_rows, struct arena *arena);

/* Tokens [count <= slice] at positions position.. (all < context, ids < vocabulary) extend the cache; forward->logits gets
 * those of the last `keep` tokens (0: none are computed), the earliest first. all_logits: NULL, or [count][vocabulary],
 * then keep is 1. False when cancelled: earlier positions and the logits are untouched. */
bool forward_run(struct forward *forward, const uint32_t *tokens, uint32_t count, uint32_t position,
                 uint32_t keep, float *all_logits);

/* The same in parts, for who measures them: begin, a layer with each call of forward_next until forward.layer is the number of layers (false
 * when cancelled), and the end, which gives the logits. Nothing else may run in between. */
void forward_begin(struct forward *forward, const uint32_t *tokens, uint32_t count,
                   uint32_t position);
bool forward_next(struct forward *forward);
bool forward_finish(struct forward *forward, uint32_t keep, float *all_logits);

/* Bytes of what is kept of earlier tokens: the cache of keys and values, or the states. */
uint64_t forward_kept_bytes(const struct forward *forward, uint32_t context);

/* The same in steps, for who keeps the residual stream: x and y are [count][hidden_stride], y is what the layer below has left
 * there (not read by layer 0). Not for state spaces; the caller looks at `cancel`. */
void forward_embed(struct forward *forward, const uint32_t *tokens, uint32_t count,
                   uint32_t position, float *x);
void forward_layer(struct forward *forward, uint32_t layer, uint32_t count, uint32_t position,
                   float *x, float *y);

/* After a forward_run that kept no logits: adds each token's last hidden state, behind the final norm, to sums [hidden], in the
 * order of the tokens. */
void forward_add_hidden(struct forward *forward, uint32_t count, double *sums);

#endif
