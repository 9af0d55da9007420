/*
 * synthetic_shapes.h: the shapes of real models, for speed measurements without their weights: sizes,
 * types, scales, tokenizer counts. A shape is a row of a table; what a row means for the tensors is
 * here too. Knows no bytes.
 */
#ifndef TERCET_NATIVE_SYNTHETIC_SHAPES_H
#define TERCET_NATIVE_SYNTHETIC_SHAPES_H

#include "../packer/container_writer.h"

/* What the tokenizer tables of a shape look like. */
struct synthetic_tokenizer {
    uint32_t kind, splitter, flags; /* TOKENIZER_*, SPLITTER_* */
    uint32_t tokens;                /* with a text; the vocabulary may be padded beyond */
    uint32_t merges;
    uint32_t specials; /* of the tokens, the last ones (SentencePiece: the first three) */
};

struct synthetic_shape {
    const char *name;  /* of --shape */
    const char *about; /* one line for the help */
    struct container_config config;
    double rope_ratio;     /* frequency[i] = ratio^i, ratio = base^(-2 / head_dim); 0: none */
    uint32_t vector_type;  /* TENSOR_* of norms and biases */
    uint32_t linear_scale; /* SCALE_* of the ternary matrices of a layer */
    uint32_t table_type;   /* TENSOR_* of embedding and head */
    uint32_t table_scale;  /* SCALE_* of the same */
    struct synthetic_tokenizer tokenizer;
};

/* Past the end: NULL. */
const struct synthetic_shape *synthetic_shape_at(uint32_t index);
/* NULL if there is none of that name. */
const struct synthetic_shape *synthetic_shape_find(const char *name);
/* "llama-729m, bitnet-2b, ...": for help and errors. */
void synthetic_shape_list(char *list, size_t capacity);

/* The tensors of the shape with so many layers, in the container's order; malloc'ed, NULL without
 * memory. */
struct writer_tensor *synthetic_shape_tensors(const struct synthetic_shape *shape, uint32_t layers,
                                              uint32_t *count);

#endif
