/*
 * ternarize.h: decides whether the weights of a matrix are ternary, with which scales, and turns rows into trits. Exact
 * where the source is exactly {-1, 0, +1} times one scale per tensor, row or group; otherwise it says how far off the
 * weights are, and goes on only when the caller asked for absmean quantisation.
 */
#ifndef TERCET_PACKER_TERNARIZE_H
#define TERCET_PACKER_TERNARIZE_H

#include "source_matrix.h"

enum ternary_method {
    TERNARY_STORED,  /* the source holds trits and one scale */
    TERNARY_EXACT,   /* every weight is 0 or +-scale, bit for bit */
    TERNARY_ROUNDED, /* every weight is within one step of the source's type of 0 or +-scale */
    TERNARY_ABSMEAN  /* quantised here: scale = mean|W| */
};

struct ternary_request {
    uint32_t group;      /* 0: as coarse as is exact; 64 or 128: groups of so many columns wanted */
    bool absmean;        /* quantise what is not ternary */
    bool always_absmean; /* the source's own rule is absmean (online): do not look for a grid */
};

/* How one matrix becomes ternary. */
struct ternary_form {
    enum ternary_method method;
    uint32_t scale;     /* SCALE_TENSOR, SCALE_ROW, SCALE_GROUP64, SCALE_GROUP128 */
    float tensor_scale; /* of SCALE_TENSOR */
    float inverse; /* absmean with SCALE_TENSOR: what weights are multiplied by before rounding */
    bool coded;    /* the source has these very trits as codes: rows can go from code to code */
};

/* Reads the matrix once (twice with absmean, or for the sentence of an error). NOT_TERNARY names the tensor, the worst
 * element and its distance. */
tercet_status ternarize_find(struct source_matrix *matrix, const struct ternary_request *request,
                             struct ternary_form *form, tercet_error *error);

/* Whether every weight is exactly on the grid (TERNARY_EXACT), and the form if so. Stops reading once it is clear that not. */
tercet_status ternarize_probe(struct source_matrix *matrix, uint32_t group,
                              struct ternary_form *form, bool *exact, tercet_error *error);

/* Columns of one scale in a row: 64, 128, or all. */
uint32_t ternary_span(const struct ternary_form *form, uint32_t columns);
/* One row of `columns` values of that matrix -> codes (weight + 1), and its scales, one for each span. Group scales are exact
 * in f16. */
void ternarize_row(const struct ternary_form *form, enum source_type dtype, const float *values,
                   uint32_t columns, uint8_t *codes, float *scales);
/* The scales of a row that the source has as codes with a step for every `code_span` columns. */
void ternarize_scales(const struct ternary_form *form, const uint8_t *codes, const float *steps,
                      uint32_t code_span, uint32_t columns, float *scales);

#endif
