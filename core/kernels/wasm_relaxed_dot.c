/*
 * wasm_relaxed_dot.c: the integer kernels for machines on which engines make one instruction of
 * i32x4.relaxed_dot_i8x16_i7x16_add_s: AVX-VNNI on x86-64, SDOT on ARM. It is the same everywhere as
 * long as the second operand is in 0..127 and no sum of two products leaves 16 bits; elsewhere it is
 * only slower than wasm_relaxed.c. Must never be given an operand beyond that.
 */
#include "wasm_lanes.h"
#include "../base/cpu_features.h"

/* With 4 * code <= 8 and |x| <= 127 a pair is at most 2032, with int8 weights (below) at most
 * 2 * 128 * 127 = 32512 < 32767. */
ALWAYS_INLINE v128_t multiply_add(v128_t sum, v128_t x, v128_t codes) {
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, codes, sum);
}
ALWAYS_INLINE v128_t widened(v128_t sum) {
    return sum;
}

/* One token walks strip by strip: a single stream that the machine reads ahead by itself. Sums of 32 bits would hold whole strips,
 * but V8 keeps some of them on the stack, and one long chain of additions through the stack is slower than blocks
 * of 128 columns, whose chains the machine overlaps. */
#define WHOLE_STRIPS 1
#define FEW_TOKENS 2

#include "wasm_relaxed_ternary.inc"

/* ---- int8: the activations are the 7-bit operand ------------------------------------------ */

/* x = (x & 127) - 128 * (x < 0), so two dot products with the signed weights, the second one of sign
 * bits. Four rows of each of four strips, or of one token on the four quarters of one strip. */
ALWAYS_INLINE void int8_four_by_four(const int8_t *codes, size_t step, const int8_t *x,
                                     uint32_t tiles, v128_t sums_of[4]) {
    const v128_t low_bits = kept(bytes_7F);
    v128_t low[4], sign[4];
    for (uint32_t s = 0; s < 4; s++) {
        low[s] = sign[s] = wasm_i32x4_splat(0);
    }
#pragma clang loop unroll(disable)
    for (uint32_t tile = 0; tile < tiles; tile++) {
        v128_t four = wasm_v128_load32_splat(x + (size_t)tile * INT8_TILE_COLUMNS);
        v128_t four_low = wasm_v128_and(four, low_bits);
        v128_t four_sign = wasm_v128_andnot(four, low_bits);
        four_sign = wasm_u16x8_shr(four_sign, 7);
        for (uint32_t s = 0; s < 4; s++) {
            v128_t rows = wasm_v128_load(codes + s * step);
            low[s] = multiply_add(low[s], rows, four_low);
            sign[s] = multiply_add(sign[s], rows, four_sign);
        }
        codes += TILE_BYTES;
    }
    for (uint32_t s = 0; s < 4; s++) {
        sums_of[s] = wasm_i32x4_sub(low[s], wasm_i32x4_shl(sign[s], 7));
    }
}

/* Tokens do not share the loads: parts of four tokens, made in advance, took more time than they saved. */
ALWAYS_INLINE void int8_dots(const int8_t *codes, const int8_t *x, size_t x_stride, uint32_t tokens,
                             uint32_t tiles, sums *out) {
    for (uint32_t t = 0; t < tokens; t++) {
        int8_four_by_four(codes, 16, x + t * x_stride, tiles, out[t].v);
    }
}

#define INT8_STRIPS_TOGETHER 1
ALWAYS_INLINE void int8_strips_dots(const int8_t *codes, size_t strip_bytes, const int8_t *x,
                                    uint32_t tiles, sums out[4]) {
    v128_t four[4];
    for (uint32_t q = 0; q < 4; q++) {
        int8_four_by_four(codes + 16 * q, strip_bytes, x, tiles, four);
        for (uint32_t s = 0; s < 4; s++) {
            out[s].v[q] = four[s];
        }
    }
}

/* ---- attention --------------------------------------------------------------------------- */

/* One query on the 16 rows of a strip, or half a strip for two queries at a time: eight sums, which stay in registers.
 * Every row of operands is 7-bit and there are two of them a query: first[..] and second[..] are their sums, and `rows` vectors
 * of four rows each begin at tiles_at. */
ALWAYS_INLINE void two_parts_dots(const int8_t *tiles_at, const v128_t *operands, uint32_t queries,
                                  uint32_t rows, v128_t *first, v128_t *second) {
    for (uint32_t r = 0; r < rows; r++) {
        v128_t four = wasm_v128_load(tiles_at + 16 * r);
        for (uint32_t j = 0; j < queries; j++) {
            first[j * rows + r] = multiply_add(first[j * rows + r], four, operands[2 * j]);
            second[j * rows + r] = multiply_add(second[j * rows + r], four, operands[2 * j + 1]);
        }
    }
}

/* As in int8 above, q is the 7-bit operand in two parts. `pair` (a constant) queries, 4 / pair vectors of rows from `from` on. */
ALWAYS_INLINE void key_part(const int8_t *keys, const int8_t *const *q, uint32_t pair,
                            uint32_t from, uint32_t tiles, sums *out) {
    const v128_t low_bits = kept(bytes_7F);
    uint32_t rows = 4 / pair;
    v128_t low[4], sign[4];
    for (uint32_t i = 0; i < 4; i++) {
        low[i] = sign[i] = wasm_i32x4_splat(0);
    }
#pragma clang loop unroll(disable)
    for (uint32_t tile = 0; tile < tiles; tile++) {
        v128_t operands[4];
        for (uint32_t j = 0; j < pair; j++) {
            v128_t four = wasm_v128_load32_splat(q[j] + (size_t)tile * INT8_TILE_COLUMNS);
            operands[2 * j] = wasm_v128_and(four, low_bits);
            operands[2 * j + 1] = wasm_u16x8_shr(wasm_v128_andnot(four, low_bits), 7);
        }
        two_parts_dots(keys + (size_t)tile * TILE_BYTES + 16 * from, operands, pair, rows, low,
                       sign);
    }
    for (uint32_t i = 0; i < 4; i++) {
        out[i / rows].v[from + i % rows] = wasm_i32x4_sub(low[i], wasm_i32x4_shl(sign[i], 7));
    }
}

ALWAYS_INLINE void key_dots(const int8_t *keys, const int8_t *const *q, uint32_t queries,
                            uint32_t tiles, sums *out) {
    if (queries == 1) {
        key_part(keys, q, 1, 0, tiles, out);
        return;
    }
    for (uint32_t j = 0; j < queries; j += 2) {
        key_part(keys, q + j, 2, 0, tiles, out + j);
        key_part(keys, q + j, 2, 2, tiles, out + j);
    }
}

ALWAYS_INLINE void value_part(const int8_t *values, const int8_t *const *w, uint32_t pair,
                              uint32_t from, uint32_t tiles, sums *out) {
    uint32_t rows = 4 / pair;
    v128_t upper[4], lower[4];
    for (uint32_t i = 0; i < 4; i++) {
        upper[i] = lower[i] = wasm_i32x4_splat(0);
    }
#pragma clang loop unroll(disable)
    for (uint32_t tile = 0; tile < tiles; tile++) {
        v128_t operands[4];
        for (uint32_t j = 0; j < pair; j++) {
            const int8_t *four = w[j] + (size_t)tile * INT8_TILE_COLUMNS;
            operands[2 * j] = wasm_v128_load32_splat(four);
            operands[2 * j + 1] = wasm_v128_load32_splat(four + KV_BLOCK);
        }
        two_parts_dots(values + (size_t)tile * TILE_BYTES + 16 * from, operands, pair, rows, upper,
                       lower);
    }
    for (uint32_t i = 0; i < 4; i++) {
        out[i / rows].v[from + i % rows] = wasm_i32x4_add(wasm_i32x4_shl(upper[i], 7), lower[i]);
    }
}

ALWAYS_INLINE void value_dots(const int8_t *values, const int8_t *const *w, uint32_t queries,
                              uint32_t tiles, sums *out) {
    if (queries == 1) {
        value_part(values, w, 1, 0, tiles, out);
        return;
    }
    for (uint32_t j = 0; j < queries; j += 2) {
        value_part(values, w + j, 2, 0, tiles, out + j);
        value_part(values, w + j, 2, 2, tiles, out + j);
    }
}

#include "attention_kernels.inc"
#include "int8_kernels.inc"

const struct tercet_kernels kernels_wasm_relaxed_dot = {
    .name = "wasm_relaxed_dot",
    .needs = CPU_WASM_DOT,
    .pass_cost = {{220, 340}, {330, 555}},
    .ternary_matmul = ternary_matmul,
    .int8_matmul = int8_matmul,
    .attend_int8 = attend_int8,
};
