/*
 * source_survey.c: see source_survey.h.
 */
#include "source_survey.h"

#include "strip_crew.h"
#include "ternarize.h"

#include <stdlib.h>
#include <string.h>

static int by_falling_bytes(const void *a, const void *b) {
    const struct survey_type *left = a, *right = b;
    return left->bytes > right->bytes ? -1 : left->bytes < right->bytes;
}

void source_survey_types(const struct source_weights *weights, struct source_survey *survey) {
    memset(survey, 0, sizeof *survey);
    for (uint32_t i = 0; i < weights->tensor_count; i++) {
        const struct source_tensor *tensor = weights->tensors[i];
        uint32_t at = 0;
        while (at < survey->type_count && strcmp(survey->types[at].name, tensor->dtype_name) != 0) {
            at++;
        }
        if (at == SURVEY_TYPES_MAX) {
            continue; /* more kinds than any model has: the rest is not listed */
        }
        struct survey_type *type = &survey->types[at];
        survey->type_count += at == survey->type_count;
        type->name = tensor->dtype_name;
        type->tensors++;
        type->weights += tensor->elements;
        type->bytes += tensor->bytes;
    }
    qsort(survey->types, survey->type_count, sizeof survey->types[0], by_falling_bytes);
}

/* One number for each thread. */
struct zero_counts {
    const struct ternary_form *form;
    uint64_t zeros[STRIP_CREW_MAX];
};

static tercet_status visit_zeros(void *context, struct strip_hand *hand, uint32_t first,
                                 uint32_t count, tercet_error *error) {
    struct zero_counts *counts = context;
    size_t weights = (size_t)count * hand->matrix->planned->columns;
    uint64_t zeros = 0;
    bool coded = counts->form->coded;
    if (coded) {
        TERCET_TRY(source_matrix_read_codes(hand->matrix, first, count, hand->codes, hand->steps,
                                            &coded, error));
    }
    if (coded) {
        zeros = ternary_codes_zeros(hand->codes, weights);
    } else {
        TERCET_TRY(source_matrix_read_values(hand->matrix, first, count, hand->values, error));
        for (size_t i = 0; i < weights; i++) {
            zeros += hand->values[i] == 0;
        }
    }
    counts->zeros[hand->index] += zeros;
    return TERCET_OK;
}

static tercet_status count_zeros(struct source_matrix *matrix, const struct ternary_form *form,
                                 uint64_t *zeros, tercet_error *error) {
    struct zero_counts counts = {form, {0}};
    TERCET_TRY(strip_crew_visit(matrix, STRIPS_ANY_ORDER, visit_zeros, &counts, error));
    for (size_t i = 0; i < STRIP_CREW_MAX; i++) {
        *zeros += counts.zeros[i];
    }
    return TERCET_OK;
}

static tercet_status survey_matrix(struct source_matrix *matrix, struct source_survey *survey,
                                   uint8_t *scale, tercet_error *error) {
    const struct planned_tensor *planned = matrix->planned;
    struct ternary_form form;
    bool ternary;
    uint64_t zeros = 0, weights = (uint64_t)planned->rows * planned->columns;
    TERCET_TRY(ternarize_probe(matrix, 0, &form, &ternary, error));
    if (!ternary) {
        return TERCET_OK;
    }
    TERCET_TRY(count_zeros(matrix, &form, &zeros, error));
    survey->scales_differ =
        survey->scales_differ || (survey->ternary_weights > 0 && survey->scale != form.scale);
    survey->scale = survey->scales_differ ? SCALE_NONE : form.scale;
    *scale = (uint8_t)form.scale;
    survey->ternary_weights += weights;
    survey->ternary_zeros += zeros;
    if (planned->linear && planned->stage >= 1 && planned->stage <= survey->layers) {
        survey->layer[planned->stage - 1].weights += weights;
        survey->layer[planned->stage - 1].zeros += zeros;
    }
    return TERCET_OK;
}

/* Codes that several share a number of: the file's table counts the numbers. */
static void count_codes(const struct planned_tensor *planned, struct source_survey *survey) {
    const struct source_tensor *stored = planned->weight;
    bool shared = planned->affine_scales != NULL ||
                  (stored->dtype == SOURCE_U8 && planned->weight_scale != NULL);
    for (uint32_t i = 0; shared && i < survey->type_count; i++) {
        if (strcmp(survey->types[i].name, stored->dtype_name) == 0) {
            survey->types[i].weights += (uint64_t)planned->rows * planned->columns;
            survey->types[i].weights -= planned->source_first == 0 ? stored->elements : 0;
        }
    }
}

static tercet_status survey_tensor(const struct model_source *source, uint32_t index,
                                   struct source_survey *survey, tercet_error *error) {
    const struct planned_tensor *planned = &source->architecture.tensors[index];
    struct source_matrix matrix;
    survey->parameters += (uint64_t)planned->rows * planned->columns;
    count_codes(planned, survey);
    if (planned->rows == 1) {
        return TERCET_OK; /* a vector of equal numbers is not ternary for that */
    }
    TERCET_TRY(source_matrix_open(&source->weights, source->architecture.quantization, planned,
                                  &matrix, error));
    tercet_status status = survey_matrix(&matrix, survey, &survey->scales[index], error);
    source_matrix_close(&matrix);
    return status;
}

tercet_status source_survey_weights(const struct model_source *source, struct source_survey *survey,
                                    int (*progress)(void *context, uint64_t done, uint64_t total),
                                    void *context, tercet_error *error) {
    uint32_t count = source->architecture.tensor_count;
    tercet_status status = TERCET_OK;
    source_survey_types(&source->weights, survey);
    survey->layers = source->architecture.config.layers;
    survey->layer = calloc(survey->layers, sizeof *survey->layer);
    survey->scales = calloc(count, sizeof *survey->scales);
    if (survey->layer == NULL || survey->scales == NULL) {
        source_survey_free(survey);
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the layers");
    }
    for (uint32_t i = 0; i < count && status == TERCET_OK; i++) {
        status = survey_tensor(source, i, survey, error);
        if (status == TERCET_OK && progress != NULL && progress(context, i + 1, count) != 0) {
            status = tercet_fail(error, TERCET_CANCELLED, i, "it was cancelled");
        }
    }
    if (status != TERCET_OK) {
        source_survey_free(survey);
    }
    return status;
}

void source_survey_free(struct source_survey *survey) {
    free(survey->layer);
    free(survey->scales);
    survey->layer = NULL;
    survey->scales = NULL;
}
