/*
 * kernel_inputs.h: matrices, activations and vectors for the kernel tests: random ones, and the
 * extremes at which a sum of 16 bits overflows first. Repeatable: seeded, no clock.
 */
#ifndef TERCET_TESTS_KERNEL_INPUTS_H
#define TERCET_TESTS_KERNEL_INPUTS_H

#include "base/math.h"
#include "guarded_buffer.h"
#include "kernels/kernels.h"

static uint64_t random_state = 0x9E3779B97F4A7C15u;

static inline uint32_t random_u32(void) { /* xorshift64* */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545F4914F6CDD1Du) >> 32);
}

/* Magnitudes from 2^-12 to 2^4, both signs, some zeros of both signs. */
static inline float random_float(void) {
    uint32_t r = random_u32();
    if (r % 31 == 0) {
        return r & 32 ? -0.0f : 0.0f;
    }
    uint32_t exponent = 115 + (r >> 23) % 16;
    return math_float_from_bits((r & 0x007FFFFFu) | exponent << 23 | (r & 64u) << 25);
}

static inline void fill_floats(float *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        values[i] = random_float();
    }
}

enum code_kind { CODES_RANDOM, CODES_ALL_0, CODES_ALL_2, CODES_0_OR_2, CODE_KINDS };
enum activation_kind { X_RANDOM, X_ALL_127, X_ALL_MINUS_127, X_MATCHING, ACTIVATION_KINDS };

/* Slots of guarded_buffer.h. */
enum slot {
    SLOT_CODES,
    SLOT_SCALES,
    SLOT_X,
    SLOT_X_CODES,
    SLOT_STEP,
    SLOT_SUMS,
    SLOT_Y,
    SLOT_WANT,
    SLOT_OTHER_CODES,
    SLOT_OTHER_STEP,
    SLOT_OTHER_SUMS,
    SLOT_KEYS,
    SLOT_VALUES,
    SLOT_SCORES,
    SLOT_OTHER_SCORES
};

/* A ternary matrix with scales; columns beyond the last hold code 1, padding rows scale 0. */
static inline struct ternary_matrix random_ternary(uint32_t rows, uint32_t columns,
                                                   enum kernel_scale scale, enum code_kind kind) {
    uint32_t padded = tile_pad(rows), padded_columns = tile_pad(columns);
    size_t bytes = (size_t)padded * padded_columns / 4;
    uint8_t *codes = guarded(SLOT_CODES, bytes);
    memset(codes, 0x55, bytes);
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t column = 0; column < columns; column++) {
            uint32_t r = random_u32();
            uint32_t code = kind == CODES_RANDOM  ? r % 3
                            : kind == CODES_ALL_0 ? 0
                            : kind == CODES_ALL_2 ? 2
                                                  : r & 2;
            uint8_t *byte = codes + ternary_byte(row, column, columns);
            uint32_t shift = ternary_shift(column);
            *byte = (uint8_t)((*byte & ~(3u << shift)) | code << shift);
        }
    }
    struct ternary_matrix w = {.codes = codes, .scale = scale, .rows = rows, .columns = columns};
    if (scale == KERNEL_SCALE_TENSOR || scale == KERNEL_SCALE_ROW) {
        uint32_t count = scale == KERNEL_SCALE_ROW ? padded : 1;
        float *scales = guarded(SLOT_SCALES, count * sizeof *scales);
        for (uint32_t i = 0; i < count; i++) {
            scales[i] = i < rows ? random_float() : 0.0f;
        }
        w.scales = scales;
    } else {
        uint32_t group = scale == KERNEL_SCALE_GROUP64 ? 64 : 128;
        uint32_t groups = (padded_columns + group - 1) / group;
        uint16_t *scales = guarded(SLOT_SCALES, (size_t)padded * groups * sizeof *scales);
        for (size_t i = 0; i < (size_t)padded * groups; i++) {
            uint32_t row = (uint32_t)(i / 16 / groups * 16 + i % 16);
            /* times 2^-8: some are subnormal halves */
            scales[i] = row < rows ? math_float_to_half(random_float() * 0x1p-8f) : 0;
        }
        w.scales = scales;
    }
    return w;
}

static inline struct int8_matrix random_int8(uint32_t rows, uint32_t columns, enum code_kind kind) {
    uint32_t padded = tile_pad(rows);
    size_t bytes = (size_t)padded * tile_pad(columns);
    int8_t *codes = guarded(SLOT_CODES, bytes);
    float *scales = guarded(SLOT_SCALES, padded * sizeof *scales);
    memset(codes, 0, bytes);
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t column = 0; column < columns; column++) {
            int32_t r = (int32_t)(random_u32() & 255) - 128;
            int32_t code = kind == CODES_RANDOM  ? r
                           : kind == CODES_ALL_0 ? -128
                           : kind == CODES_ALL_2 ? 127
                                                 : (r & 1 ? -128 : 127);
            codes[int8_byte(row, column, columns)] = (int8_t)code;
        }
    }
    for (uint32_t row = 0; row < padded; row++) {
        scales[row] = row < rows ? random_float() : 0.0f;
    }
    return (struct int8_matrix){.codes = codes, .scales = scales, .rows = rows, .columns = columns};
}

/* Codes in [-127, 127] with their sums. X_MATCHING alternates every 32 columns, so that blocks of
 * sums reach both ends one after the other. */
static inline struct activations random_activations(uint32_t count, uint32_t columns,
                                                    enum activation_kind kind) {
    struct activations x = {
        .count = count, .columns = columns, .stride = activation_stride(columns)};
    x.codes = guarded(SLOT_X_CODES, (size_t)count * x.stride);
    x.step = guarded(SLOT_STEP, count * sizeof *x.step);
    x.group_sums = guarded(SLOT_SUMS, (size_t)count * (x.stride / 64) * sizeof *x.group_sums);
    for (uint32_t t = 0; t < count; t++) {
        x.step[t] = 0.001f + (float)(random_u32() & 1023) * 0x1p-12f;
        for (uint32_t i = 0; i < x.stride; i++) {
            int32_t r = (int32_t)(random_u32() % 255) - 127;
            int32_t code = kind == X_RANDOM          ? r
                           : kind == X_ALL_127       ? 127
                           : kind == X_ALL_MINUS_127 ? -127
                                                     : (i / 32 % 2 ? -127 : 127);
            x.codes[(size_t)t * x.stride + i] = (int8_t)(i < columns ? code : 0);
        }
        for (uint32_t g = 0; g < x.stride / 64; g++) {
            int32_t sum = 0;
            for (uint32_t i = 0; i < 64; i++) {
                sum += x.codes[(size_t)t * x.stride + g * 64 + i];
            }
            x.group_sums[(size_t)t * (x.stride / 64) + g] = sum;
        }
    }
    return x;
}

#endif
