/*
 * packing_forecast.c: see packing_forecast.h.
 */
#include "packing_forecast.h"

#include "tensor_form.h"

#include <stdlib.h>

/* Matrices of layers, from what the survey found. */
static void forecast_linear(const struct architecture *architecture, uint32_t scale,
                            const struct planned_tensor *planned, struct writer_tensor *tensor) {
    bool made_ternary = (architecture->quantization == SOURCE_ONLINE ||
                         architecture->config.family == FAMILY_TERNARYLM) &&
                        !planned->keep_dense;
    tensor->type = scale != SCALE_NONE || made_ternary ? TENSOR_TERNARY : TENSOR_F16;
    tensor->scale = scale == SCALE_NONE && made_ternary ? SCALE_TENSOR : scale;
}

/* The others as packing chooses them, which for a table may take a pass over it. */
static tercet_status forecast_other(const struct model_source *source,
                                    const struct planned_tensor *planned,
                                    struct writer_tensor *tensor, tercet_error *error) {
    struct source_matrix matrix;
    struct pack_options options;
    struct tensor_form form = {.type = TENSOR_F32};
    pack_options_init(&options);
    TERCET_TRY(source_matrix_open(&source->weights, source->architecture.quantization, planned,
                                  &matrix, error));
    tercet_status status = tensor_form_choose(&matrix, &options, false, &form, error);
    source_matrix_close(&matrix);
    tensor->type = form.type;
    tensor->scale = form.scale;
    return status;
}

tercet_status packing_forecast_build(const struct model_source *source,
                                     const struct source_survey *survey,
                                     const struct chat_section *chat,
                                     struct container_header *header, tercet_error *error) {
    const struct architecture *architecture = &source->architecture;
    struct writer_tensor *tensors = calloc(architecture->tensor_count, sizeof *tensors);
    if (tensors == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the plan of %u tensors",
                           architecture->tensor_count);
    }
    struct writer_plan plan = {
        .config = architecture->config,
        .rope_scale = architecture->rope_scale,
        .rope_frequencies = architecture->rope_frequencies,
        .tensors = tensors,
        .tensor_count = architecture->tensor_count,
        .tokenizer_section = source->tokenizer.bytes,
        .tokenizer_bytes = source->tokenizer.count,
        .chat_section = chat->bytes,
        .chat_bytes = chat->count,
    };
    plan.config.activation_bits = 32;
    tercet_status status = TERCET_OK;
    for (uint32_t i = 0; i < plan.tensor_count; i++) {
        const struct planned_tensor *planned = &architecture->tensors[i];
        tensors[i].stage = planned->stage;
        tensors[i].role = planned->role;
        tensors[i].rows = planned->rows;
        tensors[i].columns = planned->columns;
        if (planned->linear) {
            forecast_linear(architecture, survey->scales[i], planned, &tensors[i]);
        } else if (status == TERCET_OK) {
            status = forecast_other(source, planned, &tensors[i], error);
        }
        if (planned->linear && tensors[i].type == TENSOR_TERNARY) {
            plan.config.activation_bits = 8;
        }
    }
    if (status == TERCET_OK) {
        status = container_header_build(&plan, header, error);
    }
    free(tensors);
    return status;
}
