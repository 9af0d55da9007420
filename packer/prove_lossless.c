/*
 * prove_lossless.c: see prove_lossless.h.
 */
#include "prove_lossless.h"

#include "../core/base/math.h"
#include "../core/kernels/ternary_tile.h"
#include "tile_writer.h"

#include <stdlib.h>
#include <string.h>

/* One strip of 16 rows in every shape that the comparison needs. */
struct proof_strip {
    float *source, *meant, *packed; /* [16][columns] */
    uint8_t *bytes, *scales;        /* as in the file */
    int8_t *codes;
    float *row_scales;
    struct source_matrix *matrix;
    const struct tensor_form *form;
    uint32_t rows, columns; /* of the tensor */
};

static float decode_f32(const uint8_t *p) {
    return math_float_from_bits((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                                (uint32_t)p[3] << 24);
}

static float decode_f16(const uint8_t *p) {
    return math_half_to_float((uint16_t)(p[0] | p[1] << 8));
}

static bool is_tiled(const struct tensor_form *form) {
    return form->type == TENSOR_TERNARY || form->type == TENSOR_INT8;
}

static float scale_at(const struct proof_strip *strip, uint32_t lane, uint32_t column) {
    switch (strip->form->scale) {
    case SCALE_TENSOR:
        return decode_f32(strip->scales);
    case SCALE_ROW:
        return decode_f32(strip->scales + lane * 4);
    case SCALE_GROUP64:
        return decode_f16(strip->scales + ((size_t)column / 64 * TILE_ROWS + lane) * 2);
    default:
        return decode_f16(strip->scales + ((size_t)column / 128 * TILE_ROWS + lane) * 2);
    }
}

/* The element of the strip at (lane, column): for tiles also the padding beyond rows and columns. */
static float decode_element(const struct proof_strip *strip, uint32_t lane, uint32_t column,
                            uint32_t *code) {
    switch (strip->form->type) {
    case TENSOR_TERNARY:
        *code = (uint32_t)strip->bytes[ternary_byte(lane, column, strip->columns)] >>
                    ternary_shift(column) &
                3u;
        return ((float)*code - 1.0f) *
               (column < strip->columns ? scale_at(strip, lane, column) : 0.0f);
    case TENSOR_INT8:
        *code = strip->bytes[int8_byte(lane, column, strip->columns)];
        return (float)(int8_t)*code *
               (column < strip->columns ? scale_at(strip, lane, column) : 0.0f);
    case TENSOR_F16:
        return decode_f16(strip->bytes + ((size_t)lane * strip->columns + column) * 2);
    default:
        return decode_f32(strip->bytes + ((size_t)lane * strip->columns + column) * 4);
    }
}

static tercet_status not_lossless(const struct proof_strip *strip, uint32_t row, uint32_t column,
                                  const char *what, tercet_error *error) {
    return tercet_fail(error, TERCET_NOT_LOSSLESS, (uint64_t)row * strip->columns + column,
                       "tensor %s, row %u, column %u: %s", strip->matrix->planned->weight->name,
                       row, column, what);
}

/* Padding of a strip: weight 0 in every tile, scale 0 in every row that does not exist. */
static tercet_status check_padding(const struct proof_strip *strip, uint32_t first, uint32_t count,
                                   tercet_error *error) {
    uint32_t code = 0, empty = strip->form->type == TENSOR_TERNARY ? 1u : 0u;
    for (uint32_t lane = 0; lane < TILE_ROWS; lane++) {
        for (uint32_t c = lane < count ? strip->columns : 0; c < tile_pad(strip->columns); c++) {
            (void)decode_element(strip, lane, c, &code);
            bool scaled = lane >= count && c < strip->columns &&
                          strip->form->scale != SCALE_TENSOR && scale_at(strip, lane, c) != 0;
            if (code != empty || scaled) {
                return not_lossless(strip, first + lane, c, "the padding is not zero", error);
            }
        }
    }
    return TERCET_OK;
}

/* Bytes of this strip and its scales from the file. */
static tercet_status read_strip(const struct proof_strip *strip, struct container_writer *writer,
                                uint64_t offset, uint32_t first, uint32_t count,
                                tercet_error *error) {
    uint32_t index = first / TILE_ROWS;
    size_t bytes;
    if (!is_tiled(strip->form)) {
        bytes = (size_t)strip->columns * (strip->form->type == TENSOR_F16 ? 2 : 4);
        return container_writer_read_back(writer, offset + (uint64_t)first * bytes, strip->bytes,
                                          count * bytes, error);
    }
    size_t tiles = tile_pad(strip->columns) /
                   (strip->form->type == TENSOR_INT8 ? INT8_TILE_COLUMNS : TILE_COLUMNS);
    bytes = tiles * TILE_BYTES;
    TERCET_TRY(container_writer_read_back(writer, offset + (uint64_t)index * bytes, strip->bytes,
                                          bytes, error));
    uint64_t scales =
        offset + container_scales_offset(strip->form->type, strip->rows, strip->columns);
    size_t scale_bytes = tensor_scale_bytes(strip->form, strip->columns);
    if (strip->form->scale != SCALE_TENSOR) {
        scales += (uint64_t)index * scale_bytes;
    }
    return container_writer_read_back(writer, scales, strip->scales, scale_bytes, error);
}

/* What the packed rows are meant to hold: the source, or its rounded form. */
static void fill_meant(const struct proof_strip *strip, uint32_t count) {
    const struct tensor_form *form = strip->form;
    uint32_t columns = strip->columns;
    if (form->exact) {
        memcpy(strip->meant, strip->source, (size_t)count * columns * sizeof(float));
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const float *source = strip->source + (size_t)i * columns;
        float *meant = strip->meant + (size_t)i * columns;
        float scale =
            form->type == TENSOR_INT8 ? tile_quantise_row(source, columns, strip->codes) : 0;
        uint32_t span = ternary_span(&form->ternary, columns);
        if (form->type == TENSOR_TERNARY) {
            ternarize_row(&form->ternary, strip->matrix->planned->weight->dtype, source, columns,
                          strip->codes, strip->row_scales);
        }
        for (uint32_t c = 0; c < columns; c++) {
            if (form->type == TENSOR_TERNARY) {
                meant[c] = (float)strip->codes[c] * strip->row_scales[c / span];
            } else if (form->type == TENSOR_INT8) {
                meant[c] = (float)strip->codes[c] * scale;
            } else {
                meant[c] = math_half_to_float(math_float_to_half(source[c]));
            }
        }
    }
}

/* Without a branch for each weight: nearly always all are equal. */
static bool all_equal(const float *a, const float *b, size_t count) {
    uint32_t differ = 0;
    for (size_t i = 0; i < count; i++) {
        differ |= a[i] != b[i];
    }
    return differ == 0;
}

static tercet_status compare_strip(const struct proof_strip *strip, uint32_t first, uint32_t count,
                                   struct proof *proof, tercet_error *error) {
    size_t weights = (size_t)count * strip->columns;
    if (strip->form->exact && all_equal(strip->packed, strip->meant, weights)) {
        proof->equal += weights;
        return TERCET_OK;
    }
    for (size_t i = 0; i < (size_t)count * strip->columns; i++) {
        if (strip->packed[i] != strip->meant[i]) {
            return not_lossless(
                strip, first + (uint32_t)(i / strip->columns), (uint32_t)(i % strip->columns),
                strip->form->exact ? "the packed weight differs from its source"
                                   : "the packed weight is not the one that was meant",
                error);
        }
        if (!strip->form->exact) {
            double distance = (double)strip->source[i] - (double)strip->packed[i];
            proof->error_squares += distance * distance;
            proof->weight_squares += (double)strip->source[i] * (double)strip->source[i];
        }
    }
    *(strip->form->exact ? &proof->equal : &proof->as_intended) += (uint64_t)count * strip->columns;
    return TERCET_OK;
}

/* A row of a ternary strip, weight by weight through the formula of its address, with the scale of each span read once.
 * False when a code is 3; counts zeros. */
static bool decode_ternary_row(const struct proof_strip *strip, uint32_t lane, float *packed,
                               uint64_t *zeros) {
    uint32_t span = ternary_span(&strip->form->ternary, strip->columns), threes = 0, ones = 0;
    for (uint32_t first = 0; first < strip->columns; first += span) {
        uint32_t end = strip->columns - first < span ? strip->columns : first + span;
        float scale = scale_at(strip, lane, first);
        for (uint32_t c = first; c < end; c++) {
            uint32_t code =
                (uint32_t)strip->bytes[ternary_byte(lane, c, strip->columns)] >> ternary_shift(c) &
                3u;
            packed[c] = (float)((int32_t)code - 1) * scale;
            threes |= code & code >> 1;
            ones += code == 1;
        }
    }
    *zeros += ones;
    return threes == 0;
}

/* The strip that was read back, as numbers. */
static tercet_status decode_strip(const struct proof_strip *strip, uint32_t first, uint32_t count,
                                  struct proof *proof, tercet_error *error) {
    uint32_t code = 0;
    for (uint32_t lane = 0; lane < count; lane++) {
        float *packed = strip->packed + (size_t)lane * strip->columns;
        if (strip->form->type == TENSOR_TERNARY &&
            decode_ternary_row(strip, lane, packed, &proof->zeros)) {
            continue;
        }
        for (uint32_t c = 0; c < strip->columns; c++) {
            packed[c] = decode_element(strip, lane, c, &code);
            if (strip->form->type == TENSOR_TERNARY && code > 2) {
                return not_lossless(strip, first + lane, c, "the code is no ternary weight", error);
            }
        }
    }
    return TERCET_OK;
}

static tercet_status prove_strips(const struct proof_strip *strip, struct container_writer *writer,
                                  uint64_t offset, struct proof *proof, tercet_error *error) {
    for (uint32_t first = 0; first < strip->rows; first += TILE_ROWS) {
        uint32_t count = strip->rows - first < TILE_ROWS ? strip->rows - first : TILE_ROWS;
        TERCET_TRY(source_matrix_read_values(strip->matrix, first, count, strip->source, error));
        TERCET_TRY(read_strip(strip, writer, offset, first, count, error));
        TERCET_TRY(decode_strip(strip, first, count, proof, error));
        fill_meant(strip, count);
        TERCET_TRY(compare_strip(strip, first, count, proof, error));
        if (is_tiled(strip->form)) {
            TERCET_TRY(check_padding(strip, first, count, error));
        }
    }
    return TERCET_OK;
}

tercet_status prove_tensor(struct source_matrix *matrix, const struct tensor_form *form,
                           struct container_writer *writer, uint64_t offset, struct proof *proof,
                           tercet_error *error) {
    struct proof_strip strip = {0};
    size_t columns = matrix->planned->columns,
           values = TILE_ROWS * (size_t)tile_pad(matrix->planned->columns);
    tercet_status status;
    strip.matrix = matrix;
    strip.form = form;
    strip.rows = matrix->planned->rows;
    strip.columns = matrix->planned->columns;
    strip.source = malloc(values * sizeof(float));
    strip.meant = malloc(values * sizeof(float));
    strip.packed = malloc(values * sizeof(float));
    strip.bytes = malloc(values * sizeof(float));
    strip.scales = malloc(tensor_scale_bytes(form, strip.columns));
    strip.codes = malloc(columns);
    strip.row_scales = malloc((columns / 64 + 1) * sizeof(float));
    proof->zeros = 0;
    if (strip.source != NULL && strip.meant != NULL && strip.packed != NULL &&
        strip.bytes != NULL && strip.scales != NULL && strip.codes != NULL &&
        strip.row_scales != NULL) {
        status = prove_strips(&strip, writer, offset, proof, error);
    } else {
        status = tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory to check tensor %s",
                             matrix->planned->weight->name);
    }
    free(strip.source);
    free(strip.meant);
    free(strip.packed);
    free(strip.bytes);
    free(strip.scales);
    free(strip.codes);
    free(strip.row_scales);
    return status;
}
