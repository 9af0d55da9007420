/*
 * x86_avx512vnni.c: the kernels for AVX-512 (F, BW, DQ, VL) with VNNI: sixteen lanes are one
 * register, and a tile is one load. What is here are the operations on 16 lanes and the blocks of
 * integer arithmetic; the .inc files put them together. Must never use a fused multiply-add, though
 * every processor with AVX-512 has one: it rounds once where every other build rounds twice.
 *
 * Integer recipe: `vpdpbusd` multiplies four unsigned bytes of each 32-bit lane with four signed
 * ones and adds all four products to the lane, without saturation. A lane is a row, its bytes are
 * four columns.
 */
#include "kernels.h"
#include "../base/cpu_features.h"
#include "../base/math.h"
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- sixteen f32 lanes ------------------------------------------------------------------- */

typedef __m512 lanes;

ALWAYS_INLINE lanes lanes_zero(void) {
    return _mm512_setzero_ps();
}
ALWAYS_INLINE lanes lanes_splat(float value) {
    return _mm512_set1_ps(value);
}
ALWAYS_INLINE lanes lanes_load(const float *p) {
    return _mm512_loadu_ps(p);
}
ALWAYS_INLINE void lanes_store(float *p, lanes v) {
    _mm512_storeu_ps(p, v);
}

/* The lanes below n < 16; a masked lane is not touched in memory. */
ALWAYS_INLINE __mmask16 lanes_below(uint32_t n) {
    return (__mmask16)((1u << n) - 1u);
}
ALWAYS_INLINE lanes lanes_load_first(const float *p, uint32_t n) {
    return _mm512_maskz_loadu_ps(lanes_below(n), p);
}
ALWAYS_INLINE void lanes_store_first(float *p, lanes v, uint32_t n) {
    _mm512_mask_storeu_ps(p, lanes_below(n), v);
}
ALWAYS_INLINE lanes lanes_load_half(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

ALWAYS_INLINE void lanes_unzip(const float *p, lanes *even, lanes *odd) {
    const __m512i evens =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
    lanes a = lanes_load(p), b = lanes_load(p + 16);
    *even = _mm512_permutex2var_ps(a, evens, b);
    *odd = _mm512_permutex2var_ps(a, odds, b);
}
ALWAYS_INLINE void lanes_zip(float *p, lanes even, lanes odd) {
    const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
    lanes_store(p, _mm512_permutex2var_ps(even, first, odd));
    lanes_store(p + 16, _mm512_permutex2var_ps(even, second, odd));
}

ALWAYS_INLINE lanes lanes_add(lanes a, lanes b) {
    return _mm512_add_ps(a, b);
}
ALWAYS_INLINE lanes lanes_sub(lanes a, lanes b) {
    return _mm512_sub_ps(a, b);
}
ALWAYS_INLINE lanes lanes_mul(lanes a, lanes b) {
    return _mm512_mul_ps(a, b);
}
ALWAYS_INLINE lanes lanes_div(lanes a, lanes b) {
    return _mm512_div_ps(a, b);
}
/* MINPS and MAXPS give the second operand when unordered or equal: the definition's ?: exactly. */
ALWAYS_INLINE lanes lanes_lesser(lanes a, lanes b) {
    return _mm512_min_ps(a, b);
}
ALWAYS_INLINE lanes lanes_greater(lanes a, lanes b) {
    return _mm512_max_ps(a, b);
}
ALWAYS_INLINE lanes lanes_negate(lanes v) {
    return _mm512_xor_ps(v, lanes_splat(-0.0f));
}
ALWAYS_INLINE lanes lanes_magnitude(lanes v) {
    return _mm512_andnot_ps(lanes_splat(-0.0f), v);
}

/* math_exp, operation for operation. */
ALWAYS_INLINE lanes lanes_exp(lanes x) {
    const lanes shifter = lanes_splat(MATH_EXP_SHIFTER);
    lanes shifted = lanes_add(lanes_mul(x, lanes_splat(MATH_EXP_LOG2_E)), shifter);
    lanes n = lanes_sub(shifted, shifter);
    lanes r = lanes_sub(x, lanes_mul(n, lanes_splat(MATH_EXP_LN2_HIGH)));
    r = lanes_sub(r, lanes_mul(n, lanes_splat(MATH_EXP_LN2_LOW)));
    lanes p = lanes_splat(MATH_EXP_C6);
    p = lanes_add(lanes_mul(p, r), lanes_splat(MATH_EXP_C5));
    p = lanes_add(lanes_mul(p, r), lanes_splat(MATH_EXP_C4));
    p = lanes_add(lanes_mul(p, r), lanes_splat(MATH_EXP_C3));
    p = lanes_add(lanes_mul(p, r), lanes_splat(MATH_EXP_C2));
    p = lanes_add(lanes_mul(lanes_mul(r, r), p), r);
    p = lanes_add(p, lanes_splat(1.0f));
    __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
    lanes y = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), exponent));
    __mmask16 least = _mm512_cmp_ps_mask(x, lanes_splat(MATH_EXP_LEAST), _CMP_LT_OQ);
    __mmask16 most = _mm512_cmp_ps_mask(x, lanes_splat(MATH_EXP_MOST), _CMP_GT_OQ);
    y = _mm512_mask_mov_ps(y, least, lanes_zero());
    y = _mm512_mask_mov_ps(y, most, lanes_splat(HUGE_VALF));
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}

ALWAYS_INLINE float lanes_sum(lanes v) {
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
ALWAYS_INLINE float lanes_greatest(lanes v) {
    __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* vcvtps2dq rounds half to even (the mode every thread starts with). */
ALWAYS_INLINE void lanes_store_codes(int8_t *p, lanes v) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
}
ALWAYS_INLINE int32_t sum_codes(const int8_t *p) {
    __m512i bytes = _mm512_loadu_si512(p);
    __m512i sixteen = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes);
    return _mm512_reduce_add_epi32(sixteen);
}

/* ---- sixteen i32 sums, one a row --------------------------------------------------------- */

typedef __m512i sums;

ALWAYS_INLINE sums sums_splat(int32_t value) {
    return _mm512_set1_epi32(value);
}
ALWAYS_INLINE sums sums_add(sums a, sums b) {
    return _mm512_add_epi32(a, b);
}
ALWAYS_INLINE lanes lanes_from_sums(sums s) {
    return _mm512_cvtepi32_ps(s);
}

/* sum + the four products of each 32-bit lane. The empty instruction says that the sum is in a
 * register here: without it gcc 12 keeps copies of the sums in other registers and on the stack, and
 * loses a third of the speed. */
ALWAYS_INLINE sums dot_add(sums sum, __m512i codes, __m512i x) {
    sum = _mm512_dpbusd_epi32(sum, codes, x);
#if !defined(__clang__)
    __asm__("" : "+v"(sum));
#endif
    return sum;
}

/* Four activations in every 32-bit lane: they meet the four columns of each row. */
ALWAYS_INLINE __m512i broadcast_four(const int8_t *x) {
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm512_set1_epi32(four);
}

/* How far ahead of the multiplication the weights are asked for. Strips are walked one after another, so
 * this is one stream, and it goes on into the next strip; beyond the end of the matrix it asks for
 * memory that may not exist, which a prefetch ignores. */
enum { PREFETCH_BYTES = 8192 };

/* One strip at a time, all tokens on it before the next, by fours. Unpacking it once for many tokens
 * costs more loads than masking it again costs operations: 340 G multiply-adds/s in place of 420. */
#define FEW_TOKENS 4
#define FEW_ALWAYS 1
#define INT8_TOKEN_STRIPS 1

/* ---- ternary ----------------------------------------------------------------------------- */

typedef int8_t prepared; /* used where they are */

/* Field f of a byte is masked where it stands and counts 4^f times the code; each field has sums of
 * its own, which are divided at the end: exactly, for they are multiples. One or two tokens take two
 * tiles at a time, with sums for each: a sum then waits for no other, and with four tokens as many
 * registers are in use. In i32 the greatest sum is 64 * 2 * 127 in each of WHOLE_TILES * 4 columns: 67
 * million. */
#define WHOLE_TILES 1024u
ALWAYS_INLINE void add_tile(const uint8_t *at, const prepared *const *x, size_t column,
                            uint32_t tokens, __m512i sum[][4]) {
    __m512i rows = _mm512_loadu_si512(at);
    _mm_prefetch((const char *)at + PREFETCH_BYTES, _MM_HINT_T0);
    const __m512i fields[4] = {_mm512_and_si512(rows, _mm512_set1_epi8(0x03)),
                               _mm512_and_si512(rows, _mm512_set1_epi8(0x0C)),
                               _mm512_and_si512(rows, _mm512_set1_epi8(0x30)),
                               _mm512_and_si512(rows, _mm512_set1_epi8((char)0xC0))};
    for (uint32_t t = 0; t < tokens; t++) {
        for (uint32_t field = 0; field < 4; field++) {
            __m512i four = broadcast_four(x[t] + column + 4 * (size_t)field);
            sum[t][field] = dot_add(sum[t][field], fields[field], four);
        }
    }
}
ALWAYS_INLINE void ternary_few_dots(const uint8_t *codes, const prepared *const *x, uint32_t tokens,
                                    uint32_t tiles, sums *out) {
    const uint32_t chains = tokens <= 2 ? 2 : 1;
    __m512i sum[2][4][4];
    for (uint32_t chain = 0; chain < chains; chain++) {
        for (uint32_t t = 0; t < tokens; t++) {
            for (uint32_t field = 0; field < 4; field++) {
                sum[chain][t][field] = _mm512_setzero_si512();
            }
        }
    }
    uint32_t tile = 0;
    for (; tile + chains <= tiles; tile += chains) {
        for (uint32_t chain = 0; chain < chains; chain++) {
            add_tile(codes + (size_t)(tile + chain) * TILE_BYTES, x,
                     (size_t)(tile + chain) * TILE_COLUMNS, tokens, sum[chain]);
        }
    }
    for (; tile < tiles; tile++) {
        add_tile(codes + (size_t)tile * TILE_BYTES, x, (size_t)tile * TILE_COLUMNS, tokens, sum[0]);
    }
    for (uint32_t t = 0; t < tokens; t++) {
        __m512i *all = sum[0][t];
        for (uint32_t field = 0; field < 4 && chains == 2; field++) {
            all[field] = sums_add(all[field], sum[1][t][field]);
        }
        sums low = sums_add(all[0], _mm512_srai_epi32(all[1], 2));
        sums high = sums_add(_mm512_srai_epi32(all[2], 4), _mm512_srai_epi32(all[3], 6));
        out[t] = sums_add(low, high);
    }
}

/* ---- int8 -------------------------------------------------------------------------------- */

/* The weights are made unsigned by adding 128, which int8_block takes off again. Sums may wrap on
 * the way: arithmetic modulo 2^32 ends at the right number, which is below 2^31. */
#define INT8_OFFSET 128
ALWAYS_INLINE void int8_dots(const int8_t *codes, const int8_t *x, size_t x_stride, uint32_t tokens,
                             uint32_t tiles, sums *out) {
    const __m512i sign = _mm512_set1_epi8((char)0x80);
    /* Enough sums side by side to hide the latency of the instruction. */
    enum { CHAINS = 4 };
    uint32_t chains = tokens == 1 ? CHAINS : 2;
    __m512i sum[4][CHAINS];
    for (uint32_t t = 0; t < tokens; t++) {
        for (uint32_t chain = 0; chain < chains; chain++) {
            sum[t][chain] = _mm512_setzero_si512();
        }
    }
    uint32_t tile = 0;
    for (; tile + chains <= tiles; tile += chains) {
        for (uint32_t chain = 0; chain < chains; chain++) {
            const int8_t *at = codes + (size_t)(tile + chain) * TILE_BYTES;
            const int8_t *four = x + (size_t)(tile + chain) * INT8_TILE_COLUMNS;
            __m512i rows = _mm512_xor_si512(_mm512_loadu_si512(at), sign);
            _mm_prefetch((const char *)at + PREFETCH_BYTES, _MM_HINT_T0);
            for (uint32_t t = 0; t < tokens; t++) {
                sum[t][chain] = dot_add(sum[t][chain], rows, broadcast_four(four + t * x_stride));
            }
        }
    }
    for (uint32_t t = 0; t < tokens; t++) {
        out[t] = sum[t][0];
        for (uint32_t chain = 1; chain < chains; chain++) {
            out[t] = sums_add(out[t], sum[t][chain]);
        }
    }
}

/* ---- attention --------------------------------------------------------------------------- */

/* Keys are made unsigned like the weights above. */
#define KEY_OFFSET 128
ALWAYS_INLINE void key_dots(const int8_t *keys, const int8_t *const *q, uint32_t queries,
                            uint32_t tiles, sums *out) {
    const __m512i sign = _mm512_set1_epi8((char)0x80);
    enum { CHAINS = 4 };
    uint32_t chains = queries == 1 ? CHAINS : 2;
    __m512i sum[4][CHAINS];
    for (uint32_t j = 0; j < queries; j++) {
        for (uint32_t chain = 0; chain < chains; chain++) {
            sum[j][chain] = _mm512_setzero_si512();
        }
    }
    for (uint32_t tile = 0; tile < tiles; tile += chains) {
        for (uint32_t chain = 0; chain < chains; chain++) {
            const int8_t *at = keys + (size_t)(tile + chain) * TILE_BYTES;
            __m512i rows = _mm512_xor_si512(_mm512_loadu_si512(at), sign);
            _mm_prefetch((const char *)at + PREFETCH_BYTES, _MM_HINT_T0);
            for (uint32_t j = 0; j < queries; j++) {
                const int8_t *four = q[j] + (size_t)(tile + chain) * INT8_TILE_COLUMNS;
                sum[j][chain] = dot_add(sum[j][chain], rows, broadcast_four(four));
            }
        }
    }
    for (uint32_t j = 0; j < queries; j++) {
        out[j] = sum[j][0];
        for (uint32_t chain = 1; chain < chains; chain++) {
            out[j] = sums_add(out[j], sum[j][chain]);
        }
    }
}

ALWAYS_INLINE void value_dots(const int8_t *values, const int8_t *const *w, uint32_t queries,
                              uint32_t tiles, sums *out) {
    sums upper[4], lower[4];
    for (uint32_t j = 0; j < queries; j++) {
        upper[j] = lower[j] = sums_splat(0);
    }
    for (uint32_t tile = 0; tile < tiles; tile++) {
        const int8_t *at = values + (size_t)tile * TILE_BYTES;
        __m512i rows = _mm512_loadu_si512(at);
        _mm_prefetch((const char *)at + PREFETCH_BYTES, _MM_HINT_T0);
        for (uint32_t j = 0; j < queries; j++) {
            const int8_t *four = w[j] + (size_t)tile * INT8_TILE_COLUMNS;
            upper[j] = dot_add(upper[j], broadcast_four(four), rows);
            lower[j] = dot_add(lower[j], broadcast_four(four + KV_BLOCK), rows);
        }
    }
    for (uint32_t j = 0; j < queries; j++) {
        out[j] = sums_add(_mm512_slli_epi32(upper[j], 7), lower[j]);
    }
}

#include "attention_kernels.inc"
#include "float_kernels.inc"
#include "ternary_kernels.inc"
#include "int8_kernels.inc"

const struct tercet_kernels kernels_x86_avx512vnni = {
    .name = "x86_avx512vnni",
    .needs = CPU_AVX2 | CPU_AVX512_VNNI,
    .pass_cost = {{350, 620}, {170, 240}},
    .quantise = quantise,
    .ternary_matmul = ternary_matmul,
    .int8_matmul = int8_matmul,
    .float_matmul = float_matmul,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .rope = rope,
    .attend = attend,
    .attend_int8 = attend_int8,
    .silu_mul = silu_mul,
    .relu2_mul = relu2_mul,
    .gelu = gelu,
    .add = add,
    .widen = widen,
};
