/*
 * chat_format.h: the chat formats that Tercet knows by name, made for the tokens of one vocabulary, in the form in which a
 * container brings its own. Here a format is data; what it does with messages is chat_text.h. No template language: a new
 * format is one row of a table.
 */
#ifndef TERCET_TEXT_CHAT_FORMAT_H
#define TERCET_TEXT_CHAT_FORMAT_H

#include "../container/container_reader.h"

#define CHAT_KNOWN_SEGMENTS_MAX 48u
#define CHAT_KNOWN_TEXT_BYTES 256u

/* Holds what `chat` points to: copy neither. */
struct chat_known {
    struct container_chat chat;
    uint32_t segments[CHAT_KNOWN_SEGMENTS_MAX * CHAT_SEGMENT_FIELDS];
    uint8_t text[CHAT_KNOWN_TEXT_BYTES];
};

/* "qwen3", "chatml", ...; NULL past the end. */
const char *chat_format_name(uint32_t index);
/* BAD_ARGUMENT for a name that is not known (the sentence lists those that are); NO_CHAT_FORMAT when the vocabulary lacks a
 * token that the format is made of. */
tercet_status chat_format_build(const struct container_tokenizer *tables, const char *name,
                                struct chat_known *known, tercet_error *error);
/* What stands for a part of at most one segment in a text: the segment's own text, or that of its token; 0 bytes when the
 * part is empty. part is one of those behind ANSWER. */
const uint8_t *chat_part_text(const struct container_tokenizer *tables,
                              const struct container_chat *chat, uint32_t part, size_t *bytes);

#endif
