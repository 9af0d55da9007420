/*
 * pack.h: the one entry of the packer: a Hugging Face folder or a GGUF file in, a .tercet file out, with a proof that nothing
 * was lost.
 * Native only. Prints nothing: the command (native/) shows progress and report.
 */
#ifndef TERCET_PACKER_PACK_H
#define TERCET_PACKER_PACK_H

#include "../core/base/status.h"
#include "block_codecs.h"

/* Of each how many there are: what is asked for may come from outside (wasm/packer_abi.c). */
enum { PACK_QUANTIZES = 2, PACK_DENSES = 4, PACK_TABLES = 5, PACK_VECTOR_FORMS = 2 };
enum pack_quantize { PACK_QUANTIZE_NONE = 0, PACK_QUANTIZE_ABSMEAN = 1 };
enum pack_dense { PACK_DENSE_NO = 0, PACK_DENSE_F16 = 1, PACK_DENSE_F32 = 2, PACK_DENSE_Q8 = 3 };
enum pack_table {
    PACK_TABLE_EXACT = 0,
    PACK_TABLE_F16 = 1,
    PACK_TABLE_F32 = 2,
    PACK_TABLE_Q8 = 3,
    PACK_TABLE_TERNARY = 4
};
enum pack_vectors { PACK_VECTORS_F32 = 0, PACK_VECTORS_F16 = 1 };

struct pack_options {
    const char
        *source; /* folder with config.json, *.safetensors, tokenizer files; or a GGUF file */
    const char *destination; /* the .tercet file */
    enum pack_quantize quantize;
    enum pack_dense dense;
    enum pack_table
        embedding; /* embeddings and head; EXACT: ternary where they are on the grid, else f16 where
                      every value is exact in f16, else f32; TERNARY: quantised by absmean if need be */
    enum pack_vectors vectors;  /* norms and biases */
    enum i2s_layout i2s_layout; /* how I2_S tensors of a GGUF file are to be read */
    uint32_t threads;           /* 1 to 64; the file is the same for any number */
    uint32_t group; /* 0: one scale a tensor; 64 or 128: groups (on-grid and absmean sources) */
    float temperature, top_p,
        min_p;     /* sampling defaults to store; negative: from generation_config.json */
    int32_t top_k; /* negative: likewise */
    const char *
        chat_format; /* a name (tercet_chat_format_name), "none", or NULL: what the source's template is */
    /* Called after each tensor; non-zero return stops the packing (CANCELLED). May be NULL. */
    int (*progress)(void *context, const char *tensor, uint64_t done_bytes, uint64_t total_bytes);
    void *progress_context;
};

struct pack_layer_report {
    uint64_t weights, zeros;
};

struct pack_report {
    uint32_t layers;
    struct pack_layer_report *layer; /* [layers], their ternary matrices only; pack_report_free */
    uint64_t ternary_weights, ternary_zeros, ternary_bytes; /* bytes with scales and padding */
    uint64_t parameters;
    uint64_t source_bytes; /* of the files with weights */
    uint64_t
        f16_bytes; /* the same parameters at 16 bits: the honest comparison for packed sources */
    uint64_t file_bytes;
    uint64_t verified_weights; /* read back from the packed file and equal to the source */
    uint64_t
        rounded_weights; /* read back and equal to what rounding or quantising was to give; 0 = lossless */
    double
        quantize_error; /* root mean square of (w - packed) / rms(w) with --quantize or a lossy table; 0 = lossless */
    uint8_t model_id[32];
    uint32_t
        activation_bits;     /* 8: int8 a token in front of ternary and int8 matrices; 32: floats */
    bool activations_named;  /* the source asks for these; else they are Tercet's choice */
    const char *chat_format; /* name, or "" */
    char chat_note[320];     /* why the source's chat template was left out; else "" */
    char form
        [96]; /* "packed uint8, scale multiplies (autobitlinear)", "on the ternary grid (bf16)", ... */
};

void pack_options_init(struct pack_options *options);
tercet_status pack(const struct pack_options *options, struct pack_report *report,
                   tercet_error *error);
void pack_report_free(struct pack_report *report);

#endif
