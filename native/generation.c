/*
 * generation.c: see generation.h. Times only the calls into core: hashing and showing are the
 * host's own cost. Memory is taken before the first token, but for the text, which doubles.
 */
#define _GNU_SOURCE 1
#include "generation.h"
#include "clock.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

const char *generation_finish_name(enum generation_finish finish) {
    static const char *const names[] = {"stop", "length", "context", "stop-text", "cancelled"};
    return names[finish];
}

struct running {
    tercet_session *session;
    const struct generation_options *options;
    struct generation *result;
    struct digest *digest; /* NULL without hash_logits */
    float *rows;           /* logits of one slice; NULL without hash_logits */
    tercet_error *error;
};

static tercet_status hash(struct running *run, const float *rows, size_t count) {
    if (run->digest == NULL ||
        digest_update(run->digest, rows, count * run->options->vocabulary * sizeof *rows)) {
        return TERCET_OK;
    }
    return set_error(run->error, TERCET_OUT_OF_MEMORY, 0, "libcrypto gave no SHA-256");
}

static tercet_status show(struct running *run, const char *text, size_t bytes) {
    if (bytes == 0 || run->options->show == NULL ||
        run->options->show(run->options->show_context, text, bytes)) {
        return TERCET_OK;
    }
    return set_error(run->error, TERCET_FILE_WRITE_FAILED, 0, "standard output");
}

/* What the last step completed, through the stop texts, to the reader. */
static tercet_status take_text(struct running *run, int flush) {
    const char *text = "", *ready = "";
    size_t bytes = 0, ready_bytes = 0;
    tercet_status status = tercet_session_take_text(run->session, flush, &text, &bytes);
    if (status != TERCET_OK) {
        return set_error(run->error, status, 0, "taking the text of a step");
    }
    if (!stop_text_add(&run->result->text, text, bytes, &ready, &ready_bytes)) {
        return set_error(run->error, TERCET_OUT_OF_MEMORY, 0, "the generated text");
    }
    return show(run, ready, ready_bytes);
}

static tercet_status compute_prompt(struct running *run, const struct token_list *prompt) {
    size_t taken = 0;
    while (taken < prompt->count) {
        size_t done = 0;
        double begin = clock_seconds();
        tercet_status status =
            tercet_session_prefill(run->session, prompt->tokens + taken, prompt->count - taken,
                                   &done, run->rows, run->error);
        run->result->prompt_seconds += clock_seconds() - begin;
        if (status == TERCET_CANCELLED) {
            run->result->finish = FINISH_CANCELLED;
            return TERCET_CANCELLED;
        }
        if (status == TERCET_OK) {
            status = hash(run, run->rows, done);
        }
        if (status != TERCET_OK) {
            return status;
        }
        taken += done;
    }
    return TERCET_OK;
}

/* One step; *more says whether another may follow. */
static tercet_status compute_token(struct running *run, bool *more) {
    struct generation *result = run->result;
    uint32_t token = 0;
    double begin = clock_seconds();
    tercet_status status = tercet_session_step(run->session, &token, run->error);
    double seconds = clock_seconds() - begin;
    *more = false;
    if (status == TERCET_END_OF_TEXT || status == TERCET_CONTEXT_FULL ||
        status == TERCET_CANCELLED) {
        result->finish = status == TERCET_END_OF_TEXT    ? FINISH_STOP
                         : status == TERCET_CONTEXT_FULL ? FINISH_CONTEXT
                                                         : FINISH_CANCELLED;
        return TERCET_OK;
    }
    if (status != TERCET_OK) {
        return status;
    }
    result->decode_seconds += seconds;
    if (result->count == 0) {
        result->first_token_seconds = result->prompt_seconds + seconds;
    }
    result->tokens[result->count++] = token;
    status = hash(run, tercet_session_logits(run->session), 1);
    if (status == TERCET_OK) {
        status = take_text(run, 0);
    }
    if (result->text.found) {
        result->finish = FINISH_STOP_TEXT;
        return status;
    }
    *more = true;
    return status;
}

static tercet_status compute_text(struct running *run, const struct token_list *prompt) {
    struct generation *result = run->result;
    const char *ready = "";
    size_t ready_bytes = 0;
    bool more = true;
    tercet_status status = compute_prompt(run, prompt);
    if (status == TERCET_CANCELLED) {
        return TERCET_OK;
    }
    result->finish = FINISH_LENGTH;
    while (status == TERCET_OK && more && result->count < run->options->tokens) {
        status = compute_token(run, &more);
    }
    if (status == TERCET_OK) {
        status = take_text(run, 1);
    }
    if (status == TERCET_OK && result->text.found) {
        result->finish = FINISH_STOP_TEXT; /* completed by a held-back half character */
    }
    if (status == TERCET_OK) {
        stop_text_end(&result->text, &ready, &ready_bytes);
        status = show(run, ready, ready_bytes);
    }
    if (status == TERCET_OK && run->digest != NULL &&
        !digest_end(run->digest, result->logits_sha256)) {
        status = set_error(run->error, TERCET_OUT_OF_MEMORY, 0, "libcrypto gave no SHA-256");
    }
    return status;
}

tercet_status generation_run(tercet_session *session, const struct token_list *prompt,
                             const struct generation_options *options, struct generation *result,
                             tercet_error *error) {
    struct running run = {.session = session, .options = options, .result = result, .error = error};
    tercet_session_info info;
    memset(result, 0, sizeof *result);
    stop_text_init(&result->text, options->stops, options->stop_count);
    tercet_session_get_info(session, &info);
    result->tokens = calloc(options->tokens > 0 ? options->tokens : 1, sizeof *result->tokens);
    bool enough = result->tokens != NULL;
    if (options->hash_logits) {
        run.rows = calloc((size_t)info.slice * options->vocabulary, sizeof *run.rows);
        run.digest = digest_create();
        enough = enough && run.rows != NULL && run.digest != NULL && digest_begin(run.digest);
    }
    tercet_status status = enough ? compute_text(&run, prompt)
                                  : set_error(error, TERCET_OUT_OF_MEMORY, 0,
                                              "%u tokens to generate", options->tokens);
    digest_destroy(run.digest);
    free(run.rows);
    return status;
}

void generation_free(struct generation *result) {
    free(result->tokens);
    stop_text_free(&result->text);
    memset(result, 0, sizeof *result);
}
