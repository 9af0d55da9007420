/*
 * stop_text.h: ends a text at the first of some given strings, even where it is split between
 * tokens: text that may be the beginning of one is held back until that is decided.
 */
#ifndef TERCET_NATIVE_STOP_TEXT_H
#define TERCET_NATIVE_STOP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct stop_text {
    const char *const *stops; /* not empty strings; the caller's */
    size_t stop_count;
    char *text; /* everything so far, the end cut off once a stop was found */
    size_t count, capacity;
    size_t released; /* bytes of `text` that were handed out */
    bool found;
};

void stop_text_init(struct stop_text *state, const char *const *stops, size_t stop_count);
/* Adds text; *ready .. *ready_count is what can be shown now. False when memory ran out. After a
 * stop was found nothing more is added. */
bool stop_text_add(struct stop_text *state, const char *text, size_t count, const char **ready,
                   size_t *ready_count);
/* The text ended: what was held back. */
void stop_text_end(struct stop_text *state, const char **ready, size_t *ready_count);
void stop_text_free(struct stop_text *state);

#endif
