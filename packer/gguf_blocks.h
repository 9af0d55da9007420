/*
 * gguf_blocks.h: rows of weights -> the block types of GGUF files, as ggml defines them (ggml-org/ggml, src/ggml-common.h,
 * ggml-quants.c). Ternary rows keep every weight; their scales become halves. Works on rows in memory; knows no files.
 */
#ifndef TERCET_PACKER_GGUF_BLOCKS_H
#define TERCET_PACKER_GGUF_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

/* ggml's numbers. */
enum gguf_type {
    GGUF_F32 = 0,
    GGUF_F16 = 1,
    GGUF_Q4_0 = 2,
    GGUF_Q8_0 = 8,
    GGUF_TQ1_0 = 34,
    GGUF_TQ2_0 = 35,
    GGUF_Q2_0 = 42
};

/* Weights that share a scale: 1, 32, 64 or 256. */
uint32_t gguf_block_columns(enum gguf_type type);
/* Bytes of a row; 0 when `columns` is no multiple of the block. */
size_t gguf_row_bytes(enum gguf_type type, uint32_t columns);
/* "TQ2_0" */
const char *gguf_type_name(enum gguf_type type);

/* A ternary row: codes weight + 1 in {0, 1, 2}, one half a block as scale (types of one column a block: the value itself is
 * written, scales[column]). `columns` is a multiple of the block. */
void gguf_encode_ternary(enum gguf_type type, const uint8_t *codes, const float *scales,
                         uint32_t columns, uint8_t *out);
/* An int8 row with one scale, as Q8_0: the codes themselves, the scale as a half in each block. */
void gguf_encode_int8(const int8_t *codes, float scale, uint32_t columns, uint8_t *out);
/* A row of values as F32, F16 or Q8_0 (scale max|x| / 127 of the block, round half away from zero, as ggml does). */
void gguf_encode_values(enum gguf_type type, const float *values, uint32_t columns, uint8_t *out);

#endif
