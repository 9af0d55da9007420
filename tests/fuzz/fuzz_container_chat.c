/*
 * fuzz_container_chat.c: any bytes as the CHAT section of a .tercet file. A format that is accepted keeps every promise of
 * container_reader.h and turns conversations into tokens.
 */
#define _POSIX_C_SOURCE 200809L /* posix_memalign */
#include "chat_tables.h"
#include "container/container_sections.h"
#include "core/container/container_consistency.h"
#include "edge_mutator.h"
#include "text/chat_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Asks for an answer to conversations of every kind. */
static void use_format(const struct container_tokenizer *tables,
                       const struct container_chat *chat) {
    static const char question[] = "Who is <|im_end|> \n there?",
                      answer[] = "<think>\nNobody.\n</think>\n\nI am.";
    const tercet_chat_message messages[] = {{TERCET_CHAT_SYSTEM, question, sizeof question - 1},
                                            {TERCET_CHAT_USER, question, sizeof question - 1},
                                            {TERCET_CHAT_ASSISTANT, answer, sizeof answer - 1},
                                            {TERCET_CHAT_USER, "", 0}};
    for (size_t first = 0; first < 2; first++) {
        for (uint32_t flags = 0; flags <= TERCET_CHAT_NO_THINKING; flags++) {
            (void)chat_specials(tables, chat, messages + first, 4 - first, flags);
            (void)chat_specials(tables, chat, messages + first, 2 - first, flags);
        }
    }
    for (uint32_t part = CHAT_PART_ANSWER + 1; part < CHAT_PARTS; part++) {
        size_t bytes = 0;
        const uint8_t *text = chat_part_text(tables, chat, part, &bytes);
        PROMISE(bytes == 0 || text != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4) {
        return 0;
    }
    const struct container_tokenizer *tables = chat_tables((data[0] & 1) != 0);
    struct container_chat chat;
    tercet_error error = {0};
    size_t bytes = size - 4;
    void *block = NULL;
    PROMISE(posix_memalign(&block, 64, bytes > 0 ? bytes : 1) == 0);
    if (bytes > 0) {
        memcpy(block, data + 4, bytes);
    }
    const struct section section = {{block, bytes}, 0, "CHAT"};
    tercet_status status = container_read_chat(&section, tables, &chat, &error);
    if (status == TERCET_OK) {
        PROMISE(chat_inconsistency_(&chat, tables->token_count, block, bytes) == NULL);
        use_format(tables, &chat);
    } else {
        PROMISE(error.status == status && error.detail[0] != '\0');
    }
    free(block);
    return 0;
}
