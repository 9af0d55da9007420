/*
 * api.c: the public functions: check arguments, call a layer, fill the error. No logic of its own; everything below may
 * trust what passed here.
 */
#include "base/cpu_features.h"
#include "generate/arriving.h"
#include "generate/logprobs.h"
#include "generate/session_state.h"
#include "text/chat_format.h"
#include "text/chat_text.h"

/* ---------------------------------------------------------------- engine */

void tercet_engine_options_init(tercet_engine_options *options) {
    *options = (tercet_engine_options){
        .struct_bytes = sizeof *options,
        .api_version = TERCET_API_VERSION,
        .threads = 1,
    };
}

tercet_status tercet_engine_create(const tercet_engine_options *options, tercet_engine **out,
                                   tercet_error *error) {
    if (options == NULL || out == NULL || options->struct_bytes != sizeof *options)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "the engine options were not initialised");
    if (options->api_version != TERCET_API_VERSION)
        return tercet_fail(
            error, TERCET_BAD_ARGUMENT, options->api_version,
            "the caller was compiled for version %u of this interface, this is version %u",
            options->api_version, TERCET_API_VERSION);
    if (options->threads > 64)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, options->threads,
                           "at most 64 threads are possible");
    if ((options->allocator.alloc == NULL) != (options->allocator.free == NULL))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "an allocator needs both alloc and free");
    tercet_allocator allocator =
        options->allocator.alloc != NULL ? options->allocator : arena_default_allocator();

    tercet_engine *engine = allocator_take(&allocator, sizeof *engine);
    if (engine == NULL)
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, sizeof *engine, "no memory for the engine");
    memset(engine, 0, sizeof *engine);
    engine->allocator = allocator;
    if (!kernels_select(options->kernels, &engine->kernels, engine->kernels_note)) {
        tercet_status status = tercet_fail(
            error, TERCET_NO_KERNELS, 0, "kernel set %s does not work on this machine: %s",
            options->kernels == NULL ? "(any)" : options->kernels, engine->kernels_note);
        allocator_give(&allocator, engine, sizeof *engine);
        return status;
    }
    tercet_status status =
        thread_pool_create(&allocator, options->threads == 0 ? 1 : options->threads, &engine->pool);
    if (tercet_status_is_error(status)) {
        allocator_give(&allocator, engine, sizeof *engine);
        return tercet_fail(error, status, 0, "no memory for the threads");
    }
    *out = engine;
    return status;
}

void tercet_engine_get_info(const tercet_engine *engine, tercet_engine_info *info) {
    *info = (tercet_engine_info){
        .kernels = engine->kernels.name,
        .kernels_note = engine->kernels_note,
        .threads = thread_pool_threads(engine->pool),
    };
}

void tercet_engine_destroy(tercet_engine *engine) {
    if (engine == NULL)
        return;
    tercet_allocator allocator = engine->allocator;
    thread_pool_destroy(engine->pool);
    allocator_give(&allocator, engine, sizeof *engine);
}

const char *tercet_kernels_name(uint32_t index) {
    const struct tercet_kernels *set = kernels_at(index);
    return set == NULL ? NULL : set->name;
}

int tercet_kernels_usable(uint32_t index) {
    const struct tercet_kernels *set = kernels_at(index);
    return set != NULL && (set->needs & ~cpu_features()) == 0;
}

/* ---------------------------------------------------------------- loader */

void tercet_loader_options_init(tercet_loader_options *options) {
    *options = (tercet_loader_options){.struct_bytes = sizeof *options};
}

tercet_status tercet_loader_create(tercet_engine *engine, const tercet_loader_options *options,
                                   tercet_loader **out, tercet_error *error) {
    if (engine == NULL || out == NULL || options == NULL ||
        options->struct_bytes != sizeof *options)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "the loader options were not initialised");
    tercet_loader *loader = allocator_take(&engine->allocator, sizeof *loader);
    if (loader == NULL)
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, sizeof *loader, "no memory for the loader");
    loader_init(loader, &engine->allocator, options);
    loader->engine = engine;
    *out = loader;
    return TERCET_OK;
}

tercet_status tercet_loader_want(tercet_loader *loader, tercet_want *want, tercet_error *error) {
    if (loader == NULL || want == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no loader");
    return loader_want(loader, want, error);
}

tercet_status tercet_loader_give(tercet_loader *loader, tercet_error *error) {
    if (loader == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no loader");
    bool header = loader->state == LOADER_HEADER;
    TERCET_TRY(loader_give(loader, error));
    if (loader->model != NULL)
        loader->model->arrived_bytes = loader_arrived(loader);
    if (!header)
        return TERCET_OK;
    /* Whether the tensors make up a model is asked now, not after the whole file has come in. */
    struct model_config config;
    tercet_status status = model_config_read(&loader->file.container, &config, error);
    if (status != TERCET_OK)
        loader->state = LOADER_FAILED;
    return status;
}

tercet_status tercet_loader_place(tercet_loader *loader, const void *data, uint64_t bytes,
                                  tercet_error *error) {
    if (loader == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no loader");
    return loader_place(loader, data, bytes, error);
}

tercet_status tercet_loader_get_file_info(const tercet_loader *loader, tercet_file_info *info) {
    if (loader == NULL || info == NULL)
        return TERCET_BAD_ARGUMENT;
    return loader_file_info(loader, info);
}

tercet_status tercet_loader_finish(tercet_loader *loader, tercet_model **out, tercet_error *error) {
    if (loader == NULL || out == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no loader");
    struct loaded_file file;
    TERCET_TRY(loader_take(loader, &file, error));
    tercet_status status = model_create(loader->engine, &file, out, error);
    if (status != TERCET_OK) {
        loaded_file_release(&file);
        loader->state = LOADER_FAILED;
    }
    return status;
}

/* Tables of states and biases of the head in 16 bits are widened once, from data that would not be there yet. */
static bool model_can_arrive(const struct container *container, const struct model_config *config) {
    bool can = !config->state_space;
    for (uint32_t i = 0; i < container->tensor_count; i++) {
        struct container_tensor tensor = container_get_tensor(container, i);
        can = can && (tensor.role != ROLE_HEAD_BIAS || tensor.type == TENSOR_F32);
    }
    return can;
}

tercet_status tercet_loader_open(tercet_loader *loader, tercet_model **out, tercet_error *error) {
    if (loader == NULL || out == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no loader");
    struct loaded_file file;
    TERCET_TRY(loader_lend(loader, &file, error));
    struct model_config config;
    tercet_status status = model_config_read(&file.container, &config, error);
    if (status == TERCET_OK && !model_can_arrive(&file.container, &config))
        status = tercet_fail(error, TERCET_UNSUPPORTED, 0,
                             "a model of state spaces, or whose head has biases in 16 bits, can be "
                             "opened when it is whole");
    if (status == TERCET_OK)
        status = model_create(loader->engine, &file, out, error);
    if (status != TERCET_OK) {
        loader->lent = false; /* it goes on as if it had not been asked */
        return status;
    }
    loader->model = *out;
    loader->model->arrived_bytes = loader_arrived(loader);
    return TERCET_OK;
}

void tercet_loader_destroy(tercet_loader *loader) {
    if (loader == NULL)
        return;
    tercet_allocator allocator = loader->allocator;
    loader_release(loader);
    allocator_give(&allocator, loader, sizeof *loader);
}

/* ---------------------------------------------------------------- model */

void tercet_model_get_info(const tercet_model *model, tercet_model_info *info) {
    model_get_info(model, info);
}

tercet_status tercet_model_get_tensor(const tercet_model *model, uint32_t index,
                                      tercet_tensor_info *info) {
    if (model == NULL || info == NULL)
        return TERCET_BAD_ARGUMENT;
    return model_get_tensor(model, index, info);
}

void tercet_model_get_bytes(const tercet_model *model, tercet_model_bytes *bytes) {
    *bytes = (tercet_model_bytes){
        .header = model->file.header,
        .data = model->file.data,
        .header_bytes = model->file.header_bytes,
        .data_bytes = model->file.data_bytes,
    };
}

void tercet_model_destroy(tercet_model *model) {
    model_destroy(model);
}

/* ---------------------------------------------------------------- text */

tercet_status tercet_tokenize(const tercet_model *model, const char *text, size_t bytes,
                              uint32_t flags, uint32_t *tokens, size_t capacity, size_t *count,
                              tercet_error *error) {
    if (model == NULL || count == NULL || (text == NULL && bytes != 0) ||
        (tokens == NULL && capacity != 0))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no model, text or place for the tokens");
    const struct container_tokenizer *tables = &model->file.container.tokenizer;
    const tercet_allocator *allocator = &model->engine->allocator;
    size_t scratch_bytes = tokenizer_scratch_bytes(tables, text, bytes);
    void *scratch = allocator_take(allocator, scratch_bytes);
    if (scratch == NULL)
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, scratch_bytes,
                           "no memory to tokenize %llu bytes of text", (unsigned long long)bytes);
    tercet_status status =
        tokenizer_encode(tables, text, bytes, flags, tokens, capacity, count, scratch, error);
    allocator_give(allocator, scratch, scratch_bytes);
    return status;
}

tercet_status tercet_token_bytes(const tercet_model *model, uint32_t token, const uint8_t **bytes,
                                 size_t *count) {
    if (model == NULL || bytes == NULL || count == NULL)
        return TERCET_BAD_ARGUMENT;
    return tokenizer_token_bytes(&model->file.container.tokenizer, token, bytes, count)
               ? TERCET_OK
               : TERCET_BAD_TOKEN;
}

int tercet_token_is_stop(const tercet_model *model, uint32_t token) {
    if (model == NULL)
        return 0;
    const struct container_config *config = &model->file.container.config;
    for (uint32_t i = 0; i < config->stop_count; i++)
        if (config->stop_tokens[i] == token)
            return 1;
    return 0;
}

tercet_status tercet_detokenize(const tercet_model *model, const uint32_t *tokens,
                                size_t token_count, char *text, size_t capacity, size_t *bytes,
                                tercet_error *error) {
    if (model == NULL || bytes == NULL || (tokens == NULL && token_count != 0) ||
        (text == NULL && capacity != 0))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no model, tokens or place for the text");
    return tokenizer_decode(&model->file.container.tokenizer, tokens, token_count, text, capacity,
                            bytes, error);
}

/* ---------------------------------------------------------------- chat */

const char *tercet_chat_format_name(uint32_t index) {
    return chat_format_name(index);
}

/* `known` has room for a format that is not the model's own, and must live as long as *chat is used. */
static tercet_status find_chat_format(const tercet_model *model, const char *format,
                                      struct chat_known *known, const struct container_chat **chat,
                                      tercet_error *error) {
    const struct container *container = &model->file.container;
    *chat = &container->chat;
    if (format != NULL && strcmp(format, container->chat.name) != 0) {
        *chat = &known->chat;
        return chat_format_build(&container->tokenizer, format, known, error);
    }
    if (container->chat.name[0] == '\0')
        return tercet_fail(
            error, TERCET_NO_CHAT_FORMAT, 0,
            "this model was made to continue texts and has no chat format of its own");
    return TERCET_OK;
}

tercet_status tercet_chat_get_info(const tercet_model *model, const char *format,
                                   tercet_chat_info *info, tercet_error *error) {
    struct chat_known known;
    const struct container_chat *chat;
    if (model == NULL || info == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no model");
    TERCET_TRY(find_chat_format(model, format, &known, &chat, error));
    const struct container_tokenizer *tables = &model->file.container.tokenizer;
    *info = (tercet_chat_info){
        .name = chat->name,
        .system = chat->system,
        .system_bytes = chat->system_bytes,
        .thinking_switch =
            chat->part_ends[CHAT_PART_NO_THINKING] > chat->part_ends[CHAT_PART_NO_THINKING - 1],
        .stop_count = chat->stop_count,
    };
    _Static_assert(sizeof info->thinking_begin > LIMIT_CHAT_THINKING_BYTES, "there is room");
    size_t bytes; /* the container's reader and our own table allow 64 */
    const uint8_t *text = chat_part_text(tables, chat, CHAT_PART_THINKING_BEGIN, &bytes);
    memcpy(info->thinking_begin, text, bytes);
    text = chat_part_text(tables, chat, CHAT_PART_THINKING_END, &bytes);
    memcpy(info->thinking_end, text, bytes);
    memcpy(info->stop_tokens, chat->stop_tokens, sizeof info->stop_tokens);
    return TERCET_OK;
}

tercet_status tercet_chat_tokenize(const tercet_model *model, const char *format,
                                   const tercet_chat_message *messages, size_t message_count,
                                   uint32_t flags, uint32_t *tokens, size_t capacity, size_t *count,
                                   tercet_error *error) {
    struct chat_known known;
    const struct container_chat *chat;
    struct chat_text text;
    if (model == NULL || count == NULL || (messages == NULL && message_count != 0) ||
        (tokens == NULL && capacity != 0))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "no model, messages or place for the tokens");
    *count = 0;
    TERCET_TRY(find_chat_format(model, format, &known, &chat, error));
    TERCET_TRY(chat_text_measure(&model->file.container.tokenizer, chat, messages, message_count,
                                 flags, &text, error));
    const tercet_allocator *allocator = &model->engine->allocator;
    void *scratch = allocator_take(allocator, text.scratch_bytes);
    if (scratch == NULL)
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, text.scratch_bytes,
                           "no memory to tokenize %llu bytes of conversation",
                           (unsigned long long)text.text_bytes);
    tercet_status status = chat_text_encode(&text, tokens, capacity, count, scratch, error);
    allocator_give(allocator, scratch, text.scratch_bytes);
    return status;
}

/* ---------------------------------------------------------------- session */

void tercet_session_options_init(const tercet_model *model, tercet_session_options *options) {
    const struct container_config *config = &model->file.container.config;
    *options = (tercet_session_options){
        .struct_bytes = sizeof *options,
        .sampling =
            {
                .struct_bytes = sizeof options->sampling,
                .temperature = config->temperature,
                .top_k = config->top_k,
                .top_p = config->top_p,
                .min_p = config->min_p,
                .repetition_penalty = 1.0f,
                .repetition_window = 64,
            },
    };
}

uint64_t tercet_session_bytes(const tercet_model *model, const tercet_session_options *options) {
    if (model == NULL || session_check_options(model, options, NULL) != TERCET_OK)
        return 0;
    return session_bytes(model, options);
}

uint64_t tercet_session_thread_bytes(const tercet_model *model,
                                     const tercet_session_options *options) {
    if (model == NULL || session_check_options(model, options, NULL) != TERCET_OK)
        return 0;
    return session_thread_bytes(model, options);
}

tercet_status tercet_session_create(tercet_model *model, const tercet_session_options *options,
                                    tercet_session **out, tercet_error *error) {
    if (model == NULL || out == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no model");
    TERCET_TRY(session_check_options(model, options, error));
    if (model->file.data == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "this model was made without its data: it can say what a session needs, "
                           "not make one");
    return session_create(model, options, out, error);
}

tercet_status tercet_session_set_sampling(tercet_session *session, const tercet_sampling *sampling,
                                          tercet_error *error) {
    if (session == NULL || sampling == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session");
    TERCET_TRY(sampler_check(sampling, error));
    session_drop_step(session); /* it was sampled otherwise */
    sampler_start(&session->sampler, sampling);
    return TERCET_OK;
}

static tercet_status check_whole(const tercet_session *session, tercet_error *error) {
    if (model_is_whole(session->model))
        return TERCET_OK;
    return tercet_fail(error, TERCET_BAD_ARGUMENT, session->model->arrived_bytes,
                       "the model is still arriving: only tercet_session_arrive works now");
}

uint64_t tercet_session_arriving_bytes(const tercet_model *model, size_t count) {
    return model == NULL ? 0 : arriving_bytes(model, count);
}

tercet_status tercet_session_arrive(tercet_session *session, const uint32_t *tokens, size_t count,
                                    tercet_error *error) {
    if (session == NULL || tokens == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session or tokens");
    return arriving_begin(session, tokens, count, error);
}

tercet_status tercet_session_arrive_more(tercet_session *session, int *more, tercet_error *error) {
    if (session == NULL || more == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session");
    return arriving_continue(session, more, error);
}

tercet_status tercet_session_prefill(tercet_session *session, const uint32_t *tokens, size_t count,
                                     size_t *done, float *logits, tercet_error *error) {
    if (session == NULL || done == NULL || (tokens == NULL && count != 0))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session or tokens");
    TERCET_TRY(check_whole(session, error));
    return session_prefill(session, tokens, count, done, logits, error);
}

tercet_status tercet_session_step(tercet_session *session, uint32_t *token, tercet_error *error) {
    if (session == NULL || token == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session");
    TERCET_TRY(check_whole(session, error));
    return session_step(session, token, error);
}

tercet_status tercet_session_step_part(tercet_session *session, uint32_t *token, int *more,
                                       tercet_error *error) {
    if (session == NULL || token == NULL || more == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session");
    TERCET_TRY(check_whole(session, error));
    return session_step_part(session, token, more, error);
}

tercet_status tercet_session_take_text(tercet_session *session, int flush, const char **text,
                                       size_t *bytes) {
    if (session == NULL || text == NULL || bytes == NULL)
        return TERCET_BAD_ARGUMENT;
    session_take_text(session, flush != 0, text, bytes);
    return TERCET_OK;
}

const float *tercet_session_logits(const tercet_session *session) {
    return session_logits(session);
}

tercet_status tercet_session_reset(tercet_session *session, uint32_t keep) {
    if (session == NULL)
        return TERCET_BAD_ARGUMENT;
    return session_reset(session, keep);
}

tercet_status tercet_session_reuse(tercet_session *session, const uint32_t *tokens, size_t count,
                                   size_t *kept) {
    if (session == NULL || kept == NULL || (tokens == NULL && count != 0))
        return TERCET_BAD_ARGUMENT;
    *kept = session_reuse(session, tokens, count);
    return TERCET_OK;
}

tercet_status tercet_session_set_slice(tercet_session *session, uint32_t slice,
                                       tercet_error *error) {
    if (session == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session");
    return session_set_slice(session, slice, error);
}

tercet_status tercet_session_set_speculation(tercet_session *session, uint32_t speculation,
                                             tercet_error *error) {
    if (session == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session");
    return session_set_speculation(session, speculation, error);
}

tercet_status tercet_session_set_stop_tokens(tercet_session *session, const uint32_t *tokens,
                                             size_t count, tercet_error *error) {
    if (session == NULL || (tokens == NULL && count != 0))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session or tokens");
    return session_set_stop_tokens(session, tokens, count, error);
}

tercet_status tercet_session_set_logprobs(tercet_session *session, int on, uint32_t top,
                                          tercet_error *error) {
    if (session == NULL || top > TERCET_LOGPROBS_TOP_MAX)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, top,
                           "no session, or more than %u of the likeliest tokens",
                           TERCET_LOGPROBS_TOP_MAX);
    session_set_logprobs(session, on != 0, top);
    return TERCET_OK;
}

const tercet_logprobs *tercet_session_logprobs(const tercet_session *session) {
    return session->logprobs_on ? &session->logprobs : NULL;
}

double tercet_log_probability(const float *logits, uint32_t vocabulary, uint32_t token) {
    return (double)logits[token] - logprobs_total(logits, vocabulary);
}

tercet_status tercet_session_embed(tercet_session *session, const uint32_t *tokens, size_t count,
                                   size_t *done, double *sums, tercet_error *error) {
    if (session == NULL || done == NULL || sums == NULL || (tokens == NULL && count != 0))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session, tokens or sums");
    TERCET_TRY(check_whole(session, error));
    return session_embed(session, tokens, count, done, sums, error);
}

uint64_t tercet_session_state_bytes(const tercet_session *session) {
    return session == NULL ? 0 : session_state_bytes(session);
}

tercet_status tercet_session_save(tercet_session *session, uint64_t offset, void *bytes,
                                  uint64_t count, tercet_error *error) {
    if (session == NULL || (bytes == NULL && count != 0))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session or place for its state");
    return session_save(session, offset, bytes, count, error);
}

tercet_status tercet_session_restore(tercet_session *session, uint64_t offset, const void *bytes,
                                     uint64_t count, tercet_error *error) {
    if (session == NULL || (bytes == NULL && count != 0))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session or state");
    return session_restore(session, offset, bytes, count, error);
}

tercet_status tercet_session_set_mask(tercet_session *session, const uint32_t *words, size_t count,
                                      tercet_error *error) {
    if (session == NULL || (words == NULL && count != 0))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "no session or mask");
    return session_set_mask(session, words, count, error);
}

void tercet_session_cancel(tercet_session *session) {
    atomic_store(&session->cancel, 1);
}

_Static_assert(sizeof(atomic_int) == sizeof(int32_t),
               "the cancel flag is shared with hosts as a plain 32-bit word");

_Static_assert(offsetof(struct tercet_session, layers_run) ==
                   offsetof(struct tercet_session, cancel) + sizeof(int32_t),
               "the count of layers lies behind the flag");

int32_t *tercet_session_cancel_flag(tercet_session *session) {
    return (int32_t *)(void *)&session->cancel;
}

void tercet_session_get_info(const tercet_session *session, tercet_session_info *info) {
    *info = (tercet_session_info){
        .tokens = session->tokens,
        .context = session->context,
        .slice = session->slice,
        .kv = session->forward.attention.cache.form,
        .bytes = session->block_bytes + sizeof *session,
        .passes = session->passes,
        .drafted = session->drafted,
        .accepted = session->accepted,
        .kept_bytes = forward_kept_bytes(&session->forward, session->context),
    };
}

void tercet_session_destroy(tercet_session *session) {
    session_destroy(session);
}
