/*
 * stop_text.c: see stop_text.h. Only the unreleased tail is searched, so the cost per token does
 * not grow with the text.
 */
#define _GNU_SOURCE 1 /* memmem */
#include "stop_text.h"

#include <stdlib.h>
#include <string.h>

void stop_text_init(struct stop_text *state, const char *const *stops, size_t stop_count) {
    memset(state, 0, sizeof *state);
    state->stops = stops;
    state->stop_count = stop_count;
}

/* Cuts the text at the first stop in the tail; of two at one place either cuts the same. */
static void cut_at_stop(struct stop_text *state) {
    size_t first = state->count;
    for (size_t i = 0; i < state->stop_count; i++) {
        const char *tail = state->text + state->released;
        const char *hit =
            memmem(tail, state->count - state->released, state->stops[i], strlen(state->stops[i]));
        if (hit != NULL && (size_t)(hit - state->text) < first) {
            first = (size_t)(hit - state->text);
            state->found = true;
        }
    }
    state->count = first;
}

/* How many bytes at the end are the beginning of a stop. */
static size_t held_back(const struct stop_text *state) {
    size_t tail = state->count - state->released;
    size_t most = 0;
    for (size_t i = 0; i < state->stop_count; i++) {
        size_t length = strlen(state->stops[i]);
        size_t limit = length - 1 < tail ? length - 1 : tail;
        for (size_t n = limit; n > most; n--) {
            if (memcmp(state->text + state->count - n, state->stops[i], n) == 0) {
                most = n;
            }
        }
    }
    return most;
}

static void release(struct stop_text *state, size_t until, const char **ready,
                    size_t *ready_count) {
    *ready = state->text != NULL ? state->text + state->released : "";
    *ready_count = until - state->released;
    state->released = until;
}

bool stop_text_add(struct stop_text *state, const char *text, size_t count, const char **ready,
                   size_t *ready_count) {
    *ready = "";
    *ready_count = 0;
    if (state->found || count == 0) {
        return true;
    }
    if (state->count + count > state->capacity) {
        size_t capacity = (state->count + count) * 2 + 256;
        char *larger = realloc(state->text, capacity);
        if (larger == NULL) {
            return false;
        }
        state->text = larger;
        state->capacity = capacity;
    }
    memcpy(state->text + state->count, text, count);
    state->count += count;
    cut_at_stop(state);
    release(state, state->count - (state->found ? 0 : held_back(state)), ready, ready_count);
    return true;
}

void stop_text_end(struct stop_text *state, const char **ready, size_t *ready_count) {
    release(state, state->count, ready, ready_count);
}

void stop_text_free(struct stop_text *state) {
    free(state->text);
    memset(state, 0, sizeof *state);
}
