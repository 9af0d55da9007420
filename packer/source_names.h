/*
 * source_names.h: what Hugging Face checkpoints and GGUF files call the tensors of a model: one table a family of names. Only names and
 * shapes; who looks for them is source_tensors.c.
 */
#ifndef TERCET_PACKER_SOURCE_NAMES_H
#define TERCET_PACKER_SOURCE_NAMES_H

#include "../core/container/container_layout.h"

#include <stdbool.h>
#include <stddef.h>

/* Sizes that a shape can ask for. */
enum source_side {
    SIDE_ONE,
    SIDE_HIDDEN,
    SIDE_INNER,
    SIDE_QUERY,
    SIDE_KEY,
    SIDE_HEAD,
    SIDE_CONTEXT,
    SIDE_HEADS,     /* one number a head */
    SIDE_TAPS,      /* of the convolution of a state-space layer */
    SIDE_PROJECTED, /* what its first matrix makes */
    SIDE_VOCABULARY
};

/* A tensor of the container and the one of the source that holds it. */
struct source_name {
    uint32_t role;
    enum source_side rows, columns;
    uint32_t flag; /* CONFIG_FLAG_*: only there with it; 0: always */
    bool linear;   /* one of the matrices of a layer */
    uint8_t part,
        parts; /* the source's tensor holds so many of equal size one after the other; 0 means alone */
    const char *name;       /* of a layer: what follows `layers` and its number */
    const char *other_name; /* as 1bitLLM's checkpoints call it; NULL if there is no other */
};

struct source_naming {
    const char *
        optional_prefix; /* in front of all names but the head's, or of none; NULL if there is none */
    const char *layers; /* "model.layers." */
    bool transposed;    /* linears are stored as [inputs, outputs] */
    struct source_name embedding;
    struct source_name positions; /* name NULL: there are none */
    struct source_name output_norm, output_norm_bias, head;
    struct source_name head_bias, head_norm; /* name NULL: there is none */
    const struct source_name *layer;         /* in rising role order, as the container wants them */
    size_t layer_count;
    const char *const
        *ignorable; /* endings of buffers that are computed, never learned; NULL ends the list */
    const char *multiplier; /* what the name of a number that multiplies a matrix has in place of
                               "weight"; NULL if there is no such thing */
};

extern const struct source_naming source_naming_llama;
extern const struct source_naming source_naming_gpt2;
extern const struct source_naming source_naming_gguf_llama;
extern const struct source_naming source_naming_gguf_gpt2;
extern const struct source_naming source_naming_ternarylm;
extern const struct source_naming source_naming_bitmamba;

#endif
