/*
 * wasm_lanes.h: the operations of the .inc files on WebAssembly's 128-bit vectors, as far as the
 * plain and the relaxed set share them: float lanes, row sums, loads. Included by wasm_*.c only.
 * Must never use an instruction of relaxed SIMD, whose float results differ between engines.
 */
#ifndef TERCET_KERNELS_WASM_LANES_H
#define TERCET_KERNELS_WASM_LANES_H

#include "kernels.h"
#include "../base/math.h"
#include <math.h>
#include <string.h>
#include <wasm_simd128.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- constants -----------------------------------------------------------------------------
 * V8 builds a vector constant anew at each use, with three instructions, two of which move data
 * between register files: masks that were constants cost a third of all time. A vector that was read
 * from memory stays in a register, or is read again by one instruction. `volatile` hides the value. */
ALWAYS_INLINE v128_t kept(const void *sixteen_bytes) {
    return *(const volatile v128_t *)sixteen_bytes;
}
#define FOUR_TIMES(v)                                                                              \
    { v, v, v, v }
#define BYTES(v)                                                                                   \
    { v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v }
__attribute__((unused)) static const _Alignas(16) uint8_t bytes_03[16] = BYTES(0x03);
__attribute__((unused)) static const _Alignas(16) uint8_t bytes_0C[16] = BYTES(0x0C);
__attribute__((unused)) static const _Alignas(16) uint8_t bytes_7F[16] = BYTES(0x7F);
/* The same for a float that stands in the text. */
#define KEPT_F32(value)                                                                            \
    ({                                                                                             \
        static const _Alignas(16) float four_floats[4] = FOUR_TIMES(value);                        \
        kept(four_floats);                                                                         \
    })
#define KEPT_I32(value)                                                                            \
    ({                                                                                             \
        static const _Alignas(16) int32_t four_words[4] = FOUR_TIMES(value);                       \
        kept(four_words);                                                                          \
    })

/* ---- sixteen f32 lanes ------------------------------------------------------------------- */

typedef struct lanes {
    v128_t v[4];
} lanes;

/* op on all four vectors */
#define EACH(op, a, b)                                                                             \
    ((lanes){{op((a).v[0], (b).v[0]), op((a).v[1], (b).v[1]), op((a).v[2], (b).v[2]),              \
              op((a).v[3], (b).v[3])}})

ALWAYS_INLINE lanes lanes_splat(float value) {
    v128_t v = wasm_f32x4_splat(value);
    return (lanes){{v, v, v, v}};
}
ALWAYS_INLINE lanes lanes_zero(void) {
    return lanes_splat(0.0f);
}
ALWAYS_INLINE lanes lanes_load(const float *p) {
    return (lanes){
        {wasm_v128_load(p), wasm_v128_load(p + 4), wasm_v128_load(p + 8), wasm_v128_load(p + 12)}};
}
ALWAYS_INLINE void lanes_store(float *p, lanes v) {
    wasm_v128_store(p, v.v[0]);
    wasm_v128_store(p + 4, v.v[1]);
    wasm_v128_store(p + 8, v.v[2]);
    wasm_v128_store(p + 12, v.v[3]);
}
ALWAYS_INLINE lanes lanes_load_first(const float *p, uint32_t n) {
    float padded[16] = {0};
    for (uint32_t i = 0; i < n; i++) {
        padded[i] = p[i];
    }
    return lanes_load(padded);
}
ALWAYS_INLINE void lanes_store_first(float *p, lanes v, uint32_t n) {
    float padded[16];
    lanes_store(padded, v);
    for (uint32_t i = 0; i < n; i++) {
        p[i] = padded[i];
    }
}

/* Eight halves by one multiplication each: sign, exponent and mantissa moved into place are the
 * value times 2^-112, which is exact for subnormals too. Wrong for infinities and NaNs. */
ALWAYS_INLINE void finite_halves(v128_t bits, v128_t *first, v128_t *second) {
    const v128_t moved = KEPT_I32((int32_t)0x8FFFE000), factor = KEPT_F32(0x1p112f);
    v128_t low = wasm_i32x4_shl(wasm_i32x4_extend_low_i16x8(bits), 13);
    v128_t high = wasm_i32x4_shl(wasm_i32x4_extend_high_i16x8(bits), 13);
    *first = wasm_f32x4_mul(wasm_v128_and(low, moved), factor);
    *second = wasm_f32x4_mul(wasm_v128_and(high, moved), factor);
}

/* Out of the way: real weights hold neither infinities nor NaNs. */
static __attribute__((noinline)) lanes lanes_of_any_half(const uint16_t *p) {
    float values[16];
    for (uint32_t i = 0; i < 16; i++) {
        values[i] = math_half_to_float(p[i]);
    }
    return lanes_load(values);
}
ALWAYS_INLINE lanes lanes_load_half(const uint16_t *p) {
    const v128_t exponent = KEPT_I32(0x7C007C00);
    v128_t a = wasm_v128_load(p), b = wasm_v128_load(p + 8);
    v128_t special = wasm_v128_or(wasm_i16x8_eq(wasm_v128_and(a, exponent), exponent),
                                  wasm_i16x8_eq(wasm_v128_and(b, exponent), exponent));
    if (__builtin_expect(wasm_v128_any_true(special), false)) {
        return lanes_of_any_half(p);
    }
    lanes v;
    finite_halves(a, &v.v[0], &v.v[1]);
    finite_halves(b, &v.v[2], &v.v[3]);
    return v;
}

ALWAYS_INLINE void lanes_unzip(const float *p, lanes *even, lanes *odd) {
    for (uint32_t i = 0; i < 4; i++) {
        v128_t a = wasm_v128_load(p + 8 * i), b = wasm_v128_load(p + 8 * i + 4);
        even->v[i] = wasm_i32x4_shuffle(a, b, 0, 2, 4, 6);
        odd->v[i] = wasm_i32x4_shuffle(a, b, 1, 3, 5, 7);
    }
}
ALWAYS_INLINE void lanes_zip(float *p, lanes even, lanes odd) {
    for (uint32_t i = 0; i < 4; i++) {
        wasm_v128_store(p + 8 * i, wasm_i32x4_shuffle(even.v[i], odd.v[i], 0, 4, 1, 5));
        wasm_v128_store(p + 8 * i + 4, wasm_i32x4_shuffle(even.v[i], odd.v[i], 2, 6, 3, 7));
    }
}

ALWAYS_INLINE lanes lanes_add(lanes a, lanes b) {
    return EACH(wasm_f32x4_add, a, b);
}
ALWAYS_INLINE lanes lanes_sub(lanes a, lanes b) {
    return EACH(wasm_f32x4_sub, a, b);
}
ALWAYS_INLINE lanes lanes_mul(lanes a, lanes b) {
    return EACH(wasm_f32x4_mul, a, b);
}
ALWAYS_INLINE lanes lanes_div(lanes a, lanes b) {
    return EACH(wasm_f32x4_div, a, b);
}
/* pmin(x, y) is y < x ? y : x and pmax(x, y) is x < y ? y : x, hence the order. */
ALWAYS_INLINE lanes lanes_lesser(lanes a, lanes b) {
    return EACH(wasm_f32x4_pmin, b, a);
}
ALWAYS_INLINE lanes lanes_greater(lanes a, lanes b) {
    return EACH(wasm_f32x4_pmax, b, a);
}
ALWAYS_INLINE lanes lanes_negate(lanes v) {
    lanes sign = lanes_splat(-0.0f);
    return EACH(wasm_v128_xor, v, sign);
}
ALWAYS_INLINE lanes lanes_magnitude(lanes v) {
    lanes sign = lanes_splat(-0.0f);
    return EACH(wasm_v128_andnot, v, sign);
}

/* math_exp, operation for operation. */
ALWAYS_INLINE v128_t exp4(v128_t x) {
    const v128_t shifter = KEPT_F32(MATH_EXP_SHIFTER);
    v128_t shifted = wasm_f32x4_mul(x, KEPT_F32(MATH_EXP_LOG2_E));
    shifted = wasm_f32x4_add(shifted, shifter);
    v128_t n = wasm_f32x4_sub(shifted, shifter);
    v128_t r = wasm_f32x4_sub(x, wasm_f32x4_mul(n, KEPT_F32(MATH_EXP_LN2_HIGH)));
    r = wasm_f32x4_sub(r, wasm_f32x4_mul(n, KEPT_F32(MATH_EXP_LN2_LOW)));
    v128_t p = KEPT_F32(MATH_EXP_C6);
    p = wasm_f32x4_add(wasm_f32x4_mul(p, r), KEPT_F32(MATH_EXP_C5));
    p = wasm_f32x4_add(wasm_f32x4_mul(p, r), KEPT_F32(MATH_EXP_C4));
    p = wasm_f32x4_add(wasm_f32x4_mul(p, r), KEPT_F32(MATH_EXP_C3));
    p = wasm_f32x4_add(wasm_f32x4_mul(p, r), KEPT_F32(MATH_EXP_C2));
    p = wasm_f32x4_add(wasm_f32x4_mul(wasm_f32x4_mul(r, r), p), r);
    p = wasm_f32x4_add(p, KEPT_F32(1.0f));
    v128_t y = wasm_i32x4_add(p, wasm_i32x4_shl(shifted, 23));
    y = wasm_v128_andnot(y, wasm_f32x4_lt(x, KEPT_F32(MATH_EXP_LEAST)));
    v128_t infinite = wasm_f32x4_gt(x, KEPT_F32(MATH_EXP_MOST));
    y = wasm_v128_bitselect(KEPT_F32(HUGE_VALF), y, infinite);
    return wasm_v128_bitselect(y, x, wasm_f32x4_eq(x, x));
}
ALWAYS_INLINE lanes lanes_exp(lanes x) {
    return (lanes){{exp4(x.v[0]), exp4(x.v[1]), exp4(x.v[2]), exp4(x.v[3])}};
}

ALWAYS_INLINE float lanes_sum(lanes v) {
    v128_t four = wasm_f32x4_add(wasm_f32x4_add(v.v[0], v.v[2]), wasm_f32x4_add(v.v[1], v.v[3]));
    v128_t two = wasm_f32x4_add(four, wasm_i32x4_shuffle(four, four, 2, 3, 2, 3));
    return wasm_f32x4_extract_lane(two, 0) + wasm_f32x4_extract_lane(two, 1);
}
ALWAYS_INLINE float lanes_greatest(lanes v) {
    v128_t four = wasm_f32x4_pmax(wasm_f32x4_pmax(v.v[0], v.v[2]), wasm_f32x4_pmax(v.v[1], v.v[3]));
    v128_t two = wasm_f32x4_pmax(four, wasm_i32x4_shuffle(four, four, 2, 3, 2, 3));
    return wasm_f32x4_extract_lane(wasm_f32x4_pmax(two, wasm_i32x4_shuffle(two, two, 1, 1, 1, 1)),
                                   0);
}

/* Half to even by the shifter, as portable does it; the integer is the difference of the bits. */
ALWAYS_INLINE void lanes_store_codes(int8_t *p, lanes v) {
    const v128_t shifter = KEPT_F32(MATH_EXP_SHIFTER);
    v128_t n[4];
    for (uint32_t i = 0; i < 4; i++) {
        n[i] = wasm_i32x4_sub(wasm_f32x4_add(v.v[i], shifter), shifter);
    }
    v128_t low = wasm_i16x8_narrow_i32x4(n[0], n[1]), high = wasm_i16x8_narrow_i32x4(n[2], n[3]);
    wasm_v128_store(p, wasm_i8x16_narrow_i16x8(low, high));
}
ALWAYS_INLINE int32_t sum_codes(const int8_t *p) {
    v128_t a = wasm_i16x8_extadd_pairwise_i8x16(wasm_v128_load(p));
    v128_t b = wasm_i16x8_extadd_pairwise_i8x16(wasm_v128_load(p + 16));
    v128_t c = wasm_i16x8_extadd_pairwise_i8x16(wasm_v128_load(p + 32));
    v128_t d = wasm_i16x8_extadd_pairwise_i8x16(wasm_v128_load(p + 48));
    v128_t eight = wasm_i16x8_add(wasm_i16x8_add(a, b), wasm_i16x8_add(c, d));
    v128_t four = wasm_i32x4_extadd_pairwise_i16x8(eight);
    v128_t two = wasm_i32x4_add(four, wasm_i32x4_shuffle(four, four, 2, 3, 2, 3));
    return wasm_i32x4_extract_lane(two, 0) + wasm_i32x4_extract_lane(two, 1);
}

/* ---- sixteen i32 sums, one a row: v[q] holds rows 4q to 4q + 3 ---------------------------- */

typedef struct sums {
    v128_t v[4];
} sums;

ALWAYS_INLINE sums sums_splat(int32_t value) {
    v128_t v = wasm_i32x4_splat(value);
    return (sums){{v, v, v, v}};
}
ALWAYS_INLINE sums sums_add(sums a, sums b) {
    return (sums){{wasm_i32x4_add(a.v[0], b.v[0]), wasm_i32x4_add(a.v[1], b.v[1]),
                   wasm_i32x4_add(a.v[2], b.v[2]), wasm_i32x4_add(a.v[3], b.v[3])}};
}
ALWAYS_INLINE lanes lanes_from_sums(sums s) {
    return (lanes){{wasm_f32x4_convert_i32x4(s.v[0]), wasm_f32x4_convert_i32x4(s.v[1]),
                    wasm_f32x4_convert_i32x4(s.v[2]), wasm_f32x4_convert_i32x4(s.v[3])}};
}

#endif
