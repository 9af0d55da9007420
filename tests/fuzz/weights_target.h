/*
 * weights_target.h: what the targets of whole models share: every tensor that a container would hold is read as the packer
 * reads it. For one target, which includes it once.
 */
#ifndef TERCET_TESTS_FUZZ_WEIGHTS_TARGET_H
#define TERCET_TESTS_FUZZ_WEIGHTS_TARGET_H

#include "promise.h"
#include "source_matrix.h"

#include <math.h>

/* The same rows as codes say the same weights, if they can be said so. */
static inline void check_codes(struct source_matrix *matrix, uint32_t first, uint32_t rows,
                               const float *values) {
    uint32_t columns = matrix->planned->columns, span = source_matrix_code_span(matrix);
    size_t count = (size_t)rows * columns, spans = columns / span;
    tercet_error error = {0};
    bool coded = false;
    uint8_t *codes = malloc(count);
    float *steps = malloc(rows * spans * sizeof *steps);
    PROMISE(codes != NULL && steps != NULL);
    tercet_status status =
        source_matrix_read_codes(matrix, first, rows, codes, steps, &coded, &error);
    PROMISE(status == TERCET_OK || (error.status == status && error.detail[0] != '\0'));
    PROMISE(status == TERCET_OK || values == NULL);
    for (size_t i = 0; status == TERCET_OK && coded && i < count; i++) {
        float step = steps[i / columns * spans + i % columns / span];
        PROMISE(codes[i] <= 2 && step >= 0);
        PROMISE(values == NULL || ((float)codes[i] - 1) * step == values[i]);
    }
    free(steps);
    free(codes);
}

/* A strip of rows from `first` on, into a block of its exact size. */
static inline void read_strip(struct source_matrix *matrix, uint32_t first) {
    const struct planned_tensor *planned = matrix->planned;
    uint32_t rows =
        planned->rows - first < SOURCE_ROWS_MAX ? planned->rows - first : SOURCE_ROWS_MAX;
    size_t count = (size_t)rows * planned->columns;
    tercet_error error = {0};
    float *values = malloc(count * sizeof *values);
    PROMISE(values != NULL);
    tercet_status status = source_matrix_read_values(matrix, first, rows, values, &error);
    PROMISE(status == TERCET_OK || (error.status == status && error.detail[0] != '\0'));
    for (size_t i = 0; status == TERCET_OK && i < count; i++) {
        PROMISE(isfinite(values[i]) || matrix->packed);
    }
    if (source_matrix_code_span(matrix) != 0) {
        check_codes(matrix, first, rows, status == TERCET_OK ? values : NULL);
    }
    free(values);
}

static inline void check_architecture(const struct architecture *architecture) {
    const struct container_config *config = &architecture->config;
    PROMISE(architecture->tensor_count > 0);
    PROMISE(config->layers > 0 && config->hidden > 0 && config->inner > 0 && config->context > 0);
    PROMISE(config->heads > 0 && config->kv_heads > 0 && config->heads % config->kv_heads == 0);
    PROMISE(config->norm_epsilon > 0 && config->vocabulary > 0);
    for (uint32_t i = 0; architecture->rope_frequencies != NULL && i < config->head_dim / 2; i++) {
        PROMISE(isfinite(architecture->rope_frequencies[i]));
    }
}

static inline void read_weights(const struct source_weights *weights,
                                const struct architecture *architecture) {
    check_architecture(architecture);
    for (uint32_t i = 0; i < architecture->tensor_count; i++) {
        const struct planned_tensor *planned = &architecture->tensors[i];
        struct source_matrix matrix;
        tercet_error error = {0};
        PROMISE(planned->rows > 0 && planned->columns > 0);
        tercet_status status =
            source_matrix_open(weights, architecture->quantization, planned, &matrix, &error);
        if (status != TERCET_OK) {
            PROMISE(error.status == status && error.detail[0] != '\0');
            continue;
        }
        read_strip(&matrix, 0);
        if (planned->rows > SOURCE_ROWS_MAX) {
            read_strip(&matrix, (planned->rows - 1) / SOURCE_ROWS_MAX * SOURCE_ROWS_MAX);
        }
        source_matrix_close(&matrix);
    }
}

#endif
