/*
 * forecast_model.h: the memory that a model will take which is not packed yet, by the core's own counting: a model without
 * data, made of the header that packing would write.
 */
#ifndef TERCET_NATIVE_FORECAST_MODEL_H
#define TERCET_NATIVE_FORECAST_MODEL_H

#include "../packer/packing_forecast.h"

struct forecast {
    uint64_t file_bytes;    /* packed */
    uint64_t session_bytes; /* of `context` tokens */
    uint32_t context;
    uint32_t activation_bits; /* 8 or 32 */
};

/* context: 0 for what the model was made for. kv: TERCET_KV_*. BAD_ARGUMENT for a context beyond the model's; errors of
 * packing_forecast.h and of the core. */
tercet_status forecast_model(const struct model_source *source, const struct source_survey *survey,
                             const struct chat_section *chat, uint32_t context, uint32_t kv,
                             struct forecast *forecast, tercet_error *error);

#endif
