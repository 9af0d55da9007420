/*
 * x86_avx2.c: the kernels for AVX2 and F16C. What is here are the blocks of integer arithmetic; the
 * operations on 16 lanes are in x86_avx2_lanes.h, and the .inc files put them together. Must never
 * use a fused multiply-add: it rounds once where every other build rounds twice.
 *
 * Integer recipe: `vpmaddubsw` multiplies unsigned codes with signed activations and adds pairs into
 * 16 bits, saturating; the comments at each use prove that nothing reaches 32767. `vpmaddwd` with
 * ones then adds the two pairs of a row, which gives one i32 a row: the tile's four columns.
 */
#include "x86_avx2_lanes.h"

/* No instruction: the values are in registers here and what follows stays behind. Without it gcc 12
 * starts all tokens at once, runs out of registers and loses a third of the speed; clang 14 orders
 * them well by itself. */
#if defined(__clang__)
#define KEEP_ORDER(a, b) ((void)0)
#else
#define KEEP_ORDER(a, b) __asm__ volatile("" : "+x"(a), "+x"(b))
#endif

/* ---- ternary ----------------------------------------------------------------------------- */

/* With codes 0..2 and |x| <= 127 a pair is at most 2 * 2 * 127 = 508, and one of 4 * code 2032.
 * A sum of either takes 16 of them in the 8 tiles of a block (two fields each): 8128 and 32512, below
 * 32767. A sum of unpacked weights takes 64 pairs, four in each of 16 tiles: 32512. As text, because gcc 12 otherwise moves
 * every sum through a second register, which costs a fifth of the speed. */
ALWAYS_INLINE __m256i multiply_add(__m256i sum, __m256i codes, __m256i x) {
    __m256i pairs;
    __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"
            : "+x"(sum), "=&x"(pairs)
            : "x"(codes), "x"(x));
    return sum;
}
/* plain + fourfold / 4 is exact (fourfold is a multiple of 4) and at most 16256 in magnitude. */
ALWAYS_INLINE __m256i join_sums(__m256i plain, __m256i fourfold) {
    __m256i pairs = _mm256_add_epi16(plain, _mm256_srai_epi16(fourfold, 2));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
ALWAYS_INLINE __m256i join_unpacked(__m256i sum) {
    return _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
}
#include "x86_avx2_ternary.inc"

/* ---- int8 -------------------------------------------------------------------------------- */

/* |w| is the unsigned operand (128 fits), its sign moves to x, which is never -128: a pair is at
 * most 2 * 128 * 127 = 32512 < 32767. */
ALWAYS_INLINE __m256i int8_eight_rows(__m256i sum, __m256i w, __m256i x) {
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
ALWAYS_INLINE void int8_dots(const int8_t *codes, const int8_t *x, size_t x_stride, uint32_t tokens,
                             uint32_t tiles, sums *out) {
    __m256i low[4], high[4];
    for (uint32_t t = 0; t < tokens; t++) {
        low[t] = high[t] = _mm256_setzero_si256();
    }
    for (uint32_t tile = 0; tile < tiles; tile++) {
        const int8_t *at = codes + (size_t)tile * TILE_BYTES;
        __m256i rows_low = load_rows(at), rows_high = load_rows(at + 32);
        _mm_prefetch((const char *)at + PREFETCH_BYTES, _MM_HINT_T0);
        for (uint32_t t = 0; t < tokens; t++) {
            __m256i four = broadcast_four(x + t * x_stride + (size_t)tile * INT8_TILE_COLUMNS);
            low[t] = int8_eight_rows(low[t], rows_low, four);
            high[t] = int8_eight_rows(high[t], rows_high, four);
        }
    }
    for (uint32_t t = 0; t < tokens; t++) {
        out[t] = (sums){low[t], high[t]};
    }
}

/* ---- attention: as int8; weights of 0..127 need no sign: a pair is at most 2 * 127 * 127 = 32258 ------- */

ALWAYS_INLINE void key_dots(const int8_t *keys, const int8_t *const *q, uint32_t queries,
                            uint32_t tiles, sums *out) {
    const __m256i ones = _mm256_set1_epi16(1);
    for (uint32_t j = 0; j < queries; j++) {
        out[j] = sums_splat(0);
    }
    for (uint32_t tile = 0; tile < tiles; tile++) {
        const int8_t *at = keys + (size_t)tile * TILE_BYTES;
        __m256i rows_low = load_rows(at), rows_high = load_rows(at + 32);
        __m256i size_low = _mm256_abs_epi8(rows_low), size_high = _mm256_abs_epi8(rows_high);
        _mm_prefetch((const char *)at + PREFETCH_BYTES, _MM_HINT_T0);
        for (uint32_t j = 0; j < queries; j++) {
            __m256i four = broadcast_four(q[j] + (size_t)tile * INT8_TILE_COLUMNS);
            __m256i low = _mm256_maddubs_epi16(size_low, _mm256_sign_epi8(four, rows_low));
            __m256i high = _mm256_maddubs_epi16(size_high, _mm256_sign_epi8(four, rows_high));
            out[j].low = _mm256_add_epi32(out[j].low, _mm256_madd_epi16(low, ones));
            out[j].high = _mm256_add_epi32(out[j].high, _mm256_madd_epi16(high, ones));
            KEEP_ORDER(out[j].low, out[j].high);
        }
    }
}

/* The sums of the upper bits are multiplied by 128 on the way: in 16 bits that does not fit, so `vpmaddwd` does it. */
ALWAYS_INLINE void value_dots(const int8_t *values, const int8_t *const *w, uint32_t queries,
                              uint32_t tiles, sums *out) {
    const __m256i ones = _mm256_set1_epi16(1), units = _mm256_set1_epi16(128);
    for (uint32_t j = 0; j < queries; j++) {
        out[j] = sums_splat(0);
    }
    for (uint32_t tile = 0; tile < tiles; tile++) {
        const int8_t *at = values + (size_t)tile * TILE_BYTES;
        __m256i rows_low = load_rows(at), rows_high = load_rows(at + 32);
        _mm_prefetch((const char *)at + PREFETCH_BYTES, _MM_HINT_T0);
        for (uint32_t j = 0; j < queries; j++) {
            __m256i upper = broadcast_four(w[j] + (size_t)tile * INT8_TILE_COLUMNS);
            __m256i lower = broadcast_four(w[j] + KV_BLOCK + (size_t)tile * INT8_TILE_COLUMNS);
            __m256i low =
                _mm256_add_epi32(_mm256_madd_epi16(_mm256_maddubs_epi16(upper, rows_low), units),
                                 _mm256_madd_epi16(_mm256_maddubs_epi16(lower, rows_low), ones));
            __m256i high =
                _mm256_add_epi32(_mm256_madd_epi16(_mm256_maddubs_epi16(upper, rows_high), units),
                                 _mm256_madd_epi16(_mm256_maddubs_epi16(lower, rows_high), ones));
            out[j].low = _mm256_add_epi32(out[j].low, low);
            out[j].high = _mm256_add_epi32(out[j].high, high);
            KEEP_ORDER(out[j].low, out[j].high);
        }
    }
}

#include "attention_kernels.inc"
#include "float_kernels.inc"
#include "ternary_kernels.inc"
#include "int8_kernels.inc"

const struct tercet_kernels kernels_x86_avx2 = {
    .name = "x86_avx2",
    .needs = CPU_AVX2,
    .pass_cost = {{330, 620}, {200, 350}},
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
