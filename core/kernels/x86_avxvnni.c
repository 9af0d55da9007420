/*
 * x86_avxvnni.c: the integer kernels for AVX-VNNI, which newer processors without AVX-512 have;
 * everything else is inherited from x86_avx2. What is here are the blocks of integer arithmetic; the
 * .inc files put them together. Must never use an instruction of AVX-512, whose VNNI has the same
 * names.
 *
 * Integer recipe: `vpdpbusd` multiplies four unsigned bytes of each 32-bit lane with four signed
 * ones and adds all four products to the lane, without saturation. A lane is a row, its bytes are
 * four columns.
 */
#include "x86_avx2_lanes.h"

/* sum + the four products of each 32-bit lane. As text, because gcc 12 keeps copies of the sums in
 * other registers and on the stack when it may choose. */
ALWAYS_INLINE __m256i multiply_add(__m256i sum, __m256i codes, __m256i x) {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(codes), "x"(x));
    return sum;
}
#define KEEP_ORDER(a, b) ((void)0)

/* ---- ternary ----------------------------------------------------------------------------- */

/* In i32 the greatest sum is 4 * 2 * 127 in each of WHOLE_TILES * 8 columns: a quarter of a million. */
#define WHOLE_TILES 32u
ALWAYS_INLINE __m256i join_sums(__m256i plain, __m256i fourfold) {
    return _mm256_add_epi32(plain, _mm256_srai_epi32(fourfold, 2));
}
ALWAYS_INLINE __m256i join_unpacked(__m256i sum) {
    return sum;
}
/* Twelve sums hide the latency of four cycles; eight would do so only with perfect timing. */
#define DOTS_TOKENS 6
#include "x86_avx2_ternary.inc"

/* ---- int8 -------------------------------------------------------------------------------- */

/* The weights are made unsigned by adding 128, which int8_block takes off again. Sums may wrap on
 * the way: arithmetic modulo 2^32 ends at the right number, which is below 2^31. */
#define INT8_OFFSET 128
ALWAYS_INLINE void int8_dots(const int8_t *codes, const int8_t *x, size_t x_stride, uint32_t tokens,
                             uint32_t tiles, sums *out) {
    const __m256i sign = _mm256_set1_epi8((char)0x80);
    /* Enough sums side by side to hide the latency of the instruction; padded columns make the
     * number of tiles a multiple of 4. */
    enum { CHAINS = 4 };
    uint32_t chains = tokens == 1 ? CHAINS : 1;
    __m256i low[4][CHAINS], high[4][CHAINS];
    for (uint32_t t = 0; t < tokens; t++) {
        for (uint32_t chain = 0; chain < chains; chain++) {
            low[t][chain] = high[t][chain] = _mm256_setzero_si256();
        }
    }
    for (uint32_t tile = 0; tile < tiles; tile += chains) {
        for (uint32_t chain = 0; chain < chains; chain++) {
            const int8_t *at = codes + (size_t)(tile + chain) * TILE_BYTES;
            const int8_t *columns = x + (size_t)(tile + chain) * INT8_TILE_COLUMNS;
            __m256i rows_low = _mm256_xor_si256(load_rows(at), sign);
            __m256i rows_high = _mm256_xor_si256(load_rows(at + 32), sign);
            _mm_prefetch((const char *)at + PREFETCH_BYTES, _MM_HINT_T0);
            for (uint32_t t = 0; t < tokens; t++) {
                __m256i four = broadcast_four(columns + t * x_stride);
                low[t][chain] = multiply_add(low[t][chain], rows_low, four);
                high[t][chain] = multiply_add(high[t][chain], rows_high, four);
            }
        }
    }
    for (uint32_t t = 0; t < tokens; t++) {
        out[t] = (sums){low[t][0], high[t][0]};
        for (uint32_t chain = 1; chain < chains; chain++) {
            out[t] = sums_add(out[t], (sums){low[t][chain], high[t][chain]});
        }
    }
}

/* ---- attention --------------------------------------------------------------------------- */

/* Keys are made unsigned like the weights above. One query takes four chains to hide the latency. */
#define KEY_OFFSET 128
ALWAYS_INLINE void key_dots(const int8_t *keys, const int8_t *const *q, uint32_t queries,
                            uint32_t tiles, sums *out) {
    const __m256i sign = _mm256_set1_epi8((char)0x80);
    enum { CHAINS = 4 };
    uint32_t chains = queries == 1 ? CHAINS : 1;
    __m256i low[4][CHAINS], high[4][CHAINS];
    for (uint32_t j = 0; j < queries; j++) {
        for (uint32_t chain = 0; chain < chains; chain++) {
            low[j][chain] = high[j][chain] = _mm256_setzero_si256();
        }
    }
    for (uint32_t tile = 0; tile < tiles; tile += chains) {
        for (uint32_t chain = 0; chain < chains; chain++) {
            const int8_t *at = keys + (size_t)(tile + chain) * TILE_BYTES;
            __m256i rows_low = _mm256_xor_si256(load_rows(at), sign);
            __m256i rows_high = _mm256_xor_si256(load_rows(at + 32), sign);
            _mm_prefetch((const char *)at + PREFETCH_BYTES, _MM_HINT_T0);
            for (uint32_t j = 0; j < queries; j++) {
                __m256i four = broadcast_four(q[j] + (size_t)(tile + chain) * INT8_TILE_COLUMNS);
                low[j][chain] = multiply_add(low[j][chain], rows_low, four);
                high[j][chain] = multiply_add(high[j][chain], rows_high, four);
            }
        }
    }
    for (uint32_t j = 0; j < queries; j++) {
        out[j] = (sums){low[j][0], high[j][0]};
        for (uint32_t chain = 1; chain < chains; chain++) {
            out[j] = sums_add(out[j], (sums){low[j][chain], high[j][chain]});
        }
    }
}

/* Two queries at a time: eight sums. */
ALWAYS_INLINE void value_dots_of_two(const int8_t *values, const int8_t *const *w, uint32_t queries,
                                     uint32_t tiles, sums *out) {
    sums upper[2], lower[2];
    for (uint32_t j = 0; j < queries; j++) {
        upper[j] = lower[j] = sums_splat(0);
    }
    for (uint32_t tile = 0; tile < tiles; tile++) {
        const int8_t *at = values + (size_t)tile * TILE_BYTES;
        __m256i rows_low = load_rows(at), rows_high = load_rows(at + 32);
        _mm_prefetch((const char *)at + PREFETCH_BYTES, _MM_HINT_T0);
        for (uint32_t j = 0; j < queries; j++) {
            const int8_t *four = w[j] + (size_t)tile * INT8_TILE_COLUMNS;
            __m256i high_bits = broadcast_four(four), low_bits = broadcast_four(four + KV_BLOCK);
            upper[j].low = multiply_add(upper[j].low, high_bits, rows_low);
            upper[j].high = multiply_add(upper[j].high, high_bits, rows_high);
            lower[j].low = multiply_add(lower[j].low, low_bits, rows_low);
            lower[j].high = multiply_add(lower[j].high, low_bits, rows_high);
        }
    }
    for (uint32_t j = 0; j < queries; j++) {
        out[j].low = _mm256_add_epi32(_mm256_slli_epi32(upper[j].low, 7), lower[j].low);
        out[j].high = _mm256_add_epi32(_mm256_slli_epi32(upper[j].high, 7), lower[j].high);
    }
}
ALWAYS_INLINE void value_dots(const int8_t *values, const int8_t *const *w, uint32_t queries,
                              uint32_t tiles, sums *out) {
    value_dots_of_two(values, w, queries == 1 ? 1 : 2, tiles, out);
    if (queries == 4) {
        value_dots_of_two(values, w + 2, 2, tiles, out + 2);
    }
}

#include "attention_kernels.inc"
#include "ternary_kernels.inc"
#include "int8_kernels.inc"

const struct tercet_kernels kernels_x86_avxvnni = {
    .name = "x86_avxvnni",
    .needs = CPU_AVX2 | CPU_AVX_VNNI,
    .ternary_matmul = ternary_matmul,
    .int8_matmul = int8_matmul,
    .attend_int8 = attend_int8,
};
