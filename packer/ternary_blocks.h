/*
 * ternary_blocks.h: ternary weights as files store them -> their codes, one byte each: weight + 1, that is 0, 1 or 2 (3 where
 * two bits say +2). Codes need no arithmetic, so they are the short way from a ternary source to the container; what the
 * weights are worth is in the scales beside them. Layouts: ggml-org/ggml, src/ggml-common.h and ggml-quants.c; those of forks
 * are told where they are decoded. Knows neither files nor shapes.
 */
#ifndef TERCET_PACKER_TERNARY_BLOCKS_H
#define TERCET_PACKER_TERNARY_BLOCKS_H

#include "source_weights.h"

#include <stddef.h>

#define TERNARY_BLOCK_MAX 256u /* weights of the longest block */

/* Blocks of trits with a scale: TQ1_0, TQ2_0, Q2_0, PQ2_0, PTQ1_0. */
bool block_is_ternary(enum source_type type);
/* A row of whole blocks of such a type: its codes, and the scale of each block: weight = (code - 1) x scale. Whether all codes
 * are 0, 1 or 2. */
bool ternary_row_codes(enum source_type type, const uint8_t *restrict bytes, uint32_t columns,
                       uint8_t *restrict codes, float *restrict scales);

/* Four neighbours a byte, the first in the lowest bits (BitMamba-2, MLX). */
void ternary_quads_codes(const uint8_t *bytes, uint32_t columns, uint8_t *codes);

/* How the same bytes of an I2_S tensor are to be read: nothing in a file tells. */
enum i2s_layout {
    I2S_X86, /* blocks of 128 weights, bits 7:6 of byte p are weight p, 5:4 p + 32, 3:2 p + 64, 1:0 p + 96 */
    I2S_ARM,  /* blocks of 64 in the same way: p, p + 16, p + 32, p + 48 */
    I2S_ROW4, /* byte c of four rows: bits 7:6 the first row's column c, ... 1:0 the fourth's */
    I2S_LAYOUTS
};

const char *i2s_layout_name(enum i2s_layout layout);
/* Columns that a row must be a multiple of (I2S_ROW4: rows of four). */
uint32_t i2s_block_columns(enum i2s_layout layout);
/* The codes of row `row`; `bytes` is that row (I2S_ROW4: the `columns` bytes of its four rows). */
void i2s_row_codes(enum i2s_layout layout, const uint8_t *bytes, uint32_t row, uint32_t columns,
                   uint8_t *codes);

/* Whether all codes are 0, 1 or 2. */
bool ternary_codes_sound(const uint8_t *codes, size_t count);
/* Whether one of them is not 1: a weight that is not zero. */
bool ternary_codes_any(const uint8_t *codes, size_t count);
/* How many of them are 1. */
uint64_t ternary_codes_zeros(const uint8_t *codes, size_t count);

#endif
