/*
 * forecast_model.c: see forecast_model.h.
 */
#include "forecast_model.h"

#include "machine.h"
#include "terminal.h"

#include <string.h>

/* The loader gets what it wants from the header in memory; there are no chunks. */
static tercet_status give_header(tercet_loader *loader, const struct container_header *header,
                                 tercet_error *error) {
    tercet_want want;
    tercet_status status;
    while ((status = tercet_loader_want(loader, &want, error)) == TERCET_NEED_BYTES &&
           want.kind != TERCET_WANT_CHUNK) {
        memcpy(want.destination, header->bytes + want.offset, (size_t)want.bytes);
        status = tercet_loader_give(loader, error);
        if (status != TERCET_OK || want.kind == TERCET_WANT_HEADER) {
            break;
        }
    }
    return status != TERCET_OK ? status
                               : tercet_loader_place(loader, NULL, header->data_bytes, error);
}

static tercet_status make_model(tercet_engine *engine, const struct container_header *header,
                                tercet_model **model, tercet_error *error) {
    tercet_loader_options options;
    tercet_loader *loader = NULL;
    tercet_loader_options_init(&options);
    options.map_in_place = 1;
    options.file_bytes = header->header_bytes + header->data_bytes;
    tercet_status status = tercet_loader_create(engine, &options, &loader, error);
    if (status == TERCET_OK) {
        status = give_header(loader, header, error);
    }
    if (status == TERCET_OK) {
        status = tercet_loader_finish(loader, model, error);
    }
    tercet_loader_destroy(loader);
    return status;
}

static tercet_status measure(const tercet_model *model, uint32_t context, uint32_t kv,
                             struct forecast *forecast, tercet_error *error) {
    tercet_session_options options;
    tercet_model_info info;
    tercet_model_get_info(model, &info);
    forecast->context = context != 0 ? context : info.context;
    forecast->activation_bits = info.activation_bits;
    if (forecast->context > info.context) {
        return set_error(error, TERCET_BAD_ARGUMENT, context,
                         "context %u was asked for, the model was made for at most %u", context,
                         info.context);
    }
    tercet_session_options_init(model, &options);
    options.context = forecast->context;
    options.kv = kv;
    forecast->session_bytes = tercet_session_bytes(model, &options);
    return TERCET_OK;
}

tercet_status forecast_model(const struct model_source *source, const struct source_survey *survey,
                             const struct chat_section *chat, uint32_t context, uint32_t kv,
                             struct forecast *forecast, tercet_error *error) {
    struct container_header header;
    tercet_engine_options options;
    tercet_engine *engine = NULL;
    tercet_model *model = NULL;
    memset(&header, 0, sizeof header);
    tercet_status status = packing_forecast_build(source, survey, chat, &header, error);
    if (status != TERCET_OK) {
        return status;
    }
    forecast->file_bytes = header.header_bytes + header.data_bytes;
    tercet_engine_options_init(&options);
    options.threads = machine_cores(); /* each has memory of its own */
    status = tercet_engine_create(&options, &engine, error);
    if (!tercet_status_is_error(status)) { /* fewer threads than asked for will do */
        status = make_model(engine, &header, &model, error);
    }
    if (status == TERCET_OK) {
        status = measure(model, context, kv, forecast, error);
    }
    tercet_model_destroy(model);
    tercet_engine_destroy(engine);
    container_header_free(&header);
    return status;
}
