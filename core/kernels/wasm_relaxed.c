/*
 * wasm_relaxed.c: the integer kernels for WebAssembly's relaxed SIMD; everything else is inherited
 * from wasm_simd128. Must never use a relaxed instruction whose result an engine may choose: the one
 * used here, i32x4.relaxed_dot_i8x16_i7x16_add_s, is the same everywhere as long as the second
 * operand is in 0..127, and as no sum of two products leaves 16 bits.
 *
 * Integer recipe: codes are the second operand, masked where they stand: 03 gives the code, 0C four
 * times the code (at most 8, or 12 for a byte that no packer writes). Each 32-bit lane is one row's
 * four columns, so one instruction adds four columns of four rows. On machines with VNNI engines
 * make one instruction of it.
 */
#include "wasm_lanes.h"

/* sum + the four products of each 32-bit lane; codes in 0..127. With 4 * code <= 8 and |x| <= 127 a
 * pair is at most 2032, with int8 weights (below) at most 2 * 128 * 127 = 32512 < 32767. */
ALWAYS_INLINE v128_t dot_add(v128_t sum, v128_t x, v128_t codes) {
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, codes, sum);
}

/* ---- ternary ----------------------------------------------------------------------------- */

typedef int8_t prepared;
enum { PREPARED = 1 }; /* used where they are */
ALWAYS_INLINE const prepared *prepare(const int8_t *codes, uint32_t tiles, prepared *buffer) {
    (void)tiles;
    (void)buffer;
    return codes;
}

ALWAYS_INLINE sums ternary_dots(const uint8_t *codes, const prepared *x, uint32_t tiles) {
    const v128_t low = wasm_i8x16_splat(0x03), high = wasm_i8x16_splat(0x0C);
    sums plain = sums_splat(0), fourfold = plain;
/* Four tiles of a short group at once would need more registers than there are. */
#pragma clang loop unroll(disable)
    for (uint32_t tile = 0; tile < tiles; tile++) {
        const uint8_t *at = codes + (size_t)tile * TILE_BYTES;
        const prepared *four = x + (size_t)tile * TILE_COLUMNS;
        v128_t x0 = wasm_v128_load32_splat(four), x1 = wasm_v128_load32_splat(four + 4);
        v128_t x2 = wasm_v128_load32_splat(four + 8), x3 = wasm_v128_load32_splat(four + 12);
        for (uint32_t q = 0; q < 4; q++) {
            v128_t rows = wasm_v128_load(at + 16 * q), upper = wasm_u16x8_shr(rows, 4);
            plain.v[q] = dot_add(plain.v[q], x0, wasm_v128_and(rows, low));
            fourfold.v[q] = dot_add(fourfold.v[q], x1, wasm_v128_and(rows, high));
            plain.v[q] = dot_add(plain.v[q], x2, wasm_v128_and(upper, low));
            fourfold.v[q] = dot_add(fourfold.v[q], x3, wasm_v128_and(upper, high));
        }
    }
    for (uint32_t q = 0; q < 4; q++) { /* exact: a multiple of four */
        plain.v[q] = wasm_i32x4_add(plain.v[q], wasm_i32x4_shr(fourfold.v[q], 2));
    }
    return plain;
}

/* A byte a weight: [8 rows][tile][field][2 vectors], so that eight sums stay in registers. */
typedef uint8_t unpacked;
enum { UNPACKED = 2 * 8 * 4 * 32 };
ALWAYS_INLINE void unpack(const uint8_t *codes, uint32_t tiles, unpacked *out) {
    const v128_t mask = wasm_i8x16_splat(0x03);
    for (uint32_t tile = 0; tile < tiles; tile++) {
        for (uint32_t q = 0; q < 4; q++) {
            v128_t rows = wasm_v128_load(codes + (size_t)tile * TILE_BYTES + 16 * q);
            unpacked *to = out + (q / 2) * (UNPACKED / 2) + (size_t)tile * 128 + (q % 2) * 16;
            wasm_v128_store(to, wasm_v128_and(rows, mask));
            wasm_v128_store(to + 32, wasm_v128_and(wasm_u16x8_shr(rows, 2), mask));
            wasm_v128_store(to + 64, wasm_v128_and(wasm_u16x8_shr(rows, 4), mask));
            wasm_v128_store(to + 96, wasm_v128_and(wasm_u16x8_shr(rows, 6), mask));
        }
    }
}

ALWAYS_INLINE void unpacked_dots(const unpacked *weights, const prepared *const *x, uint32_t tokens,
                                 uint32_t tiles, sums *out) {
    for (uint32_t half = 0; half < 2; half++) {
        const unpacked *rows = weights + (size_t)half * (UNPACKED / 2);
        v128_t first[4], second[4];
        for (uint32_t t = 0; t < tokens; t++) {
            first[t] = second[t] = wasm_i32x4_splat(0);
        }
        for (uint32_t field = 0; field < tiles * 4; field++) {
            v128_t a = wasm_v128_load(rows + (size_t)field * 32);
            v128_t b = wasm_v128_load(rows + (size_t)field * 32 + 16);
            for (uint32_t t = 0; t < tokens; t++) {
                v128_t four = wasm_v128_load32_splat(x[t] + (size_t)field * 4);
                first[t] = dot_add(first[t], four, a);
                second[t] = dot_add(second[t], four, b);
            }
        }
        for (uint32_t t = 0; t < tokens; t++) {
            out[t].v[2 * half] = first[t];
            out[t].v[2 * half + 1] = second[t];
        }
    }
}

/* ---- int8 -------------------------------------------------------------------------------- */

/* Here the activations are the 7-bit operand: x = (x & 127) - 128 * (x < 0), so two dot products
 * with the signed weights, the second one of sign bits. */
ALWAYS_INLINE sums int8_dots_of_token(const int8_t *codes, const int8_t *x, uint32_t tiles) {
    const v128_t low_bits = wasm_i8x16_splat(0x7F);
    sums low = sums_splat(0), sign = low;
    for (uint32_t tile = 0; tile < tiles; tile++) {
        v128_t four = wasm_v128_load32_splat(x + (size_t)tile * INT8_TILE_COLUMNS);
        v128_t four_low = wasm_v128_and(four, low_bits), four_sign = wasm_u8x16_shr(four, 7);
        for (uint32_t q = 0; q < 4; q++) {
            v128_t rows = wasm_v128_load(codes + (size_t)tile * TILE_BYTES + 16 * q);
            low.v[q] = dot_add(low.v[q], rows, four_low);
            sign.v[q] = dot_add(sign.v[q], rows, four_sign);
        }
    }
    for (uint32_t q = 0; q < 4; q++) {
        low.v[q] = wasm_i32x4_sub(low.v[q], wasm_i32x4_shl(sign.v[q], 7));
    }
    return low;
}
ALWAYS_INLINE void int8_dots(const int8_t *codes, const int8_t *x, size_t x_stride, uint32_t tokens,
                             uint32_t tiles, sums *out) {
    for (uint32_t t = 0; t < tokens; t++) {
        out[t] = int8_dots_of_token(codes, x + t * x_stride, tiles);
    }
}

#include "ternary_kernels.inc"
#include "int8_kernels.inc"

const struct tercet_kernels kernels_wasm_relaxed = {
    .name = "wasm_relaxed",
    .needs = 0, /* a module with these instructions is refused where they do not exist */
    .ternary_matmul = ternary_matmul,
    .int8_matmul = int8_matmul,
};
