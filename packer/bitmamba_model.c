/*
 * bitmamba_model.c: see bitmamba_model.h. What the file does not say is fixed by its program (Zhayr1/bitmamba.cpp): an expansion of
 * 2, four taps, one state a channel, norms with 1e-6, activations quantised with 127 / (max|x| + 1e-5).
 */
#include "bitmamba_model.h"

#include "source_tensors.h"

#include <stdio.h>
#include <string.h>

/* A state has no positions, and the file does not say how long its texts were: long enough for any of them. */
#define CONTEXT (1u << 16)
#define NORM_EPSILON 1e-6f

tercet_status bitmamba_model_read(const struct bitmamba_shape *shape,
                                  const struct source_weights *source,
                                  struct architecture *architecture, tercet_error *error) {
    struct container_config *config = &architecture->config;
    const struct tensor_rules rules = {.naming = &source_naming_bitmamba,
                                       .quantization = SOURCE_DIVIDE,
                                       .file = "the head of the file",
                                       .head = HEAD_OWN};
    uint32_t inner = 2 * shape->hidden;
    memset(architecture, 0, sizeof *architecture);
    if (inner / shape->heads < 2 || inner / shape->heads > LIMIT_HEAD_DIM ||
        inner > LIMIT_ATTENTION_WIDTH) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 8,
                           "%u heads of %u channels cannot be run: 2 to %u channels, %u in all",
                           shape->heads, inner / shape->heads, LIMIT_HEAD_DIM,
                           LIMIT_ATTENTION_WIDTH);
    }
    config->family = FAMILY_BITMAMBA2;
    config->flags = CONFIG_FLAG_STATE_SPACE | CONFIG_FLAG_HEAD_NORM | CONFIG_FLAG_ADDED_FLOOR;
    config->layers = shape->layers;
    config->hidden = shape->hidden;
    config->inner = inner;
    config->heads = config->kv_heads = shape->heads;
    config->head_dim = inner / shape->heads;
    config->vocabulary = shape->vocabulary;
    config->context = CONTEXT;
    config->activation = ACTIVATION_SILU;
    config->norm_epsilon = NORM_EPSILON;
    config->top_p = 1;
    architecture->rope_scale = 1;
    architecture->beginning_token = TERCET_NO_TOKEN;
    architecture->quantization = SOURCE_DIVIDE;
    (void)snprintf(architecture->class_name, sizeof architecture->class_name, "BitMamba-2");
    return source_tensors_list(source, &rules, config, &architecture->tensors,
                               &architecture->tensor_count, error);
}
