/*
 * prove_lossless.c: see prove_lossless.h.
 */
#include "prove_lossless.h"

#include "../core/base/math.h"
#include "../core/kernels/ternary_tile.h"
#include "strip_crew.h"
#include "tile_writer.h"
#include "wide_vectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_LANES 8u

/* What a thread needs for one strip of 16 rows, in every shape that the comparison needs. */
struct proof_strip {
    const float *source; /* [16][columns], the reader's */
    float *meant, *packed;
    uint8_t *bytes, *scales; /* as in the file */
    uint8_t *codes;          /* of a row */
    float *row_scales;
    struct source_matrix *matrix;
    const struct tensor_form *form;
    uint32_t rows, columns; /* of the tensor */
};

/* One tensor in front of all threads; sums are kept by strip, so that they are the same in any order. */
struct proving {
    struct strip_crew crew;
    struct proof_strip *hands; /* one a thread */
    struct proof *found;       /* one a strip */
    struct container_writer *writer;
    uint64_t offset;
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

/* The code of a tiled strip at (lane, column), also in the padding beyond rows and columns. */
static uint32_t code_at(const struct proof_strip *strip, uint32_t lane, uint32_t column) {
    return strip->form->type == TENSOR_TERNARY
               ? (uint32_t)strip->bytes[ternary_byte(lane, column, strip->columns)] >>
                         ternary_shift(column) &
                     3u
               : strip->bytes[int8_byte(lane, column, strip->columns)];
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
    uint32_t empty = strip->form->type == TENSOR_TERNARY ? 1u : 0u;
    for (uint32_t lane = 0; lane < TILE_ROWS; lane++) {
        for (uint32_t c = lane < count ? strip->columns : 0; c < tile_pad(strip->columns); c++) {
            uint32_t code = code_at(strip, lane, c);
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

/* What the rows of a form that is not exact are meant to hold. */
static void fill_meant(const struct proof_strip *strip, uint32_t count) {
    const struct tensor_form *form = strip->form;
    uint32_t columns = strip->columns, span = ternary_span(&form->ternary, columns);
    for (uint32_t i = 0; i < count; i++) {
        const float *source = strip->source + (size_t)i * columns;
        float *meant = strip->meant + (size_t)i * columns;
        if (form->type == TENSOR_TERNARY) {
            ternarize_row(&form->ternary, strip->matrix->planned->weight->dtype, source, columns,
                          strip->codes, strip->row_scales);
            for (uint32_t c = 0; c < columns; c++) {
                meant[c] = (float)(strip->codes[c] - 1) * strip->row_scales[c / span];
            }
        } else if (form->type == TENSOR_INT8) {
            float scale = tile_quantise_row(source, columns, (int8_t *)strip->codes);
            for (uint32_t c = 0; c < columns; c++) {
                meant[c] = (float)(int8_t)strip->codes[c] * scale;
            }
        } else {
            for (uint32_t c = 0; c < columns; c++) {
                meant[c] = math_half_to_float(math_float_to_half(source[c]));
            }
        }
    }
}

/* Without a branch for each weight: nearly always all are equal. */
WIDE_VECTORS static bool all_equal(const float *a, const float *b, size_t count) {
    uint32_t differ = 0;
    for (size_t i = 0; i < count; i++) {
        differ |= a[i] != b[i];
    }
    return differ == 0;
}

/* How far the packed weights are from their source: sums in lanes, which become vectors, added in their order. */
WIDE_VECTORS static void add_errors(const float *source, const float *packed, size_t count,
                                    struct proof *proof) {
    double errors[ERROR_LANES] = {0}, weights[ERROR_LANES] = {0};
    size_t whole = count - count % ERROR_LANES;
    for (size_t first = 0; first < whole; first += ERROR_LANES) {
        for (size_t i = 0; i < ERROR_LANES; i++) {
            double weight = (double)source[first + i], error = weight - (double)packed[first + i];
            errors[i] += error * error;
            weights[i] += weight * weight;
        }
    }
    for (size_t i = 0; i < count - whole; i++) {
        double weight = (double)source[whole + i], error = weight - (double)packed[whole + i];
        errors[i] += error * error;
        weights[i] += weight * weight;
    }
    for (size_t i = 0; i < ERROR_LANES; i++) {
        proof->error_squares += errors[i];
        proof->weight_squares += weights[i];
    }
}

static tercet_status compare_strip(const struct proof_strip *strip, uint32_t first, uint32_t count,
                                   struct proof *proof, tercet_error *error) {
    size_t weights = (size_t)count * strip->columns;
    bool exact = strip->form->exact;
    const float *meant = exact ? strip->source : strip->meant;
    bool equal = all_equal(strip->packed, meant, weights);
    for (size_t i = 0; i < weights && !equal; i++) {
        if (strip->packed[i] != meant[i]) {
            return not_lossless(strip, first + (uint32_t)(i / strip->columns),
                                (uint32_t)(i % strip->columns),
                                exact ? "the packed weight differs from its source"
                                      : "the packed weight is not the one that was meant",
                                error);
        }
    }
    if (!exact) {
        add_errors(strip->source, strip->packed, weights, proof);
    }
    *(exact ? &proof->equal : &proof->as_intended) += weights;
    return TERCET_OK;
}

/* The codes of a row of a ternary strip, tile by tile: the four bytes of its lane hold four columns in each of four fields. */
WIDE_VECTORS static void decode_codes(const struct proof_strip *strip, uint32_t lane,
                                      uint8_t *codes) {
    const uint8_t *at = strip->bytes + ternary_byte(lane, 0, strip->columns);
    for (uint32_t c = 0; c < strip->columns; c += TILE_COLUMNS, at += TILE_BYTES) {
        uint32_t lane_bytes;
        memcpy(&lane_bytes, at, sizeof lane_bytes);
        for (uint32_t field = 0; field < TILE_COLUMNS; field += 4) {
            uint32_t four = lane_bytes >> ternary_shift(field) & 0x03030303u;
            memcpy(codes + c + field, &four, sizeof four);
        }
    }
}

/* Codes -> numbers, with the scale of each span read once. */
WIDE_VECTORS static void scale_codes(const struct proof_strip *strip, uint32_t lane, int32_t zero,
                                     float *packed) {
    uint32_t span = ternary_span(&strip->form->ternary, strip->columns);
    span = strip->form->type == TENSOR_INT8 ? strip->columns : span;
    for (uint32_t first = 0; first < strip->columns; first += span) {
        uint32_t end = strip->columns - first < span ? strip->columns : first + span;
        float scale = scale_at(strip, lane, first);
        for (uint32_t c = first; c < end; c++) {
            packed[c] = (float)((int8_t)strip->codes[c] - zero) * scale;
        }
    }
}

/* The rows of the strip that was read back, as numbers. */
static tercet_status decode_strip(struct proof_strip *strip, uint32_t first, uint32_t count,
                                  struct proof *proof, tercet_error *error) {
    uint32_t columns = strip->columns, type = strip->form->type;
    for (uint32_t lane = 0; lane < count; lane++) {
        float *packed = strip->packed + (size_t)lane * columns;
        if (type == TENSOR_TERNARY) {
            decode_codes(strip, lane, strip->codes);
            bool sound = ternary_codes_sound(strip->codes, columns);
            for (uint32_t c = 0; c < columns && !sound; c++) {
                if (strip->codes[c] > 2) {
                    return not_lossless(strip, first + lane, c, "the code is no ternary weight",
                                        error);
                }
            }
            proof->zeros += ternary_codes_zeros(strip->codes, columns);
            scale_codes(strip, lane, 1, packed);
        } else if (type == TENSOR_INT8) {
            for (uint32_t c = 0; c < columns; c += INT8_TILE_COLUMNS) {
                memcpy(strip->codes + c, strip->bytes + int8_byte(lane, c, columns),
                       INT8_TILE_COLUMNS);
            }
            scale_codes(strip, lane, 0, packed);
        } else {
            size_t size = type == TENSOR_F16 ? 2 : 4;
            block_decode_row(type == TENSOR_F16 ? SOURCE_F16 : SOURCE_F32,
                             strip->bytes + lane * columns * size, columns, packed);
        }
    }
    return TERCET_OK;
}

/* By numbers: what the source says, decoded from its file, against what the packed file says. */
static tercet_status prove_values(struct proof_strip *strip, struct strip_hand *hand,
                                  uint32_t first, uint32_t count, struct proof *found,
                                  tercet_error *error) {
    TERCET_TRY(source_matrix_read_values(hand->matrix, first, count, hand->values, error));
    TERCET_TRY(decode_strip(strip, first, count, found, error));
    if (!strip->form->exact) {
        fill_meant(strip, count);
    }
    return compare_strip(strip, first, count, found, error);
}

/* Whether packed codes and scales of a row say the same weights as those of the source. */
static bool row_is_equal(const struct proof_strip *strip, uint32_t lane, const uint8_t *codes,
                         const float *steps, uint32_t code_span) {
    uint32_t columns = strip->columns, span = ternary_span(&strip->form->ternary, columns);
    uint32_t part = span < code_span ? span : code_span;
    if (memcmp(strip->codes, codes, columns) != 0) {
        return false;
    }
    for (uint32_t first = 0; first < columns; first += part) {
        uint32_t count = columns - first < part ? columns - first : part;
        float scale = scale_at(strip, lane, first);
        bool equal = scale == steps[first / code_span];
        if (!equal && (ternary_codes_any(codes + first, count) || !isfinite(scale))) {
            return false;
        }
    }
    return true;
}

/* By codes, where the source has them: equal codes with equal scales are equal weights, without any arithmetic. Not *equal:
 * the numbers have to say where. */
static tercet_status prove_codes(const struct proof_strip *strip, struct strip_hand *hand,
                                 uint32_t first, uint32_t count, bool *equal, struct proof *found,
                                 tercet_error *error) {
    uint32_t span = source_matrix_code_span(hand->matrix);
    size_t columns = strip->columns;
    TERCET_TRY(source_matrix_read_codes(hand->matrix, first, count, hand->codes, hand->steps, equal,
                                        error));
    for (uint32_t lane = 0; lane < count && *equal; lane++) {
        decode_codes(strip, lane, strip->codes);
        *equal = row_is_equal(strip, lane, hand->codes + lane * columns,
                              hand->steps + lane * (columns / span), span);
        found->zeros += ternary_codes_zeros(strip->codes, columns);
    }
    found->equal += *equal ? count * columns : 0;
    return TERCET_OK;
}

static tercet_status prove_strip(void *context, struct strip_hand *hand, uint32_t first,
                                 uint32_t count, tercet_error *error) {
    const struct proving *proving = context;
    struct proof_strip *strip = &proving->hands[hand->index];
    struct proof *found = &proving->found[first / TILE_ROWS];
    bool equal = false;
    strip->source = hand->values;
    TERCET_TRY(read_strip(strip, proving->writer, proving->offset, first, count, error));
    if (strip->form->type == TENSOR_TERNARY && strip->form->exact && strip->form->ternary.coded) {
        TERCET_TRY(prove_codes(strip, hand, first, count, &equal, found, error));
    }
    if (!equal) {
        memset(found, 0, sizeof *found);
        TERCET_TRY(prove_values(strip, hand, first, count, found, error));
    }
    return is_tiled(strip->form) ? check_padding(strip, first, count, error) : TERCET_OK;
}

static bool take_strip(struct source_matrix *matrix, const struct tensor_form *form,
                       struct proof_strip *strip) {
    size_t columns = tile_pad(matrix->planned->columns), values = TILE_ROWS * columns;
    strip->matrix = matrix;
    strip->form = form;
    strip->rows = matrix->planned->rows;
    strip->columns = matrix->planned->columns;
    strip->meant = malloc(values * sizeof(float));
    strip->packed = malloc(values * sizeof(float));
    strip->bytes = malloc(values * sizeof(float));
    strip->scales = malloc(tensor_scale_bytes(form, strip->columns));
    strip->codes = malloc(columns);
    strip->row_scales = malloc((columns / 64 + 1) * sizeof(float));
    return strip->meant != NULL && strip->packed != NULL && strip->bytes != NULL &&
           strip->scales != NULL && strip->codes != NULL && strip->row_scales != NULL;
}

static void free_strip(struct proof_strip *strip) {
    free(strip->meant);
    free(strip->packed);
    free(strip->bytes);
    free(strip->scales);
    free(strip->codes);
    free(strip->row_scales);
}

static void add_proof(struct proof *into, const struct proof *found) {
    into->equal += found->equal;
    into->as_intended += found->as_intended;
    into->zeros += found->zeros;
    into->error_squares += found->error_squares;
    into->weight_squares += found->weight_squares;
}

static tercet_status open_proving(struct source_matrix *matrix, const struct tensor_form *form,
                                  struct proving *proving, tercet_error *error) {
    size_t strips = tile_pad(matrix->planned->rows) / TILE_ROWS;
    TERCET_TRY(strip_crew_open(matrix, STRIPS_ANY_ORDER, &proving->crew, error));
    proving->hands = calloc(proving->crew.count, sizeof *proving->hands);
    proving->found = calloc(strips, sizeof *proving->found);
    bool taken = proving->hands != NULL && proving->found != NULL;
    for (uint32_t i = 0; i < proving->crew.count && taken; i++) {
        taken = take_strip(proving->crew.hands[i].matrix, form, &proving->hands[i]);
    }
    return taken ? TERCET_OK
                 : tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory to check tensor %s",
                               matrix->planned->weight->name);
}

static void close_proving(struct proving *proving) {
    for (uint32_t i = 0; i < proving->crew.count && proving->hands != NULL; i++) {
        free_strip(&proving->hands[i]);
    }
    strip_crew_close(&proving->crew);
    free(proving->hands);
    free(proving->found);
}

tercet_status prove_tensor(struct source_matrix *matrix, const struct tensor_form *form,
                           struct container_writer *writer, uint64_t offset, struct proof *proof,
                           tercet_error *error) {
    uint32_t rows = matrix->planned->rows;
    struct proving proving = {.writer = writer, .offset = offset};
    tercet_status status = open_proving(matrix, form, &proving, error);
    if (status == TERCET_OK) {
        status = strip_crew_run(&proving.crew, 0, rows, prove_strip, &proving, error);
    }
    proof->zeros = 0;
    for (uint32_t i = 0; status == TERCET_OK && i < tile_pad(rows) / TILE_ROWS; i++) {
        add_proof(proof, &proving.found[i]);
    }
    close_proving(&proving);
    return status;
}
