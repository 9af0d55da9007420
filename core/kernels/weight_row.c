/*
 * weight_row.c: one row of a packed matrix as f32, for embeddings. One row a token is too little
 * work for a kernel set: this is the same everywhere. Must never round: ternary values are trit *
 * scale, int8 values code * scale, halves are exact.
 */
#include "kernels.h"
#include "../base/math.h"

static float ternary_scale(const struct ternary_matrix *w, uint32_t row, uint32_t column) {
    if (w->scale == KERNEL_SCALE_TENSOR) {
        return ((const float *)w->scales)[0];
    }
    if (w->scale == KERNEL_SCALE_ROW) {
        return ((const float *)w->scales)[row];
    }
    uint32_t group = w->scale == KERNEL_SCALE_GROUP64 ? 64 : 128;
    size_t groups = (tile_pad(w->columns) + group - 1) / group;
    size_t at = ((row / TILE_ROWS) * groups + column / group) * TILE_ROWS + row % TILE_ROWS;
    return math_half_to_float(((const uint16_t *)w->scales)[at]);
}

void ternary_row(const struct ternary_matrix *w, uint32_t row, float *out) {
    for (uint32_t column = 0; column < w->columns; column++) {
        uint32_t byte = w->codes[ternary_byte(row, column, w->columns)];
        int32_t trit = (int32_t)(byte >> ternary_shift(column) & 3u) - 1;
        out[column] = (float)trit * ternary_scale(w, row, column);
    }
}

void int8_row(const struct int8_matrix *w, uint32_t row, float *out) {
    for (uint32_t column = 0; column < w->columns; column++) {
        out[column] = (float)w->codes[int8_byte(row, column, w->columns)] * w->scales[row];
    }
}

void float_row(const struct float_matrix *w, uint32_t row, float *out) {
    size_t at = (size_t)row * w->columns;
    if (!w->half) {
        memcpy(out, (const float *)w->values + at, w->columns * sizeof *out);
        return;
    }
    for (uint32_t column = 0; column < w->columns; column++) {
        out[column] = math_half_to_float(((const uint16_t *)w->values)[at + column]);
    }
}
