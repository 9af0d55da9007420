/*
 * tensor_writer.c: see tensor_writer.h.
 */
#include "tensor_writer.h"

#include "../core/kernels/ternary_tile.h"
#include "tile_writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Buffers for one strip, and the scales so far. */
struct strip_buffers {
    float *values;
    int8_t *codes;
    uint8_t *bytes;
    uint8_t *scales;
    float *row_scales;  /* of one row: one for each span */
    size_t scale_count; /* bytes in `scales` */
};

size_t tensor_scale_bytes(const struct tensor_form *form, uint32_t columns) {
    switch (form->scale) {
    case SCALE_ROW:
        return TILE_ROWS * 4;
    case SCALE_GROUP64:
        return (size_t)(columns + 63) / 64 * TILE_ROWS * 2;
    case SCALE_GROUP128:
        return (size_t)(columns + 127) / 128 * TILE_ROWS * 2;
    default:
        return 4;
    }
}

static void free_buffers(struct strip_buffers *buffers) {
    free(buffers->values);
    free(buffers->codes);
    free(buffers->bytes);
    free(buffers->scales);
    free(buffers->row_scales);
}

static bool take_buffers(const struct planned_tensor *planned, const struct tensor_form *form,
                         struct strip_buffers *buffers) {
    size_t padded = tile_pad(planned->columns), strips = tile_pad(planned->rows) / TILE_ROWS;
    memset(buffers, 0, sizeof *buffers);
    buffers->values = malloc(TILE_ROWS * padded * sizeof(float));
    buffers->codes = malloc(TILE_ROWS * padded);
    buffers->bytes = malloc(TILE_ROWS * padded * sizeof(float)); /* enough for every type */
    buffers->row_scales = malloc((padded / 64 + 1) * sizeof(float));
    buffers->scales =
        calloc(form->scale == SCALE_NONE ? 1 : strips, tensor_scale_bytes(form, planned->columns));
    return buffers->values != NULL && buffers->codes != NULL && buffers->bytes != NULL &&
           buffers->row_scales != NULL && buffers->scales != NULL;
}

/* Scales of row `lane` of a strip, put where container_layout.h wants them. */
static tercet_status store_scales(const struct source_matrix *matrix,
                                  const struct tensor_form *form, const float *scales, uint32_t row,
                                  struct strip_buffers *buffers, tercet_error *error) {
    uint32_t columns = matrix->planned->columns, span = ternary_span(&form->ternary, columns);
    uint8_t *strip = buffers->scales + row / TILE_ROWS * tensor_scale_bytes(form, columns);
    uint32_t lane = row % TILE_ROWS,
             count = form->type == TENSOR_INT8 ? 1 : (columns + span - 1) / span;
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(scales[i])) {
            return tercet_fail(error, TERCET_LIMIT_EXCEEDED, row,
                               "the weights of tensor %s are too large for a scale at row %u",
                               matrix->planned->weight->name, row);
        }
        if (form->scale == SCALE_TENSOR) {
            tile_write_f32(&scales[i], 1, buffers->scales);
            buffers->scale_count = 4;
        } else if (form->scale == SCALE_ROW) {
            tile_write_f32(&scales[i], 1, strip + lane * 4);
        } else {
            tile_write_f16(&scales[i], 1, strip + (i * TILE_ROWS + lane) * 2);
        }
    }
    if (form->scale != SCALE_TENSOR) {
        buffers->scale_count = (row / TILE_ROWS + 1) * tensor_scale_bytes(form, columns);
    }
    return TERCET_OK;
}

/* Trits of rows [first, first + count) and their scales. */
static tercet_status fill_ternary(struct source_matrix *matrix, const struct tensor_form *form,
                                  uint32_t first, uint32_t count, struct strip_buffers *buffers,
                                  tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    if (form->ternary.method == TERNARY_STORED) {
        TERCET_TRY(source_matrix_read_trits(matrix, first, count, buffers->codes, error));
        return store_scales(matrix, form, &form->ternary.tensor_scale, first, buffers, error);
    }
    TERCET_TRY(source_matrix_read_values(matrix, first, count, buffers->values, error));
    for (uint32_t i = 0; i < count; i++) {
        size_t at = (size_t)i * planned->columns;
        ternarize_row(&form->ternary, planned->weight->dtype, buffers->values + at,
                      planned->columns, buffers->codes + at, buffers->row_scales);
        TERCET_TRY(store_scales(matrix, form, buffers->row_scales, first + i, buffers, error));
    }
    return TERCET_OK;
}

static tercet_status fill_int8(struct source_matrix *matrix, const struct tensor_form *form,
                               uint32_t first, uint32_t count, struct strip_buffers *buffers,
                               tercet_error *error) {
    uint32_t columns = matrix->planned->columns;
    TERCET_TRY(source_matrix_read_values(matrix, first, count, buffers->values, error));
    for (uint32_t i = 0; i < count; i++) {
        size_t at = (size_t)i * columns;
        float scale = tile_quantise_row(buffers->values + at, columns, buffers->codes + at);
        TERCET_TRY(store_scales(matrix, form, &scale, first + i, buffers, error));
    }
    return TERCET_OK;
}

/* One strip as bytes. */
static tercet_status make_strip(struct source_matrix *matrix, const struct tensor_form *form,
                                uint32_t first, uint32_t count, struct strip_buffers *buffers,
                                size_t *bytes, tercet_error *error) {
    uint32_t columns = matrix->planned->columns;
    size_t values = (size_t)count * columns;
    switch (form->type) {
    case TENSOR_TERNARY:
        TERCET_TRY(fill_ternary(matrix, form, first, count, buffers, error));
        tile_write_ternary(buffers->codes, count, columns, buffers->bytes);
        *bytes = tile_ternary_strip_bytes(columns);
        return TERCET_OK;
    case TENSOR_INT8:
        TERCET_TRY(fill_int8(matrix, form, first, count, buffers, error));
        tile_write_int8(buffers->codes, count, columns, buffers->bytes);
        *bytes = tile_int8_strip_bytes(columns);
        return TERCET_OK;
    case TENSOR_F16:
        TERCET_TRY(source_matrix_read_values(matrix, first, count, buffers->values, error));
        tile_write_f16(buffers->values, values, buffers->bytes);
        *bytes = values * 2;
        return TERCET_OK;
    default:
        TERCET_TRY(source_matrix_read_values(matrix, first, count, buffers->values, error));
        tile_write_f32(buffers->values, values, buffers->bytes);
        *bytes = values * 4;
        return TERCET_OK;
    }
}

static tercet_status write_strips(struct source_matrix *matrix, const struct tensor_form *form,
                                  struct strip_buffers *buffers, struct container_writer *writer,
                                  tercet_error *error) {
    static const uint8_t zeros[CONTAINER_ALIGNMENT];
    uint32_t rows = matrix->planned->rows;
    uint64_t written = 0;
    for (uint32_t first = 0; first < rows; first += TILE_ROWS) {
        uint32_t count = rows - first < TILE_ROWS ? rows - first : TILE_ROWS;
        size_t bytes = 0;
        TERCET_TRY(make_strip(matrix, form, first, count, buffers, &bytes, error));
        TERCET_TRY(container_writer_append(writer, buffers->bytes, bytes, error));
        written += bytes;
    }
    /* Codes are whole cache lines, so the scales begin on one. */
    TERCET_TRY(container_writer_append(writer, buffers->scales, buffers->scale_count, error));
    written += buffers->scale_count;
    size_t tail = (size_t)(-written % CONTAINER_ALIGNMENT);
    return container_writer_append(writer, zeros, tail, error);
}

tercet_status tensor_write(struct source_matrix *matrix, const struct tensor_form *form,
                           struct container_writer *writer, tercet_error *error) {
    struct strip_buffers buffers;
    tercet_status status;
    if (take_buffers(matrix->planned, form, &buffers)) {
        status = write_strips(matrix, form, &buffers, writer, error);
    } else {
        status = tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory to pack tensor %s",
                             matrix->planned->weight->name);
    }
    free_buffers(&buffers);
    return status;
}
