/*
 * special_tokens.h: finds tokens such as <|im_end|> that stand for themselves in a text, before anything else looks at
 * it: the leftmost, and of those that start there the longest. Knows the tables of specials, not what they mean.
 */
#ifndef TERCET_TEXT_SPECIAL_TOKENS_H
#define TERCET_TEXT_SPECIAL_TOKENS_H

#include "../container/container_reader.h"

struct special_tokens {
    const struct container_tokenizer *tables;
    uint32_t *order; /* [count] tokens, rising by bytes (shorter first), then by id */
    uint32_t count;
    uint8_t first[256]; /* 1: some special starts with this byte */
};

/* Prepares to search this text. `order` has room for tables->special_count. User-defined tokens count unless they are
 * `reserved`, others (control, unknown) only with `all`. */
void special_tokens_build(struct special_tokens *specials, const struct container_tokenizer *tables,
                          bool all, const uint32_t *reserved, uint32_t reserved_count,
                          const uint8_t *text, size_t bytes, uint32_t *order);
/* First special in text[from, bytes): *at, *length and *token; false if there is none. */
bool special_tokens_find(const struct special_tokens *specials, const uint8_t *text, size_t bytes,
                         size_t from, size_t *at, size_t *length, uint32_t *token);

#endif
