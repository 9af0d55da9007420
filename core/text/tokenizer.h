/*
 * tokenizer.h: text to token ids and back over the checked tables of a container. Knows nothing of models or kernels.
 * All working memory is the caller's; no globals, no I/O.
 */
#ifndef TERCET_TEXT_TOKENIZER_H
#define TERCET_TEXT_TOKENIZER_H

#include "../container/container_reader.h"

/* Bytes of scratch that encoding a text of that length needs (8-aligned memory). */
size_t tokenizer_scratch_bytes(const struct container_tokenizer *tables, size_t text_bytes);

/* As tercet_tokenize (tercet.h): writes up to `capacity` ids, *count gets the full number. INVALID_UTF8 with the offset.
 * Byte-level BPE: specials cut out, split by the table's splitter, merged per piece. SentencePiece: specials cut out, one
 * space in front of the first text part if the flag says so, merged as one piece; characters that are no token become
 * byte tokens (or UNKNOWN). Cost O(n log n). */
tercet_status tokenizer_encode(const struct container_tokenizer *tables, const char *text,
                               size_t bytes, uint32_t flags, uint32_t *tokens, size_t capacity,
                               size_t *count, void *scratch, tercet_error *error);

/* Bytes of a token: empty for control and unused ones. token < token_count, else false. */
bool tokenizer_token_bytes(const struct container_tokenizer *tables, uint32_t token,
                           const uint8_t **bytes, size_t *count);

/* As tercet_detokenize. */
tercet_status tokenizer_decode(const struct container_tokenizer *tables, const uint32_t *tokens,
                               size_t token_count, char *text, size_t capacity, size_t *bytes,
                               tercet_error *error);

#endif
