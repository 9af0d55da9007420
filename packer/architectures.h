/*
 * architectures.h: config.json and the names in the weight files -> what Tercet's container says of a model: shape,
 * rotation frequencies, and for every tensor that the forward pass needs where it comes from. A new family is a new row
 * here, not a new reader. Refuses by name whatever it does not know: nothing in a source is skipped silently.
 */
#ifndef TERCET_PACKER_ARCHITECTURES_H
#define TERCET_PACKER_ARCHITECTURES_H

#include "../core/container/container_reader.h"
#include "block_codecs.h"

/* How config.json says that the linear layers are stored (quantization_config). */
enum source_quantization {
    SOURCE_PLAIN,    /* it says nothing: full precision, perhaps on the ternary grid */
    SOURCE_DIVIDE,   /* packed U8, weight = trit / weight_scale (bitlinear, or no linear_class) */
    SOURCE_MULTIPLY, /* packed U8, weight = trit * weight_scale (autobitlinear, offline) */
    SOURCE_ONLINE    /* master weights that are made ternary by mean|W| in each forward pass */
};

/* One tensor of the container and its source. */
struct planned_tensor {
    uint32_t stage, role;
    uint32_t rows, columns; /* logical; a vector has 1 row */
    bool linear;            /* one of the matrices of a layer */
    bool transposed;        /* the source holds it as [columns, source_outputs] */
    uint32_t source_outputs,
        source_first; /* rows (of a vector: values) that the source's tensor has, and the first of ours */
    bool keep_dense; /* modules_to_not_convert lists it */
    const struct source_tensor *weight;
    const struct source_tensor *weight_scale; /* of a packed linear, else NULL */
    /* Of MLX's words of codes, weight = scale x code + bias for each group of columns: [rows, groups]; else NULL. */
    const struct source_tensor *affine_scales, *affine_biases;
    uint32_t affine_bits; /* of a code; rows are padded to whole words */
    const struct source_tensor
        *multiplier;            /* F32 [1] that all weights are multiplied by; or NULL */
    enum i2s_layout i2s_layout; /* of I2_S */
};

struct architecture {
    struct container_config config; /* activation_bits is the packer's choice */
    double rope_scale;
    double *rope_frequencies; /* head_dim / 2; NULL with learned positions */
    uint32_t beginning_token; /* bos_token_id or TERCET_NO_TOKEN */
    enum source_quantization quantization;
    struct planned_tensor *tensors; /* in (stage, role) order */
    uint32_t tensor_count;
    char class_name[64]; /* "BitNetForCausalLM" */
};

/* `source` must outlive the result. FILE_NOT_FOUND (no config.json), BAD_SOURCE (a tensor is missing or of another shape),
 * UNSUPPORTED_SOURCE (another family, anything left over), LIMIT_EXCEEDED, OUT_OF_MEMORY. After a failure there is
 * nothing to free. */
tercet_status architecture_read(const char *folder, const struct source_weights *source,
                                struct architecture *architecture, tercet_error *error);
void architecture_free(struct architecture *architecture);

/* Whether the source, or its family, says how activations are quantised: int8 a token then, as BitNet does. Where not, Tercet does
 * the same by choice. */
bool architecture_names_activations(const struct architecture *architecture);

#endif
