/*
 * ternary_survey.h: one pass over a matrix that finds out with which scales its weights are ternary. It keeps, for every span
 * that could share a scale, the smallest and the largest magnitude that is not zero: equal ones mean an exact grid.
 */
#ifndef TERCET_PACKER_TERNARY_SURVEY_H
#define TERCET_PACKER_TERNARY_SURVEY_H

#include "source_matrix.h"

/* Magnitudes above zero in one span, as f32 bits: they order as the numbers do. */
struct magnitudes {
    uint32_t least, most; /* most 0: there are none */
    uint64_t at_least, at_most;
};

/* What is possible, for each way to share scales. */
struct ternary_survey {
    bool exact[5], rounded[5]; /* by SCALE_*; index 0 unused */
    struct magnitudes tensor;
};

enum survey_thoroughness {
    SURVEY_WHOLE,      /* all rows */
    SURVEY_WHILE_EXACT /* ends when no exact grid is possible any more; `rounded` then means nothing */
};

/* Of the numbers. Errors of the source, OUT_OF_MEMORY. */
tercet_status ternary_survey_values(struct source_matrix *matrix,
                                    enum survey_thoroughness thoroughness,
                                    struct ternary_survey *survey, tercet_error *error);
/* Of the codes, much faster: `exact` and `tensor` alone. False in *coded where the source has no codes or they do not say
 * everything: survey the values then. */
tercet_status ternary_survey_codes(struct source_matrix *matrix, struct ternary_survey *survey,
                                   bool *coded, tercet_error *error);

struct magnitudes ternary_measure(const float *values, uint32_t count);
/* The scale of a span that is known to be on the grid, exactly or within one step of the source's type; 0 where all weights
 * are 0. */
float ternary_grid_scale(bool rounded, enum source_type dtype, const struct magnitudes *span);

#endif
