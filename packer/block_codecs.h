/*
 * block_codecs.h: blocks of weights as GGUF files store them -> numbers. One row in memory at a time; knows neither files nor
 * shapes. Layouts: ggml-org/ggml, src/ggml-common.h and ggml-quants.c; those of forks are told where they are decoded.
 */
#ifndef TERCET_PACKER_BLOCK_CODECS_H
#define TERCET_PACKER_BLOCK_CODECS_H

#include "source_weights.h"

#include <stddef.h>

/* Weights of one block and its bytes. 1 weight for the plain types; SOURCE_OTHER, U8, U32, QUADS and I2_S have no blocks
 * (0 bytes). */
struct block_size {
    uint32_t columns, bytes;
};

struct block_size block_size_of(enum source_type type);
/* Plain numbers: F32, F16, BF16. */
bool block_is_plain(enum source_type type);
/* Blocks of trits with a scale: TQ1_0, TQ2_0, Q2_0, PQ2_0, PTQ1_0. */
bool block_is_ternary(enum source_type type);

/* A row of `columns` weights, whole blocks, as f32: the numbers that ggml makes of it, scale * code rounded once. Values may
 * be infinite or NaN where scales are. */
void block_decode_row(enum source_type type, const uint8_t *bytes, uint32_t columns, float *values);
/* The first column whose code is 3 (weight +2 scales): two bits can say it, no ternary model means it. `columns` when there
 * is none, or when the type cannot say it. */
uint32_t block_find_code_3(enum source_type type, const uint8_t *bytes, uint32_t columns);

/* How the same bytes of an I2_S tensor are to be read: nothing in a file tells. */
enum i2s_layout {
    I2S_X86, /* blocks of 128 weights, bits 7:6 of byte p are weight p, 5:4 p + 32, 3:2 p + 64, 1:0 p + 96 */
    I2S_ARM,  /* blocks of 64 in the same way: p, p + 16, p + 32, p + 48 */
    I2S_ROW4, /* byte c of four rows: bits 7:6 the first row's column c, ... 1:0 the fourth's */
    I2S_LAYOUTS
};

/* "x86", "arm", "row4" */
const char *i2s_layout_name(enum i2s_layout layout);
/* Weights in a block of a row; 1 for ROW4. */
uint32_t i2s_block_columns(enum i2s_layout layout);
/* A row as trits. X86 and ARM: `bytes` is the row, columns / 4 bytes. ROW4: `bytes` are the four rows that `row` is one of,
 * `columns` bytes. False, and *column, when a code is 3. */
bool i2s_decode_row(enum i2s_layout layout, const uint8_t *bytes, uint32_t row, uint32_t columns,
                    int8_t *trits, uint32_t *column);

#endif
