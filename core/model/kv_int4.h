/*
 * kv_int4.h: rows of int8 codes (kernels.h) in 4.5 bits or less: the smallest cache, by choice. A row is a key or a value of one
 * position. Each 16 of its codes share a multiplier m of 4 bits, and code c becomes m * n, n of -7..7; the step of the row
 * becomes the upper half of an f32. So a row unpacks to codes that the kernels of int8 take, and nothing depends on any
 * other row. Layout and rounding live here and nowhere else.
 */
#ifndef TERCET_MODEL_KV_INT4_H
#define TERCET_MODEL_KV_INT4_H

#include "../kernels/kernels.h"

/* Two groups of 16 columns share their bytes, so that a byte never belongs to two positions: threads write rows side by side. */
static inline uint32_t kv_int4_pairs(uint32_t head_dim) {
    return (head_dim + 31u) / 32u;
}
/* Bytes of a row without its step: 16 x pairs of codes, then the multipliers. */
static inline uint32_t kv_int4_row_bytes(uint32_t head_dim) {
    return 17u * kv_int4_pairs(head_dim);
}

/* Keys or values of one head: `codes` and `multipliers` for positions in whole blocks, `steps` one a position. */
struct kv_int4_rows {
    uint8_t *codes; /* [positions][16 * pairs], in tiles */
    uint8_t *
        multipliers; /* [positions / 16][pairs][16], places in the table, the first group in the lower bits */
    uint16_t *steps;
    uint32_t head_dim;
};

/* codes: int8 of -127..127, zero from head_dim to tile_pad(head_dim). */
void kv_int4_store_key(const struct kv_int4_rows *rows, uint32_t position, const int8_t *codes,
                       float step);
void kv_int4_store_value(const struct kv_int4_rows *rows, uint32_t position, const int8_t *codes,
                         float step);

/* The tiles of kv_int8 and its steps for positions [0, positions), to the end of the last block. */
void kv_int4_unpack_keys(const struct kv_int4_rows *rows, uint32_t positions, int8_t *codes,
                         float *steps);
void kv_int4_unpack_values(const struct kv_int4_rows *rows, uint32_t positions, int8_t *codes,
                           float *steps);

#endif
