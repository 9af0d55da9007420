/*
 * generation.h: one text from prompt to last token on a session: prefill, steps, timing, stop texts
 * and the hash over all logits. Prints nothing: what can be shown is handed to a function.
 */
#ifndef TERCET_NATIVE_GENERATION_H
#define TERCET_NATIVE_GENERATION_H

#include "digest.h"
#include "input_text.h"
#include "stop_text.h"

enum generation_finish {
    FINISH_STOP,      /* the model ended its text */
    FINISH_LENGTH,    /* as many tokens as asked for */
    FINISH_CONTEXT,   /* the context is full */
    FINISH_STOP_TEXT, /* one of the stop texts came */
    FINISH_CANCELLED  /* tercet_session_cancel */
};
/* "stop", "length", "context", "stop-text", "cancelled". */
const char *generation_finish_name(enum generation_finish finish);

struct generation_options {
    uint32_t tokens; /* most to generate */
    const char *const *stops;
    size_t stop_count;
    bool hash_logits;
    uint32_t vocabulary;
    /* Gets text as soon as it is certain; never half a character. False stops with FILE_WRITE_FAILED. */
    bool (*show)(void *context, const char *text, size_t bytes);
    void *show_context;
};

struct generation {
    uint32_t *tokens; /* generated, without a stop token */
    uint32_t count;
    struct stop_text text; /* all generated text */
    enum generation_finish finish;
    uint8_t logits_sha256[DIGEST_BYTES]; /* with hash_logits */
    double prompt_seconds, first_token_seconds, decode_seconds;
};

/* Runs a fresh session over `prompt`. Text so far is in *result also after an error. */
tercet_status generation_run(tercet_session *session, const struct token_list *prompt,
                             const struct generation_options *options, struct generation *result,
                             tercet_error *error);
void generation_free(struct generation *result);

#endif
