/*
 * source_rows.c: see source_rows.h.
 */
#include "source_rows.h"

#include "../core/base/thread_pool.h"
#include "block_codecs.h"

#include <string.h>

/* Columns of a transposed matrix that a thread loads at once. */
#define LOAD_COLUMNS 64u
#define SOURCE_THREADS_MAX 64u /* as many as a pool can have */

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

/* ---------------------------------------------------------------- transposed */

/* What became of the columns that one thread loaded. */
struct load_outcome {
    tercet_status status;
    uint32_t column; /* of the first failure */
    tercet_error error;
};

struct loading {
    struct source_matrix *matrix;
    struct load_outcome outcomes[SOURCE_THREADS_MAX];
};

/* Columns [first, end) of the matrix, one after the other in the file if it is all of its tensor. */
static tercet_status load_columns(struct source_matrix *matrix, uint32_t first, uint32_t end,
                                  tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    size_t size = block_size_of(planned->weight->dtype).bytes, column = planned->rows * size;
    uint32_t step = planned->rows == planned->source_outputs ? end - first : 1;
    for (uint32_t c = first; c < end; c += step) {
        uint64_t at = (uint64_t)c * planned->source_outputs + planned->source_first;
        TERCET_TRY(source_weights_read(matrix->source, planned->weight, at * size,
                                       matrix->whole + c * column, step * column, error));
    }
    return TERCET_OK;
}

static void load_items(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    struct loading *loading = context;
    struct load_outcome *outcome = &loading->outcomes[thread];
    uint32_t columns = loading->matrix->planned->columns;
    for (uint32_t item = begin; item < end; item++) {
        uint32_t first = item * LOAD_COLUMNS, left = columns - first;
        tercet_error error;
        memset(&error, 0, sizeof error);
        tercet_status status = load_columns(
            loading->matrix, first, first + (left < LOAD_COLUMNS ? left : LOAD_COLUMNS), &error);
        if (status != TERCET_OK && (outcome->status == TERCET_OK || first < outcome->column)) {
            *outcome = (struct load_outcome){status, first, error};
        }
    }
}

tercet_status source_rows_load(struct source_matrix *matrix, tercet_error *error) {
    struct loading loading = {.matrix = matrix};
    const struct load_outcome *failed = NULL;
    uint32_t items = (matrix->planned->columns + LOAD_COLUMNS - 1) / LOAD_COLUMNS;
    if (matrix->source->pool == NULL) {
        load_items(&loading, 0, items, 0);
    } else {
        thread_pool_run(matrix->source->pool, load_items, &loading, items);
    }
    for (uint32_t i = 0; i < SOURCE_THREADS_MAX; i++) {
        const struct load_outcome *outcome = &loading.outcomes[i];
        bool first = failed == NULL || outcome->column < failed->column;
        failed = outcome->status != TERCET_OK && first ? outcome : failed;
    }
    if (failed == NULL) {
        return TERCET_OK;
    }
    if (error != NULL) {
        *error = failed->error;
    }
    return failed->status;
}

/* Four columns of four halves -> four rows; each word holds four halves, the first lowest. */
static inline void transpose_fours(const uint8_t *from, size_t column_bytes, uint8_t *to,
                                   size_t row_bytes) {
    const uint64_t even = 0x0000FFFF0000FFFFu, low = 0xFFFFFFFFu;
    uint64_t a, b, c, d;
    memcpy(&a, from, sizeof a);
    memcpy(&b, from + column_bytes, sizeof b);
    memcpy(&c, from + 2 * column_bytes, sizeof c);
    memcpy(&d, from + 3 * column_bytes, sizeof d);
    uint64_t ab_even = (a & even) | (b & even) << 16, ab_odd = (a >> 16 & even) | (b & ~even);
    uint64_t cd_even = (c & even) | (d & even) << 16, cd_odd = (c >> 16 & even) | (d & ~even);
    const uint64_t rows[4] = {(ab_even & low) | cd_even << 32, (ab_odd & low) | cd_odd << 32,
                              ab_even >> 32 | (cd_even & ~low), ab_odd >> 32 | (cd_odd & ~low)};
    for (size_t i = 0; i < 4; i++) {
        memcpy(to + i * row_bytes, &rows[i], sizeof rows[i]);
    }
}

/* Rows of matrix->whole into matrix->bytes. */
static void transpose_rows(struct source_matrix *matrix, uint32_t first, uint32_t count) {
    const struct planned_tensor *planned = matrix->planned;
    size_t size = block_size_of(planned->weight->dtype).bytes, columns = planned->columns;
    size_t column_bytes = planned->rows * size, row_bytes = columns * size;
    uint32_t row_fours = size == 2 ? count & ~3u : 0;
    size_t column_fours = columns & ~(size_t)3;
    const uint8_t *from = matrix->whole + first * size;
    for (size_t c = 0; c < columns; c++) {
        bool four = c % 4 == 0 && c < column_fours;
        for (uint32_t i = 0; four && i < row_fours; i += 4) {
            transpose_fours(from + c * column_bytes + i * size, column_bytes,
                            matrix->bytes + i * row_bytes + c * size, row_bytes);
        }
        for (uint32_t i = c < column_fours ? row_fours : 0; i < count; i++) {
            memcpy(matrix->bytes + i * row_bytes + c * size, from + c * column_bytes + i * size,
                   size);
        }
    }
}

tercet_status source_rows_read_plain(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                     tercet_error *error) {
    if (matrix->whole == NULL) {
        return source_rows_read(matrix, first, count, source_rows_bytes(matrix), error);
    }
    transpose_rows(matrix, first, count);
    return TERCET_OK;
}

/* ---------------------------------------------------------------- MLX */

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
