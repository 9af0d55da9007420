/*
 * ternary_survey.c: see ternary_survey.h.
 */
#include "ternary_survey.h"

#include "../core/base/math.h"
#include "strip_crew.h"
#include "wide_vectors.h"

#include <stdlib.h>
#include <string.h>

/* Rows between two looks at whether it is worth going on. */
#define LOOK_ROWS 1024u

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

/* Loops without branches, so that compilers use vectors: this is half of what packing numbers costs. */
WIDE_VECTORS struct magnitudes ternary_measure(const float *values, uint32_t count) {
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

float ternary_grid_scale(bool rounded, enum source_type dtype, const struct magnitudes *span) {
    float scale = math_float_from_bits(span->most);
    if (rounded && span->most != 0) {
        (void)rounded_scale(dtype, span, &scale);
    }
    return scale;
}

/* A thread's part of the survey. */
struct survey_part {
    struct ternary_survey survey;
    bool coded;
    uint32_t half_bits; /* a scale that is known to be exact in f16: most spans have the same */
};

static bool fits_half(struct survey_part *part, float scale) {
    uint32_t bits = math_float_bits(scale);
    if (bits != part->half_bits && is_exact_half(scale)) {
        part->half_bits = bits;
    }
    return bits == part->half_bits;
}

static void judge(struct survey_part *part, uint32_t scale, enum source_type dtype,
                  const struct magnitudes *span) {
    struct ternary_survey *survey = &part->survey;
    bool half = scale == SCALE_GROUP64 || scale == SCALE_GROUP128;
    float value = math_float_from_bits(span->most);
    bool exact = span->least == span->most, fits = exact && (!half || fits_half(part, value));
    survey->exact[scale] = survey->exact[scale] && fits;
    if (survey->rounded[scale] && !exact) {
        fits = rounded_scale(dtype, span, &value) && (!half || fits_half(part, value));
    }
    survey->rounded[scale] = survey->rounded[scale] && fits;
}

/* A row by its groups of 64 columns. */
static void survey_row(struct survey_part *part, enum source_type dtype,
                       const struct magnitudes *groups, uint32_t count) {
    struct magnitudes row = {0, 0, 0, 0};
    for (uint32_t g = 0; g < count; g++) {
        judge(part, SCALE_GROUP64, dtype, &groups[g]);
        if (g % 2 == 1 || g + 1 == count) {
            struct magnitudes pair = groups[g & ~1u];
            if (g % 2 == 1) {
                add_magnitudes(&pair, &groups[g]);
            }
            judge(part, SCALE_GROUP128, dtype, &pair);
            add_magnitudes(&row, &pair);
        }
    }
    judge(part, SCALE_ROW, dtype, &row);
    add_magnitudes(&part->survey.tensor, &row);
}

/* What all threads work on. */
struct surveying {
    enum source_type dtype;
    uint32_t columns, code_span;
    struct survey_part *parts;     /* one a thread */
    struct magnitudes *magnitudes; /* of the groups of a row, for each thread */
};

static uint32_t group_count(uint32_t columns) {
    return (columns + 63) / 64;
}

static tercet_status visit_values(void *context, struct strip_hand *hand, uint32_t first,
                                  uint32_t count, tercet_error *error) {
    const struct surveying *surveying = context;
    uint32_t columns = surveying->columns, groups = group_count(columns);
    struct magnitudes *magnitudes = surveying->magnitudes + (size_t)hand->index * groups;
    TERCET_TRY(source_matrix_read_values(hand->matrix, first, count, hand->values, error));
    for (uint32_t i = 0; i < count; i++) {
        const float *row = hand->values + (size_t)i * columns;
        for (uint32_t g = 0; g < groups; g++) {
            uint32_t left = columns - g * 64;
            magnitudes[g] = ternary_measure(row + g * 64, left < 64 ? left : 64);
        }
        survey_row(&surveying->parts[hand->index], surveying->dtype, magnitudes, groups);
    }
    return TERCET_OK;
}

static tercet_status visit_codes(void *context, struct strip_hand *hand, uint32_t first,
                                 uint32_t count, tercet_error *error) {
    const struct surveying *surveying = context;
    uint32_t columns = surveying->columns, groups = group_count(columns);
    struct magnitudes *magnitudes = surveying->magnitudes + (size_t)hand->index * groups;
    struct survey_part *part = &surveying->parts[hand->index];
    size_t spans = columns / surveying->code_span;
    bool coded = part->coded;
    if (coded) {
        TERCET_TRY(source_matrix_read_codes(hand->matrix, first, count, hand->codes, hand->steps,
                                            &coded, error));
        part->coded = coded;
    }
    for (uint32_t i = 0; i < count && coded; i++) {
        const uint8_t *codes = hand->codes + (size_t)i * columns;
        const float *steps = hand->steps + i * spans;
        for (uint32_t g = 0; g < groups; g++) {
            uint32_t left = columns - g * 64;
            bool any = ternary_codes_any(codes + g * 64, left < 64 ? left : 64);
            uint32_t bits = any ? math_float_bits(steps[g * 64 / surveying->code_span]) : 0;
            magnitudes[g] = (struct magnitudes){bits, bits, any, any};
        }
        survey_row(part, surveying->dtype, magnitudes, groups);
    }
    return TERCET_OK;
}

static void start_part(struct survey_part *part) {
    memset(part, 0, sizeof *part);
    memset(part->survey.exact, 1, sizeof part->survey.exact);
    memset(part->survey.rounded, 1, sizeof part->survey.rounded);
    part->coded = true;
}

static void add_part(struct survey_part *into, const struct survey_part *more) {
    for (size_t i = 0; i < 5; i++) {
        into->survey.exact[i] = into->survey.exact[i] && more->survey.exact[i];
        into->survey.rounded[i] = into->survey.rounded[i] && more->survey.rounded[i];
    }
    into->coded = into->coded && more->coded;
    add_magnitudes(&into->survey.tensor, &more->survey.tensor);
}

/* Whether any thread has ruled the exact grids out (one scale a tensor is one a row as well), or the codes. */
static bool may_be_exact(const struct surveying *surveying, uint32_t threads) {
    struct survey_part all;
    start_part(&all);
    for (uint32_t i = 0; i < threads; i++) {
        add_part(&all, &surveying->parts[i]);
    }
    return all.coded && (all.survey.exact[SCALE_ROW] || all.survey.exact[SCALE_GROUP128] ||
                         all.survey.exact[SCALE_GROUP64]);
}

static tercet_status survey_rows(struct strip_crew *crew, struct surveying *surveying,
                                 strip_visitor visit, enum survey_thoroughness thoroughness,
                                 struct survey_part *all, tercet_error *error) {
    uint32_t rows = crew->matrix->planned->rows;
    uint32_t step = thoroughness == SURVEY_WHOLE ? rows : LOOK_ROWS;
    for (uint32_t i = 0; i < crew->count; i++) {
        start_part(&surveying->parts[i]);
    }
    for (uint32_t first = 0; first < rows; first += step) {
        uint32_t end = rows - first < step ? rows : first + step;
        TERCET_TRY(strip_crew_run(crew, first, end, visit, surveying, error));
        if (thoroughness == SURVEY_WHILE_EXACT && !may_be_exact(surveying, crew->count)) {
            break;
        }
    }
    start_part(all);
    for (uint32_t i = 0; i < crew->count; i++) {
        add_part(all, &surveying->parts[i]);
    }
    judge(all, SCALE_TENSOR, surveying->dtype, &all->survey.tensor);
    return TERCET_OK;
}

static tercet_status survey_matrix(struct source_matrix *matrix, strip_visitor visit,
                                   enum survey_thoroughness thoroughness, struct survey_part *all,
                                   tercet_error *error) {
    struct surveying surveying = {matrix->planned->weight->dtype, matrix->planned->columns,
                                  source_matrix_code_span(matrix), NULL, NULL};
    struct strip_crew crew;
    TERCET_TRY(strip_crew_open(matrix, STRIPS_ANY_ORDER, &crew, error));
    size_t groups = (size_t)crew.count * group_count(surveying.columns);
    surveying.parts = malloc(crew.count * sizeof *surveying.parts);
    surveying.magnitudes = malloc(groups * sizeof *surveying.magnitudes);
    tercet_status status =
        surveying.parts != NULL && surveying.magnitudes != NULL
            ? survey_rows(&crew, &surveying, visit, thoroughness, all, error)
            : tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory to look at tensor %s",
                          matrix->planned->weight->name);
    free(surveying.parts);
    free(surveying.magnitudes);
    strip_crew_close(&crew);
    return status;
}

tercet_status ternary_survey_values(struct source_matrix *matrix,
                                    enum survey_thoroughness thoroughness,
                                    struct ternary_survey *survey, tercet_error *error) {
    struct survey_part all;
    TERCET_TRY(survey_matrix(matrix, visit_values, thoroughness, &all, error));
    *survey = all.survey;
    return TERCET_OK;
}

tercet_status ternary_survey_codes(struct source_matrix *matrix, struct ternary_survey *survey,
                                   bool *coded, tercet_error *error) {
    struct survey_part all;
    *coded = source_matrix_code_span(matrix) != 0;
    if (*coded) {
        TERCET_TRY(survey_matrix(matrix, visit_codes, SURVEY_WHILE_EXACT, &all, error));
        *survey = all.survey;
        *coded = all.coded;
    }
    return TERCET_OK;
}
