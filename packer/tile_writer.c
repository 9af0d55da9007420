/*
 * tile_writer.c: see tile_writer.h. Goes tile by tile, in the order of the bytes; the proof (prove_lossless.c) goes element
 * by element through the address formula, so that an error in one is not repeated in the other.
 */
#include "tile_writer.h"

#include "../core/base/math.h"
#include "../core/kernels/ternary_tile.h"

#include <math.h>
#include <string.h>

size_t tile_ternary_strip_bytes(uint32_t columns) {
    return (size_t)tile_pad(columns) / TILE_COLUMNS * TILE_BYTES;
}

size_t tile_int8_strip_bytes(uint32_t columns) {
    return (size_t)tile_pad(columns) / INT8_TILE_COLUMNS * TILE_BYTES;
}

void tile_write_ternary(const int8_t *trits, uint32_t rows, uint32_t columns, uint8_t *strip) {
    /* 0x55: four codes 1, weight zero. */
    memset(strip, 0x55, tile_ternary_strip_bytes(columns));
    for (uint32_t first = 0; first < columns; first += TILE_COLUMNS, strip += TILE_BYTES) {
        uint32_t width = columns - first < TILE_COLUMNS ? columns - first : TILE_COLUMNS;
        for (uint32_t row = 0; row < rows; row++) {
            const int8_t *from = trits + (size_t)row * columns + first;
            uint8_t *to = strip + row * 4;
            for (uint32_t c = 0; c < width; c++) {
                uint32_t shift = c / 4 * 2;
                uint32_t code = (uint32_t)(from[c] + 1);
                to[c % 4] = (uint8_t)((to[c % 4] & ~(3u << shift)) | code << shift);
            }
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

float tile_quantise_row(const float *values, uint32_t columns, int8_t *codes) {
    float most = 0;
    for (uint32_t c = 0; c < columns; c++) {
        most = fabsf(values[c]) > most ? fabsf(values[c]) : most;
    }
    float scale = most / 127.0f;
    for (uint32_t c = 0; c < columns; c++) {
        /* In f64 the quotient of two f32 is never wrongly at a half; a subnormal scale may push it past 127. */
        double code = scale > 0 ? rint((double)values[c] / (double)scale) : 0;
        codes[c] = (int8_t)(code > 127 ? 127 : code < -127 ? -127 : code);
    }
    return scale;
}

void tile_write_f32(const float *values, size_t count, uint8_t *bytes) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (int b = 0; b < 4; b++) {
            bytes[i * 4 + (size_t)b] = (uint8_t)(bits >> (8 * b));
        }
    }
}

void tile_write_f16(const float *values, size_t count, uint8_t *bytes) {
    for (size_t i = 0; i < count; i++) {
        uint16_t bits = math_float_to_half(values[i]);
        bytes[i * 2] = (uint8_t)bits;
        bytes[i * 2 + 1] = (uint8_t)(bits >> 8);
    }
}
