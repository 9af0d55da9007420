/*
 * session.h: one text: prompt in slices, steps, cancel, reset. What is behind tercet_session; tercet.h has the contracts.
 * All memory is one block, taken when the session opens.
 */
#ifndef TERCET_GENERATE_SESSION_H
#define TERCET_GENERATE_SESSION_H

#include "../model/forward.h"
#include "../text/tokenizer.h"
#include "../text/utf8.h"
#include "sampler.h"

#define SESSION_SLICE_DEFAULT 32u
#define SESSION_SLICE_MAX 512u

struct tercet_session {
    struct tercet_model *model;
    void *block;
    uint64_t block_bytes;
    uint32_t context;
    struct forward forward;
    struct sampler sampler;
    struct utf8_stream text_stream;
    uint32_t *history; /* [context] token of each position */
    uint8_t *text;     /* of the last step */
    size_t text_bytes;
    uint32_t tokens; /* positions filled */
    bool has_logits;
    bool text_started; /* some token with a text came before */
    atomic_int cancel;
};

tercet_status session_check_options(const struct tercet_model *model,
                                    const tercet_session_options *options, tercet_error *error);
/* 0 when a size overflows. Checked options. */
uint64_t session_bytes(const struct tercet_model *model, const tercet_session_options *options);
tercet_status session_create(struct tercet_model *model, const tercet_session_options *options,
                             struct tercet_session **session, tercet_error *error);
tercet_status session_prefill(struct tercet_session *session, const uint32_t *tokens, size_t count,
                              size_t *done, float *logits, tercet_error *error);
tercet_status session_step(struct tercet_session *session, uint32_t *token, tercet_error *error);
void session_take_text(struct tercet_session *session, bool flush, const char **text,
                       size_t *bytes);
void session_reset(struct tercet_session *session, uint32_t keep);
void session_destroy(struct tercet_session *session);

#endif
