/*
 * x86_avx2_lanes.h: sixteen f32 lanes and sixteen i32 sums in pairs of YMM registers, shared by x86_avx2.c and
 * x86_avxvnni.c, whose integer instructions differ and whose floats must not; and the unpacking of a strip. What float_kernels.inc and
 * ternary_kernels.inc ask for under these names. Must never use a fused multiply-add: it rounds once where every other
 * build rounds twice.
 */
#ifndef TERCET_KERNELS_X86_AVX2_LANES_H
#define TERCET_KERNELS_X86_AVX2_LANES_H

#include "kernels.h"
#include "../base/cpu_features.h"
#include "../base/math.h"
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- sixteen f32 lanes ------------------------------------------------------------------- */

typedef struct lanes {
    __m256 low, high;
} lanes;

/* op on both halves */
#define BOTH(op, a, b) ((lanes){op((a).low, (b).low), op((a).high, (b).high)})

ALWAYS_INLINE lanes lanes_zero(void) {
    return (lanes){_mm256_setzero_ps(), _mm256_setzero_ps()};
}
ALWAYS_INLINE lanes lanes_splat(float value) {
    return (lanes){_mm256_set1_ps(value), _mm256_set1_ps(value)};
}
ALWAYS_INLINE lanes lanes_load(const float *p) {
    return (lanes){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
ALWAYS_INLINE void lanes_store(float *p, lanes v) {
    _mm256_storeu_ps(p, v.low);
    _mm256_storeu_ps(p + 8, v.high);
}

/* All ones in the lanes below n, for n in [-8, 8]; a masked lane is not touched in memory. */
ALWAYS_INLINE __m256i lanes_below(int32_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
ALWAYS_INLINE lanes lanes_load_first(const float *p, uint32_t n) {
    return (lanes){_mm256_maskload_ps(p, lanes_below((int32_t)n)),
                   _mm256_maskload_ps(p + 8, lanes_below((int32_t)n - 8))};
}
ALWAYS_INLINE void lanes_store_first(float *p, lanes v, uint32_t n) {
    _mm256_maskstore_ps(p, lanes_below((int32_t)n), v.low);
    _mm256_maskstore_ps(p + 8, lanes_below((int32_t)n - 8), v.high);
}
ALWAYS_INLINE lanes lanes_load_half(const uint16_t *p) {
    return (lanes){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                   _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)))};
}

/* Eight pairs to eight evens and eight odds. vshufps works within 128 bits, vpermpd repairs it. */
ALWAYS_INLINE void unzip8(const float *p, __m256 *even, __m256 *odd) {
    __m256 a = _mm256_loadu_ps(p), b = _mm256_loadu_ps(p + 8);
    __m256 e = _mm256_shuffle_ps(a, b, 0x88), o = _mm256_shuffle_ps(a, b, 0xDD);
    *even = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(e), 0xD8));
    *odd = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(o), 0xD8));
}
ALWAYS_INLINE void zip8(float *p, __m256 even, __m256 odd) {
    __m256 a = _mm256_unpacklo_ps(even, odd), b = _mm256_unpackhi_ps(even, odd);
    _mm256_storeu_ps(p, _mm256_permute2f128_ps(a, b, 0x20));
    _mm256_storeu_ps(p + 8, _mm256_permute2f128_ps(a, b, 0x31));
}
ALWAYS_INLINE void lanes_unzip(const float *p, lanes *even, lanes *odd) {
    unzip8(p, &even->low, &odd->low);
    unzip8(p + 16, &even->high, &odd->high);
}
ALWAYS_INLINE void lanes_zip(float *p, lanes even, lanes odd) {
    zip8(p, even.low, odd.low);
    zip8(p + 16, even.high, odd.high);
}

ALWAYS_INLINE lanes lanes_add(lanes a, lanes b) {
    return BOTH(_mm256_add_ps, a, b);
}
ALWAYS_INLINE lanes lanes_sub(lanes a, lanes b) {
    return BOTH(_mm256_sub_ps, a, b);
}
ALWAYS_INLINE lanes lanes_mul(lanes a, lanes b) {
    return BOTH(_mm256_mul_ps, a, b);
}
ALWAYS_INLINE lanes lanes_div(lanes a, lanes b) {
    return BOTH(_mm256_div_ps, a, b);
}
/* MINPS and MAXPS give the second operand when unordered or equal: the definition's ?: exactly. */
ALWAYS_INLINE lanes lanes_lesser(lanes a, lanes b) {
    return BOTH(_mm256_min_ps, a, b);
}
ALWAYS_INLINE lanes lanes_greater(lanes a, lanes b) {
    return BOTH(_mm256_max_ps, a, b);
}
ALWAYS_INLINE lanes lanes_negate(lanes v) {
    lanes sign = lanes_splat(-0.0f);
    return BOTH(_mm256_xor_ps, v, sign);
}
ALWAYS_INLINE lanes lanes_magnitude(lanes v) {
    lanes sign = lanes_splat(-0.0f);
    return BOTH(_mm256_andnot_ps, sign, v);
}

/* math_exp, operation for operation. */
ALWAYS_INLINE __m256 exp8(__m256 x) {
    const __m256 shifter = _mm256_set1_ps(MATH_EXP_SHIFTER);
    __m256 shifted = _mm256_add_ps(_mm256_mul_ps(x, _mm256_set1_ps(MATH_EXP_LOG2_E)), shifter);
    __m256 n = _mm256_sub_ps(shifted, shifter);
    __m256 r = _mm256_sub_ps(x, _mm256_mul_ps(n, _mm256_set1_ps(MATH_EXP_LN2_HIGH)));
    r = _mm256_sub_ps(r, _mm256_mul_ps(n, _mm256_set1_ps(MATH_EXP_LN2_LOW)));
    __m256 p = _mm256_set1_ps(MATH_EXP_C6);
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(MATH_EXP_C5));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(MATH_EXP_C4));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(MATH_EXP_C3));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(MATH_EXP_C2));
    p = _mm256_add_ps(_mm256_mul_ps(_mm256_mul_ps(r, r), p), r);
    p = _mm256_add_ps(p, _mm256_set1_ps(1.0f));
    __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    __m256 y = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
    y = _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_set1_ps(MATH_EXP_LEAST), _CMP_LT_OQ), y);
    y = _mm256_blendv_ps(y, _mm256_set1_ps(HUGE_VALF),
                         _mm256_cmp_ps(x, _mm256_set1_ps(MATH_EXP_MOST), _CMP_GT_OQ));
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}
ALWAYS_INLINE lanes lanes_exp(lanes x) {
    return (lanes){exp8(x.low), exp8(x.high)};
}

ALWAYS_INLINE float lanes_sum(lanes v) {
    __m256 eight = _mm256_add_ps(v.low, v.high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
ALWAYS_INLINE float lanes_greatest(lanes v) {
    __m256 eight = _mm256_max_ps(v.low, v.high);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* vcvtps2dq rounds half to even (the mode every thread starts with). */
ALWAYS_INLINE void lanes_store_codes(int8_t *p, lanes v) {
    __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(v.low), _mm256_cvtps_epi32(v.high));
    words = _mm256_permute4x64_epi64(words, 0xD8);
    __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)p, bytes);
}
ALWAYS_INLINE int32_t sum_codes(const int8_t *p) {
    const __m256i ones = _mm256_set1_epi8(1);
    __m256i a = _mm256_maddubs_epi16(ones, _mm256_loadu_si256((const __m256i *)p));
    __m256i b = _mm256_maddubs_epi16(ones, _mm256_loadu_si256((const __m256i *)(p + 32)));
    __m256i eight = _mm256_madd_epi16(_mm256_add_epi16(a, b), _mm256_set1_epi16(1));
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

/* ---- sixteen i32 sums, one a row --------------------------------------------------------- */

typedef struct sums {
    __m256i low, high;
} sums;

ALWAYS_INLINE sums sums_splat(int32_t value) {
    return (sums){_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
}
ALWAYS_INLINE sums sums_add(sums a, sums b) {
    return (sums){_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
ALWAYS_INLINE lanes lanes_from_sums(sums s) {
    return (lanes){_mm256_cvtepi32_ps(s.low), _mm256_cvtepi32_ps(s.high)};
}

/* Four activations in every 32-bit lane: they meet the four columns of each row. */
ALWAYS_INLINE __m256i broadcast_four(const int8_t *x) {
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm256_set1_epi32(four);
}
ALWAYS_INLINE __m256i load_rows(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

/* ---- weights and activations, where both sets treat them alike ------------------------------ */

typedef int8_t prepared;
enum { PREPARED = 1 }; /* used where they are */
ALWAYS_INLINE const prepared *prepare(const int8_t *codes, uint32_t tiles, prepared *buffer) {
    (void)tiles;
    (void)buffer;
    return codes;
}

/* How far ahead of the multiplication the weights are asked for. Strips are walked one after another, so
 * this is one stream, and it goes on into the next strip; beyond the end of the matrix it asks for
 * memory that may not exist, which a prefetch ignores. */
enum { PREFETCH_BYTES = 8192 };

/* Up to eight tokens: one strip at a time, the tokens on it by fours. */
#define FEW_TOKENS 4
#define INT8_TOKEN_STRIPS 1

typedef uint8_t unpacked;
#define UNPACKED_TILES 16
enum { UNPACKED = UNPACKED_TILES * 256 }; /* a byte a weight: [tile][field][row][column] */

ALWAYS_INLINE void unpack(const uint8_t *codes, uint32_t tiles, unpacked *out) {
    const __m256i mask = _mm256_set1_epi8(0x03);
    for (uint32_t tile = 0; tile < tiles; tile++) {
        const uint8_t *at = codes + (size_t)tile * TILE_BYTES;
        _mm_prefetch((const char *)at + PREFETCH_BYTES, _MM_HINT_T0);
        for (uint32_t half = 0; half < 2; half++) {
            __m256i rows = load_rows(at + 32 * half);
            __m256i *to = (__m256i *)(out + (size_t)tile * 256 + 32 * half);
            _mm256_store_si256(to, _mm256_and_si256(rows, mask));
            _mm256_store_si256(to + 2, _mm256_and_si256(_mm256_srli_epi16(rows, 2), mask));
            _mm256_store_si256(to + 4, _mm256_and_si256(_mm256_srli_epi16(rows, 4), mask));
            _mm256_store_si256(to + 6, _mm256_and_si256(_mm256_srli_epi16(rows, 6), mask));
        }
    }
}

#endif
