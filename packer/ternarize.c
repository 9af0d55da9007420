/*
 * ternarize.c: see ternarize.h. One pass over the matrix keeps, for every span that could share a scale, the smallest and
 * the largest magnitude that is not zero: equal ones mean an exact grid.
 */
#include "ternarize.h"

#include "../core/base/math.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* HF's own floor of the absmean scale. */
#define ABSMEAN_LEAST 1e-5f

/* Magnitudes above zero in one span, as f32 bits: they order as the numbers do. */
struct magnitudes {
    uint32_t least, most; /* most 0: there are none */
    uint64_t at_least, at_most;
};

static void add_magnitudes(struct magnitudes *into, const struct magnitudes *more) {
    if (more->most == 0) {
        return;
    }
    if (into->most == 0) {
        *into = *more;
        return;
    }
    if (more->least < into->least) {
        into->least = more->least;
        into->at_least = 0;
    }
    into->at_least += more->least == into->least ? more->at_least : 0;
    if (more->most > into->most) {
        into->most = more->most;
        into->at_most = 0;
    }
    into->at_most += more->most == into->most ? more->at_most : 0;
}

/* Loops without branches, so that compilers use vectors: this is half of what packing costs. */
static struct magnitudes measure(const float *values, uint32_t count) {
    int32_t least = INT32_MAX, most = 0;
    uint32_t at_least = 0, at_most = 0;
    for (uint32_t i = 0; i < count; i++) {
        int32_t bits = (int32_t)(math_float_bits(values[i]) & 0x7FFFFFFFu);
        int32_t above = bits == 0 ? INT32_MAX : bits;
        least = above < least ? above : least;
        most = bits > most ? bits : most;
    }
    if (most == 0) {
        return (struct magnitudes){0, 0, 0, 0};
    }
    for (uint32_t i = 0; i < count; i++) {
        int32_t bits = (int32_t)(math_float_bits(values[i]) & 0x7FFFFFFFu);
        at_least += bits == least;
        at_most += bits == most;
    }
    return (struct magnitudes){(uint32_t)least, (uint32_t)most, at_least, at_most};
}

static bool is_exact(const struct magnitudes *span) {
    return span->least == span->most;
}

/* The one scale that is within a step of the type of every magnitude; false if there is none. */
static bool rounded_scale(enum source_type dtype, const struct magnitudes *span, float *scale) {
    uint32_t least = source_ordinal(dtype, math_float_from_bits(span->least));
    uint32_t most = source_ordinal(dtype, math_float_from_bits(span->most));
    if (most - least > 2) {
        return false;
    }
    /* Two steps apart: the value between. One: the more frequent of the two. */
    uint32_t ordinal = most - least == 2                ? least + 1
                       : span->at_least > span->at_most ? least
                                                        : most;
    *scale = source_ordinal_value(dtype, ordinal);
    return true;
}

static bool is_exact_half(float value) {
    return math_half_to_float(math_float_to_half(value)) == value;
}

/* The scale of a span that is known to be on the grid; 0 where all weights are 0. */
static float grid_scale(enum ternary_method method, enum source_type dtype,
                        const struct magnitudes *span) {
    float scale = math_float_from_bits(span->most);
    if (method == TERNARY_ROUNDED && span->most != 0) {
        (void)rounded_scale(dtype, span, &scale);
    }
    return scale;
}

/* What is still possible after the rows seen so far, for each way to share scales. */
struct survey {
    bool exact[5], rounded[5]; /* by SCALE_*; index 0 unused */
    struct magnitudes tensor;
};

static void judge(struct survey *survey, uint32_t scale, enum source_type dtype,
                  const struct magnitudes *span) {
    float value = 0;
    bool half = scale == SCALE_GROUP64 || scale == SCALE_GROUP128;
    if (survey->exact[scale]) {
        survey->exact[scale] =
            is_exact(span) && (!half || is_exact_half(math_float_from_bits(span->most)));
    }
    if (survey->rounded[scale]) {
        survey->rounded[scale] =
            rounded_scale(dtype, span, &value) && (!half || is_exact_half(value));
    }
}

static void survey_row(struct survey *survey, enum source_type dtype, const float *values,
                       uint32_t columns) {
    struct magnitudes row = {0, 0, 0, 0}, pair = {0, 0, 0, 0};
    for (uint32_t c = 0; c < columns; c += 64) {
        struct magnitudes group = measure(values + c, columns - c < 64 ? columns - c : 64);
        judge(survey, SCALE_GROUP64, dtype, &group);
        add_magnitudes(&pair, &group);
        if (c % 128 != 0 || columns - c <= 64) {
            judge(survey, SCALE_GROUP128, dtype, &pair);
            add_magnitudes(&row, &pair);
            memset(&pair, 0, sizeof pair);
        }
    }
    judge(survey, SCALE_ROW, dtype, &row);
    add_magnitudes(&survey->tensor, &row);
}

/* Calls back with every row in turn, as long as the answer is true. */
typedef bool (*row_visitor)(void *context, uint32_t row, const float *values, uint32_t columns);

static tercet_status visit_rows(struct source_matrix *matrix, row_visitor visit, void *context,
                                tercet_error *error) {
    uint32_t rows = matrix->planned->rows, columns = matrix->planned->columns;
    float *values = malloc((size_t)SOURCE_ROWS_MAX * columns * sizeof *values);
    tercet_status status = TERCET_OK;
    if (values == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for rows of tensor %s",
                           matrix->planned->weight->name);
    }
    bool go_on = true;
    for (uint32_t first = 0; first < rows && go_on; first += SOURCE_ROWS_MAX) {
        uint32_t count = rows - first < SOURCE_ROWS_MAX ? rows - first : SOURCE_ROWS_MAX;
        status = source_matrix_read_values(matrix, first, count, values, error);
        go_on = status == TERCET_OK;
        for (uint32_t i = 0; i < count && go_on; i++) {
            go_on = visit(context, first + i, values + (size_t)i * columns, columns);
        }
    }
    free(values);
    return status;
}

struct survey_context {
    struct survey survey;
    enum source_type dtype;
};

static void start_survey(struct survey_context *context, const struct source_matrix *matrix) {
    memset(context, 0, sizeof *context);
    context->dtype = matrix->planned->weight->dtype;
    memset(context->survey.exact, 1, sizeof context->survey.exact);
    memset(context->survey.rounded, 1, sizeof context->survey.rounded);
}

static bool visit_survey(void *context, uint32_t row, const float *values, uint32_t columns) {
    struct survey_context *survey = context;
    (void)row;
    survey_row(&survey->survey, survey->dtype, values, columns);
    return true;
}

/* Goes on while the weights may still be exact with scales of some kind (of a tensor is of a row as well). */
static bool visit_exact(void *context, uint32_t row, const float *values, uint32_t columns) {
    const struct survey *survey = &((struct survey_context *)context)->survey;
    (void)visit_survey(context, row, values, columns);
    return survey->exact[SCALE_ROW] || survey->exact[SCALE_GROUP128] ||
           survey->exact[SCALE_GROUP64];
}

static bool visit_sum(void *context, uint32_t row, const float *values, uint32_t columns) {
    double *sum = context;
    (void)row;
    for (uint32_t c = 0; c < columns; c++) {
        *sum += fabs((double)values[c]);
    }
    return true;
}

/* The element that is farthest from the grid of its 64 columns, in scales. */
struct worst {
    double distance;
    uint32_t row, column;
};

static bool visit_worst(void *context, uint32_t row, const float *values, uint32_t columns) {
    struct worst *worst = context;
    for (uint32_t first = 0; first < columns; first += 64) {
        uint32_t count = columns - first < 64 ? columns - first : 64;
        double scale = 0;
        for (uint32_t i = 0; i < count; i++) {
            scale += fabs((double)values[first + i]) / count;
        }
        /* From mean|W| to the best scale of the trits that it gives: three rounds settle it. */
        for (int round = 0; round < 3 && scale > 0; round++) {
            double sum = 0, kept = 0;
            for (uint32_t i = 0; i < count; i++) {
                if (fabs((double)values[first + i]) > scale / 2) {
                    sum += fabs((double)values[first + i]);
                    kept++;
                }
            }
            scale = kept > 0 ? sum / kept : scale;
        }
        for (uint32_t i = 0; i < count && scale > 0; i++) {
            double size = fabs((double)values[first + i]) / scale;
            double distance = size > 0.5 ? fabs(size - 1) : size;
            if (distance > worst->distance) {
                worst->distance = distance;
                worst->row = row;
                worst->column = first + i;
            }
        }
    }
    return true;
}

static tercet_status explain_not_ternary(struct source_matrix *matrix, bool online,
                                         tercet_error *error) {
    struct worst worst = {0, 0, 0};
    char distance[32];
    TERCET_TRY(visit_rows(matrix, visit_worst, &worst, error));
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
        TERCET_TRY(visit_rows(matrix, visit_sum, &sum, error));
    } else {
        struct source_matrix fused;
        whole.rows = whole.source_outputs;
        whole.source_first = 0;
        TERCET_TRY(source_matrix_open(matrix->source, SOURCE_PLAIN, &whole, &fused, error));
        tercet_status status = visit_rows(&fused, visit_sum, &sum, error);
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
static bool find_grid(struct survey_context *context, uint32_t group, enum ternary_method method,
                      struct ternary_form *form) {
    static const uint32_t coarse_first[] = {SCALE_TENSOR, SCALE_ROW, SCALE_GROUP128, SCALE_GROUP64};
    const bool *possible =
        method == TERNARY_EXACT ? context->survey.exact : context->survey.rounded;
    uint32_t wanted = group == 64 ? SCALE_GROUP64 : group == 128 ? SCALE_GROUP128 : SCALE_NONE;
    form->method = method;
    for (size_t i = 0; i < 5; i++) {
        form->scale = i == 0 ? wanted : coarse_first[i - 1];
        if (form->scale != SCALE_NONE && possible[form->scale]) {
            form->tensor_scale = grid_scale(method, context->dtype, &context->survey.tensor);
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
}

tercet_status ternarize_probe(struct source_matrix *matrix, uint32_t group,
                              struct ternary_form *form, bool *exact, tercet_error *error) {
    struct survey_context context;
    memset(form, 0, sizeof *form);
    if (matrix->packed) {
        *exact = true;
        take_stored(matrix, form);
        return TERCET_OK;
    }
    start_survey(&context, matrix);
    TERCET_TRY(visit_rows(matrix, visit_exact, &context, error));
    judge(&context.survey, SCALE_TENSOR, context.dtype, &context.survey.tensor);
    *exact = find_grid(&context, group, TERNARY_EXACT, form);
    return TERCET_OK;
}

tercet_status ternarize_find(struct source_matrix *matrix, const struct ternary_request *request,
                             struct ternary_form *form, tercet_error *error) {
    struct survey_context context;
    memset(form, 0, sizeof *form);
    if (matrix->packed) {
        take_stored(matrix, form);
        return TERCET_OK;
    }
    if (request->always_absmean) {
        return request->absmean ? find_absmean(matrix, request->group, form, error)
                                : explain_not_ternary(matrix, true, error);
    }
    start_survey(&context, matrix);
    TERCET_TRY(visit_rows(matrix, visit_survey, &context, error));
    judge(&context.survey, SCALE_TENSOR, context.dtype, &context.survey.tensor);

    if (matrix->code_3 && !request->absmean) {
        return explain_code_3(matrix, error);
    }
    if (find_grid(&context, request->group, TERNARY_EXACT, form) ||
        find_grid(&context, request->group, TERNARY_ROUNDED, form)) {
        return TERCET_OK;
    }
    return request->absmean ? find_absmean(matrix, request->group, form, error)
                            : explain_not_ternary(matrix, false, error);
}

uint32_t ternary_span(const struct ternary_form *form, uint32_t columns) {
    return form->scale == SCALE_GROUP64 ? 64 : form->scale == SCALE_GROUP128 ? 128 : columns;
}

/* round half to even of w * inverse, clamped: what torch's round and clamp give. */
static int8_t absmean_trit(float value, float inverse) {
    float scaled = rintf(value * inverse);
    return (int8_t)(scaled > 0 ? 1 : scaled < 0 ? -1 : 0);
}

static float absmean_group_scale(const float *values, uint32_t count) {
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += fabs((double)values[i]);
    }
    float mean = (float)(sum / count);
    return math_half_to_float(math_float_to_half(mean > ABSMEAN_LEAST ? mean : ABSMEAN_LEAST));
}

void ternarize_row(const struct ternary_form *form, enum source_type dtype, const float *values,
                   uint32_t columns, int8_t *trits, float *scales) {
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
            struct magnitudes magnitudes = measure(values + first, count);
            scales[index] = grid_scale(form->method, dtype, &magnitudes);
        }
        for (uint32_t i = first; form->method == TERNARY_ABSMEAN && i < first + count; i++) {
            trits[i] = absmean_trit(values[i], inverse);
        }
        for (uint32_t i = first; form->method != TERNARY_ABSMEAN && i < first + count; i++) {
            trits[i] = (int8_t)((values[i] > 0) - (values[i] < 0));
        }
    }
}
