/*
 * state_space.h: what a state-space layer (BitMamba-2) has in place of attention: a short convolution over the last tokens
 * and a state that every token changes, both of constant size. Between the matrix that makes `projected` and the one that
 * reads its first `inner` columns.
 *
 * A run reads the states behind the last committed token and writes those behind its own last one beside them, so a run
 * that is given up changes nothing. There is no going back to an earlier token: only on, or to the beginning.
 */
#ifndef TERCET_MODEL_STATE_SPACE_H
#define TERCET_MODEL_STATE_SPACE_H

#include "model.h"

struct state_space {
    const struct tercet_model *model;
    const struct tercet_kernels *kernels;
    struct thread_pool *pool;
    /* [layers][STATE_SPACE_TAPS][inner_stride]: the last inputs of the convolution, the earliest first, then the state.
     * `now` is which of the two counts. */
    float *states[2];
    uint32_t now;
    size_t inner_stride, projected_stride;
    float *
        projected; /* [slice][projected_stride]: z and x [inner], B, C and step [heads] each; then z is the result */
    float *convolved; /* [slice][inner_stride] */
    float *ones;      /* [head_dim] */
    /* Of the layer that runs. */
    uint32_t layer, count;
};

/* Columns that the matrix of a layer makes of a token. */
static inline uint32_t state_space_projected(const struct model_config *config) {
    return 2 * config->inner + 3 * config->heads;
}

void state_space_layout(struct state_space *s, const struct tercet_model *model, uint32_t slice,
                        struct arena *arena);
/* To the beginning of a text. */
void state_space_clear(struct state_space *s);
/* `count` tokens of `projected` through layer `layer`. */
void state_space_run(struct state_space *s, uint32_t layer, uint32_t count);
/* What a layer keeps behind the last committed token, for saving; TAPS runs, of which the last is the state. */
uint32_t state_space_runs(const struct state_space *s, uint32_t layer,
                          struct memory_run runs[MEMORY_RUNS_MAX]);
/* Bytes of the states: of all layers, twice. */
uint64_t state_space_kept_bytes(const struct state_space *s);
/* Whether they hold numbers: after they were restored. */
bool state_space_sound(const struct state_space *s);
/* All layers have run: their states count from now on. */
void state_space_commit(struct state_space *s);

#endif
