/*
 * wasm_relaxed.c: the ternary kernels for WebAssembly's relaxed SIMD; everything else is inherited from
 * wasm_simd128. Must never use a relaxed instruction whose result an engine may choose: the one used
 * here, i16x8.relaxed_dot_i8x16_i7x16_s, is the same everywhere as long as the second operand is in
 * 0..127, and as no sum of two products leaves 16 bits.
 *
 * On x86-64 it is vpmaddubsw, which every machine has. The form with 32 bits (wasm_relaxed_dot.c) is
 * three instructions where there is no AVX-VNNI: most of the machines before 2022, and Ice Lake, whose
 * AVX-512 VNNI engines do not use.
 */
#include "wasm_lanes.h"

/* A pair of products is at most 2 * 127 * 2 = 508, four times that where the code stands two bits
 * higher. Of 8 tiles 16 dots meet in a sum: 8128 and 32512, below 32767. Unpacked weights are single
 * codes, 32 of them: 16256. */
ALWAYS_INLINE v128_t multiply_add(v128_t sum, v128_t x, v128_t codes) {
    return wasm_i16x8_add(sum, wasm_i16x8_relaxed_dot_i8x16_i7x16(x, codes));
}
ALWAYS_INLINE v128_t widened(v128_t sum) {
    return wasm_i32x4_extadd_pairwise_i16x8(sum);
}

#include "wasm_relaxed_ternary.inc"

const struct tercet_kernels kernels_wasm_relaxed = {
    .name = "wasm_relaxed",
    .needs = 0, /* a module with these instructions is refused where they do not exist */
    .ternary_matmul = ternary_matmul,
};
