/*
 * source_codes.c: rows of a matrix as codes: the half of source_matrix.h for sources that are ternary as they are stored.
 */
#include "source_matrix.h"

#include "block_codecs.h"
#include "source_rows.h"
#include "wide_vectors.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Columns of halves that are looked at as if they shared a step: the shortest group that the container has. */
#define HALVES_SPAN 64u

/* ---------------------------------------------------------------- codes with one scale */

/* Packed codes are ternary or damaged. */
static tercet_status check_code_3(const struct source_matrix *matrix, uint32_t row,
                                  const uint8_t *codes, tercet_error *error) {
    uint32_t c = 0;
    if (ternary_codes_sound(codes, matrix->planned->columns)) {
        return TERCET_OK;
    }
    while (codes[c] != 3) {
        c++;
    }
    return source_rows_bad_element(matrix, row, c, "the code 3, which is no ternary weight,",
                                   error);
}

/* Four rows a byte, a quarter of all rows apart: rows of one quarter follow each other. */
static tercet_status read_u8_rows(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                  uint8_t *codes, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    uint32_t columns = planned->columns, quarter = (planned->rows + 3) / 4;
    for (uint32_t done = 0; done < count;) {
        uint32_t row = first + done, shift = 2 * (row / quarter);
        uint32_t left = quarter - row % quarter, run = count - done < left ? count - done : left;
        TERCET_TRY(source_weights_read(matrix->source, planned->weight,
                                       (uint64_t)(row % quarter) * columns, matrix->bytes,
                                       (size_t)run * columns, error));
        for (size_t i = 0; i < (size_t)run * columns; i++) {
            codes[(size_t)done * columns + i] = matrix->bytes[i] >> shift & 3;
        }
        done += run;
    }
    return TERCET_OK;
}

/* Four columns a byte. */
static tercet_status read_quads_rows(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                     uint8_t *codes, tercet_error *error) {
    uint32_t columns = matrix->planned->columns, row_bytes = (columns + 3) / 4;
    TERCET_TRY(source_weights_read(matrix->source, matrix->planned->weight,
                                   (uint64_t)first * row_bytes, matrix->bytes,
                                   (size_t)count * row_bytes, error));
    for (uint32_t i = 0; i < count; i++) {
        ternary_quads_codes(matrix->bytes + (size_t)i * row_bytes, columns,
                            codes + (size_t)i * columns);
    }
    return TERCET_OK;
}

/* Rows, or fours of rows of which the first and the last may be ours in part. */
static tercet_status read_i2s_rows(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                   uint8_t *codes, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    uint32_t columns = planned->columns, start = planned->source_first + first;
    bool fours = planned->i2s_layout == I2S_ROW4;
    uint32_t unit = fours ? 4 : 1, from = start / unit, to = (start + count + unit - 1) / unit;
    size_t unit_bytes = fours ? columns : columns / 4;
    TERCET_TRY(source_weights_read(matrix->source, planned->weight, from * (uint64_t)unit_bytes,
                                   matrix->bytes, (to - from) * unit_bytes, error));
    for (uint32_t i = 0; i < count; i++) {
        i2s_row_codes(planned->i2s_layout, matrix->bytes + ((start + i) / unit - from) * unit_bytes,
                      start + i, columns, codes + (size_t)i * columns);
    }
    return TERCET_OK;
}

tercet_status source_rows_read_packed(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                      uint8_t *codes, tercet_error *error) {
    enum source_type dtype = matrix->planned->weight->dtype;
    TERCET_TRY(dtype == SOURCE_I2_S    ? read_i2s_rows(matrix, first, count, codes, error)
               : dtype == SOURCE_QUADS ? read_quads_rows(matrix, first, count, codes, error)
                                       : read_u8_rows(matrix, first, count, codes, error));
    for (uint32_t i = 0; i < count; i++) {
        TERCET_TRY(
            check_code_3(matrix, first + i, codes + (size_t)i * matrix->planned->columns, error));
    }
    return TERCET_OK;
}

/* ---------------------------------------------------------------- codes with many */

/* Columns that share a scale. */
static uint32_t affine_group(const struct planned_tensor *planned) {
    return planned->columns / (uint32_t)planned->affine_scales->shape[1];
}

uint32_t source_matrix_code_span(const struct source_matrix *matrix) {
    const struct planned_tensor *planned = matrix->planned;
    enum source_type dtype = planned->weight->dtype;
    if (matrix->packed) {
        return planned->columns;
    }
    if (planned->affine_scales != NULL) {
        uint32_t group = affine_group(planned);
        bool whole = group % 64 == 0 || group == planned->columns;
        return planned->affine_bits == 2 && whole ? group : 0;
    }
    if (dtype == SOURCE_F16 || dtype == SOURCE_BF16) {
        bool whole = planned->columns % HALVES_SPAN == 0 && matrix->multiplier == 1;
        return whole ? HALVES_SPAN : 0;
    }
    return block_is_ternary(dtype) && !planned->transposed ? block_size_of(dtype).columns : 0;
}

/* Halves that are 0 or +-step in every span -> codes, without making numbers of them; a sign of 0 says nothing. False where they
 * are not, or no numbers. */
WIDE_VECTORS static bool half_row_codes(enum source_type dtype, const uint8_t *restrict bytes,
                                        uint32_t columns, uint8_t *restrict codes,
                                        float *restrict steps) {
    uint16_t infinite = dtype == SOURCE_F16 ? 0x7C00 : 0x7F80, last = 0, other = 0;
    float last_step = 0;
    for (; columns > 0; columns -= HALVES_SPAN, bytes += 2 * HALVES_SPAN, codes += HALVES_SPAN) {
        uint16_t halves[HALVES_SPAN], most = 0;
        memcpy(halves, bytes, sizeof halves);
        for (uint32_t i = 0; i < HALVES_SPAN; i++) {
            uint16_t size = halves[i] & 0x7FFF;
            most = size > most ? size : most;
        }
        for (uint32_t i = 0; i < HALVES_SPAN; i++) {
            uint16_t size = halves[i] & 0x7FFF, set = size != 0, negative = halves[i] >> 15;
            other |= (uint16_t)(set & (size != most));
            codes[i] = (uint8_t)(1 + set - 2 * (set & negative));
        }
        other |= most >= infinite;
        if (other != 0) {
            return false;
        }
        if (most != last) {
            last = most;
            block_decode_row(dtype, (const uint8_t *)&most, 1, &last_step);
        }
        *steps++ = most == 0 ? 0 : last_step;
    }
    return true;
}

/* Codes of a span with this step -> codes with one that is not negative; false where there is none. */
static bool settle_step(uint8_t *codes, uint32_t count, float *step) {
    if (!isfinite(*step)) {
        return false;
    }
    for (uint32_t c = 0; c < count && *step < 0; c++) {
        codes[c] = (uint8_t)(2 - codes[c]);
    }
    if (*step == 0) {
        memset(codes, 1, count);
    }
    *step = fabsf(*step);
    return true;
}

static bool block_row_codes(const struct source_matrix *matrix, const uint8_t *bytes,
                            uint8_t *codes, float *steps) {
    enum source_type dtype = matrix->planned->weight->dtype;
    uint32_t columns = matrix->planned->columns, span = block_size_of(dtype).columns;
    bool coded = ternary_row_codes(dtype, bytes, columns, codes, steps);
    for (uint32_t first = 0; first < columns && coded; first += span, steps++) {
        *steps *= matrix->multiplier;
        if (!(*steps > 0 && *steps <= FLT_MAX)) {
            coded = settle_step(codes + first, span, steps);
        }
    }
    return coded;
}

/* Codes q with the weights s q - s, exact as long as 2 s is finite; row `i` of those that were read. */
static bool affine_row_codes(const struct source_matrix *matrix, uint32_t i, uint8_t *codes,
                             float *steps) {
    const struct planned_tensor *planned = matrix->planned;
    uint32_t columns = planned->columns, group = affine_group(planned), spans = columns / group;
    const float *scales = matrix->affine + (size_t)i * spans,
                *biases = scales + source_rows_groups(planned);
    /* Rows are whole words. */
    ternary_quads_codes(matrix->bytes + (size_t)i * (size_t)planned->weight->shape[1] * 4, columns,
                        codes);
    bool coded = ternary_codes_sound(codes, columns);
    for (uint32_t s = 0; s < spans && coded; s++) {
        steps[s] = scales[s];
        coded = biases[s] == -scales[s] && isfinite(2 * scales[s]) &&
                settle_step(codes + (size_t)s * group, group, &steps[s]);
    }
    return coded;
}

tercet_status source_matrix_read_codes(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                       uint8_t *codes, float *steps, bool *coded,
                                       tercet_error *error) {
    uint32_t columns = matrix->planned->columns, span = source_matrix_code_span(matrix);
    bool affine = matrix->planned->affine_scales != NULL;
    enum source_type dtype = matrix->planned->weight->dtype;
    bool halves = dtype == SOURCE_F16 || dtype == SOURCE_BF16;
    size_t row_bytes = source_rows_bytes(matrix);
    *coded = span != 0;
    if (matrix->packed) {
        for (uint32_t i = 0; i < count; i++) {
            steps[i] = matrix->scale;
        }
        return source_rows_read_packed(matrix, first, count, codes, error);
    }
    if (*coded) {
        TERCET_TRY(affine ? source_rows_read_affine(matrix, first, count, error)
                          : source_rows_read_plain(matrix, first, count, error));
    }
    for (uint32_t i = 0; i < count && *coded; i++) {
        uint8_t *row = codes + (size_t)i * columns;
        float *row_steps = steps + (size_t)i * (columns / span);
        const uint8_t *bytes = matrix->bytes + i * row_bytes;
        *coded = affine   ? affine_row_codes(matrix, i, row, row_steps)
                 : halves ? half_row_codes(dtype, bytes, columns, row, row_steps)
                          : block_row_codes(matrix, bytes, row, row_steps);
    }
    return TERCET_OK;
}
