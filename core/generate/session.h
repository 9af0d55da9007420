/*
 * session.h: one text: prompt in slices, steps (session_step.c), cancel, reset. What is behind tercet_session; tercet.h has the contracts.
 * All memory is one block, taken when the session opens.
 */
#ifndef TERCET_GENERATE_SESSION_H
#define TERCET_GENERATE_SESSION_H

#include "../model/forward.h"
#include "../text/tokenizer.h"
#include "../text/utf8.h"
#include "lookup.h"
#include "sampler.h"

#define SESSION_SLICE_DEFAULT 32u
#define SESSION_SLICE_MAX 512u
/* Packed weights of fewer bytes are taken to be in a cache. */
#define SESSION_CACHED_BYTES (32u << 20)
/* Most tokens of one step: the one that was sampled and those drafted behind it. Each has a row of logits. */
#define SESSION_SPECULATION_MAX 16u

/* arriving.c: a prompt on its way through the layers; x NULL: there is none. */
struct arriving {
    float *x,
        *y; /* [count][hidden_stride] each: residual stream, and what the layer below adds to it */
    uint64_t bytes;
    uint32_t count; /* tokens, the first of the history */
    uint32_t layer; /* the next one */
    uint32_t done;  /* tokens that have it behind them */
};

/* A step that is computed in parts: what is needed to go on with it, or to be as before it. */
struct step_in_parts {
    bool begun;
    uint32_t token, drafted;
    uint64_t random[4];
    struct lookup_guess guess;
};

struct tercet_session {
    struct tercet_model *model;
    void *block;
    uint64_t block_bytes;
    uint32_t context;
    uint32_t slice_most; /* as the session was made */
    uint32_t slice;      /* of a prompt, now */
    uint32_t speculation_most;
    uint32_t speculation; /* as tercet_session_options says, now */
    struct forward forward;
    struct sampler sampler;
    struct lookup lookup; /* only when forward.logits_rows > 1 */
    struct utf8_stream text_stream;
    uint32_t *history; /* [context] token of each position, and behind them those of the draft */
    uint8_t *text;     /* of the last step */
    size_t text_bytes;
    uint32_t tokens; /* positions filled */
    bool has_logits;
    uint32_t row;   /* of forward.logits: after the last token */
    uint32_t ahead; /* tokens behind the last one that are computed: drafted, not yet sampled */
    uint64_t passes, drafted, accepted;
    uint32_t stop_count; /* besides those of the model */
    uint32_t stop_tokens[CHAT_STOP_TOKENS_MAX];
    uint32_t restoring;      /* session_state.c: tokens of the state that comes in parts */
    uint64_t restored_bytes; /* of it; 0: none comes */
    struct arriving arriving;
    struct step_in_parts step;
    bool logprobs_on;
    uint32_t logprobs_top;
    tercet_logprobs logprobs; /* of the latest token of a step */
    bool text_started;        /* some token with a text came before */
    atomic_int cancel;
    atomic_int layers_run; /* right behind it: tercet_session_cancel_flag */
};

tercet_status session_check_options(const struct tercet_model *model,
                                    const tercet_session_options *options, tercet_error *error);
/* 0 when a size overflows. Checked options. */
uint64_t session_bytes(const struct tercet_model *model, const tercet_session_options *options);
/* The part of it that every thread of the engine has for itself. */
uint64_t session_thread_bytes(const struct tercet_model *model,
                              const tercet_session_options *options);
tercet_status session_create(struct tercet_model *model, const tercet_session_options *options,
                             struct tercet_session **session, tercet_error *error);
tercet_status session_prefill(struct tercet_session *session, const uint32_t *tokens, size_t count,
                              size_t *done, float *logits, tercet_error *error);
tercet_status session_step(struct tercet_session *session, uint32_t *token, tercet_error *error);
/* A request is used up by the call that answers it. */
tercet_status session_cancelled(struct tercet_session *session);
/* As tercet_session_step_part. */
tercet_status session_step_part(struct tercet_session *session, uint32_t *token, int *more,
                                tercet_error *error);
/* A step that was begun and not ended has not been; harmless when there is none. */
void session_drop_step(struct tercet_session *session);
void session_take_text(struct tercet_session *session, bool flush, const char **text,
                       size_t *bytes);
/* BAD_ARGUMENT where states cannot go back to `keep`. */
tercet_status session_reset(struct tercet_session *session, uint32_t keep);
uint32_t session_reuse(struct tercet_session *session, const uint32_t *tokens, size_t count);
tercet_status session_set_slice(struct tercet_session *session, uint32_t slice,
                                tercet_error *error);
tercet_status session_set_speculation(struct tercet_session *session, uint32_t speculation,
                                      tercet_error *error);
void session_set_logprobs(struct tercet_session *session, bool on, uint32_t top);
/* As prefill, and adds the last hidden state of every token to sums [hidden]. */
tercet_status session_embed(struct tercet_session *session, const uint32_t *tokens, size_t count,
                            size_t *done, double *sums, tercet_error *error);
/* The next `count` tokens, in history, are part of the text: their keys and values, or states, are there. */
void session_advance(struct tercet_session *session, uint32_t count);
/* As tercet_session_set_mask. */
tercet_status session_set_mask(struct tercet_session *session, const uint32_t *words, size_t count,
                               tercet_error *error);
tercet_status session_set_stop_tokens(struct tercet_session *session, const uint32_t *tokens,
                                      size_t count, tercet_error *error);
/* NULL when they are not computed. */
const float *session_logits(const struct tercet_session *session);
/* Gives back the memory of a prompt that was on its way; harmless when there is none. */
void session_end_arriving(struct tercet_session *session);
void session_destroy(struct tercet_session *session);

#endif
