/*
 * ternarize.c: see ternarize.h. What is possible comes from ternary_survey.h: of the codes where the source has them, of the
 * numbers otherwise.
 */
#include "ternarize.h"

#include "../core/base/math.h"
#include "strip_crew.h"
#include "ternary_survey.h"
#include "wide_vectors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* HF's own floor of the absmean scale. */
#define ABSMEAN_LEAST 1e-5f

/* Sums of floats depend on their order, so this is one thread's work. */
static tercet_status visit_sum(void *context, struct strip_hand *hand, uint32_t first,
                               uint32_t count, tercet_error *error) {
    double *sum = context;
    TERCET_TRY(source_matrix_read_values(hand->matrix, first, count, hand->values, error));
    for (size_t i = 0; i < (size_t)count * hand->matrix->planned->columns; i++) {
        *sum += fabs((double)hand->values[i]);
    }
    return TERCET_OK;
}

/* The element that is farthest from the grid of its 64 columns, in scales. */
struct worst {
    double distance;
    uint32_t row, column;
};

/* Some columns that would share a scale. */
static void find_worst(struct worst *worst, uint32_t row, uint32_t first, const float *values,
                       uint32_t count) {
    double scale = 0;
    for (uint32_t i = 0; i < count; i++) {
        scale += fabs((double)values[i]) / count;
    }
    /* From mean|W| to the best scale of the trits that it gives: three rounds settle it. */
    for (int round = 0; round < 3 && scale > 0; round++) {
        double sum = 0, kept = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (fabs((double)values[i]) > scale / 2) {
                sum += fabs((double)values[i]);
                kept++;
            }
        }
        scale = kept > 0 ? sum / kept : scale;
    }
    for (uint32_t i = 0; i < count && scale > 0; i++) {
        double size = fabs((double)values[i]) / scale;
        double distance = size > 0.5 ? fabs(size - 1) : size;
        if (distance > worst->distance) {
            worst->distance = distance;
            worst->row = row;
            worst->column = first + i;
        }
    }
}

static tercet_status visit_worst(void *context, struct strip_hand *hand, uint32_t first,
                                 uint32_t count, tercet_error *error) {
    uint32_t columns = hand->matrix->planned->columns;
    TERCET_TRY(source_matrix_read_values(hand->matrix, first, count, hand->values, error));
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t c = 0; c < columns; c += 64) {
            find_worst(context, first + i, c, hand->values + (size_t)i * columns + c,
                       columns - c < 64 ? columns - c : 64);
        }
    }
    return TERCET_OK;
}

static tercet_status explain_not_ternary(struct source_matrix *matrix, bool online,
                                         tercet_error *error) {
    struct worst worst = {0, 0, 0};
    char distance[32];
    TERCET_TRY(strip_crew_visit(matrix, STRIPS_IN_ORDER, visit_worst, &worst, error));
    (void)snprintf(distance, sizeof distance, "%.3g", worst.distance);
    return tercet_fail(error, TERCET_NOT_TERNARY,
                       (uint64_t)worst.row * matrix->planned->columns + worst.column,
                       online ? "%s holds master weights (quantization_mode online): row %u, "
                                "column %u is %s of a scale off the grid"
                              : "%s: the weight at row %u, column %u is %s of a scale off the grid",
                       matrix->planned->weight->name, worst.row, worst.column, distance);
}

/* Two bits can say +2 scales, and dense weights of these types do. Even where all of them are so that another scale would
 * fit, a file that was meant to be ternary has none. */
static tercet_status explain_code_3(const struct source_matrix *matrix, tercet_error *error) {
    return tercet_fail(error, TERCET_NOT_TERNARY,
                       (uint64_t)matrix->code_3_row * matrix->planned->columns +
                           matrix->code_3_column,
                       "%s (%s) has the code 3, the weight +2, at row %u, column %u",
                       matrix->planned->weight->name, matrix->planned->weight->dtype_name,
                       matrix->code_3_row, matrix->code_3_column);
}

/* Over the matrix as the source has it: GPT-2's q, k and v are one linear, whose trainer saw one scale. */
static tercet_status find_mean(struct source_matrix *matrix, float *mean, tercet_error *error) {
    struct planned_tensor whole = *matrix->planned;
    double sum = 0;
    if (whole.source_outputs <= whole.rows) {
        TERCET_TRY(strip_crew_visit(matrix, STRIPS_IN_ORDER, visit_sum, &sum, error));
    } else {
        struct source_matrix fused;
        whole.rows = whole.source_outputs;
        whole.source_first = 0;
        TERCET_TRY(source_matrix_open(matrix->source, SOURCE_PLAIN, &whole, &fused, error));
        tercet_status status = strip_crew_visit(&fused, STRIPS_IN_ORDER, visit_sum, &sum, error);
        source_matrix_close(&fused);
        TERCET_TRY(status);
    }
    *mean = (float)(sum / ((double)whole.rows * whole.columns));
    return TERCET_OK;
}

/* mean|W| in double, then f32, as a float mean of torch to its last bit or next to it. */
static tercet_status find_absmean(struct source_matrix *matrix, uint32_t group,
                                  struct ternary_form *form, tercet_error *error) {
    form->method = TERNARY_ABSMEAN;
    form->scale = group == 64 ? SCALE_GROUP64 : group == 128 ? SCALE_GROUP128 : SCALE_TENSOR;
    if (group != 0) {
        return TERCET_OK; /* each group finds its own in ternarize_row */
    }
    float mean;
    TERCET_TRY(find_mean(matrix, &mean, error));
    form->inverse = 1.0f / (mean > ABSMEAN_LEAST ? mean : ABSMEAN_LEAST);
    form->tensor_scale = 1.0f / form->inverse;
    return TERCET_OK;
}

/* The scales wanted, else the coarsest that are possible; false if there are none. */
static bool find_grid(const struct ternary_survey *survey, enum source_type dtype, uint32_t group,
                      enum ternary_method method, struct ternary_form *form) {
    static const uint32_t coarse_first[] = {SCALE_TENSOR, SCALE_ROW, SCALE_GROUP128, SCALE_GROUP64};
    const bool *possible = method == TERNARY_EXACT ? survey->exact : survey->rounded;
    uint32_t wanted = group == 64 ? SCALE_GROUP64 : group == 128 ? SCALE_GROUP128 : SCALE_NONE;
    form->method = method;
    for (size_t i = 0; i < 5; i++) {
        form->scale = i == 0 ? wanted : coarse_first[i - 1];
        if (form->scale != SCALE_NONE && possible[form->scale]) {
            form->tensor_scale =
                ternary_grid_scale(method == TERNARY_ROUNDED, dtype, &survey->tensor);
            return true;
        }
    }
    return false;
}

/* Trits and one scale, as they are. */
static void take_stored(const struct source_matrix *matrix, struct ternary_form *form) {
    form->method = TERNARY_STORED;
    form->scale = SCALE_TENSOR;
    form->tensor_scale = matrix->scale;
    form->coded = true;
}

/* What the codes say without a look at the numbers; not *exact: they do not say it. */
static tercet_status find_coded(struct source_matrix *matrix, uint32_t group,
                                struct ternary_form *form, bool *exact, tercet_error *error) {
    struct ternary_survey survey;
    memset(form, 0, sizeof *form);
    *exact = true;
    if (matrix->packed) {
        take_stored(matrix, form);
        return TERCET_OK;
    }
    TERCET_TRY(ternary_survey_codes(matrix, &survey, exact, error));
    *exact =
        *exact && find_grid(&survey, matrix->planned->weight->dtype, group, TERNARY_EXACT, form);
    form->coded = *exact;
    return TERCET_OK;
}

tercet_status ternarize_probe(struct source_matrix *matrix, uint32_t group,
                              struct ternary_form *form, bool *exact, tercet_error *error) {
    struct ternary_survey survey;
    TERCET_TRY(find_coded(matrix, group, form, exact, error));
    if (*exact) {
        return TERCET_OK;
    }
    TERCET_TRY(ternary_survey_values(matrix, SURVEY_WHILE_EXACT, &survey, error));
    *exact = find_grid(&survey, matrix->planned->weight->dtype, group, TERNARY_EXACT, form);
    return TERCET_OK;
}

tercet_status ternarize_find(struct source_matrix *matrix, const struct ternary_request *request,
                             struct ternary_form *form, tercet_error *error) {
    enum source_type dtype = matrix->planned->weight->dtype;
    struct ternary_survey survey;
    bool exact;
    if (request->always_absmean && !matrix->packed) {
        memset(form, 0, sizeof *form);
        return request->absmean ? find_absmean(matrix, request->group, form, error)
                                : explain_not_ternary(matrix, true, error);
    }
    TERCET_TRY(find_coded(matrix, request->group, form, &exact, error));
    if (exact) {
        return TERCET_OK;
    }
    TERCET_TRY(ternary_survey_values(matrix, SURVEY_WHOLE, &survey, error));
    if (matrix->code_3 && !request->absmean) {
        return explain_code_3(matrix, error);
    }
    if (find_grid(&survey, dtype, request->group, TERNARY_EXACT, form) ||
        find_grid(&survey, dtype, request->group, TERNARY_ROUNDED, form)) {
        return TERCET_OK;
    }
    return request->absmean ? find_absmean(matrix, request->group, form, error)
                            : explain_not_ternary(matrix, false, error);
}

uint32_t ternary_span(const struct ternary_form *form, uint32_t columns) {
    return form->scale == SCALE_GROUP64 ? 64 : form->scale == SCALE_GROUP128 ? 128 : columns;
}

/* round half to even of w * inverse, clamped: what torch's round and clamp give. */
static uint8_t absmean_code(float value, float inverse) {
    float scaled = rintf(value * inverse);
    return (uint8_t)(1 + (scaled > 0) - (scaled < 0));
}

static float absmean_group_scale(const float *values, uint32_t count) {
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += fabs((double)values[i]);
    }
    float mean = (float)(sum / count);
    return math_half_to_float(math_float_to_half(mean > ABSMEAN_LEAST ? mean : ABSMEAN_LEAST));
}

WIDE_VECTORS void ternarize_row(const struct ternary_form *form, enum source_type dtype,
                                const float *values, uint32_t columns, uint8_t *codes,
                                float *scales) {
    uint32_t span = ternary_span(form, columns);
    for (uint32_t first = 0, index = 0; first < columns; first += span, index++) {
        uint32_t count = columns - first < span ? columns - first : span;
        float inverse = form->inverse;
        if (form->scale == SCALE_TENSOR) {
            scales[index] = form->tensor_scale;
        } else if (form->method == TERNARY_ABSMEAN) {
            scales[index] = absmean_group_scale(values + first, count);
            inverse = 1.0f / scales[index];
        } else {
            struct magnitudes magnitudes = ternary_measure(values + first, count);
            scales[index] = ternary_grid_scale(form->method == TERNARY_ROUNDED, dtype, &magnitudes);
        }
        for (uint32_t i = first; form->method == TERNARY_ABSMEAN && i < first + count; i++) {
            codes[i] = absmean_code(values[i], inverse);
        }
        for (uint32_t i = first; form->method != TERNARY_ABSMEAN && i < first + count; i++) {
            codes[i] = (uint8_t)(1 + (values[i] > 0) - (values[i] < 0));
        }
    }
}

void ternarize_scales(const struct ternary_form *form, const uint8_t *codes, const float *steps,
                      uint32_t code_span, uint32_t columns, float *scales) {
    uint32_t span = ternary_span(form, columns), part = span < code_span ? span : code_span;
    if (form->scale == SCALE_TENSOR) {
        scales[0] = form->tensor_scale;
        return;
    }
    memset(scales, 0, (columns + span - 1) / span * sizeof *scales);
    for (uint32_t first = 0; first < columns; first += part) {
        uint32_t count = columns - first < part ? columns - first : part;
        if (ternary_codes_any(codes + first, count)) {
            scales[first / span] = steps[first / code_span];
        }
    }
}
