/*
 * block_codecs.h: blocks of weights as GGUF files store them -> numbers. One row in memory at a time; knows neither files nor
 * shapes. Layouts: ggml-org/ggml, src/ggml-common.h and ggml-quants.c; those of forks are told where they are decoded.
 */
#ifndef TERCET_PACKER_BLOCK_CODECS_H
#define TERCET_PACKER_BLOCK_CODECS_H

#include "ternary_blocks.h"

#include <stddef.h>

/* Weights of one block and its bytes. 1 weight for the plain types; SOURCE_OTHER, U8, U32, QUADS and I2_S have no blocks
 * (0 bytes). */
struct block_size {
    uint32_t columns, bytes;
};

struct block_size block_size_of(enum source_type type);
/* Plain numbers: F32, F16, BF16. */
bool block_is_plain(enum source_type type);

/* A row of `columns` weights, whole blocks, as f32: the numbers that ggml makes of it, scale * code rounded once. Values may
 * be infinite or NaN where scales are. */
void block_decode_row(enum source_type type, const uint8_t *bytes, uint32_t columns, float *values);
/* The first column whose code is 3 (weight +2 scales): two bits can say it, no ternary model means it. `columns` when there
 * is none, or when the type cannot say it. */
uint32_t block_find_code_3(enum source_type type, const uint8_t *bytes, uint32_t columns);

#endif
