/*
 * ternary_tile.h: the packed weight layouts that every kernel, the packer and the tests share. The V16 tile is 16 rows x
 * 16 columns of 2-bit codes in 64 bytes, one cache line; field f of all 16 rows meets one 32-bit broadcast of x[4f..4f+3].
 */
#ifndef TERCET_KERNELS_TERNARY_TILE_H
#define TERCET_KERNELS_TERNARY_TILE_H

#include <stddef.h>
#include <stdint.h>

#define TILE_ROWS 16u
#define TILE_COLUMNS 16u
#define TILE_BYTES 64u
#define INT8_TILE_COLUMNS 4u

static inline uint32_t tile_pad(uint32_t n) {
    return (n + 15u) & ~15u;
}

/* Byte of (row, column) in a ternary tensor of `columns` logical columns. */
static inline size_t ternary_byte(uint32_t row, uint32_t column, uint32_t columns) {
    size_t tiles = tile_pad(columns) / TILE_COLUMNS;
    return ((size_t)(row / TILE_ROWS) * tiles + column / TILE_COLUMNS) * TILE_BYTES +
           (row % TILE_ROWS) * 4u + column % 4u;
}
/* Lowest bit of its 2-bit code; code = weight + 1 in {0, 1, 2}. Padding holds code 1. */
static inline uint32_t ternary_shift(uint32_t column) {
    return 2u * ((column % TILE_COLUMNS) / 4u);
}

/* Byte of (row, column) in an int8 tensor: tiles of 16 rows x 4 columns, 64 bytes; the unpacked V16 strip. Padding 0. */
static inline size_t int8_byte(uint32_t row, uint32_t column, uint32_t columns) {
    size_t tiles = tile_pad(columns) / INT8_TILE_COLUMNS;
    return ((size_t)(row / TILE_ROWS) * tiles + column / INT8_TILE_COLUMNS) * TILE_BYTES +
           (row % TILE_ROWS) * 4u + column % 4u;
}

#endif
