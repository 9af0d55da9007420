/*
 * token_spelling.h: the tokenizer of a container in the words of other people's files: a container holds texts as bytes and
 * merges by token, those files want texts in the printable stand-ins of byte-level BPE or with U+2581 for spaces, and
 * merges one after the other. GGUF and tokenizer.json spell alike.
 */
#ifndef TERCET_PACKER_TOKEN_SPELLING_H
#define TERCET_PACKER_TOKEN_SPELLING_H

#include "../core/container/container_reader.h"

/* Room for any token: each byte becomes at most 3 (U+2581). */
#define TOKEN_SPELLING_BYTES (3 * LIMIT_TOKEN_BYTES)

/* The bytes of a token of the tables. */
const uint8_t *token_text(const struct container_tokenizer *t, uint32_t token, uint32_t *bytes);
/* Its text as files spell it; 0 for a row without a token, which may lie behind the tables. */
size_t token_spell(const struct container_tokenizer *t, uint32_t token, uint8_t *out);
/* Numbers of the merges by rising rank, malloc'ed; NULL without memory. */
uint32_t *token_merge_order(const struct container_tokenizer *t);

#endif
