/*
 * source_matrix.c: see source_matrix.h. Four rows a byte: huggingface/transformers, integrations/bitnet.py.
 */
#include "source_matrix.h"

#include "../core/base/math.h"
#include "block_codecs.h"
#include "source_rows.h"
#include "wide_vectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a transposed matrix whose numbers fill whole lines of the cache, column by column. */
#define TRANSPOSED_BAND 64u

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
        return (size_t)SOURCE_ROWS_MAX * planned->columns * 4;
    }
    if (size.bytes == 0) { /* codes: rows of U8, QUADS or I2_S */
        return (size_t)SOURCE_ROWS_MAX * planned->columns;
    }
    size_t row_bytes = (size_t)(planned->columns / size.columns) * size.bytes;
    return SOURCE_ROWS_MAX * row_bytes;
}

static tercet_status take_buffers(struct source_matrix *matrix, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    bool affine = planned->affine_scales != NULL;
    matrix->bytes = malloc(buffer_bytes(planned));
    matrix->codes = matrix->packed ? malloc(planned->columns) : NULL;
    matrix->affine = affine ? malloc(2 * source_rows_groups(planned) * sizeof(float)) : NULL;
    if (matrix->bytes == NULL || (matrix->packed && matrix->codes == NULL) ||
        (affine && matrix->affine == NULL)) {
        source_matrix_close(matrix);
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for rows of tensor %s",
                           planned->weight->name);
    }
    return TERCET_OK;
}

static tercet_status load_whole(struct source_matrix *matrix, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    struct block_size size = block_size_of(planned->weight->dtype);
    if (size.columns != 1 || size.bytes == 0) { /* a block's numbers cannot be turned one by one */
        source_matrix_close(matrix);
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "tensor %s lies transposed and is stored in blocks: convert it to F16",
                           planned->weight->name);
    }
    matrix->whole = malloc(source_rows_bytes(matrix) * planned->rows);
    tercet_status status = matrix->whole != NULL
                               ? source_rows_load(matrix, error)
                               : tercet_fail(error, TERCET_OUT_OF_MEMORY, 0,
                                             "no memory for tensor %s", planned->weight->name);
    if (status != TERCET_OK) {
        source_matrix_close(matrix);
    }
    return status;
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
    TERCET_TRY(take_buffers(matrix, error));
    return planned->transposed ? load_whole(matrix, error) : TERCET_OK;
}

tercet_status source_matrix_copy(const struct source_matrix *matrix, struct source_matrix *copy,
                                 tercet_error *error) {
    *copy = *matrix;
    copy->copied = true;
    return take_buffers(copy, error);
}

void source_matrix_close(struct source_matrix *matrix) {
    free(matrix->bytes);
    if (!matrix->copied) {
        free(matrix->whole);
    }
    free(matrix->codes);
    free(matrix->affine);
    memset(matrix, 0, sizeof *matrix);
}

static tercet_status read_packed_values(struct source_matrix *matrix, uint32_t first,
                                        uint32_t count, float *values, tercet_error *error) {
    uint32_t columns = matrix->planned->columns;
    for (uint32_t i = 0; i < count; i++) {
        TERCET_TRY(source_rows_read_packed(matrix, first + i, 1, matrix->codes, error));
        for (uint32_t c = 0; c < columns; c++) {
            values[(size_t)i * columns + c] = (float)(matrix->codes[c] - 1) * matrix->scale;
        }
    }
    return TERCET_OK;
}

/* scale * code + bias, as mlx's dequantize computes it. */
static tercet_status read_affine(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                 float *values, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    uint32_t columns = planned->columns, row_bytes = (uint32_t)planned->weight->shape[1] * 4;
    uint32_t bits = planned->affine_bits, mask = (1u << bits) - 1;
    uint32_t groups = (uint32_t)planned->affine_scales->shape[1], group = columns / groups;
    TERCET_TRY(source_rows_read_affine(matrix, first, count, error));
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *bytes = matrix->bytes + (size_t)i * row_bytes;
        const float *scales = matrix->affine + (size_t)i * groups,
                    *biases = scales + source_rows_groups(planned);
        for (uint32_t c = 0; c < columns; c++) {
            uint32_t code = (uint32_t)bytes[c * bits / 8] >> (c * bits % 8) & mask;
            float value = scales[c / group] * (float)code + biases[c / group];
            if (!isfinite(value)) {
                return source_rows_bad_element(matrix, first + i, c,
                                               "a value that is no finite number", error);
            }
            values[(size_t)i * columns + c] = value;
        }
    }
    return TERCET_OK;
}

/* Without a branch for each weight. */
WIDE_VECTORS static bool all_finite(const float *values, uint32_t count) {
    uint32_t other = 0;
    for (uint32_t i = 0; i < count; i++) {
        other |= (math_float_bits(values[i]) & 0x7F800000u) == 0x7F800000u;
    }
    return other == 0;
}

static tercet_status check_finite(const struct source_matrix *matrix, uint32_t row,
                                  const float *values, tercet_error *error) {
    uint32_t columns = matrix->planned->columns, c = all_finite(values, columns) ? columns : 0;
    for (; c < columns; c++) {
        if (!isfinite(values[c])) {
            return source_rows_bad_element(matrix, row, c, "a value that is no finite number",
                                           error);
        }
    }
    return TERCET_OK;
}

uint32_t source_matrix_band(const struct source_matrix *matrix) {
    return matrix->planned->transposed ? TRANSPOSED_BAND : SOURCE_ROWS_MAX;
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

tercet_status source_matrix_read_values(struct source_matrix *matrix, uint32_t first,
                                        uint32_t count, float *values, tercet_error *error) {
    uint32_t columns = matrix->planned->columns;
    size_t row_bytes = source_rows_bytes(matrix);
    if (matrix->packed) {
        return read_packed_values(matrix, first, count, values, error);
    }
    if (matrix->planned->affine_scales != NULL) {
        return read_affine(matrix, first, count, values, error);
    }
    TERCET_TRY(source_rows_read_plain(matrix, first, count, error));
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *bytes = matrix->bytes + i * row_bytes;
        float *row = values + (size_t)i * columns;
        block_decode_row(matrix->planned->weight->dtype, bytes, columns, row);
        note_code_3(matrix, first + i, bytes);
        if (matrix->multiplier != 1) {
            for (uint32_t c = 0; c < columns; c++) {
                row[c] *= matrix->multiplier;
            }
        }
        TERCET_TRY(check_finite(matrix, first + i, row, error));
    }
    return TERCET_OK;
}
