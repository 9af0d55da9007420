/*
 * tensor_form.h: in which form each tensor goes into the container: the decision (which may need one pass over its
 * weights), and then the rows of that form. One place says what the packed weights are meant to be; the writer stores them,
 * the proof compares with them.
 */
#ifndef TERCET_PACKER_TENSOR_FORM_H
#define TERCET_PACKER_TENSOR_FORM_H

#include "pack.h"
#include "ternarize.h"

struct tensor_form {
    uint32_t type, scale;        /* TENSOR_*, SCALE_* */
    bool exact;                  /* every packed weight equals its source */
    struct ternary_form ternary; /* of TENSOR_TERNARY */
};

/* BAD_SOURCE, NOT_TERNARY, UNSUPPORTED_SOURCE (a value that f16 cannot hold), OUT_OF_MEMORY. */
tercet_status tensor_form_choose(struct source_matrix *matrix, const struct pack_options *options,
                                 bool online, struct tensor_form *form, tercet_error *error);

#endif
