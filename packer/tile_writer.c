/*
 * tile_writer.c: see tile_writer.h. Goes row by row, 16 columns at a time; the proof (prove_lossless.c) goes element
 * by element through the address formula, so that an error in one is not repeated in the other.
 */
#include "tile_writer.h"

#include "../core/base/math.h"
#include "../core/kernels/ternary_tile.h"
#include "wide_vectors.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

size_t tile_ternary_strip_bytes(uint32_t columns) {
    return (size_t)tile_pad(columns) / TILE_COLUMNS * TILE_BYTES;
}

size_t tile_int8_strip_bytes(uint32_t columns) {
    return (size_t)tile_pad(columns) / INT8_TILE_COLUMNS * TILE_BYTES;
}

/* 16 columns of a row -> its four bytes of a tile. The codes of columns c, c + 4, c + 8 and c + 12 share a byte, so eight of
 * them as one word, and the next eight moved up by four bits, already lie side by side; two words of four then do. */
static void put_row(const uint8_t codes[TILE_COLUMNS], uint8_t *to) {
    uint64_t low, high;
    memcpy(&low, codes, sizeof low);
    memcpy(&high, codes + 8, sizeof high);
    uint64_t both = low | high << 4;
    uint32_t word = (uint32_t)(both | both >> 30);
    memcpy(to, &word, sizeof word);
}

void tile_write_ternary(const uint8_t *codes, uint32_t rows, uint32_t columns, uint8_t *strip) {
    size_t tiles = tile_pad(columns) / TILE_COLUMNS;
    uint32_t whole = columns / TILE_COLUMNS, rest = columns % TILE_COLUMNS;
    if (rows < TILE_ROWS) { /* 0x55: four codes 1, weight zero */
        memset(strip, 0x55, tiles * TILE_BYTES);
    }
    for (uint32_t row = 0; row < rows; row++, codes += columns) {
        uint8_t *to = strip + (size_t)row * 4;
        for (uint32_t tile = 0; tile < whole; tile++) {
            put_row(codes + (size_t)tile * TILE_COLUMNS, to + (size_t)tile * TILE_BYTES);
        }
        if (rest > 0) {
            uint8_t padded[TILE_COLUMNS];
            memset(padded, 1, sizeof padded);
            memcpy(padded, codes + (size_t)whole * TILE_COLUMNS, rest);
            put_row(padded, to + (size_t)whole * TILE_BYTES);
        }
    }
}

void tile_write_int8(const int8_t *codes, uint32_t rows, uint32_t columns, uint8_t *strip) {
    memset(strip, 0, tile_int8_strip_bytes(columns));
    for (uint32_t first = 0; first < columns; first += INT8_TILE_COLUMNS, strip += TILE_BYTES) {
        uint32_t width = columns - first < INT8_TILE_COLUMNS ? columns - first : INT8_TILE_COLUMNS;
        for (uint32_t row = 0; row < rows; row++) {
            memcpy(strip + row * INT8_TILE_COLUMNS, codes + (size_t)row * columns + first, width);
        }
    }
}

/* Adding it and taking it away again rounds a number of less than 2^51 to an integer, half to even: what rint does, but as
 * two additions, which become vectors. */
#define TO_INTEGER 0x1.8p52

static void divide_exactly(const float *values, uint32_t count, float scale, int8_t *codes) {
    for (uint32_t c = 0; c < count; c++) {
        /* In f64 the quotient of two f32 is never wrongly at a half; a subnormal scale may push it past 127. */
        double code = (double)values[c] / (double)scale;
        code = code > 127 ? 127 : code < -127 ? -127 : code;
        codes[c] = (int8_t)(int32_t)((code + TO_INTEGER) - TO_INTEGER);
    }
}

/* The same rounding for f32 of less than 2^22. */
#define TO_INTEGER_F32 0x1.8p23f
/* Multiplying by 1/scale is at most 127 * 2^-22 off a quotient of up to 127: an integer that is nearer than this is the right one. */
#define SURELY_NEAREST 0.4999f
/* From here on 1/scale is a normal number, as precise as any. */
#define LEAST_INVERTED 0x1p-120f
#define QUANTISED_AT_ONCE 64u

/* False where a quotient may be at a half: then nothing of it counts. */
static inline bool divide_quickly(const float *values, float inverse, int8_t *codes) {
    uint32_t doubtful = 0;
    for (uint32_t c = 0; c < QUANTISED_AT_ONCE; c++) {
        float quotient = values[c] * inverse;
        float nearest = (quotient + TO_INTEGER_F32) - TO_INTEGER_F32;
        doubtful |= !(fabsf(quotient - nearest) < SURELY_NEAREST);
        codes[c] = (int8_t)(int32_t)nearest;
    }
    return doubtful == 0;
}

WIDE_VECTORS float tile_quantise_row(const float *values, uint32_t columns, int8_t *codes) {
    uint32_t most = 0;
    for (uint32_t c = 0; c < columns; c++) { /* the bits of magnitudes order as these do */
        uint32_t bits = math_float_bits(values[c]) & 0x7FFFFFFFu;
        most = bits > most ? bits : most;
    }
    float scale = math_float_from_bits(most) / 127.0f;
    if (!(scale > 0)) {
        memset(codes, 0, columns);
        return scale;
    }
    uint32_t done = 0;
    for (; scale >= LEAST_INVERTED && columns - done >= QUANTISED_AT_ONCE;
         done += QUANTISED_AT_ONCE) {
        if (!divide_quickly(values + done, 1.0f / scale, codes + done)) {
            divide_exactly(values + done, QUANTISED_AT_ONCE, scale, codes + done);
        }
    }
    divide_exactly(values + done, columns - done, scale, codes + done);
    return scale;
}

void tile_write_f32(const float *values, size_t count, uint8_t *bytes) {
    memcpy(bytes, values, count * sizeof *values);
}

/* Magnitudes in bits of f32: the least normal half, and the least that rounds to an infinite one. */
#define LEAST_NORMAL_HALF 0x38800000u
#define INFINITE_HALF 0x477FF000u
#define INFINITE 0x7F800000u

/* To the nearest half, to even on a tie, without a branch: for all but NaN what math_float_to_half gives. */
static inline uint16_t half_of(uint32_t bits) {
    uint32_t magnitude = bits & 0x7FFFFFFFu;
    /* The fraction loses 13 bits, the exponent 112. Below that an addition rounds to multiples of 2^-24. */
    uint32_t normal = (magnitude + 0xFFFu + (magnitude >> 13 & 1u) - (112u << 23)) >> 13;
    uint32_t small = math_float_bits(math_float_from_bits(magnitude) + 0.5f) - 0x3F000000u;
    uint32_t half = magnitude < LEAST_NORMAL_HALF ? small : normal;
    half = magnitude >= INFINITE_HALF ? 0x7C00u : half;
    return (uint16_t)(half | (bits >> 16 & 0x8000u));
}

WIDE_VECTORS void tile_write_f16(const float *values, size_t count, uint8_t *bytes) {
    uint32_t nan = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = math_float_bits(values[i]);
        uint16_t half = half_of(bits);
        memcpy(bytes + i * 2, &half, sizeof half);
        nan |= (bits & 0x7FFFFFFFu) > INFINITE;
    }
    for (size_t i = 0; i < count && nan != 0; i++) {
        uint16_t half = math_float_to_half(values[i]);
        memcpy(bytes + i * 2, &half, sizeof half);
    }
}
