/*
 * utf8.h: validation, decoding, and holding back half characters between tokens (RFC 3629; ill-formed bytes become
 * U+FFFD, one per maximal subpart, as the Unicode Standard 15, section 3.9 recommends and browsers do).
 */
#ifndef TERCET_TEXT_UTF8_H
#define TERCET_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the longest valid prefix; == bytes when all is valid. */
size_t utf8_valid_prefix(const uint8_t *text, size_t bytes);
/* Decodes the character at text (valid UTF-8, bytes >= 1); *length gets 1..4. */
uint32_t utf8_decode(const uint8_t *text, size_t bytes, size_t *length);
/* Writes 1..4 bytes; code point must be a scalar value. */
size_t utf8_encode(uint32_t code_point, uint8_t out[4]);

/* Streaming: bytes of tokens in, whole characters out. */
struct utf8_stream {
    uint8_t held[4];
    uint32_t held_count;
};
/* Appends to out what `bytes` complete; out has room for 3 * (bytes + 3). Returns bytes written. */
size_t utf8_stream_push(struct utf8_stream *stream, const uint8_t *in, size_t bytes, uint8_t *out);
/* What is held back becomes U+FFFD (3 bytes) or nothing. */
size_t utf8_stream_flush(struct utf8_stream *stream, uint8_t out[3]);

#endif
