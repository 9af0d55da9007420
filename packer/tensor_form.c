/*
 * tensor_form.c: see tensor_form.h.
 */
#include "tensor_form.h"

#include "../core/base/math.h"
#include "strip_crew.h"

#include <math.h>
#include <stdlib.h>

/* What a thread saw of a matrix's weights as f16. */
struct half_survey {
    bool inexact, too_large;
};

static tercet_status visit_halves(void *context, struct strip_hand *hand, uint32_t first,
                                  uint32_t count, tercet_error *error) {
    struct half_survey *survey = (struct half_survey *)context + hand->index;
    TERCET_TRY(source_matrix_read_values(hand->matrix, first, count, hand->values, error));
    for (size_t i = 0; i < (size_t)count * hand->matrix->planned->columns; i++) {
        float half = math_half_to_float(math_float_to_half(hand->values[i]));
        survey->inexact = survey->inexact || half != hand->values[i];
        survey->too_large = survey->too_large || !isfinite(half);
    }
    return TERCET_OK;
}

/* Whether every weight is exact in f16, and whether all of them fit at least. */
static tercet_status survey_halves(struct source_matrix *matrix, bool *exact, bool *fits,
                                   tercet_error *error) {
    struct half_survey surveys[STRIP_CREW_MAX] = {{0}};
    TERCET_TRY(strip_crew_visit(matrix, STRIPS_ANY_ORDER, visit_halves, surveys, error));
    *exact = true;
    *fits = true;
    for (size_t i = 0; i < STRIP_CREW_MAX; i++) {
        *exact = *exact && !surveys[i].inexact;
        *fits = *fits && !surveys[i].too_large;
    }
    return TERCET_OK;
}

/* f16 where that loses nothing, else f32. */
static tercet_status choose_exact(struct source_matrix *matrix, struct tensor_form *form,
                                  tercet_error *error) {
    bool fits;
    form->exact = true;
    form->scale = SCALE_NONE;
    if (!matrix->packed && matrix->multiplier == 1 &&
        matrix->planned->weight->dtype == SOURCE_F16) {
        form->type = TENSOR_F16;
        return TERCET_OK;
    }
    bool exact;
    TERCET_TRY(survey_halves(matrix, &exact, &fits, error));
    form->type = exact ? TENSOR_F16 : TENSOR_F32;
    return TERCET_OK;
}

static tercet_status choose_half(struct source_matrix *matrix, struct tensor_form *form,
                                 tercet_error *error) {
    bool fits;
    form->type = TENSOR_F16;
    form->scale = SCALE_NONE;
    TERCET_TRY(survey_halves(matrix, &form->exact, &fits, error));
    return fits ? TERCET_OK
                : tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                              "tensor %s has a value too large for f16: keep it as f32",
                              matrix->planned->weight->name);
}

static void choose_plain(uint32_t type, uint32_t scale, bool exact, struct tensor_form *form) {
    form->type = type;
    form->scale = scale;
    form->exact = exact;
}

static tercet_status choose_ternary(struct source_matrix *matrix,
                                    const struct ternary_request *request, struct tensor_form *form,
                                    tercet_error *error) {
    TERCET_TRY(ternarize_find(matrix, request, &form->ternary, error));
    choose_plain(TENSOR_TERNARY, form->ternary.scale,
                 form->ternary.method == TERNARY_STORED || form->ternary.method == TERNARY_EXACT,
                 form);
    return TERCET_OK;
}

static tercet_status choose_linear(struct source_matrix *matrix, const struct pack_options *options,
                                   bool online, struct tensor_form *form, tercet_error *error) {
    struct ternary_request request = {options->group, options->quantize == PACK_QUANTIZE_ABSMEAN,
                                      online};
    switch (options->dense) {
    case PACK_DENSE_F16:
        return choose_half(matrix, form, error);
    case PACK_DENSE_F32:
        choose_plain(TENSOR_F32, SCALE_NONE, true, form);
        return TERCET_OK;
    case PACK_DENSE_Q8:
        choose_plain(TENSOR_INT8, SCALE_ROW, false, form);
        return TERCET_OK;
    default:
        break;
    }
    if (matrix->planned->keep_dense) {
        return choose_exact(matrix, form, error);
    }
    return choose_ternary(matrix, &request, form, error);
}

static bool is_table(uint32_t role) {
    return role == ROLE_EMBEDDING || role == ROLE_POSITION_EMBEDDING || role == ROLE_HEAD;
}

/* A table may be on the grid itself, as Ternary Bonsai's is: then that is its smallest exact form. */
static tercet_status choose_exact_table(struct source_matrix *matrix,
                                        const struct pack_options *options,
                                        struct tensor_form *form, tercet_error *error) {
    bool ternary = false;
    if (options->dense == PACK_DENSE_NO) {
        TERCET_TRY(ternarize_probe(matrix, options->group, &form->ternary, &ternary, error));
    }
    if (!ternary) {
        return choose_exact(matrix, form, error);
    }
    choose_plain(TENSOR_TERNARY, form->ternary.scale, true, form);
    return TERCET_OK;
}

tercet_status tensor_form_choose(struct source_matrix *matrix, const struct pack_options *options,
                                 bool online, struct tensor_form *form, tercet_error *error) {
    if (matrix->planned->linear) {
        return choose_linear(matrix, options, online, form, error);
    }
    if (!is_table(matrix->planned->role)) {
        if (options->vectors == PACK_VECTORS_F16) {
            return choose_half(matrix, form, error);
        }
        choose_plain(TENSOR_F32, SCALE_NONE, true, form);
        return TERCET_OK;
    }
    switch (options->embedding) {
    case PACK_TABLE_F16:
        return choose_half(matrix, form, error);
    case PACK_TABLE_F32:
        choose_plain(TENSOR_F32, SCALE_NONE, true, form);
        return TERCET_OK;
    case PACK_TABLE_Q8:
        choose_plain(TENSOR_INT8, SCALE_ROW, false, form);
        return TERCET_OK;
    case PACK_TABLE_TERNARY:
        return choose_ternary(matrix,
                              &(struct ternary_request){.group = options->group, .absmean = true},
                              form, error);
    default:
        return choose_exact_table(matrix, options, form, error);
    }
}
