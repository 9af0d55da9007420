/*
 * arm_neon_dotprod.c: the kernels for 64-bit ARM with the dot product instructions (Armv8.2 and
 * later). What is here are the operations on 16 lanes and the blocks of integer arithmetic; the .inc
 * files put them together. Must never use a fused multiply-add, which is the plain form on ARM: it
 * rounds once where every other build rounds twice. So vmulq and vaddq, never vmlaq or vfmaq.
 *
 * Integer recipe: `sdot` multiplies four signed bytes of each 32-bit lane with four signed ones and
 * adds all four products to the lane. A lane is a row, its bytes are four columns; the activations
 * of a tile's 16 columns are one register, of which the instruction takes the lane it is told.
 */
#include "kernels.h"
#include "../base/cpu_features.h"
#include "../base/math.h"
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- sixteen f32 lanes ------------------------------------------------------------------- */

typedef struct lanes {
    float32x4_t v[4];
} lanes;

/* op on all four registers */
#define EACH(op, a, b)                                                                             \
    ((lanes){{op((a).v[0], (b).v[0]), op((a).v[1], (b).v[1]), op((a).v[2], (b).v[2]),              \
              op((a).v[3], (b).v[3])}})

ALWAYS_INLINE lanes lanes_splat(float value) {
    float32x4_t v = vdupq_n_f32(value);
    return (lanes){{v, v, v, v}};
}
ALWAYS_INLINE lanes lanes_zero(void) {
    return lanes_splat(0.0f);
}
ALWAYS_INLINE lanes lanes_load(const float *p) {
    return (lanes){{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}
ALWAYS_INLINE void lanes_store(float *p, lanes v) {
    for (uint32_t q = 0; q < 4; q++) {
        vst1q_f32(p + 4 * q, v.v[q]);
    }
}
ALWAYS_INLINE lanes lanes_load_first(const float *p, uint32_t n) {
    float padded[16] = {0};
    memcpy(padded, p, n * sizeof *p);
    return lanes_load(padded);
}
ALWAYS_INLINE void lanes_store_first(float *p, lanes v, uint32_t n) {
    float padded[16];
    lanes_store(padded, v);
    memcpy(p, padded, n * sizeof *p);
}
ALWAYS_INLINE lanes lanes_load_half(const uint16_t *p) {
    lanes v;
    for (uint32_t q = 0; q < 4; q++) {
        v.v[q] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * q)));
    }
    return v;
}

ALWAYS_INLINE void lanes_unzip(const float *p, lanes *even, lanes *odd) {
    for (uint32_t q = 0; q < 4; q++) {
        float32x4x2_t pairs = vld2q_f32(p + 8 * q);
        even->v[q] = pairs.val[0];
        odd->v[q] = pairs.val[1];
    }
}
ALWAYS_INLINE void lanes_zip(float *p, lanes even, lanes odd) {
    for (uint32_t q = 0; q < 4; q++) {
        float32x4x2_t pairs = {{even.v[q], odd.v[q]}}; /* a name: vst2q_f32 may be a macro */
        vst2q_f32(p + 8 * q, pairs);
    }
}

ALWAYS_INLINE lanes lanes_add(lanes a, lanes b) {
    return EACH(vaddq_f32, a, b);
}
ALWAYS_INLINE lanes lanes_sub(lanes a, lanes b) {
    return EACH(vsubq_f32, a, b);
}
ALWAYS_INLINE lanes lanes_mul(lanes a, lanes b) {
    return EACH(vmulq_f32, a, b);
}
ALWAYS_INLINE lanes lanes_div(lanes a, lanes b) {
    return EACH(vdivq_f32, a, b);
}
/* FMIN and FMAX give a NaN when there is one; the definition gives the second operand. */
ALWAYS_INLINE float32x4_t lesser4(float32x4_t a, float32x4_t b) {
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
ALWAYS_INLINE float32x4_t greater4(float32x4_t a, float32x4_t b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
ALWAYS_INLINE lanes lanes_lesser(lanes a, lanes b) {
    return EACH(lesser4, a, b);
}
ALWAYS_INLINE lanes lanes_greater(lanes a, lanes b) {
    return EACH(greater4, a, b);
}
ALWAYS_INLINE lanes lanes_negate(lanes v) {
    return (lanes){{vnegq_f32(v.v[0]), vnegq_f32(v.v[1]), vnegq_f32(v.v[2]), vnegq_f32(v.v[3])}};
}
ALWAYS_INLINE lanes lanes_magnitude(lanes v) {
    return (lanes){{vabsq_f32(v.v[0]), vabsq_f32(v.v[1]), vabsq_f32(v.v[2]), vabsq_f32(v.v[3])}};
}

/* math_exp, operation for operation. */
ALWAYS_INLINE float32x4_t exp4(float32x4_t x) {
    const float32x4_t shifter = vdupq_n_f32(MATH_EXP_SHIFTER);
    float32x4_t shifted = vaddq_f32(vmulq_f32(x, vdupq_n_f32(MATH_EXP_LOG2_E)), shifter);
    float32x4_t n = vsubq_f32(shifted, shifter);
    float32x4_t r = vsubq_f32(x, vmulq_f32(n, vdupq_n_f32(MATH_EXP_LN2_HIGH)));
    r = vsubq_f32(r, vmulq_f32(n, vdupq_n_f32(MATH_EXP_LN2_LOW)));
    float32x4_t p = vdupq_n_f32(MATH_EXP_C6);
    p = vaddq_f32(vmulq_f32(p, r), vdupq_n_f32(MATH_EXP_C5));
    p = vaddq_f32(vmulq_f32(p, r), vdupq_n_f32(MATH_EXP_C4));
    p = vaddq_f32(vmulq_f32(p, r), vdupq_n_f32(MATH_EXP_C3));
    p = vaddq_f32(vmulq_f32(p, r), vdupq_n_f32(MATH_EXP_C2));
    p = vaddq_f32(vmulq_f32(vmulq_f32(r, r), p), r);
    p = vaddq_f32(p, vdupq_n_f32(1.0f));
    uint32x4_t exponent = vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23);
    float32x4_t y = vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(p), exponent));
    y = vbslq_f32(vcltq_f32(x, vdupq_n_f32(MATH_EXP_LEAST)), vdupq_n_f32(0.0f), y);
    y = vbslq_f32(vcgtq_f32(x, vdupq_n_f32(MATH_EXP_MOST)), vdupq_n_f32(HUGE_VALF), y);
    return vbslq_f32(vceqq_f32(x, x), y, x);
}
ALWAYS_INLINE lanes lanes_exp(lanes x) {
    return (lanes){{exp4(x.v[0]), exp4(x.v[1]), exp4(x.v[2]), exp4(x.v[3])}};
}

/* FADDP would add neighbours; the tree adds lanes that are 8, 4, 2 and 1 apart. */
ALWAYS_INLINE float lanes_sum(lanes v) {
    float32x4_t four = vaddq_f32(vaddq_f32(v.v[0], v.v[2]), vaddq_f32(v.v[1], v.v[3]));
    float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
/* No lane is a NaN or all are, so the instruction's rule for them does not matter. */
ALWAYS_INLINE float lanes_greatest(lanes v) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(v.v[0], v.v[1]), vmaxq_f32(v.v[2], v.v[3])));
}

/* FCVTNS rounds half to even. */
ALWAYS_INLINE void lanes_store_codes(int8_t *p, lanes v) {
    int16x8_t low =
        vcombine_s16(vmovn_s32(vcvtnq_s32_f32(v.v[0])), vmovn_s32(vcvtnq_s32_f32(v.v[1])));
    int16x8_t high =
        vcombine_s16(vmovn_s32(vcvtnq_s32_f32(v.v[2])), vmovn_s32(vcvtnq_s32_f32(v.v[3])));
    vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}
ALWAYS_INLINE int32_t sum_codes(const int8_t *p) {
    const int8x16_t ones = vdupq_n_s8(1);
    int32x4_t sum = vdupq_n_s32(0);
    for (uint32_t q = 0; q < 4; q++) {
        sum = vdotq_s32(sum, vld1q_s8(p + 16 * q), ones);
    }
    return vaddvq_s32(sum);
}

/* ---- sixteen i32 sums, one a row --------------------------------------------------------- */

typedef struct sums {
    int32x4_t v[4];
} sums;

ALWAYS_INLINE sums sums_splat(int32_t value) {
    int32x4_t v = vdupq_n_s32(value);
    return (sums){{v, v, v, v}};
}
ALWAYS_INLINE sums sums_add(sums a, sums b) {
    for (uint32_t q = 0; q < 4; q++) {
        a.v[q] = vaddq_s32(a.v[q], b.v[q]);
    }
    return a;
}
ALWAYS_INLINE lanes lanes_from_sums(sums s) {
    return (lanes){{vcvtq_f32_s32(s.v[0]), vcvtq_f32_s32(s.v[1]), vcvtq_f32_s32(s.v[2]),
                    vcvtq_f32_s32(s.v[3])}};
}

/* How far ahead of the multiplication the weights of a strip are asked for. Beyond the end of the
 * matrix it asks for memory that may not exist, which a prefetch ignores. */
enum { PREFETCH_BYTES = 2048 };

/* ---- ternary ----------------------------------------------------------------------------- */

typedef int8_t prepared;
enum { PREPARED = 1 }; /* used where they are */
ALWAYS_INLINE const prepared *prepare(const int8_t *codes, uint32_t tiles, prepared *buffer) {
    (void)tiles;
    (void)buffer;
    return codes;
}

/* Fields 1 and 2 are masked where they stand and count 4 and 16 times the code; field 3 would be
 * negative there and is shifted. The sums of each are divided at the end: exactly, for they are
 * multiples. In i32 the greatest sum is 16 * 2 * 127 in each of 32 columns. */
ALWAYS_INLINE sums ternary_dots(const uint8_t *codes, const prepared *x, uint32_t tiles) {
    const uint8x16_t low = vdupq_n_u8(0x03), middle = vdupq_n_u8(0x0C), high = vdupq_n_u8(0x30);
    sums plain = sums_splat(0), fourfold = plain, sixteenfold = plain;
    for (uint32_t tile = 0; tile < tiles; tile++) {
        const uint8_t *at = codes + (size_t)tile * TILE_BYTES;
        int8x16_t columns = vld1q_s8(x + (size_t)tile * TILE_COLUMNS);
        __builtin_prefetch(at + PREFETCH_BYTES);
        for (uint32_t q = 0; q < 4; q++) {
            uint8x16_t rows = vld1q_u8(at + 16 * q);
            int8x16_t first = vreinterpretq_s8_u8(vandq_u8(rows, low));
            int8x16_t second = vreinterpretq_s8_u8(vandq_u8(rows, middle));
            int8x16_t third = vreinterpretq_s8_u8(vandq_u8(rows, high));
            int8x16_t fourth = vreinterpretq_s8_u8(vshrq_n_u8(rows, 6));
            plain.v[q] = vdotq_laneq_s32(plain.v[q], first, columns, 0);
            fourfold.v[q] = vdotq_laneq_s32(fourfold.v[q], second, columns, 1);
            sixteenfold.v[q] = vdotq_laneq_s32(sixteenfold.v[q], third, columns, 2);
            plain.v[q] = vdotq_laneq_s32(plain.v[q], fourth, columns, 3);
        }
    }
    for (uint32_t q = 0; q < 4; q++) {
        plain.v[q] = vsraq_n_s32(vsraq_n_s32(plain.v[q], fourfold.v[q], 2), sixteenfold.v[q], 4);
    }
    return plain;
}

typedef int8_t unpacked;
enum { UNPACKED = 8 * 256 }; /* a byte a weight: [tile][field][row][column] */

ALWAYS_INLINE void unpack(const uint8_t *codes, uint32_t tiles, unpacked *out) {
    const uint8x16_t mask = vdupq_n_u8(0x03);
    for (uint32_t tile = 0; tile < tiles; tile++) {
        const uint8_t *at = codes + (size_t)tile * TILE_BYTES;
        __builtin_prefetch(at + PREFETCH_BYTES);
        for (uint32_t q = 0; q < 4; q++) {
            uint8x16_t rows = vld1q_u8(at + 16 * q);
            unpacked *to = out + (size_t)tile * 256 + 16 * q;
            vst1q_s8(to, vreinterpretq_s8_u8(vandq_u8(rows, mask)));
            vst1q_s8(to + 64, vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(rows, 2), mask)));
            vst1q_s8(to + 128, vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(rows, 4), mask)));
            vst1q_s8(to + 192, vreinterpretq_s8_u8(vshrq_n_u8(rows, 6)));
        }
    }
}

/* sums[t] += 64 bytes of weights, 16 rows x 4 columns, times the four columns in lane `lane` (a
 * constant) of each token's register. */
#define ADD_DOTS(weights, columns, lane)                                                           \
    do {                                                                                           \
        for (uint32_t q = 0; q < 4; q++) {                                                         \
            int8x16_t rows = vld1q_s8((weights) + 16 * q);                                         \
            for (uint32_t t = 0; t < tokens; t++) {                                                \
                out[t].v[q] = vdotq_laneq_s32(out[t].v[q], rows, (columns)[t], lane);              \
            }                                                                                      \
        }                                                                                          \
    } while (0)

/* 16 columns of 16 rows, [4][row][column], for up to four tokens: 16 sums and 4 registers of
 * activations. */
ALWAYS_INLINE void add_dots_of_16_columns(const int8_t *weights, const int8x16_t *columns,
                                          uint32_t tokens, sums *out) {
    ADD_DOTS(weights, columns, 0);
    ADD_DOTS(weights + 64, columns, 1);
    ADD_DOTS(weights + 128, columns, 2);
    ADD_DOTS(weights + 192, columns, 3);
}

ALWAYS_INLINE void unpacked_dots(const unpacked *weights, const prepared *const *x, uint32_t tokens,
                                 uint32_t tiles, sums *out) {
    sums sum[4];
    for (uint32_t t = 0; t < tokens; t++) {
        sum[t] = sums_splat(0);
    }
    for (uint32_t tile = 0; tile < tiles; tile++) {
        int8x16_t columns[4];
        for (uint32_t t = 0; t < tokens; t++) {
            columns[t] = vld1q_s8(x[t] + (size_t)tile * TILE_COLUMNS);
        }
        add_dots_of_16_columns(weights + (size_t)tile * 256, columns, tokens, sum);
    }
    for (uint32_t t = 0; t < tokens; t++) {
        out[t] = sum[t];
    }
}

/* ---- int8 -------------------------------------------------------------------------------- */

/* Columns are padded to 16, so tiles of 4 come in fours. */
ALWAYS_INLINE void int8_dots(const int8_t *codes, const int8_t *x, size_t x_stride, uint32_t tokens,
                             uint32_t tiles, sums *out) {
    sums sum[4];
    for (uint32_t t = 0; t < tokens; t++) {
        sum[t] = sums_splat(0);
    }
    for (uint32_t tile = 0; tile < tiles; tile += 4) {
        const int8_t *at = codes + (size_t)tile * TILE_BYTES;
        int8x16_t columns[4];
        __builtin_prefetch(at + PREFETCH_BYTES);
        __builtin_prefetch(at + PREFETCH_BYTES + 128); /* lines of 64 or 128 bytes, 256 a step */
        for (uint32_t t = 0; t < tokens; t++) {
            columns[t] = vld1q_s8(x + t * x_stride + (size_t)tile * INT8_TILE_COLUMNS);
        }
        add_dots_of_16_columns(at, columns, tokens, sum);
    }
    for (uint32_t t = 0; t < tokens; t++) {
        out[t] = sum[t];
    }
}

/* ---- attention: `sdot` takes keys and values as they are ----------------------------------- */

ALWAYS_INLINE void key_dots(const int8_t *keys, const int8_t *const *q, uint32_t queries,
                            uint32_t tiles, sums *out) {
    sums sum[4];
    for (uint32_t j = 0; j < queries; j++) {
        sum[j] = sums_splat(0);
    }
    for (uint32_t tile = 0; tile < tiles; tile += 4) {
        const int8_t *at = keys + (size_t)tile * TILE_BYTES;
        int8x16_t columns[4];
        __builtin_prefetch(at + PREFETCH_BYTES);
        __builtin_prefetch(at + PREFETCH_BYTES + 128);
        for (uint32_t j = 0; j < queries; j++) {
            columns[j] = vld1q_s8(q[j] + (size_t)tile * INT8_TILE_COLUMNS);
        }
        add_dots_of_16_columns(at, columns, queries, sum);
    }
    for (uint32_t j = 0; j < queries; j++) {
        out[j] = sum[j];
    }
}

/* The upper and the lower bits of two queries are four rows of activations. */
ALWAYS_INLINE void value_dots_of_two(const int8_t *values, const int8_t *const *w, uint32_t queries,
                                     uint32_t tiles, sums *out) {
    const int8_t *rows[4];
    sums part[4];
    for (uint32_t j = 0; j < queries; j++) {
        rows[2 * j] = w[j];
        rows[2 * j + 1] = w[j] + KV_BLOCK;
    }
    key_dots(values, rows, 2 * queries, tiles, part);
    for (uint32_t j = 0; j < queries; j++) {
        for (uint32_t i = 0; i < 4; i++) {
            out[j].v[i] = vaddq_s32(vshlq_n_s32(part[2 * j].v[i], 7), part[2 * j + 1].v[i]);
        }
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
#include "float_kernels.inc"
#include "ternary_kernels.inc"
#include "int8_kernels.inc"

const struct tercet_kernels kernels_arm_neon_dotprod = {
    .name = "arm_neon_dotprod",
    .needs = CPU_ARM_DOTPROD,
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
