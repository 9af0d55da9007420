/*
 * weights.h: named views into the loaded bytes. Owns nothing but the table of layers; the bytes belong to the model.
 */
#ifndef TERCET_MODEL_WEIGHTS_H
#define TERCET_MODEL_WEIGHTS_H

#include "../base/arena.h"
#include "../kernels/kernels.h"
#include "model_config.h"

/* A matrix of any type that a container can hold: [rows, columns], rows are outputs. */
struct weight {
    uint32_t type; /* TENSOR_* */
    uint32_t rows, columns;
    union {
        struct ternary_matrix ternary;
        struct int8_matrix int8;
        struct float_matrix floats;
    } as;
};

struct layer_weights {
    const float *attention_norm;     /* [hidden] */
    struct weight q, k, v;           /* [query_width | kv_width, hidden] */
    const float *attention_sub_norm; /* [query_width] or NULL */
    struct weight o;                 /* [hidden, query_width] */
    const float *ffn_norm;           /* [hidden] */
    struct weight gate, up;          /* [inner, hidden] */
    const float *ffn_sub_norm;       /* [inner] or NULL */
    struct weight down;              /* [hidden, inner] */
};

struct model_weights {
    struct weight embedding;  /* [vocabulary, hidden] */
    struct weight head;       /* [vocabulary, hidden]; the embedding again when tied */
    const float *output_norm; /* [hidden] */
    struct layer_weights *layers;
};

/* Points every view into `data` (file offset header_bytes is data[0]). The container was checked by model_config_read.
 * The layer table comes from the arena (a counting pass leaves *weights unusable). */
void weights_bind(struct model_weights *weights, const struct model_config *config,
                  const struct container *container, const uint8_t *data, struct arena *arena);

/* True where the matrix takes int8 activations. */
static inline bool weight_takes_int8(const struct weight *weight) {
    return weight->type == TENSOR_TERNARY || weight->type == TENSOR_INT8;
}

/* Row of a table as f32 [columns]. */
void weight_row(const struct weight *weight, uint32_t row, float *out);

#endif
