/*
 * session.c: see session.h. A slice is computed or not at all: `tokens` moves only after forward_run came back, so a cancel
 * leaves the session as it was, and the positions that were half computed are simply written again.
 */
#include "session.h"

#include <string.h>

/* One token's bytes may each become U+FFFD, after three held back. */
#define TEXT_BYTES (3u * (LIMIT_TOKEN_BYTES + 3u))

static uint32_t option_context(const struct tercet_model *model,
                               const tercet_session_options *options) {
    return options->context == 0 ? model->config.context : options->context;
}

static uint32_t option_slice(const struct tercet_model *model,
                             const tercet_session_options *options) {
    uint32_t slice = options->slice == 0 ? SESSION_SLICE_DEFAULT : options->slice;
    uint32_t context = option_context(model, options);
    return slice < context ? slice : context;
}

tercet_status session_check_options(const struct tercet_model *model,
                                    const tercet_session_options *options, tercet_error *error) {
    if (options == NULL || options->struct_bytes != sizeof *options)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "the session options were not initialised");
    if (options->context > model->config.context)
        return tercet_fail(
            error, TERCET_BAD_ARGUMENT, options->context,
            "a context of %u tokens was asked for, but the model was made for at most %u",
            options->context, model->config.context);
    if (options->slice > SESSION_SLICE_MAX)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, options->slice,
                           "a slice has at most %u tokens", SESSION_SLICE_MAX);
    return sampler_check(&options->sampling, error);
}

static void session_layout(struct tercet_session *session, const struct tercet_model *model,
                           const tercet_session_options *options, struct arena *arena) {
    session->context = option_context(model, options);
    forward_layout(&session->forward, model, session->context, option_slice(model, options), arena);
    sampler_layout(&session->sampler, model->config.vocabulary, arena);
    session->history = arena_take(arena, session->context, sizeof(uint32_t));
    session->text = arena_take(arena, TEXT_BYTES, 1);
}

uint64_t session_bytes(const struct tercet_model *model, const tercet_session_options *options) {
    struct tercet_session session;
    memset(&session, 0, sizeof session);
    struct arena arena = {0};
    session_layout(&session, model, options, &arena);
    return arena.overflow ? 0 : arena.used + sizeof session;
}

tercet_status session_create(struct tercet_model *model, const tercet_session_options *options,
                             struct tercet_session **out, tercet_error *error) {
    const tercet_allocator *allocator = &model->engine->allocator;
    uint64_t bytes = session_bytes(model, options);
    struct tercet_session *session = bytes == 0 ? NULL : allocator_take(allocator, sizeof *session);
    uint64_t block_bytes = bytes - sizeof *session;
    void *block = session == NULL ? NULL : allocator_take(allocator, block_bytes);
    if (block == NULL) {
        allocator_give(allocator, session, sizeof *session);
        return tercet_fail(
            error, TERCET_OUT_OF_MEMORY, bytes,
            "a session with %u tokens of context needs %llu bytes: use a smaller context",
            option_context(model, options), (unsigned long long)bytes);
    }
    memset(session, 0, sizeof *session);
    struct arena arena = {.memory = block, .capacity = block_bytes};
    session_layout(session, model, options, &arena);
    session->model = model;
    session->block = block;
    session->block_bytes = block_bytes;
    atomic_init(&session->cancel, 0);
    session->forward.cancel = &session->cancel;
    sampler_clear(&session->sampler);
    sampler_start(&session->sampler, &options->sampling);
    *out = session;
    return TERCET_OK;
}

void session_destroy(struct tercet_session *session) {
    if (session == NULL)
        return;
    tercet_allocator allocator = session->model->engine->allocator;
    allocator_give(&allocator, session->block, session->block_bytes);
    allocator_give(&allocator, session, sizeof *session);
}

static bool has_text(const struct tercet_session *session, uint32_t token) {
    const uint8_t *bytes;
    size_t count;
    return tokenizer_token_bytes(&session->model->file.container.tokenizer, token, &bytes,
                                 &count) &&
           count > 0;
}

static bool compute(struct tercet_session *session, const uint32_t *tokens, uint32_t count,
                    float *logits) {
    if (!forward_run(&session->forward, tokens, count, session->tokens, logits))
        return false;
    memcpy(session->history + session->tokens, tokens, count * sizeof *tokens);
    session->tokens += count;
    session->has_logits = true;
    for (uint32_t i = 0; i < count && !session->text_started; i++)
        session->text_started = has_text(session, tokens[i]);
    return true;
}

/* A request is used up by the call that answers it. */
static tercet_status cancelled(struct tercet_session *session) {
    atomic_store(&session->cancel, 0);
    return TERCET_CANCELLED;
}

tercet_status session_prefill(struct tercet_session *session, const uint32_t *tokens, size_t count,
                              size_t *done, float *logits, tercet_error *error) {
    *done = 0;
    if (atomic_load(&session->cancel) != 0)
        return cancelled(session);
    if (count > session->context - session->tokens && session->tokens == 0)
        return tercet_fail(error, TERCET_PROMPT_TOO_LONG, 0,
                           "the prompt has %llu tokens, the context only %u",
                           (unsigned long long)count, session->context);
    if (count > session->context - session->tokens)
        return tercet_fail(error, TERCET_PROMPT_TOO_LONG, session->tokens,
                           "%llu more tokens do not fit: %u of %u tokens of the context are in use",
                           (unsigned long long)count, session->tokens, session->context);
    uint32_t taken = count < session->forward.slice ? (uint32_t)count : session->forward.slice;
    for (uint32_t i = 0; i < taken; i++)
        if (tokens[i] >= session->model->config.vocabulary)
            return tercet_fail(error, TERCET_BAD_TOKEN, i,
                               "token id %u at place %u is not in the vocabulary of %u", tokens[i],
                               i, session->model->config.vocabulary);
    if (taken == 0)
        return TERCET_OK;
    if (!compute(session, tokens, taken, logits))
        return cancelled(session);
    /* A prompt is not the model's text: what was held back from before belongs to nothing now. */
    session->text_stream = (struct utf8_stream){.held_count = 0};
    session->text_bytes = 0;
    *done = taken;
    return TERCET_OK;
}

static bool is_stop_token(const struct container_config *config, uint32_t token) {
    for (uint32_t i = 0; i < config->stop_count; i++)
        if (config->stop_tokens[i] == token)
            return true;
    return false;
}

static void append_text(struct tercet_session *session, uint32_t token) {
    const struct container_tokenizer *tokenizer = &session->model->file.container.tokenizer;
    const uint8_t *bytes;
    size_t count;
    if (!tokenizer_token_bytes(tokenizer, token, &bytes, &count) || count == 0)
        return;
    if (!session->text_started && (tokenizer->flags & TOKENIZER_FLAG_ADD_PREFIX_SPACE) != 0 &&
        bytes[0] == ' ') {
        bytes++;
        count--;
    }
    session->text_bytes = utf8_stream_push(&session->text_stream, bytes, count, session->text);
}

tercet_status session_step(struct tercet_session *session, uint32_t *token, tercet_error *error) {
    session->text_bytes = 0;
    if (atomic_load(&session->cancel) != 0)
        return cancelled(session);
    if (!session->has_logits)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "there is nothing to continue: prefill at least one token");
    if (session->tokens == session->context)
        return TERCET_CONTEXT_FULL;

    uint64_t random[4];
    memcpy(random, session->sampler.random, sizeof random);
    uint32_t next = sampler_sample(&session->sampler, session->forward.logits, session->history,
                                   session->tokens);
    if (is_stop_token(&session->model->file.container.config, next)) {
        *token = next;
        return TERCET_END_OF_TEXT;
    }
    bool started = session->text_started;
    if (!compute(session, &next, 1, NULL)) {
        memcpy(session->sampler.random, random, sizeof random); /* as if this call had not been */
        return cancelled(session);
    }
    bool starts_now = session->text_started;
    session->text_started = started;
    append_text(session, next);
    session->text_started = starts_now;
    *token = next;
    return TERCET_OK;
}

void session_take_text(struct tercet_session *session, bool flush, const char **text,
                       size_t *bytes) {
    if (flush)
        session->text_bytes +=
            utf8_stream_flush(&session->text_stream, session->text + session->text_bytes);
    *text = (const char *)session->text;
    *bytes = session->text_bytes;
    session->text_bytes = 0;
}

void session_reset(struct tercet_session *session, uint32_t keep) {
    if (keep < session->tokens)
        session->tokens = keep;
    session->has_logits = false;
    session->text_started = false;
    for (uint32_t i = 0; i < session->tokens && !session->text_started; i++)
        session->text_started = has_text(session, session->history[i]);
    session->text_stream = (struct utf8_stream){.held_count = 0};
    session->text_bytes = 0;
    atomic_store(&session->cancel, 0);
    sampler_start(&session->sampler, &session->sampler.options);
}
