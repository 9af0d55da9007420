/*
 * source_survey.h: what the weights of a model that is not packed yet are: how they are stored, which are ternary, with which
 * scales, and how many are zero. Reads every matrix once or twice; changes nothing.
 */
#ifndef TERCET_PACKER_SOURCE_SURVEY_H
#define TERCET_PACKER_SOURCE_SURVEY_H

#include "model_source.h"

#define SURVEY_TYPES_MAX 16u

struct survey_type {
    const char *name; /* "TQ2_0" */
    uint32_t tensors;
    uint64_t weights, bytes;
};

struct survey_layer {
    uint64_t weights, zeros;
};

struct source_survey {
    struct survey_type types[SURVEY_TYPES_MAX]; /* of all tensors in the files, the largest first */
    uint32_t type_count;
    uint64_t parameters; /* from here on: of the tensors that the model needs */
    uint64_t ternary_weights, ternary_zeros;
    struct survey_layer *layer; /* [layers], the ternary matrices; source_survey_free */
    uint8_t *scales; /* of each planned tensor: SCALE_* of a ternary one, SCALE_NONE of others */
    uint32_t layers;
    uint32_t scale; /* SCALE_* of the ternary matrices; SCALE_NONE: none, or of several kinds */
    bool scales_differ;
};

/* Only the types. */
void source_survey_types(const struct source_weights *weights, struct source_survey *survey);
/* `source` was read. Called after each tensor, `progress` stops the survey with a non-zero return (CANCELLED); may be NULL.
 * BAD_SOURCE, FILE_READ_FAILED, OUT_OF_MEMORY; on failure there is nothing to free. */
tercet_status source_survey_weights(const struct model_source *source, struct source_survey *survey,
                                    int (*progress)(void *context, uint64_t done, uint64_t total),
                                    void *context, tercet_error *error);
void source_survey_free(struct source_survey *survey);

#endif
