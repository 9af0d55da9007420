/*
 * source_matrix.c: see source_matrix.h. Four rows a byte: huggingface/transformers, integrations/bitnet.py.
 */
#include "source_matrix.h"

#include "../core/base/math.h"
#include "block_codecs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a transposed matrix that are read together: a column of the source then gives some hundred bytes a read. */
#define BLOCK_ROWS 256u

uint32_t source_ordinal(enum source_type dtype, float value) {
    switch (dtype) {
    case SOURCE_F16:
        return math_float_to_half(value) & 0x7FFFu;
    case SOURCE_BF16:
        return (math_float_bits(value) & 0x7FFFFFFFu) >> 16;
    default: /* blocks are computed in f32 */
        return math_float_bits(value) & 0x7FFFFFFFu;
    }
}

float source_ordinal_value(enum source_type dtype, uint32_t ordinal) {
    switch (dtype) {
    case SOURCE_F16:
        return math_half_to_float((uint16_t)ordinal);
    case SOURCE_BF16:
        return math_float_from_bits(ordinal << 16);
    default:
        return math_float_from_bits(ordinal);
    }
}

/* The scale of an I2_S tensor stands behind its codes. */
static tercet_status read_stored_scale(const struct source_matrix *matrix, double *scale,
                                       tercet_error *error) {
    const struct source_tensor *tensor = matrix->planned->weight_scale;
    uint8_t bytes[4] = {0};
    enum source_type type = SOURCE_F32;
    uint64_t offset = 0;
    float value;
    if (tensor == NULL) {
        tensor = matrix->planned->weight;
        offset = tensor->elements / 4;
    } else {
        type = tensor->dtype;
    }
    TERCET_TRY(source_weights_read(matrix->source, tensor, offset, bytes, block_size_of(type).bytes,
                                   error));
    block_decode_row(type, bytes, 1, &value);
    *scale = (double)value;
    if (isfinite(*scale) && *scale > 0) {
        return TERCET_OK;
    }
    return tercet_fail(error, TERCET_BAD_SOURCE, offset,
                       tensor == matrix->planned->weight
                           ? "the scale of tensor %s is not a positive number"
                           : "tensor %s is not a positive number",
                       tensor->name);
}

/* weight = trit / weight_scale or trit * weight_scale, as linear_class says (I2_S: trit * scale); rounded once, to f32. */
static tercet_status read_scale(struct source_matrix *matrix, enum source_quantization quantization,
                                tercet_error *error) {
    bool divide = quantization != SOURCE_MULTIPLY && matrix->planned->weight_scale != NULL;
    double stored = 0;
    TERCET_TRY(read_stored_scale(matrix, &stored, error));
    stored = (divide ? 1.0 / stored : stored) * (double)matrix->multiplier;
    matrix->scale = (float)stored;
    if (!isfinite(matrix->scale) || matrix->scale <= 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           divide ? "tensor %s_scale is too small or too large to divide by"
                                  : "the scale of tensor %s is out of range",
                           matrix->planned->weight->name);
    }
    return TERCET_OK;
}

static tercet_status read_multiplier(struct source_matrix *matrix, tercet_error *error) {
    const struct source_tensor *tensor = matrix->planned->multiplier;
    uint8_t bytes[4];
    matrix->multiplier = 1;
    if (tensor == NULL) {
        return TERCET_OK;
    }
    TERCET_TRY(source_weights_read(matrix->source, tensor, 0, bytes, sizeof bytes, error));
    block_decode_row(SOURCE_F32, bytes, 1, &matrix->multiplier);
    return isfinite(matrix->multiplier)
               ? TERCET_OK
               : tercet_fail(error, TERCET_BAD_SOURCE, 0, "tensor %s is no finite number",
                             tensor->name);
}

/* I2_S knows no rows: only where these are whole blocks (or fours of them) can one be read alone. */
static tercet_status check_i2s(const struct planned_tensor *planned, tercet_error *error) {
    uint32_t block = i2s_block_columns(planned->i2s_layout);
    if (planned->columns % block != 0 ||
        (planned->i2s_layout == I2S_ROW4 && planned->rows % 4 != 0)) {
        return tercet_fail(
            error, TERCET_UNSUPPORTED_SOURCE, planned->columns,
            planned->i2s_layout == I2S_ROW4
                ? "tensor %s (I2_S) has %u rows, which are no fours: this layout cannot be its"
                : "tensor %s (I2_S) has %u columns, which are no whole blocks of its layout",
            planned->weight->name,
            planned->i2s_layout == I2S_ROW4 ? planned->rows : planned->columns);
    }
    return TERCET_OK;
}

/* Bytes of what is read at once. */
static size_t buffer_bytes(const struct planned_tensor *planned) {
    struct block_size size = block_size_of(planned->weight->dtype);
    if (planned->weight->dtype == SOURCE_U32) { /* codes of at most 8 bits, or f32 of each group */
        return (size_t)planned->columns * 4;
    }
    if (size.bytes == 0) { /* codes: a row of U8, QUADS or I2_S, or four rows of I2_S */
        return planned->columns;
    }
    size_t row_bytes = (size_t)(planned->columns / size.columns) * size.bytes;
    return (planned->transposed ? BLOCK_ROWS : SOURCE_ROWS_MAX) * row_bytes;
}

tercet_status source_matrix_open(const struct source_weights *source,
                                 enum source_quantization quantization,
                                 const struct planned_tensor *planned, struct source_matrix *matrix,
                                 tercet_error *error) {
    memset(matrix, 0, sizeof *matrix);
    matrix->source = source;
    matrix->planned = planned;
    bool i2s = planned->weight->dtype == SOURCE_I2_S;
    matrix->packed = planned->weight_scale != NULL || i2s;
    TERCET_TRY(read_multiplier(matrix, error));
    if (i2s) {
        TERCET_TRY(check_i2s(planned, error));
    }
    if (matrix->packed) {
        TERCET_TRY(read_scale(matrix, quantization, error));
    }
    matrix->bytes = malloc(buffer_bytes(planned));
    matrix->trits = matrix->packed ? malloc(planned->columns) : NULL;
    bool affine = planned->affine_scales != NULL;
    matrix->affine = affine ? malloc(2 * (size_t)planned->columns * sizeof(float)) : NULL;
    if (matrix->bytes == NULL || (matrix->packed && matrix->trits == NULL) ||
        (affine && matrix->affine == NULL)) {
        source_matrix_close(matrix);
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for rows of tensor %s",
                           planned->weight->name);
    }
    return TERCET_OK;
}

void source_matrix_close(struct source_matrix *matrix) {
    free(matrix->bytes);
    free(matrix->trits);
    free(matrix->affine);
    memset(matrix, 0, sizeof *matrix);
}

static tercet_status bad_element(const struct source_matrix *matrix, uint32_t row, uint32_t column,
                                 const char *what, tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, (uint64_t)row * matrix->planned->columns + column,
                       "tensor %s holds %s at row %u, column %u", matrix->planned->weight->name,
                       what, row, column);
}

static tercet_status code_3(const struct source_matrix *matrix, uint32_t row, uint32_t column,
                            tercet_error *error) {
    return bad_element(matrix, row, column, "the code 3, which is no ternary weight,", error);
}

/* Four rows a byte, a quarter of all rows apart. */
static tercet_status read_u8_row(struct source_matrix *matrix, uint32_t row, int8_t *trits,
                                 tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    uint32_t columns = planned->columns, quarter = (planned->rows + 3) / 4;
    uint32_t shift = 2 * (row / quarter);
    TERCET_TRY(source_weights_read(matrix->source, planned->weight,
                                   (uint64_t)(row % quarter) * columns, matrix->bytes, columns,
                                   error));
    for (uint32_t c = 0; c < columns; c++) {
        uint32_t code = (uint32_t)matrix->bytes[c] >> shift & 3u;
        if (code == 3) {
            return code_3(matrix, row, c, error);
        }
        trits[c] = (int8_t)((int)code - 1);
    }
    return TERCET_OK;
}

/* Four columns a byte. */
static tercet_status read_quads_row(struct source_matrix *matrix, uint32_t row, int8_t *trits,
                                    tercet_error *error) {
    uint32_t columns = matrix->planned->columns, row_bytes = (columns + 3) / 4;
    TERCET_TRY(source_weights_read(matrix->source, matrix->planned->weight,
                                   (uint64_t)row * row_bytes, matrix->bytes, row_bytes, error));
    for (uint32_t c = 0; c < columns; c++) {
        uint32_t code = (uint32_t)matrix->bytes[c / 4] >> (2 * (c % 4)) & 3u;
        if (code == 3) {
            return code_3(matrix, row, c, error);
        }
        trits[c] = (int8_t)((int)code - 1);
    }
    return TERCET_OK;
}

static tercet_status read_i2s_row(struct source_matrix *matrix, uint32_t row, int8_t *trits,
                                  tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    uint32_t columns = planned->columns, column, source_row = planned->source_first + row;
    bool fours = planned->i2s_layout == I2S_ROW4;
    uint64_t offset =
        fours ? (uint64_t)(source_row / 4) * columns : (uint64_t)source_row * (columns / 4);
    TERCET_TRY(source_weights_read(matrix->source, planned->weight, offset, matrix->bytes,
                                   fours ? columns : columns / 4, error));
    if (!i2s_decode_row(planned->i2s_layout, matrix->bytes, source_row, columns, trits, &column)) {
        return code_3(matrix, row, column, error);
    }
    return TERCET_OK;
}

tercet_status source_matrix_read_trits(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                       int8_t *trits, tercet_error *error) {
    enum source_type dtype = matrix->planned->weight->dtype;
    for (uint32_t i = 0; i < count; i++) {
        int8_t *row = trits + (size_t)i * matrix->planned->columns;
        TERCET_TRY(dtype == SOURCE_I2_S    ? read_i2s_row(matrix, first + i, row, error)
                   : dtype == SOURCE_QUADS ? read_quads_row(matrix, first + i, row, error)
                                           : read_u8_row(matrix, first + i, row, error));
    }
    return TERCET_OK;
}

static tercet_status read_packed_values(struct source_matrix *matrix, uint32_t first,
                                        uint32_t count, float *values, tercet_error *error) {
    uint32_t columns = matrix->planned->columns;
    for (uint32_t i = 0; i < count; i++) {
        TERCET_TRY(source_matrix_read_trits(matrix, first + i, 1, matrix->trits, error));
        for (uint32_t c = 0; c < columns; c++) {
            values[(size_t)i * columns + c] = (float)matrix->trits[c] * matrix->scale;
        }
    }
    return TERCET_OK;
}

/* One number of each group of columns of a row. */
static tercet_status read_groups(struct source_matrix *matrix, const struct source_tensor *tensor,
                                 uint32_t row, float *groups, tercet_error *error) {
    uint32_t count = (uint32_t)tensor->shape[1];
    size_t bytes = (size_t)count * block_size_of(tensor->dtype).bytes;
    TERCET_TRY(source_weights_read(matrix->source, tensor, (uint64_t)row * bytes, matrix->bytes,
                                   bytes, error));
    block_decode_row(tensor->dtype, matrix->bytes, count, groups);
    return TERCET_OK;
}

/* scale * code + bias, as mlx's dequantize computes it. */
static tercet_status read_affine(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                 float *values, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    uint32_t columns = planned->columns, row_bytes = (uint32_t)planned->weight->shape[1] * 4;
    uint32_t bits = planned->affine_bits, mask = (1u << bits) - 1;
    uint32_t group = columns / (uint32_t)planned->affine_scales->shape[1];
    float *scales = matrix->affine, *biases = matrix->affine + columns;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = planned->source_first + first + i;
        TERCET_TRY(read_groups(matrix, planned->affine_scales, row, scales, error));
        TERCET_TRY(read_groups(matrix, planned->affine_biases, row, biases, error));
        TERCET_TRY(source_weights_read(matrix->source, planned->weight, (uint64_t)row * row_bytes,
                                       matrix->bytes, row_bytes, error));
        for (uint32_t c = 0; c < columns; c++) {
            uint32_t code = (uint32_t)matrix->bytes[c * bits / 8] >> (c * bits % 8) & mask;
            float value = scales[c / group] * (float)code + biases[c / group];
            if (!isfinite(value)) {
                return bad_element(matrix, first + i, c, "a value that is no finite number", error);
            }
            values[(size_t)i * columns + c] = value;
        }
    }
    return TERCET_OK;
}

/* The block of rows that begins at `first`: from each row of the source a run of values. */
static tercet_status read_block(struct source_matrix *matrix, uint32_t first, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    size_t size = block_size_of(planned->weight->dtype).bytes;
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
    size_t size = block_size_of(planned->weight->dtype).bytes;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = first + i;
        if (row < matrix->block_first || row - matrix->block_first >= matrix->block_rows) {
            TERCET_TRY(read_block(matrix, row, error));
        }
        const uint8_t *from = matrix->bytes + (row - matrix->block_first) * size;
        for (uint32_t c = 0; c < planned->columns; c++) {
            float value;
            block_decode_row(planned->weight->dtype, from + (size_t)c * matrix->block_rows * size,
                             1, &value);
            if (!isfinite(value)) {
                return bad_element(matrix, row, c, "a value that is no finite number", error);
            }
            values[(size_t)i * planned->columns + c] = value;
        }
    }
    return TERCET_OK;
}

/* Notes where a code says +2 scales: whether that is an error depends on what the tensor becomes. */
static void note_code_3(struct source_matrix *matrix, uint32_t row, const uint8_t *bytes) {
    uint32_t columns = matrix->planned->columns;
    uint32_t column = block_find_code_3(matrix->planned->weight->dtype, bytes, columns);
    if (column < columns && (!matrix->code_3 || row < matrix->code_3_row)) {
        matrix->code_3 = true;
        matrix->code_3_row = row;
        matrix->code_3_column = column;
    }
}

/* Without a branch for each weight. */
static bool all_finite(const float *values, uint32_t count) {
    uint32_t other = 0;
    for (uint32_t i = 0; i < count; i++) {
        other |= (math_float_bits(values[i]) & 0x7F800000u) == 0x7F800000u;
    }
    return other == 0;
}

tercet_status source_matrix_read_values(struct source_matrix *matrix, uint32_t first,
                                        uint32_t count, float *values, tercet_error *error) {
    const struct source_tensor *weight = matrix->planned->weight;
    uint32_t columns = matrix->planned->columns;
    struct block_size size = block_size_of(weight->dtype);
    size_t row_bytes = (size_t)(columns / size.columns) * size.bytes;
    if (matrix->packed) {
        return read_packed_values(matrix, first, count, values, error);
    }
    if (matrix->planned->affine_scales != NULL) {
        return read_affine(matrix, first, count, values, error);
    }
    if (matrix->planned->transposed) {
        return read_transposed(matrix, first, count, values, error);
    }
    /* A vector that is a part of a longer one begins at its value, not at a row. */
    uint64_t start = weight->rank == 1
                         ? (uint64_t)matrix->planned->source_first * size.bytes
                         : ((uint64_t)matrix->planned->source_first + first) * row_bytes;
    TERCET_TRY(source_weights_read(matrix->source, weight, start, matrix->bytes,
                                   (size_t)count * row_bytes, error));
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *bytes = matrix->bytes + i * row_bytes;
        float *row = values + (size_t)i * columns;
        block_decode_row(weight->dtype, bytes, columns, row);
        note_code_3(matrix, first + i, bytes);
        if (matrix->multiplier != 1) {
            for (uint32_t c = 0; c < columns; c++) {
                row[c] *= matrix->multiplier;
            }
        }
        uint32_t c = all_finite(row, columns) ? columns : 0;
        for (; c < columns; c++) {
            if (!isfinite(row[c])) {
                return bad_element(matrix, first + i, c, "a value that is no finite number", error);
            }
        }
    }
    return TERCET_OK;
}
