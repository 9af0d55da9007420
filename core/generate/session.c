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

static uint32_t min_u32(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static uint32_t option_slice(const struct tercet_model *model,
                             const tercet_session_options *options) {
    uint32_t slice = options->slice == 0 ? SESSION_SLICE_DEFAULT : options->slice;
    return min_u32(slice, option_context(model, options));
}

/* Tokens of one step, and rows of logits. */
static uint32_t option_rows(const struct tercet_model *model,
                            const tercet_session_options *options) {
    uint32_t rows = options->speculation == 0 ? TERCET_SPECULATION_AUTOMATIC : options->speculation;
    /* A draft that fails has changed a state for which there is no way back. */
    return model->config.state_space ? 1 : min_u32(rows, option_context(model, options));
}

static uint32_t option_kv(const tercet_session_options *options) {
    return options->kv == TERCET_KV_DEFAULT ? TERCET_KV_INT8 : options->kv;
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
    if (options->speculation > SESSION_SPECULATION_MAX)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, options->speculation,
                           "speculation is at most %u tokens", SESSION_SPECULATION_MAX);
    if (options->kv > TERCET_KV_INT4)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, options->kv,
                           "there is no form %u of the cache of keys and values", options->kv);
    return sampler_check(&options->sampling, error);
}

static void session_layout(struct tercet_session *session, const struct tercet_model *model,
                           const tercet_session_options *options, struct arena *arena) {
    session->context = option_context(model, options);
    session->slice_most = option_slice(model, options);
    uint32_t rows = option_rows(model, options);
    forward_layout(&session->forward, model, option_kv(options), session->context,
                   rows > session->slice_most ? rows : session->slice_most, rows, arena);
    if (rows > 1)
        lookup_layout(&session->lookup, session->context, arena);
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

uint64_t session_thread_bytes(const struct tercet_model *model,
                              const tercet_session_options *options) {
    struct tercet_session session;
    memset(&session, 0, sizeof session);
    struct arena arena = {0};
    session_layout(&session, model, options, &arena);
    return session.forward.attention.scratch_stride * sizeof(float);
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
    atomic_init(&session->layers_run, 0);
    session->forward.layers_run = &session->layers_run;
    session->slice = session->slice_most;
    session->speculation = options->speculation;
    session->speculation_most =
        options->speculation == 0 ? TERCET_SPECULATION_AUTOMATIC : options->speculation;
    if (session->forward.logits_rows > 1)
        lookup_clear(&session->lookup);
    sampler_clear(&session->sampler);
    sampler_start(&session->sampler, &options->sampling);
    *out = session;
    return TERCET_OK;
}

void session_end_arriving(struct tercet_session *session) {
    allocator_give(&session->model->engine->allocator, session->arriving.x,
                   session->arriving.bytes);
    session->arriving = (struct arriving){.x = NULL};
}

void session_destroy(struct tercet_session *session) {
    if (session == NULL)
        return;
    tercet_allocator allocator = session->model->engine->allocator;
    session_end_arriving(session);
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

void session_advance(struct tercet_session *session, uint32_t count) {
    for (uint32_t i = 0; i < count && !session->text_started; i++)
        session->text_started = has_text(session, session->history[session->tokens + i]);
    session->tokens += count;
}

tercet_status session_set_stop_tokens(struct tercet_session *session, const uint32_t *tokens,
                                      size_t count, tercet_error *error) {
    uint32_t vocabulary = session->model->file.container.config.vocabulary;
    if (count > CHAT_STOP_TOKENS_MAX)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, count, "at most %u stop tokens are possible",
                           CHAT_STOP_TOKENS_MAX);
    for (size_t i = 0; i < count; i++)
        if (tokens[i] >= vocabulary)
            return tercet_fail(error, TERCET_BAD_TOKEN, i,
                               "stop token %u is not in the vocabulary of %u", tokens[i],
                               vocabulary);
    session->stop_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++)
        session->stop_tokens[i] = tokens[i];
    return TERCET_OK;
}

void session_set_logprobs(struct tercet_session *session, bool on, uint32_t top) {
    session->logprobs_on = on;
    session->logprobs_top = top;
}

tercet_status session_set_mask(struct tercet_session *session, const uint32_t *words, size_t count,
                               tercet_error *error) {
    uint32_t vocabulary = session->sampler.vocabulary;
    size_t wanted = words == NULL ? 0 : vocabulary / 32 + (vocabulary % 32 != 0);
    if (count != wanted)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, count,
                           "a mask of %llu words, but a vocabulary of %u has %llu",
                           (unsigned long long)count, vocabulary, (unsigned long long)wanted);
    sampler_set_mask(&session->sampler, words);
    return TERCET_OK;
}

const float *session_logits(const struct tercet_session *session) {
    return session->has_logits
               ? session->forward.logits + session->row * session->forward.logits_stride
               : NULL;
}

tercet_status session_cancelled(struct tercet_session *session) {
    atomic_store(&session->cancel, 0);
    return TERCET_CANCELLED;
}

/* How many of the tokens the next slice takes. */
static tercet_status check_slice(const struct tercet_session *session, const uint32_t *tokens,
                                 size_t count, uint32_t *taken, tercet_error *error) {
    if (count > session->context - session->tokens && session->tokens == 0)
        return tercet_fail(error, TERCET_PROMPT_TOO_LONG, 0,
                           "the prompt has %llu tokens, the context only %u",
                           (unsigned long long)count, session->context);
    if (count > session->context - session->tokens)
        return tercet_fail(error, TERCET_PROMPT_TOO_LONG, session->tokens,
                           "%llu more tokens do not fit: %u of %u tokens of the context are in use",
                           (unsigned long long)count, session->tokens, session->context);
    *taken = count < session->slice ? (uint32_t)count : session->slice;
    for (uint32_t i = 0; i < *taken; i++)
        if (tokens[i] >= session->model->config.vocabulary)
            return tercet_fail(error, TERCET_BAD_TOKEN, i,
                               "token id %u at place %u is not in the vocabulary of %u", tokens[i],
                               i, session->model->config.vocabulary);
    return TERCET_OK;
}

/* The tokens of a slice become the session's own before anything is computed: whatever the caller lets be written over them while
 * that lasts, logits for example, the text consists of tokens that were checked. Where they lie is the caller's word: a module's
 * caller may name any place of its memory, this one too. */
static const uint32_t *own_slice(struct tercet_session *session, const uint32_t *tokens,
                                 uint32_t count) {
    session_drop_step(session);
    session->ahead = 0;
    session->restored_bytes = 0;
    return memmove(session->history + session->tokens, tokens, count * sizeof *tokens);
}

/* What a prompt that arrives has of history, keys and values is partly this slice's now. */
static tercet_status slice_cancelled(struct tercet_session *session) {
    session_end_arriving(session);
    return session_cancelled(session);
}

/* The tokens of a slice that was computed. */
static void take_slice(struct tercet_session *session, uint32_t count) {
    session->row = 0;
    session_advance(session, count);
    if (session->forward.logits_rows > 1)
        lookup_read(&session->lookup, session->history, session->tokens);
    /* A prompt is not the model's text: what was held back from before belongs to nothing now. */
    session->text_stream = (struct utf8_stream){.held_count = 0};
    session->text_bytes = 0;
}

tercet_status session_prefill(struct tercet_session *session, const uint32_t *tokens, size_t count,
                              size_t *done, float *logits, tercet_error *error) {
    uint32_t taken = 0;
    *done = 0;
    if (atomic_load(&session->cancel) != 0)
        return session_cancelled(session);
    TERCET_TRY(check_slice(session, tokens, count, &taken, error));
    if (taken == 0)
        return TERCET_OK;
    const uint32_t *own = own_slice(session, tokens, taken);
    /* Only the last token of a prompt has logits that anybody asks for; the head can be half of a small model. */
    uint32_t keep = taken == count || logits != NULL ? 1 : 0;
    if (!forward_run(&session->forward, own, taken, session->tokens, keep, logits))
        return slice_cancelled(session);
    session->has_logits = keep != 0;
    take_slice(session, taken);
    *done = taken;
    return TERCET_OK;
}

tercet_status session_embed(struct tercet_session *session, const uint32_t *tokens, size_t count,
                            size_t *done, double *sums, tercet_error *error) {
    uint32_t taken = 0;
    *done = 0;
    if (atomic_load(&session->cancel) != 0)
        return session_cancelled(session);
    TERCET_TRY(check_slice(session, tokens, count, &taken, error));
    if (taken == 0)
        return TERCET_OK;
    const uint32_t *own = own_slice(session, tokens, taken);
    if (!forward_run(&session->forward, own, taken, session->tokens, 0, NULL))
        return slice_cancelled(session);
    forward_add_hidden(&session->forward, taken, sums);
    session->has_logits = false;
    take_slice(session, taken);
    *done = taken;
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

/* Only the first `keep` tokens stay. Their logits are left alone: they are the caller's to keep or drop. */
static void shorten(struct tercet_session *session, uint32_t keep) {
    session_drop_step(session);
    if (session->forward.logits_rows > 1) {
        lookup_truncate(&session->lookup, session->history, keep);
        lookup_forget_rates(&session->lookup);
        lookup_read(&session->lookup, session->history, keep);
    }
    session_end_arriving(
        session); /* the tokens of the history are no longer those that it checked */
    session->restored_bytes = 0;
    session->tokens = 0;
    session->text_started = false;
    session_advance(session, keep);
    session->ahead = 0;
    session->text_stream = (struct utf8_stream){.held_count = 0};
    session->text_bytes = 0;
    atomic_store(&session->cancel, 0);
    sampler_start(&session->sampler, &session->sampler.options);
}

tercet_status session_reset(struct tercet_session *session, uint32_t keep) {
    uint32_t kept = min_u32(keep, session->tokens);
    if (session->model->config.state_space && kept != 0 && kept != session->tokens)
        return TERCET_BAD_ARGUMENT;
    shorten(session, kept);
    session->has_logits = false;
    return TERCET_OK;
}

uint32_t session_reuse(struct tercet_session *session, const uint32_t *tokens, size_t count) {
    uint32_t same = 0;
    while (same < session->tokens && same < count && session->history[same] == tokens[same])
        same++;
    bool all = session->has_logits && same == session->tokens && same == count && count > 0;
    if (!all && same == count && same > 0)
        same--; /* whose logits are asked for is computed once more */
    if (session->model->config.state_space && same != session->tokens)
        same = 0; /* a state can only go on */
    shorten(session, same);
    session->has_logits = all;
    return same;
}

tercet_status session_set_slice(struct tercet_session *session, uint32_t slice,
                                tercet_error *error) {
    if (slice > session->slice_most)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, slice,
                           "a slice of %u tokens, but the session was made for at most %u", slice,
                           session->slice_most);
    session->slice = slice == 0 ? session->slice_most : slice;
    return TERCET_OK;
}

tercet_status session_set_speculation(struct tercet_session *session, uint32_t speculation,
                                      tercet_error *error) {
    if (speculation > session->speculation_most)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, speculation,
                           "speculation of %u tokens, but the session was made for at most %u",
                           speculation, session->speculation_most);
    session->speculation = speculation;
    return TERCET_OK;
}
