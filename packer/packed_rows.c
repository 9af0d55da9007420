/*
 * packed_rows.c: see packed_rows.h. Layouts: core/kernels/ternary_tile.h and CONTAINER.md, section 7.2.
 */
#include "packed_rows.h"

#include "../core/base/math.h"
#include "../core/kernels/ternary_tile.h"

#include <string.h>

uint32_t packed_scale_span(const struct packed_tensor *tensor) {
    return tensor->info.scale == SCALE_GROUP64    ? 64
           : tensor->info.scale == SCALE_GROUP128 ? 128
                                                  : tensor->info.columns;
}

static float read_f32(const uint8_t *at) {
    float value;
    memcpy(&value, at, sizeof value);
    return value;
}

static float read_f16(const uint8_t *at) {
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return math_half_to_float(bits);
}

float packed_scale(const struct packed_tensor *tensor, uint32_t row, uint32_t column) {
    const struct container_tensor *info = &tensor->info;
    const uint8_t *scales =
        tensor->bytes + container_scales_offset(info->type, info->rows, info->columns);
    if (info->scale == SCALE_TENSOR) {
        return read_f32(scales);
    }
    if (info->scale == SCALE_ROW) {
        return read_f32(scales + (size_t)row * sizeof(float));
    }
    uint32_t group = packed_scale_span(tensor);
    size_t groups = (info->columns + group - 1) / group;
    size_t at = ((size_t)(row / TILE_ROWS) * groups + column / group) * TILE_ROWS + row % TILE_ROWS;
    return read_f16(scales + at * sizeof(uint16_t));
}

bool packed_row_trits(const struct packed_tensor *tensor, uint32_t row, uint8_t *codes) {
    uint32_t columns = tensor->info.columns, threes = 0;
    const uint8_t *at = tensor->bytes + ternary_byte(row, 0, columns);
    for (uint32_t first = 0; first < columns; first += TILE_COLUMNS, at += TILE_BYTES) {
        uint32_t word;
        memcpy(&word, at, sizeof word);
        threes |= word & word >> 1;
        for (uint32_t field = 0; field < 4; field++, codes += 4) {
            uint32_t four = word >> (2 * field) & 0x03030303u; /* columns 4 field .. + 3 */
            memcpy(codes, &four, sizeof four);
        }
    }
    return (threes & 0x55555555u) == 0;
}

void packed_row_int8(const struct packed_tensor *tensor, uint32_t row, int8_t *codes) {
    uint32_t columns = tensor->info.columns;
    const uint8_t *at = tensor->bytes + int8_byte(row, 0, columns);
    for (uint32_t first = 0; first < columns; first += INT8_TILE_COLUMNS, at += TILE_BYTES) {
        memcpy(codes + first, at, INT8_TILE_COLUMNS);
    }
}

bool packed_row_values(const struct packed_tensor *tensor, uint32_t row, uint8_t *codes,
                       float *values) {
    uint32_t columns = tensor->info.columns, type = tensor->info.type;
    bool sound = true;
    if (type == TENSOR_F32) {
        memcpy(values, tensor->bytes + (size_t)row * columns * 4, (size_t)columns * 4);
        return true;
    }
    if (type == TENSOR_F16) {
        for (uint32_t c = 0; c < columns; c++) {
            values[c] = read_f16(tensor->bytes + ((size_t)row * columns + c) * 2);
        }
        return true;
    }
    if (type == TENSOR_TERNARY) {
        sound = packed_row_trits(tensor, row, codes);
    } else {
        packed_row_int8(tensor, row, (int8_t *)codes);
    }
    for (uint32_t c = 0; c < columns; c++) {
        int32_t code = type == TENSOR_TERNARY ? codes[c] - 1 : (int8_t)codes[c];
        values[c] = (float)code * packed_scale(tensor, row, c);
    }
    return sound;
}
