/*
 * tokenizer.h: text to token ids and back over the checked tables of a container. Knows nothing of models or kernels.
 * All working memory is the caller's; no globals, no I/O.
 */
#ifndef TERCET_TEXT_TOKENIZER_H
#define TERCET_TEXT_TOKENIZER_H

#include "../container/container_reader.h"

/* As many bytes as a text may have once it is in the form that the tables ask for; of a text in pieces, the sum over the
 * pieces. One that is not UTF-8 counts up to there: encoding refuses it. */
uint64_t tokenizer_formed_bytes(const struct container_tokenizer *tables, const uint8_t *text,
                                size_t bytes);
/* Bytes of scratch that encoding such a text needs (8-aligned memory). */
size_t tokenizer_formed_scratch_bytes(const struct container_tokenizer *tables,
                                      uint64_t formed_bytes);
/* Both in one. */
size_t tokenizer_scratch_bytes(const struct container_tokenizer *tables, const char *text,
                               size_t bytes);

/* As tercet_tokenize (tercet.h): writes up to `capacity` ids, *count gets the full number. INVALID_UTF8 with the offset,
 * BAD_ARGUMENT for a text above 1 GiB, also in its form. In the order of the steps:
 *   - Specials are cut out, the leftmost first, of several there the longest. User-defined tokens always count, control and
 *     unknown ones only with PARSE_SPECIAL. What lies between is a part; nothing reaches across.
 *   - With NFC each part is put into that form.
 *   - Byte-level BPE: parts are split by the table's splitter; a piece that is a token is taken whole with IGNORE_MERGES;
 *     else its bytes are merged.
 *   - SentencePiece: U+2581 counts as a space; where the flags say so a space goes in front of a part (never of an empty
 *     one); the characters of the part are merged as one piece. A character that is no token becomes its byte tokens with
 *     BYTE_FALLBACK.
 *   - What has no token becomes UNKNOWN, one for a run of it, or is dropped where the model has none.
 * Cost O(n log n); `scratch` is tokenizer_scratch_bytes of this text long and 8-aligned (NULL for an empty text). */
tercet_status tokenizer_encode(const struct container_tokenizer *tables, const char *text,
                               size_t bytes, uint32_t flags, uint32_t *tokens, size_t capacity,
                               size_t *count, void *scratch, tercet_error *error);

/* A token that stands in a text at this byte, in front of what follows. */
struct tokenizer_mark {
    size_t at;
    uint32_t token;
};

/* `marks` do not fall; no text becomes one of the `reserved` tokens by being spelled like it. */
struct tokenizer_marks {
    const struct tokenizer_mark *marks;
    size_t count;
    const uint32_t *reserved;
    uint32_t reserved_count;
};

/* As tokenizer_encode without flags, for valid UTF-8 of at most 1 GiB (in its form too) with tokens in it: what lies between
 * two of them is a text of its own, but only the first of all begins the text. `scratch` is
 * tokenizer_formed_scratch_bytes(formed_bytes) long: the number is the caller's, who may have measured the text in pieces. */
tercet_status tokenizer_encode_marked(const struct container_tokenizer *tables, const uint8_t *text,
                                      size_t bytes, uint64_t formed_bytes,
                                      const struct tokenizer_marks *marks, uint32_t *tokens,
                                      size_t capacity, size_t *count, void *scratch,
                                      tercet_error *error);

/* Bytes of a token: empty for control and unused ones. token < token_count, else false. */
bool tokenizer_token_bytes(const struct container_tokenizer *tables, uint32_t token,
                           const uint8_t **bytes, size_t *count);

/* As tercet_detokenize. */
tercet_status tokenizer_decode(const struct container_tokenizer *tables, const uint32_t *tokens,
                               size_t token_count, char *text, size_t capacity, size_t *bytes,
                               tercet_error *error);

#endif
