/*
 * tokenizer_builder.h: collects the tokens and merges of a tokenizer, whatever file they come from, and lays them out as
 * the TOKENIZER section of a container. The one place of the packer that knows that layout; it knows no source format.
 * Order of use: open, add every token, index, add merges, finish; close in any case.
 */
#ifndef TERCET_PACKER_TOKENIZER_BUILDER_H
#define TERCET_PACKER_TOKENIZER_BUILDER_H

#include "../core/container/container_layout.h"
#include "tokenizer_tables.h"

struct builder_token {
    uint32_t offset, bytes; /* in texts */
    uint8_t kind;           /* TOKEN_*; 0: not added, becomes TOKEN_UNUSED */
    bool matchable;         /* text can match it: goes to `sorted`, may take part in merges */
};

struct builder_text {
    const uint8_t *bytes;
    uint32_t count, token;
};

struct tokenizer_builder {
    /* For the caller to set before finish. */
    uint32_t kind, splitter, flags;
    uint32_t beginning, unknown; /* tokens or TERCET_NO_TOKEN */
    /* The builder's own. */
    const char *source; /* file name, for sentences */
    uint32_t token_count;
    struct builder_token *tokens;
    uint8_t *texts;
    size_t text_bytes, text_capacity;
    struct builder_text *sorted;
    uint32_t sorted_count;
    uint32_t (*merges)[4];
    uint32_t merge_count, merge_capacity;
};

/* Room for `vocabulary` tokens. LIMIT_EXCEEDED, OUT_OF_MEMORY. */
tercet_status tokenizer_builder_open(struct tokenizer_builder *builder, const char *source,
                                     uint32_t vocabulary, tercet_error *error);
/* Text of token `id`, copied. BAD_SOURCE for an id beyond the vocabulary or used twice; LIMIT_EXCEEDED for a text longer
 * than the format holds. */
tercet_status tokenizer_builder_add(struct tokenizer_builder *builder, uint32_t id,
                                    const uint8_t *text, size_t bytes, uint8_t kind, bool matchable,
                                    tercet_error *error);
/* All tokens are there: sorts them. BAD_SOURCE when two matchable tokens have the same text. */
tercet_status tokenizer_builder_index(struct tokenizer_builder *builder, tercet_error *error);
/* The matchable token with this text, or TERCET_NO_TOKEN. */
uint32_t tokenizer_builder_find(const struct tokenizer_builder *builder, const uint8_t *text,
                                size_t bytes);
/* left and right join to the token of their joined text, which must be there (BAD_SOURCE). Of two merges of the same
 * pair the one of higher rank counts. */
tercet_status tokenizer_builder_add_merge(struct tokenizer_builder *builder, uint32_t left,
                                          uint32_t right, uint32_t rank, tercet_error *error);
/* Which byte values have no token of their own. */
uint32_t tokenizer_builder_missing_bytes(const struct tokenizer_builder *builder);
tercet_status tokenizer_builder_finish(struct tokenizer_builder *builder,
                                       struct tokenizer_section *section, tercet_error *error);
void tokenizer_builder_close(struct tokenizer_builder *builder);

#endif
