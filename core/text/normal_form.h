/*
 * normal_form.h: text into Unicode's normal form C (UAX 15), which some tokenizers ask for before anything else. Finds the
 * places that may have to change in one pass without memory, so that text in the form costs next to nothing.
 */
#ifndef TERCET_TEXT_NORMAL_FORM_H
#define TERCET_TEXT_NORMAL_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A stretch of a text whose form does not depend on what stands in front of it and behind it. */
struct normal_form_stretch {
    size_t begin, end;
};

/* The first stretch of text[from, bytes), which is valid UTF-8, that may not be in form C; false when there is none. `from`
 * is 0 or the end of the stretch before. */
bool normal_form_find(const uint8_t *text, size_t bytes, size_t from,
                      struct normal_form_stretch *stretch);
/* As many bytes as form C of the text may have, no matter what stands in front of it: never less than `bytes`, never above
 * 3 * bytes + 8. For a text that is in the form and does not begin with a mark: bytes + 8. */
uint64_t normal_form_bound(const uint8_t *text, size_t bytes);
/* Bytes of 8-aligned memory that a stretch of that length takes. */
#define NORMAL_FORM_MEMORY(bytes) (16 * (uint64_t)(bytes))
/* Writes form C of a stretch: at most 3 * bytes. Costs O(bytes), whatever the text. Returns the bytes written. */
size_t normal_form_compose(const uint8_t *stretch, size_t bytes, void *memory, uint8_t *out);

#endif
