/*
 * conversation.c: see conversation.h.
 */
#include "conversation.h"

#include <stdlib.h>
#include <string.h>

bool conversation_add(struct conversation *conversation, uint32_t role, const char *text,
                      size_t bytes) {
    if (conversation->count == conversation->capacity) {
        size_t capacity = conversation->capacity * 2 + 16;
        void *larger = realloc(conversation->messages, capacity * sizeof *conversation->messages);
        if (larger == NULL) {
            return false;
        }
        conversation->messages = larger;
        conversation->capacity = capacity;
    }
    char *copy = malloc(bytes > 0 ? bytes : 1);
    if (copy == NULL) {
        return false;
    }
    if (bytes > 0) {
        memcpy(copy, text, bytes);
    }
    conversation->messages[conversation->count++] = (tercet_chat_message){role, copy, bytes};
    return true;
}

void conversation_cut(struct conversation *conversation, size_t keep) {
    while (conversation->count > keep) {
        free((void *)(uintptr_t)conversation->messages[--conversation->count].text);
    }
}

void conversation_free(struct conversation *conversation) {
    conversation_cut(conversation, 0);
    free(conversation->messages);
    memset(conversation, 0, sizeof *conversation);
}
