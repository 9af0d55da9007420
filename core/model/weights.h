/*
 * weights.h: named views into the loaded bytes, which belong to the model. Owns nothing but the table of layers and a few
 * vectors that lie in the file as halves, widened; the others stay as they are, half as large, until they are used.
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

/* f32 or halves as in the file. */
struct vector {
    const void *values; /* NULL: there is none */
    uint32_t count;
    bool half;
};

/* A norm with a bias is a layer norm, one without an RMS norm. */
struct norm {
    struct vector weight;
    struct vector bias;
};

/* Biases have no values where a model has none. */
struct layer_weights {
    struct norm attention_norm;           /* [hidden] */
    struct weight q, k, v;                /* [query_width | kv_width, hidden] */
    struct vector q_bias, k_bias, v_bias; /* [query_width | kv_width] */
    struct vector q_norm, k_norm;         /* [head_dim] */
    struct norm attention_sub_norm;       /* [query_width] */
    struct weight o;                      /* [hidden, query_width] */
    struct vector o_bias;                 /* [hidden] */
    struct norm ffn_norm;                 /* [hidden] */
    struct weight gate, up;               /* [inner, hidden]; gate only where model_config.gate */
    struct vector gate_bias, up_bias;     /* [inner] */
    struct norm ffn_sub_norm;             /* [inner] */
    struct weight down;                   /* [hidden, inner] */
    struct vector down_bias;              /* [hidden] */
    /* RMS norms that a matrix has for itself. */
    struct vector q_in_norm, k_in_norm, v_in_norm, o_in_norm; /* [hidden], o [query_width] */
    struct vector gate_in_norm, up_in_norm, down_in_norm;     /* [hidden], down [inner] */
    /* Of a state-space model, which has none of the above. */
    struct norm mixer_norm;                    /* [hidden] */
    struct weight mixer_in;                    /* [2 inner + 3 heads, hidden] */
    const float *mixer_conv, *mixer_conv_bias; /* [STATE_SPACE_TAPS][inner], [inner] */
    const float *mixer_step_bias, *mixer_rate; /* [heads]; the rate is exp(log_rate) */
    const float *mixer_skip;                   /* [inner] */
    struct norm mixer_out_norm;                /* [inner] */
    struct weight mixer_out;                   /* [hidden, inner] */
};

struct model_weights {
    struct weight embedding; /* [vocabulary, hidden] */
    struct weight positions; /* [context, hidden]; only where model_config.learned_positions */
    struct weight head;      /* [vocabulary, hidden]; the embedding again when tied */
    struct norm output_norm; /* [hidden] */
    struct vector head_norm; /* [hidden]; behind output_norm, RMS */
    const float *head_bias;  /* [vocabulary] or NULL */
    struct layer_weights *layers;
    uint32_t widest_half; /* most values of a vector of halves; 0: there is none */
};

/* Points every view into `data` (file offset header_bytes is data[0]). The container was checked by model_config_read.
 * The layer table and widened vectors come from the arena (a counting pass leaves *weights unusable). */
void weights_bind(struct model_weights *weights, const struct model_config *config,
                  const struct container *container, const uint8_t *data, struct arena *arena);

/* True where the matrix takes int8 activations. */
static inline bool weight_takes_int8(const struct weight *weight) {
    return weight->type == TENSOR_TERNARY || weight->type == TENSOR_INT8;
}

/* The values as f32: where they lie, or in `place`, which has room for weights.widest_half. NULL: there are none. */
const float *vector_floats(const struct vector *vector, const struct tercet_kernels *kernels,
                           float *place);

/* Row of a table as f32 [columns]. */
void weight_row(const struct weight *weight, uint32_t row, float *out);

#endif
