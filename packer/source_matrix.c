/*
 * source_matrix.c: see source_matrix.h. Packed layout: formats of huggingface/transformers, integrations/bitnet.py.
 */
#include "source_matrix.h"

#include "../core/base/math.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a transposed matrix that are read together: a column of the source then gives some hundred bytes a read. */
#define BLOCK_ROWS 256u

static uint32_t element_bytes(enum source_type dtype) {
    return dtype == SOURCE_F32 ? 4 : dtype == SOURCE_U8 ? 1 : 2;
}

/* Stored little-endian, at any alignment. */
static float decode_element(enum source_type dtype, const uint8_t *p) {
    uint32_t low = (uint32_t)p[0] | (uint32_t)p[1] << 8;
    switch (dtype) {
    case SOURCE_F32:
        return math_float_from_bits(low | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
    case SOURCE_BF16:
        return math_float_from_bits(low << 16);
    default:
        return math_half_to_float((uint16_t)low);
    }
}

uint32_t source_ordinal(enum source_type dtype, float value) {
    switch (dtype) {
    case SOURCE_F32:
        return math_float_bits(value) & 0x7FFFFFFFu;
    case SOURCE_BF16:
        return (math_float_bits(value) & 0x7FFFFFFFu) >> 16;
    default:
        return math_float_to_half(value) & 0x7FFFu;
    }
}

float source_ordinal_value(enum source_type dtype, uint32_t ordinal) {
    switch (dtype) {
    case SOURCE_F32:
        return math_float_from_bits(ordinal);
    case SOURCE_BF16:
        return math_float_from_bits(ordinal << 16);
    default:
        return math_half_to_float((uint16_t)ordinal);
    }
}

/* weight = trit / weight_scale or trit * weight_scale, as linear_class says; rounded once, to f32. */
static tercet_status read_scale(struct source_matrix *matrix, enum source_quantization quantization,
                                tercet_error *error) {
    const struct source_tensor *tensor = matrix->planned->weight_scale;
    uint8_t bytes[4] = {0};
    TERCET_TRY(source_weights_read(matrix->source, tensor, 0, bytes, (size_t)tensor->bytes, error));
    double stored = (double)decode_element(tensor->dtype, bytes);
    if (!isfinite(stored) || stored <= 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "tensor %s is not a positive number",
                           tensor->name);
    }
    matrix->scale = (float)(quantization == SOURCE_MULTIPLY ? stored : 1.0 / stored);
    if (!isfinite(matrix->scale) || matrix->scale <= 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "tensor %s is too small or too large to divide by", tensor->name);
    }
    return TERCET_OK;
}

tercet_status source_matrix_open(const struct source_weights *source,
                                 enum source_quantization quantization,
                                 const struct planned_tensor *planned, struct source_matrix *matrix,
                                 tercet_error *error) {
    memset(matrix, 0, sizeof *matrix);
    matrix->source = source;
    matrix->planned = planned;
    matrix->packed = planned->weight_scale != NULL;
    if (matrix->packed) {
        TERCET_TRY(read_scale(matrix, quantization, error));
    }
    matrix->bytes = malloc((size_t)(planned->transposed ? BLOCK_ROWS : SOURCE_ROWS_MAX) *
                           planned->columns * element_bytes(planned->weight->dtype));
    if (matrix->bytes == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for rows of tensor %s",
                           planned->weight->name);
    }
    return TERCET_OK;
}

void source_matrix_close(struct source_matrix *matrix) {
    free(matrix->bytes);
    memset(matrix, 0, sizeof *matrix);
}

static tercet_status bad_element(const struct source_matrix *matrix, uint32_t row, uint32_t column,
                                 const char *what, tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, (uint64_t)row * matrix->planned->columns + column,
                       "tensor %s holds %s at row %u, column %u", matrix->planned->weight->name,
                       what, row, column);
}

tercet_status source_matrix_read_trits(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                       int8_t *trits, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    uint32_t columns = planned->columns, quarter = (planned->rows + 3) / 4;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = first + i, shift = 2 * (row / quarter);
        TERCET_TRY(source_weights_read(matrix->source, planned->weight,
                                       (uint64_t)(row % quarter) * columns, matrix->bytes, columns,
                                       error));
        for (uint32_t c = 0; c < columns; c++) {
            uint32_t code = (uint32_t)matrix->bytes[c] >> shift & 3u;
            if (code == 3) {
                return bad_element(matrix, row, c, "the code 3, which is no ternary weight,",
                                   error);
            }
            trits[(size_t)i * columns + c] = (int8_t)((int)code - 1);
        }
    }
    return TERCET_OK;
}

static tercet_status read_packed_values(struct source_matrix *matrix, uint32_t first,
                                        uint32_t count, float *values, tercet_error *error) {
    uint32_t columns = matrix->planned->columns, quarter = (matrix->planned->rows + 3) / 4;
    const float value_of_code[3] = {-matrix->scale, 0.0f, matrix->scale};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = first + i, shift = 2 * (row / quarter);
        TERCET_TRY(source_weights_read(matrix->source, matrix->planned->weight,
                                       (uint64_t)(row % quarter) * columns, matrix->bytes, columns,
                                       error));
        for (uint32_t c = 0; c < columns; c++) {
            uint32_t code = (uint32_t)matrix->bytes[c] >> shift & 3u;
            if (code == 3) {
                return bad_element(matrix, row, c, "the code 3, which is no ternary weight,",
                                   error);
            }
            values[(size_t)i * columns + c] = value_of_code[code];
        }
    }
    return TERCET_OK;
}

/* The block of rows that begins at `first`: from each row of the source a run of values. */
static tercet_status read_block(struct source_matrix *matrix, uint32_t first, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    size_t size = element_bytes(planned->weight->dtype);
    uint32_t rows = planned->rows - first < BLOCK_ROWS ? planned->rows - first : BLOCK_ROWS;
    matrix->block_rows = 0;
    for (uint32_t c = 0; c < planned->columns; c++) {
        uint64_t at = (uint64_t)c * planned->source_outputs + planned->source_first + first;
        TERCET_TRY(source_weights_read(matrix->source, planned->weight, at * size,
                                       matrix->bytes + (size_t)c * rows * size, rows * size,
                                       error));
    }
    matrix->block_first = first;
    matrix->block_rows = rows;
    return TERCET_OK;
}

static tercet_status read_transposed(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                     float *values, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    size_t size = element_bytes(planned->weight->dtype);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = first + i;
        if (row < matrix->block_first || row - matrix->block_first >= matrix->block_rows) {
            TERCET_TRY(read_block(matrix, row, error));
        }
        const uint8_t *from = matrix->bytes + (row - matrix->block_first) * size;
        for (uint32_t c = 0; c < planned->columns; c++) {
            float value = decode_element(planned->weight->dtype,
                                         from + (size_t)c * matrix->block_rows * size);
            if (!isfinite(value)) {
                return bad_element(matrix, row, c, "a value that is no finite number", error);
            }
            values[(size_t)i * planned->columns + c] = value;
        }
    }
    return TERCET_OK;
}

tercet_status source_matrix_read_values(struct source_matrix *matrix, uint32_t first,
                                        uint32_t count, float *values, tercet_error *error) {
    const struct source_tensor *weight = matrix->planned->weight;
    uint32_t columns = matrix->planned->columns, size = element_bytes(weight->dtype);
    size_t row_bytes = (size_t)columns * size;
    if (matrix->packed) {
        return read_packed_values(matrix, first, count, values, error);
    }
    if (matrix->planned->transposed) {
        return read_transposed(matrix, first, count, values, error);
    }
    /* A vector that is a part of a longer one begins at its value, not at a row. */
    uint64_t start = (uint64_t)first * row_bytes + (uint64_t)matrix->planned->source_first * size;
    TERCET_TRY(source_weights_read(matrix->source, weight, start, matrix->bytes,
                                   (size_t)count * row_bytes, error));
    for (size_t i = 0; i < (size_t)count * columns; i++) {
        values[i] = decode_element(weight->dtype, matrix->bytes + i * size);
        if (!isfinite(values[i])) {
            return bad_element(matrix, first + (uint32_t)(i / columns), (uint32_t)(i % columns),
                               "a value that is no finite number", error);
        }
    }
    return TERCET_OK;
}
