/*
 * fuzz_chat_folder.c: any bytes as the files of a Hugging Face folder that bring a chat template. A section that is made of them
 * is one that the core reads; if there is none, it is said why.
 */
#include "chat_section.h"
#include "chat_tables.h"
#include "container/container_sections.h"
#include "memory_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes of the section that chat_tables() reads. */
static const struct tokenizer_section *tokenizer_bytes(bool sentencepiece) {
    static struct tokenizer_section sections[2];
    if (sections[sentencepiece].bytes == NULL) {
        chat_tokenizer(sentencepiece, &sections[sentencepiece]);
    }
    return &sections[sentencepiece];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"chat_template.jinja", "tokenizer_config.json"};
    bool sentencepiece = size % 2 != 0;
    const struct tokenizer_section *tokenizer = tokenizer_bytes(sentencepiece);
    struct chat_section chat;
    struct container_chat read;
    tercet_error error = {0};
    memory_folder_fill(names, 2, data, size);
    tercet_status status =
        chat_section_from_folder(tokenizer->bytes, tokenizer->count, tokenizer->token_count, NULL,
                                 MEMORY_FOLDER, &chat, &error);
    if (status != TERCET_OK) {
        PROMISE(error.status == status && error.detail[0] != '\0' && chat.bytes == NULL);
        return 0;
    }
    PROMISE(memchr(chat.note, 0, sizeof chat.note) != NULL);
    if (chat.bytes == NULL) {
        PROMISE(chat.format[0] == '\0');
        return 0;
    }
    uint8_t *block = aligned_alloc(64, (chat.count + 63) / 64 * 64);
    PROMISE(block != NULL && chat.format[0] != '\0' && chat.note[0] == '\0');
    memcpy(block, chat.bytes, chat.count);
    const struct section section = {{block, chat.count}, 0, "CHAT"};
    PROMISE(container_read_chat(&section, chat_tables(sentencepiece), &read, &error) == TERCET_OK);
    PROMISE(strcmp(read.name, chat.format) == 0);
    free(block);
    chat_section_free(&chat);
    return 0;
}
