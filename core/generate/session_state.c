/*
 * session_state.c: see session_state.h. One function says where each byte of the state lies in the session's memory; saving copies
 * from there and restoring to there, so the two cannot differ.
 */
#include "session_state.h"
#include "../model/kv_runs.h"

#include <string.h>

#define VERSION 1u

struct header {
    char magic[8];
    uint32_t version, kv, tokens, zero;
    uint64_t bytes;
    uint8_t model_id[32];
};
_Static_assert(sizeof(struct header) == TERCET_STATE_HEADER_BYTES, "as session_state.h says");

static const char magic[8] = {'T', 'E', 'R', 'C', 'E', 'T', 'S', 'S'};

static uint32_t cache_form(const struct tercet_session *session) {
    return session->forward.attention.cache.form;
}

/* The memory of `tokens` tokens, as runs that are alike in every unit: a head of a layer, or a layer of states. */
struct shape {
    uint32_t units;
    uint32_t runs; /* of a unit */
    uint64_t unit_bytes, token_bytes, bytes;
};

static uint32_t runs_of(const struct tercet_session *session, uint32_t unit, uint32_t tokens,
                        struct memory_run runs[MEMORY_RUNS_MAX]) {
    const struct forward *forward = &session->forward;
    return session->model->config.state_space
               ? state_space_runs(&forward->state_space, unit, runs)
               : kv_cache_runs(&forward->attention.cache, unit, tokens, runs);
}

/* No overflow: a cache of that many positions fits into memory. */
static struct shape shape_of(const struct tercet_session *session, uint32_t tokens) {
    const struct model_config *config = &session->model->config;
    struct memory_run runs[MEMORY_RUNS_MAX];
    struct shape shape = {
        .units = config->state_space ? config->layers : config->layers * config->kv_heads,
        .runs = runs_of(session, 0, tokens, runs),
        .token_bytes = (uint64_t)tokens * sizeof(uint32_t),
    };
    for (uint32_t i = 0; i < shape.runs; i++)
        shape.unit_bytes += runs[i].bytes;
    if (tokens == 0)
        shape.unit_bytes = 0; /* states are those of some token */
    shape.bytes =
        TERCET_STATE_HEADER_BYTES + shape.token_bytes + (uint64_t)shape.units * shape.unit_bytes;
    return shape;
}

uint64_t session_state_bytes(const struct tercet_session *session) {
    return shape_of(session, session->tokens).bytes;
}

/* Where byte `offset` of the state lies, and how many follow it there. Behind the header and before the end. */
static struct memory_run place_of(const struct tercet_session *session, const struct shape *shape,
                                  uint32_t tokens, uint64_t offset) {
    uint64_t at = offset - TERCET_STATE_HEADER_BYTES;
    if (at < shape->token_bytes)
        return (struct memory_run){(uint8_t *)session->history + at, shape->token_bytes - at};
    at -= shape->token_bytes;
    struct memory_run runs[MEMORY_RUNS_MAX];
    uint32_t count = runs_of(session, (uint32_t)(at / shape->unit_bytes), tokens, runs), i = 0;
    for (at %= shape->unit_bytes; i + 1 < count && at >= runs[i].bytes; i++)
        at -= runs[i].bytes;
    return (struct memory_run){runs[i].at + at, runs[i].bytes - at};
}

static struct header header_of(const struct tercet_session *session, const struct shape *shape) {
    struct header header = {
        .version = VERSION,
        .kv = cache_form(session),
        .tokens = session->tokens,
        .bytes = shape->bytes,
    };
    memcpy(header.magic, magic, sizeof magic);
    memcpy(header.model_id, session->model->file.container.model_id, sizeof header.model_id);
    return header;
}

tercet_status session_save(struct tercet_session *session, uint64_t offset, void *bytes,
                           uint64_t count, tercet_error *error) {
    const struct shape shape = shape_of(session, session->tokens);
    if (offset > shape.bytes || count > shape.bytes - offset)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, offset,
                           "the session's state has %llu bytes, and others were asked for",
                           (unsigned long long)shape.bytes);
    if (offset == 0) {
        session_drop_step(session);
        /* What was drafted lies behind the text, and would make two states of the same text differ. */
        session->ahead = 0;
        if (!session->model->config.state_space)
            kv_cache_clear_tail(&session->forward.attention.cache, session->model->config.layers,
                                session->tokens);
    }
    const struct header header = header_of(session, &shape);
    uint8_t *to = bytes;
    while (count > 0) {
        struct memory_run run = {(uint8_t *)&header + offset, sizeof header - offset};
        if (offset >= sizeof header)
            run = place_of(session, &shape, session->tokens, offset);
        uint64_t part = run.bytes < count ? run.bytes : count;
        memmove(to, run.at, (size_t)part); /* `bytes` may be any place of a module */
        to += part;
        offset += part;
        count -= part;
    }
    return TERCET_OK;
}

/* ---------------------------------------------------------------- restore */

static tercet_status check_header(const struct tercet_session *session, const struct header *header,
                                  tercet_error *error) {
    if (memcmp(header->magic, magic, sizeof magic) != 0 || header->version != VERSION ||
        header->zero != 0)
        return tercet_fail(error, TERCET_BAD_STATE, 0,
                           "this is no saved session, or one of another version");
    if (memcmp(header->model_id, session->model->file.container.model_id,
               sizeof header->model_id) != 0)
        return tercet_fail(error, TERCET_BAD_STATE, 32, "the session was saved with another model");
    if (header->kv != cache_form(session))
        return tercet_fail(error, TERCET_BAD_STATE, 12,
                           "the session was saved with form %u of the cache, and this one has %u",
                           header->kv, cache_form(session));
    if (header->tokens > session->context)
        return tercet_fail(error, TERCET_PROMPT_TOO_LONG, header->tokens,
                           "the saved session has %u tokens, the context only %u", header->tokens,
                           session->context);
    if (header->bytes != shape_of(session, header->tokens).bytes)
        return tercet_fail(error, TERCET_BAD_STATE, 24,
                           "the saved session does not have the size of %u tokens", header->tokens);
    return TERCET_OK;
}

static tercet_status check_values(const struct tercet_session *session, uint32_t tokens,
                                  tercet_error *error) {
    for (uint32_t i = 0; i < tokens; i++)
        if (session->history[i] >= session->model->config.vocabulary)
            return tercet_fail(error, TERCET_BAD_STATE, i,
                               "token %u of the saved session is not in the vocabulary", i);
    const struct forward *forward = &session->forward;
    bool good =
        session->model->config.state_space
            ? state_space_sound(&forward->state_space)
            : kv_cache_sound(&forward->attention.cache, session->model->config.layers, tokens);
    if (!good)
        return tercet_fail(error, TERCET_BAD_STATE, TERCET_STATE_HEADER_BYTES,
                           "the saved session holds a value that no text can give");
    return TERCET_OK;
}

/* The session's text is gone from here on, whatever comes. */
static void begin_restoring(struct tercet_session *session, uint32_t tokens) {
    (void)session_reset(session, 0);
    if (session->model->config.state_space)
        state_space_clear(&session->forward.state_space);
    session->restoring = tokens;
    session->restored_bytes = TERCET_STATE_HEADER_BYTES;
}

tercet_status session_restore(struct tercet_session *session, uint64_t offset, const void *bytes,
                              uint64_t count, tercet_error *error) {
    const uint8_t *from = bytes;
    if (offset == 0) {
        struct header header;
        if (count < sizeof header)
            return tercet_fail(error, TERCET_BAD_STATE, count,
                               "a saved session begins with %u bytes of header",
                               (uint32_t)sizeof header);
        memcpy(&header, from, sizeof header);
        TERCET_TRY(check_header(session, &header, error));
        begin_restoring(session, header.tokens);
        from += sizeof header;
        count -= sizeof header;
    } else if (offset != session->restored_bytes) {
        return tercet_fail(
            error, TERCET_BAD_ARGUMENT, session->restored_bytes,
            "the parts of a saved session come in order, and this one begins at %llu",
            (unsigned long long)offset);
    }
    uint32_t tokens = session->restoring;
    const struct shape shape = shape_of(session, tokens);
    if (count > shape.bytes - session->restored_bytes) {
        session->restored_bytes = 0;
        return tercet_fail(error, TERCET_BAD_STATE, shape.bytes,
                           "the saved session is longer than its header says");
    }
    while (count > 0) {
        struct memory_run run = place_of(session, &shape, tokens, session->restored_bytes);
        uint64_t part = run.bytes < count ? run.bytes : count;
        memmove(run.at, from, (size_t)part);
        from += part;
        count -= part;
        session->restored_bytes += part;
    }
    if (session->restored_bytes < shape.bytes)
        return TERCET_OK;
    session->restored_bytes = 0;
    TERCET_TRY(check_values(session, tokens, error));
    session_advance(session, tokens);
    if (session->forward.logits_rows > 1)
        lookup_read(&session->lookup, session->history, session->tokens);
    return TERCET_OK;
}
