/*
 * source_rows.c: see source_rows.h.
 */
#include "source_rows.h"

#include "block_codecs.h"

tercet_status source_rows_bad_element(const struct source_matrix *matrix, uint32_t row,
                                      uint32_t column, const char *what, tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, (uint64_t)row * matrix->planned->columns + column,
                       "tensor %s holds %s at row %u, column %u", matrix->planned->weight->name,
                       what, row, column);
}

/* Rows as stored, into matrix->bytes. */
tercet_status source_rows_read(struct source_matrix *matrix, uint32_t first, uint32_t count,
                               size_t row_bytes, tercet_error *error) {
    const struct source_tensor *weight = matrix->planned->weight;
    /* A vector that is a part of a longer one begins at its value, not at a row. */
    uint64_t start =
        weight->rank == 1
            ? (uint64_t)matrix->planned->source_first * block_size_of(weight->dtype).bytes
            : ((uint64_t)matrix->planned->source_first + first) * row_bytes;
    return source_weights_read(matrix->source, weight, start, matrix->bytes,
                               (size_t)count * row_bytes, error);
}

size_t source_rows_bytes(const struct source_matrix *matrix) {
    struct block_size size = block_size_of(matrix->planned->weight->dtype);
    return (size_t)(matrix->planned->columns / size.columns) * size.bytes;
}

/* Scales of as many rows as are read at once. */
size_t source_rows_groups(const struct planned_tensor *planned) {
    return (size_t)SOURCE_ROWS_MAX * (size_t)planned->affine_scales->shape[1];
}

/* One number of each group of columns of some rows. */
static tercet_status read_groups(struct source_matrix *matrix, const struct source_tensor *tensor,
                                 uint32_t first, uint32_t rows, float *groups,
                                 tercet_error *error) {
    uint32_t count = rows * (uint32_t)tensor->shape[1];
    size_t size = block_size_of(tensor->dtype).bytes, bytes = (size_t)tensor->shape[1] * size;
    TERCET_TRY(source_weights_read(matrix->source, tensor,
                                   ((uint64_t)matrix->planned->source_first + first) * bytes,
                                   matrix->bytes, count * size, error));
    block_decode_row(tensor->dtype, matrix->bytes, count, groups);
    return TERCET_OK;
}

/* Rows of MLX: their codes into matrix->bytes, their scales and biases into matrix->affine, the biases behind. */
tercet_status source_rows_read_affine(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                      tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    size_t row_bytes = (size_t)planned->weight->shape[1] * 4;
    TERCET_TRY(read_groups(matrix, planned->affine_scales, first, count, matrix->affine, error));
    TERCET_TRY(read_groups(matrix, planned->affine_biases, first, count,
                           matrix->affine + source_rows_groups(planned), error));
    return source_weights_read(matrix->source, planned->weight,
                               ((uint64_t)planned->source_first + first) * row_bytes, matrix->bytes,
                               count * row_bytes, error);
}
