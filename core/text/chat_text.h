/*
 * chat_text.h: messages to token ids, as a chat format says. Special tokens come from the format alone: whatever a message
 * holds, none of its text becomes a control token or a token of the format. Knows nothing of models or kernels; all
 * working memory is the caller's.
 */
#ifndef TERCET_TEXT_CHAT_TEXT_H
#define TERCET_TEXT_CHAT_TEXT_H

#include "tokenizer.h"

/* A conversation that was checked, and what encoding it needs. */
struct chat_text {
    const struct container_tokenizer *tables;
    const struct container_chat *chat;
    const tercet_chat_message *messages;
    size_t count;
    uint32_t flags;
    size_t text_bytes, mark_count;
    uint64_t formed_bytes;  /* tokenizer_formed_bytes, summed over the pieces */
    size_t tokenizer_bytes; /* of the scratch, the tokenizer's */
    size_t scratch_bytes;   /* of memory aligned to 8 */
};

/* Checks the messages and measures. BAD_ARGUMENT for an unknown role or flag, no message, an assistant's message behind the
 * last one of the others, a switch that the format does not have, or more than 1 GiB of text; INVALID_UTF8. `where` is the
 * number of the message. Everything must outlive `text`. */
tercet_status chat_text_measure(const struct container_tokenizer *tables,
                                const struct container_chat *chat,
                                const tercet_chat_message *messages, size_t count, uint32_t flags,
                                struct chat_text *text, tercet_error *error);
/* Capacity as in tokenizer_encode. The tokens are those that the tokenizer gives for the text that the model's own template
 * renders, with its special tokens understood, as long as no message holds the text of a special token. */
tercet_status chat_text_encode(const struct chat_text *text, uint32_t *tokens, size_t capacity,
                               size_t *count, void *scratch, tercet_error *error);

#endif
