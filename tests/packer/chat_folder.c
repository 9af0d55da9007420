/* chat_folder.c - a tokenizer folder with its chat template and conversations in, token ids out: for tests in JavaScript.
 *
 * Why it exists: real templates and vocabularies come from npm packages, which only node:test files know; what becomes of
 * them must come from the packer's reader of templates and the core's rendering. Conversations are read from standard
 * input, separated by NUL bytes; a message is "s", "u" or "a" and its text, messages are separated by U+001E. The first
 * line of the output is the name of the format (empty: none) or the packer's note, each further one the ids of one
 * conversation, or "! " and the error.
 *
 *   usage: chat_folder FOLDER VOCABULARY [--format NAME] [--no-thinking] < conversations
 */
#include "chat_section.h"
#include "text/chat_text.h"
#include "tokenizer_fixture.h"

enum { MESSAGES_MAX = 64, INPUT_MAX = 1 << 22 };

static uint32_t role_of(char letter) {
    return letter == 's'   ? TERCET_CHAT_SYSTEM
           : letter == 'u' ? TERCET_CHAT_USER
                           : TERCET_CHAT_ASSISTANT;
}

static size_t read_messages(const char *text, size_t bytes, tercet_chat_message *messages) {
    size_t count = 0;
    for (size_t at = 0; at < bytes && count < MESSAGES_MAX;) {
        const char *end = memchr(text + at, 0x1E, bytes - at);
        size_t length = end != NULL ? (size_t)(end - text) - at : bytes - at;
        messages[count++] =
            (tercet_chat_message){role_of(text[at]), text + at + 1, length > 0 ? length - 1 : 0};
        at += length + 1;
    }
    return count;
}

static void show(const struct container_tokenizer *tables, const struct container_chat *chat,
                 const tercet_chat_message *messages, size_t count, uint32_t flags) {
    struct chat_text text;
    tercet_error error = {TERCET_OK, 0, ""};
    size_t token_count = 0;
    if (chat_text_measure(tables, chat, messages, count, flags, &text, &error) != TERCET_OK) {
        printf("! %s %s\n", tercet_status_name(error.status), error.detail);
        return;
    }
    size_t capacity = text.text_bytes + text.mark_count;
    uint32_t *tokens = malloc((capacity + 1) * sizeof *tokens);
    void *scratch = malloc(text.scratch_bytes); /* exactly: a sanitizer sees the end */
    if (tokens == NULL || scratch == NULL ||
        chat_text_encode(&text, tokens, capacity, &token_count, scratch, &error) != TERCET_OK) {
        abort();
    }
    for (size_t i = 0; i < token_count; i++) {
        printf("%s%u", i > 0 ? " " : "", tokens[i]);
    }
    putchar('\n');
    free(scratch);
    free(tokens);
}

int main(int argc, char **argv) {
    const char *name = NULL;
    uint32_t flags = 0;
    if (argc < 3) {
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        flags |= strcmp(argv[i], "--no-thinking") == 0 ? TERCET_CHAT_NO_THINKING : 0u;
        if (strcmp(argv[i], "--format") == 0 && i + 1 < argc) {
            name = argv[++i];
        }
    }
    uint32_t vocabulary = (uint32_t)strtoul(argv[2], NULL, 10);
    struct tokenizer_fixture fixture;
    struct tokenizer_section tokenizer;
    struct chat_section section;
    tercet_error error = {TERCET_OK, 0, ""};
    tercet_status status =
        tokenizer_section_build(argv[1], vocabulary, TERCET_NO_TOKEN, &tokenizer, &error);
    if (status == TERCET_OK) {
        status = chat_section_from_folder(tokenizer.bytes, tokenizer.count, vocabulary, name,
                                          argv[1], &section, &error);
    }
    if (status != TERCET_OK || fixture_from_section(&fixture, &tokenizer, &error) != TERCET_OK) {
        fprintf(stderr, "%s [%s]\n", error.detail, tercet_status_name(error.status));
        return 1;
    }
    printf("%s%s\n", section.format, section.note);
    if (section.bytes == NULL) {
        fixture_free(&fixture);
        return 0;
    }
    /* As a model has it: laid out by the packer, read by the container's reader. */
    uint8_t *aligned = aligned_alloc(64, (section.count + 63) / 64 * 64);
    static char input[INPUT_MAX];
    static tercet_chat_message messages[MESSAGES_MAX];
    struct container_chat chat;
    memcpy(aligned, section.bytes, section.count);
    const struct section window = {{aligned, section.count}, 0, "CHAT"};
    if (container_read_chat(&window, &fixture.tables, &chat, &error) != TERCET_OK) {
        fprintf(stderr, "%s\n", error.detail);
        return 1;
    }
    size_t bytes = fread(input, 1, sizeof input, stdin);
    for (size_t at = 0; at <= bytes;) {
        const char *end = memchr(input + at, '\0', bytes - at);
        size_t length = end != NULL ? (size_t)(end - input) - at : bytes - at;
        show(&fixture.tables, &chat, messages, read_messages(input + at, length, messages), flags);
        at += length + 1;
    }
    chat_section_free(&section);
    free(aligned);
    fixture_free(&fixture);
    return 0;
}
