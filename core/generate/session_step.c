/*
 * session_step.c: the next token. A step is a row of parts, layer by layer, so that a host with a clock can measure them; session_step
 * goes through all of them.
 *
 * A step computes the token that it sampled, and in the same pass the tokens that lookup.c expects behind it. The steps
 * after it sample as always; where they come upon a token that is computed already they need no pass, and at the first
 * other one the rest of the draft is dropped: its positions in the cache are simply written again. So neither tokens nor
 * logits nor the random stream know whether anything was drafted.
 */
#include "logprobs.h"
#include "session.h"

#include <string.h>

static uint32_t min_u32(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static bool is_among(const uint32_t *tokens, uint32_t count, uint32_t token) {
    for (uint32_t i = 0; i < count; i++)
        if (tokens[i] == token)
            return true;
    return false;
}

static bool is_stop_token(const struct tercet_session *session, uint32_t token) {
    const struct container_config *config = &session->model->file.container.config;
    return is_among(config->stop_tokens, config->stop_count, token) ||
           is_among(session->stop_tokens, session->stop_count, token);
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

/* Ends the draft at what would end the text. */
static uint32_t draft(struct tercet_session *session, uint32_t *next, uint32_t most) {
    bool from_memory = session->model->file.data_bytes >= SESSION_CACHED_BYTES;
    const uint16_t *cost = session->forward.kernels->pass_cost[from_memory ? 1 : 0];
    uint32_t drafted = lookup_draft(&session->lookup, session->history, most,
                                    session->speculation == 0 ? cost : NULL);
    for (uint32_t i = 0; i < drafted; i++)
        if (is_stop_token(session, next[i]))
            return i;
    return drafted;
}

/* The token that was sampled, history[tokens], and whatever is expected behind it, on their way. */
static void begin_next(struct tercet_session *session) {
    uint32_t *next = session->history + session->tokens;
    uint32_t rows = session->forward.logits_rows;
    if (session->speculation != 0)
        rows = min_u32(rows, session->speculation);
    uint32_t most = min_u32(rows, session->context - session->tokens) - 1;
    session->step.guess = session->lookup.guess;
    session->step.drafted = 0;
    if (session->forward.logits_rows > 1) {
        lookup_follow(&session->lookup, session->history);
        session->step.drafted = draft(session, next + 1, most);
    }
    session->ahead = 0;
    forward_begin(&session->forward, next, 1 + session->step.drafted, session->tokens);
    session->step.begun = true;
}

void session_drop_step(struct tercet_session *session) {
    if (!session->step.begun)
        return;
    session->step.begun = false;
    memcpy(session->sampler.random, session->step.random, sizeof session->step.random);
    if (session->forward.logits_rows > 1) {
        lookup_truncate(&session->lookup, session->history, session->tokens);
        session->lookup.guess = session->step.guess;
    }
}

/* They are computed. */
static void end_next(struct tercet_session *session) {
    session->step.begun = false;
    session->row = 0;
    session->ahead = session->step.drafted;
    session->drafted += session->step.drafted;
    session->passes++;
}

/* The token that was sampled is the next one of the draft. */
static void take_ahead(struct tercet_session *session) {
    lookup_follow(&session->lookup, session->history);
    session->row++;
    session->ahead--;
    session->accepted++;
}

/* Samples; what follows is begun unless it is computed already. */
static tercet_status begin_step(struct tercet_session *session, tercet_error *error) {
    session->text_bytes = 0;
    if (!session->has_logits)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "there is nothing to continue: prefill at least one token");
    if (session->tokens == session->context)
        return TERCET_CONTEXT_FULL;

    memcpy(session->step.random, session->sampler.random, sizeof session->step.random);
    uint32_t next = sampler_sample(&session->sampler, session_logits(session), session->history,
                                   session->tokens);
    if (next == TERCET_NO_TOKEN)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "the mask allows no token");
    if (session->logprobs_on)
        logprobs_read(&session->logprobs, session_logits(session),
                      session->model->config.vocabulary, next, session->logprobs_top);
    session->step.token = next;
    if (is_stop_token(session, next))
        return TERCET_END_OF_TEXT;
    if (session->ahead > 0 && session->history[session->tokens] == next) {
        take_ahead(session);
    } else {
        session->history[session->tokens] = next;
        begin_next(session);
    }
    return TERCET_OK;
}

/* As if the step had not been. */
static tercet_status cancel_step(struct tercet_session *session) {
    session_drop_step(session);
    return session_cancelled(session);
}

tercet_status session_step_part(struct tercet_session *session, uint32_t *token, int *more,
                                tercet_error *error) {
    struct forward *forward = &session->forward;
    *more = 0;
    if (atomic_load(&session->cancel) != 0)
        return cancel_step(session);
    if (!session->step.begun) {
        tercet_status status = begin_step(session, error);
        if (status == TERCET_END_OF_TEXT)
            *token = session->step.token;
        if (status != TERCET_OK)
            return status;
    } else if (forward->layer < session->model->config.layers) {
        if (!forward_next(forward))
            return cancel_step(session);
    } else {
        if (!forward_finish(forward, forward->count, NULL))
            return cancel_step(session);
        end_next(session);
    }
    if (session->step.begun) {
        *more = 1;
        return TERCET_OK;
    }
    append_text(session, session->step.token);
    session_advance(session, 1);
    *token = session->step.token;
    return TERCET_OK;
}

tercet_status session_step(struct tercet_session *session, uint32_t *token, tercet_error *error) {
    int more = 0;
    tercet_status status;
    do {
        status = session_step_part(session, token, &more, error);
    } while (more != 0);
    return status;
}
