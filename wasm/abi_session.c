/*
 * abi_session.c: one text or conversation in work: prompt, tokens, text, logits, and what is reused.
 */
#include "abi_state.h"

static const char not_open[] = "this session is not open";

/* values: handle. */
int32_t tercet_abi_session_create(uint32_t model_handle, uint32_t context, uint32_t slice,
                                  uint32_t kv) {
    tercet_error error = abi_start();
    tercet_model *model = abi_pointer(model_handle, ABI_MODEL);
    struct abi_slot *slot = abi_free_slot();
    if (model == NULL || slot == NULL)
        return abi_refuse(model == NULL ? "this model is not open" : abi_no_slot);
    tercet_session_options options;
    tercet_session_options_init(model, &options);
    options.context = context;
    options.slice = slice;
    options.kv = kv;
    tercet_session *session = NULL;
    tercet_status status = tercet_session_create(model, &options, &session, &error);
    if (status == TERCET_OK)
        abi_fill_slot(slot, ABI_SESSION, session, abi_index(model_handle));
    return abi_end(status, &error);
}

/* values: bytes that such a session will take; 0 when it cannot be. */
int32_t tercet_abi_session_bytes(uint32_t model_handle, uint32_t context, uint32_t slice,
                                 uint32_t kv) {
    (void)abi_start();
    const tercet_model *model = abi_model(model_handle);
    if (model == NULL)
        return abi_refuse("this model is not open");
    tercet_session_options options;
    tercet_session_options_init(model, &options);
    options.context = context;
    options.slice = slice;
    options.kv = kv;
    abi_put(0, tercet_session_bytes(model, &options));
    return TERCET_OK;
}

int32_t tercet_abi_session_sampling(uint32_t handle, float temperature, uint32_t top_k, float top_p,
                                    float min_p, float repetition_penalty,
                                    uint32_t repetition_window, uint64_t seed) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    const tercet_sampling sampling = {
        .struct_bytes = sizeof sampling,
        .temperature = temperature,
        .top_k = top_k,
        .top_p = top_p,
        .min_p = min_p,
        .repetition_penalty = repetition_penalty,
        .repetition_window = repetition_window,
        .seed = seed,
    };
    return abi_end(tercet_session_set_sampling(session, &sampling, &error), &error);
}

/* A prompt that is computed while the model arrives: begins with these tokens. */
int32_t tercet_abi_session_arrive(uint32_t handle, uint32_t tokens, uint32_t count) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    if (!abi_words_fit(tokens, count))
        return abi_refuse("the tokens are not in memory");
    return abi_end(tercet_session_arrive(session, abi_at(tokens), count, &error), &error);
}

/* A slice of tokens through one layer. values: 1 when there is more to do at once. */
int32_t tercet_abi_session_arrive_more(uint32_t handle) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    int more = 0;
    tercet_status status = tercet_session_arrive_more(session, &more, &error);
    abi_put(0, (uint64_t)more);
    return abi_end(status, &error);
}

/* Up to one slice of `count` tokens. `logits`: 0, or room for `logit_rows` rows of the vocabulary, in which case no more
 * than that many tokens are taken. values: tokens taken. */
int32_t tercet_abi_session_prefill(uint32_t handle, uint32_t tokens, uint32_t count,
                                   uint32_t logits, uint32_t logit_rows) {
    tercet_error error = abi_start();
    struct abi_slot *slot = abi_find(handle, ABI_SESSION);
    if (slot == NULL)
        return abi_refuse(not_open);
    if (count != 0 && !abi_words_fit(tokens, count))
        return abi_refuse("the tokens are not in memory");
    if (logits != 0) {
        tercet_model_info info;
        tercet_model_get_info(abi_parent(slot), &info);
        if (logit_rows == 0 || !abi_words_fit(logits, (uint64_t)logit_rows * info.vocabulary))
            return abi_refuse("the place for the logits is not in memory");
        count = count < logit_rows ? count : logit_rows;
    }
    size_t done = 0;
    tercet_status status = tercet_session_prefill(slot->pointer, abi_at(tokens), count, &done,
                                                  logits == 0 ? NULL : abi_at(logits), &error);
    abi_put(0, done);
    return abi_end(status, &error);
}

/* OK or END_OF_TEXT with values: token; CONTEXT_FULL; CANCELLED. */
int32_t tercet_abi_session_step(uint32_t handle) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    uint32_t token = 0;
    tercet_status status = tercet_session_step(session, &token, &error);
    abi_put(0, token);
    return abi_end(status, &error);
}

/* A part of such a step: OK with values: token, 1 when there are more parts; else as tercet_abi_session_step. */
int32_t tercet_abi_session_step_part(uint32_t handle) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    uint32_t token = 0;
    int more = 0;
    tercet_status status = tercet_session_step_part(session, &token, &more, &error);
    abi_put(0, token);
    abi_put(1, (uint64_t)more);
    return abi_end(status, &error);
}

/* values: address, bytes of the text that the last step completed; valid until the next call for this session. */
int32_t tercet_abi_session_text(uint32_t handle, uint32_t flush) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    const char *text = NULL;
    size_t bytes = 0;
    tercet_status status = tercet_session_take_text(session, flush != 0, &text, &bytes);
    abi_put_address(0, text);
    abi_put(1, bytes);
    return abi_end(status, &error);
}

/* values: address of f32[vocabulary], 0 before the first token. */
int32_t tercet_abi_session_logits(uint32_t handle) {
    (void)abi_start();
    const tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    abi_put_address(0, tercet_session_logits(session));
    return TERCET_OK;
}

int32_t tercet_abi_session_reset(uint32_t handle, uint32_t keep) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    return abi_end(tercet_session_reset(session, keep), &error);
}

/* Keeps what the session has of these tokens already. values: how many those are. */
int32_t tercet_abi_session_reuse(uint32_t handle, uint32_t tokens, uint32_t count) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    if (count != 0 && !abi_words_fit(tokens, count))
        return abi_refuse("the tokens are not in memory");
    size_t kept = 0;
    tercet_status status = tercet_session_reuse(session, abi_at(tokens), count, &kept);
    abi_put(0, kept);
    return abi_end(status, &error);
}

/* Most tokens of a prompt at once from now on; 0: as many as the session was made for. */
int32_t tercet_abi_session_slice(uint32_t handle, uint32_t slice) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    return abi_end(tercet_session_set_slice(session, slice, &error), &error);
}

/* As in tercet_session_options, from now on. */
int32_t tercet_abi_session_speculation(uint32_t handle, uint32_t speculation) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    return abi_end(tercet_session_set_speculation(session, speculation, &error), &error);
}

/* Tokens that end a text besides the model's own, from now on. */
int32_t tercet_abi_session_stop_tokens(uint32_t handle, uint32_t tokens, uint32_t count) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    if (count != 0 && !abi_words_fit(tokens, count))
        return abi_refuse("the tokens are not in memory");
    return abi_end(
        tercet_session_set_stop_tokens(session, count == 0 ? NULL : abi_at(tokens), count, &error),
        &error);
}

/* `count` words of u32 with a bit for each token that may be sampled from now on; 0 and 0: every token. */
int32_t tercet_abi_session_mask(uint32_t handle, uint32_t words, uint32_t count) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse("this session is not open");
    if (count != 0 && !abi_words_fit(words, count))
        return abi_refuse("the mask is not in memory");
    return abi_end(
        tercet_session_set_mask(session, count == 0 ? NULL : abi_at(words), count, &error), &error);
}

/* values: tokens, context, slice, bytes, kv (TERCET_KV_*), 5 passes, drafted, accepted. */
int32_t tercet_abi_session_info(uint32_t handle) {
    (void)abi_start();
    const tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    tercet_session_info info;
    tercet_session_get_info(session, &info);
    abi_put(0, info.tokens);
    abi_put(1, info.context);
    abi_put(2, info.slice);
    abi_put(3, info.bytes);
    abi_put(4, info.kv);
    abi_put(5, info.passes);
    abi_put(6, info.drafted);
    abi_put(7, info.accepted);
    abi_put(8, info.kept_bytes);
    return TERCET_OK;
}

/* values: address of the 32-bit flag that stops a running prefill or step when another thread stores 1 there. */
int32_t tercet_abi_session_cancel_flag(uint32_t handle) {
    (void)abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    abi_put_address(0, tercet_session_cancel_flag(session));
    return TERCET_OK;
}

/* Whether steps note how likely their tokens are, and how many of the likeliest. */
int32_t tercet_abi_session_set_logprobs(uint32_t handle, uint32_t on, uint32_t top) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    return abi_end(tercet_session_set_logprobs(session, on != 0, top, &error), &error);
}

/* What the last step noted. values: the chosen token's (a double), number of the likeliest, address of their ids (u32), address of
 * their values (f32). */
int32_t tercet_abi_session_logprobs(uint32_t handle) {
    (void)abi_start();
    const tercet_session *session = abi_pointer(handle, ABI_SESSION);
    const tercet_logprobs *noted = session == NULL ? NULL : tercet_session_logprobs(session);
    if (noted == NULL)
        return abi_refuse("this session is not open, or notes no probabilities");
    abi_put_double(0, (double)noted->chosen);
    abi_put(1, noted->count);
    abi_put_address(2, noted->tokens);
    abi_put_address(3, noted->values);
    return TERCET_OK;
}

/* As tercet_abi_session_prefill; adds hidden states to `sums`, f64[hidden]. values: tokens taken. */
int32_t tercet_abi_session_embed(uint32_t handle, uint32_t tokens, uint32_t count, uint32_t sums) {
    tercet_error error = abi_start();
    struct abi_slot *slot = abi_find(handle, ABI_SESSION);
    if (slot == NULL)
        return abi_refuse(not_open);
    tercet_model_info info;
    tercet_model_get_info(abi_parent(slot), &info);
    if ((count != 0 && !abi_words_fit(tokens, count)) || sums % 8 != 0 ||
        !abi_span_fits(sums, (uint64_t)info.hidden * sizeof(double)))
        return abi_refuse("the tokens or the place for the sums is not in memory");
    size_t done = 0;
    tercet_status status =
        tercet_session_embed(slot->pointer, abi_at(tokens), count, &done, abi_at(sums), &error);
    abi_put(0, done);
    return abi_end(status, &error);
}

/* How likely a text is: as tercet_abi_session_prefill with room for `rows` rows of logits, and each token that is taken predicts the one
 * behind it: `tokens` has one more than `count`. values: tokens taken, `before` and the logarithms of the probabilities, summed in
 * order (a double). */
int32_t tercet_abi_session_score(uint32_t handle, uint32_t tokens, uint32_t count, uint32_t logits,
                                 uint32_t rows, double before) {
    tercet_error error = abi_start();
    struct abi_slot *slot = abi_find(handle, ABI_SESSION);
    if (slot == NULL)
        return abi_refuse(not_open);
    tercet_model_info info;
    tercet_model_get_info(abi_parent(slot), &info);
    if (rows == 0 || !abi_words_fit(tokens, (uint64_t)count + 1) ||
        !abi_words_fit(logits, (uint64_t)rows * info.vocabulary))
        return abi_refuse("the tokens or the place for the logits is not in memory");
    const uint32_t *ids = abi_at(tokens);
    const float *row = abi_at(logits);
    size_t done = 0;
    tercet_status status = tercet_session_prefill(slot->pointer, ids, count < rows ? count : rows,
                                                  &done, abi_at(logits), &error);
    for (size_t i = 0; i < done; i++) {
        if (ids[i + 1] >= info.vocabulary)
            return abi_refuse("a token is not in the vocabulary");
        before += tercet_log_probability(row + i * info.vocabulary, info.vocabulary, ids[i + 1]);
    }
    abi_put(0, done);
    abi_put_double(1, before);
    return abi_end(status, &error);
}

/* values: bytes of the session's state. */
int32_t tercet_abi_session_state_bytes(uint32_t handle) {
    (void)abi_start();
    const tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL)
        return abi_refuse(not_open);
    abi_put(0, tercet_session_state_bytes(session));
    return TERCET_OK;
}

/* Bytes [offset, offset + count) of it, written to `bytes`. */
int32_t tercet_abi_session_save(uint32_t handle, uint64_t offset, uint32_t bytes, uint32_t count) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL || !abi_span_fits(bytes, count))
        return abi_refuse("this session is not open, or the place for its state is not in memory");
    return abi_end(tercet_session_save(session, offset, abi_at(bytes), count, &error), &error);
}

/* The next `count` bytes of a state. */
int32_t tercet_abi_session_restore(uint32_t handle, uint64_t offset, uint32_t bytes,
                                   uint32_t count) {
    tercet_error error = abi_start();
    tercet_session *session = abi_pointer(handle, ABI_SESSION);
    if (session == NULL || !abi_span_fits(bytes, count))
        return abi_refuse("this session is not open, or the state is not in memory");
    return abi_end(tercet_session_restore(session, offset, abi_at(bytes), count, &error), &error);
}
