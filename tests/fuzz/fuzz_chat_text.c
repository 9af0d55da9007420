/* fuzz_chat_text.c - any bytes as a conversation, over a small vocabulary in each format.
 *
 * The first byte chooses tables, format and flags; the rest are messages, each a byte for its role, a byte for its length
 * and its text. Whatever it is: an answer, no access outside, exactly the special tokens that the format brings, and their
 * number does not depend on what the messages say.
 */
#include "chat_tables.h"
#include "text/chat_format.h"

enum { MESSAGES_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const struct container_tokenizer *tables = chat_tables((data[0] & 1) != 0);
    struct chat_known known;
    uint32_t formats = 0;
    while (chat_format_name(formats) != NULL) {
        formats++;
    }
    const char *name = chat_format_name((data[0] >> 2) % formats);
    PROMISE(chat_format_build(tables, name, &known, NULL) == TERCET_OK);
    tercet_chat_message messages[MESSAGES_MAX], empty[MESSAGES_MAX];
    char *texts[MESSAGES_MAX];
    size_t count = 0;
    for (size_t at = 1; at + 2 <= size && count < MESSAGES_MAX; count++) {
        size_t left = size - at - 2, bytes = data[at + 1] < left ? data[at + 1] : left;
        texts[count] = malloc(bytes == 0 ? 1 : bytes);
        PROMISE(texts[count] != NULL);
        memcpy(texts[count], data + at + 2, bytes);
        messages[count] = (tercet_chat_message){data[at] % 4, texts[count], bytes};
        empty[count] = (tercet_chat_message){data[at] % 4, NULL, 0};
        at += 2 + bytes;
    }
    uint32_t flags = data[0] >> 1 & TERCET_CHAT_NO_THINKING;
    size_t specials = chat_specials(tables, &known.chat, messages, count, flags);
    size_t bare = chat_specials(tables, &known.chat, empty, count, flags);
    PROMISE(specials == SIZE_MAX || specials == bare);
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    return 0;
}
