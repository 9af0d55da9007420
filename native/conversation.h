/*
 * conversation.h: the messages of one conversation, which grow as it goes on. Owns their texts; knows nothing of formats.
 */
#ifndef TERCET_NATIVE_CONVERSATION_H
#define TERCET_NATIVE_CONVERSATION_H

#include "tercet.h"
#include <stdbool.h>

struct conversation {
    tercet_chat_message *messages; /* as tercet_chat_tokenize takes them */
    size_t count, capacity;
};

/* Copies the text; false when memory ran out. */
bool conversation_add(struct conversation *conversation, uint32_t role, const char *text,
                      size_t bytes);
/* Forgets all but the first `keep` messages. */
void conversation_cut(struct conversation *conversation, size_t keep);
void conversation_free(struct conversation *conversation);

#endif
