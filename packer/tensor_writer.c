/*
 * tensor_writer.c: see tensor_writer.h. Some strips at a time are made by all threads, each at its place in one block, which
 * is then appended: the file is the same for any number of threads.
 */
#include "tensor_writer.h"

#include "../core/kernels/ternary_tile.h"
#include "strip_crew.h"
#include "tile_writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a thread makes between two appends, about. */
#define BLOCK_BYTES ((size_t)1 << 20)

/* One tensor on its way. */
struct tensor_writing {
    const struct tensor_form *form;
    struct strip_crew crew;
    size_t strip_bytes;   /* of a full strip */
    uint32_t block_rows;  /* a multiple of 16 */
    uint32_t block_first; /* row of the block that is made */
    uint8_t *block;
    uint8_t *scales;   /* of the whole tensor */
    float *row_scales; /* of one row for each thread: one for each span */
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

static size_t full_strip_bytes(uint32_t type, uint32_t columns) {
    switch (type) {
    case TENSOR_TERNARY:
        return tile_ternary_strip_bytes(columns);
    case TENSOR_INT8:
        return tile_int8_strip_bytes(columns);
    default:
        return (size_t)TILE_ROWS * columns * (type == TENSOR_F16 ? 2 : 4);
    }
}

/* Most spans of scales in a row. */
static size_t row_spans(uint32_t columns) {
    return columns / 64 + 1;
}

static tercet_status open_writing(struct source_matrix *matrix, const struct tensor_form *form,
                                  struct tensor_writing *writing, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    uint32_t columns = planned->columns;
    size_t strips = tile_pad(planned->rows) / TILE_ROWS;
    memset(writing, 0, sizeof *writing);
    TERCET_TRY(strip_crew_open(matrix, STRIPS_ANY_ORDER, &writing->crew, error));
    writing->form = form;
    writing->strip_bytes = full_strip_bytes(form->type, columns);
    /* Whole bands, as many for each thread. */
    size_t unit = (size_t)writing->crew.count * (writing->crew.band / TILE_ROWS);
    size_t block = (BLOCK_BYTES * writing->crew.count / writing->strip_bytes / unit + 1) * unit;
    block = block < strips ? block : strips;
    writing->block_rows = (uint32_t)block * TILE_ROWS;
    writing->block = malloc(block * writing->strip_bytes);
    writing->scales =
        calloc(form->scale == SCALE_NONE ? 1 : strips, tensor_scale_bytes(form, columns));
    writing->row_scales =
        malloc(writing->crew.count * row_spans(columns) * sizeof *writing->row_scales);
    return writing->block != NULL && writing->scales != NULL && writing->row_scales != NULL
               ? TERCET_OK
               : tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory to pack tensor %s",
                             planned->weight->name);
}

static void close_writing(struct tensor_writing *writing) {
    strip_crew_close(&writing->crew);
    free(writing->block);
    free(writing->scales);
    free(writing->row_scales);
}

/* Scales of row `row`, put where container_layout.h wants them. */
static tercet_status store_scales(const struct tensor_writing *writing,
                                  const struct source_matrix *matrix, const float *scales,
                                  uint32_t row, tercet_error *error) {
    const struct tensor_form *form = writing->form;
    uint32_t columns = matrix->planned->columns, span = ternary_span(&form->ternary, columns);
    uint8_t *strip = writing->scales + row / TILE_ROWS * tensor_scale_bytes(form, columns);
    uint32_t lane = row % TILE_ROWS,
             count = form->type == TENSOR_INT8 ? 1 : (columns + span - 1) / span;
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(scales[i])) {
            return tercet_fail(error, TERCET_LIMIT_EXCEEDED, row,
                               "the weights of tensor %s are too large for a scale at row %u",
                               matrix->planned->weight->name, row);
        }
        if (form->scale == SCALE_TENSOR) {
            if (row == 0) { /* once: all rows have the same */
                tile_write_f32(&scales[i], 1, writing->scales);
            }
        } else if (form->scale == SCALE_ROW) {
            tile_write_f32(&scales[i], 1, strip + lane * 4);
        } else {
            tile_write_f16(&scales[i], 1, strip + (i * TILE_ROWS + lane) * 2);
        }
    }
    return TERCET_OK;
}

/* Codes as the source has them, and their scales. */
static tercet_status fill_coded(const struct tensor_writing *writing, struct strip_hand *hand,
                                uint32_t first, uint32_t count, float *row_scales,
                                tercet_error *error) {
    const struct planned_tensor *planned = hand->matrix->planned;
    uint32_t columns = planned->columns, span = source_matrix_code_span(hand->matrix);
    bool coded;
    TERCET_TRY(source_matrix_read_codes(hand->matrix, first, count, hand->codes, hand->steps,
                                        &coded, error));
    if (!coded) {
        return tercet_fail(error, TERCET_BAD_SOURCE, first, "tensor %s changed while it was packed",
                           planned->weight->name);
    }
    for (uint32_t i = 0; i < count; i++) {
        ternarize_scales(&writing->form->ternary, hand->codes + (size_t)i * columns,
                         hand->steps + (size_t)i * (columns / span), span, columns, row_scales);
        TERCET_TRY(store_scales(writing, hand->matrix, row_scales, first + i, error));
    }
    return TERCET_OK;
}

/* Codes of rows [first, first + count) and their scales. */
static tercet_status fill_ternary(const struct tensor_writing *writing, struct strip_hand *hand,
                                  uint32_t first, uint32_t count, tercet_error *error) {
    const struct planned_tensor *planned = hand->matrix->planned;
    float *row_scales = writing->row_scales + hand->index * row_spans(planned->columns);
    if (writing->form->ternary.coded) {
        return fill_coded(writing, hand, first, count, row_scales, error);
    }
    TERCET_TRY(source_matrix_read_values(hand->matrix, first, count, hand->values, error));
    for (uint32_t i = 0; i < count; i++) {
        size_t at = (size_t)i * planned->columns;
        ternarize_row(&writing->form->ternary, planned->weight->dtype, hand->values + at,
                      planned->columns, hand->codes + at, row_scales);
        TERCET_TRY(store_scales(writing, hand->matrix, row_scales, first + i, error));
    }
    return TERCET_OK;
}

static tercet_status fill_int8(const struct tensor_writing *writing, struct strip_hand *hand,
                               uint32_t first, uint32_t count, tercet_error *error) {
    uint32_t columns = hand->matrix->planned->columns;
    TERCET_TRY(source_matrix_read_values(hand->matrix, first, count, hand->values, error));
    for (uint32_t i = 0; i < count; i++) {
        size_t at = (size_t)i * columns;
        float scale = tile_quantise_row(hand->values + at, columns, (int8_t *)hand->codes + at);
        TERCET_TRY(store_scales(writing, hand->matrix, &scale, first + i, error));
    }
    return TERCET_OK;
}

/* One strip as bytes, at its place in the block. */
static tercet_status make_strip(void *context, struct strip_hand *hand, uint32_t first,
                                uint32_t count, tercet_error *error) {
    const struct tensor_writing *writing = context;
    uint32_t columns = hand->matrix->planned->columns;
    uint8_t *strip =
        writing->block + (first - writing->block_first) / TILE_ROWS * writing->strip_bytes;
    switch (writing->form->type) {
    case TENSOR_TERNARY:
        TERCET_TRY(fill_ternary(writing, hand, first, count, error));
        tile_write_ternary(hand->codes, count, columns, strip);
        return TERCET_OK;
    case TENSOR_INT8:
        TERCET_TRY(fill_int8(writing, hand, first, count, error));
        tile_write_int8((const int8_t *)hand->codes, count, columns, strip);
        return TERCET_OK;
    case TENSOR_F16:
        TERCET_TRY(source_matrix_read_values(hand->matrix, first, count, hand->values, error));
        tile_write_f16(hand->values, (size_t)count * columns, strip);
        return TERCET_OK;
    default:
        TERCET_TRY(source_matrix_read_values(hand->matrix, first, count, hand->values, error));
        tile_write_f32(hand->values, (size_t)count * columns, strip);
        return TERCET_OK;
    }
}

/* Bytes of `rows` rows from the beginning of a strip: tiles are there as a whole, plain rows one by one. */
static size_t rows_bytes(const struct tensor_writing *writing, uint32_t rows) {
    bool tiled = writing->form->type == TENSOR_TERNARY || writing->form->type == TENSOR_INT8;
    return tiled ? tile_pad(rows) / TILE_ROWS * writing->strip_bytes
                 : rows * (writing->strip_bytes / TILE_ROWS);
}

static tercet_status write_strips(struct tensor_writing *writing, struct container_writer *writer,
                                  tercet_error *error) {
    static const uint8_t zeros[CONTAINER_ALIGNMENT];
    const struct planned_tensor *planned = writing->crew.matrix->planned;
    uint64_t written = 0;
    size_t strips = tile_pad(planned->rows) / TILE_ROWS, scale_bytes = 0;
    for (uint32_t first = 0; first < planned->rows; first += writing->block_rows) {
        uint32_t left = planned->rows - first,
                 count = left < writing->block_rows ? left : writing->block_rows;
        size_t bytes = rows_bytes(writing, count);
        writing->block_first = first;
        TERCET_TRY(
            strip_crew_run(&writing->crew, first, first + count, make_strip, writing, error));
        TERCET_TRY(container_writer_append(writer, writing->block, bytes, error));
        written += bytes;
    }
    if (writing->form->scale == SCALE_TENSOR) {
        scale_bytes = 4;
    } else if (writing->form->scale != SCALE_NONE) {
        scale_bytes = strips * tensor_scale_bytes(writing->form, planned->columns);
    }
    /* Codes are whole cache lines, so the scales begin on one. */
    TERCET_TRY(container_writer_append(writer, writing->scales, scale_bytes, error));
    written += scale_bytes;
    return container_writer_append(writer, zeros, (size_t)(-written % CONTAINER_ALIGNMENT), error);
}

tercet_status tensor_write(struct source_matrix *matrix, const struct tensor_form *form,
                           struct container_writer *writer, tercet_error *error) {
    struct tensor_writing writing;
    tercet_status status = open_writing(matrix, form, &writing, error);
    if (status == TERCET_OK) {
        status = write_strips(&writing, writer, error);
    }
    close_writing(&writing);
    return status;
}
