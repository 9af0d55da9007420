/*
 * source_vocabulary.h: the tokenizer of a model that is not packed yet: of a GGUF file (one with a vocabulary alone as well) or
 * of a Hugging Face folder, ready to use. Goes the way of packed ones: the section that the packer writes, read by the
 * container's reader, used by the core.
 */
#ifndef TERCET_PACKER_SOURCE_VOCABULARY_H
#define TERCET_PACKER_SOURCE_VOCABULARY_H

#include "../core/container/container_reader.h"
#include "tokenizer_tables.h"

struct source_vocabulary {
    uint8_t *memory;
    struct container_tokenizer tables;
};

/* Whether `path` is a folder or a GGUF file: something that is packed, not read as it is. */
bool source_vocabulary_is_source(const char *path);
/* Errors of the readers of that format. After a failure there is nothing to close. */
tercet_status source_vocabulary_open(const char *path, struct source_vocabulary *vocabulary,
                                     tercet_error *error);
/* The same from a section in memory, which may be freed afterwards. */
tercet_status source_vocabulary_take(const struct tokenizer_section *section,
                                     struct source_vocabulary *vocabulary, tercet_error *error);
void source_vocabulary_close(struct source_vocabulary *vocabulary);

/* As tercet_tokenize, but into a block of its own, [*count], malloc'ed. */
tercet_status source_vocabulary_encode(const struct source_vocabulary *vocabulary, const char *text,
                                       size_t bytes, uint32_t flags, uint32_t **tokens,
                                       size_t *count, tercet_error *error);
/* As tercet_detokenize. */
tercet_status source_vocabulary_decode(const struct source_vocabulary *vocabulary,
                                       const uint32_t *tokens, size_t count, char *text,
                                       size_t capacity, size_t *bytes, tercet_error *error);
/* As tercet_token_bytes. */
bool source_vocabulary_token(const struct source_vocabulary *vocabulary, uint32_t token,
                             const uint8_t **bytes, size_t *count);

#endif
