/* fuzz_chat_text.c - any bytes as a conversation, over a small vocabulary in each format.
 *
 * The first byte chooses tables, format and flags; the rest are messages, each a byte for its role, a byte for its length
 * and its text. Whatever it is: an answer, no access outside, exactly the special tokens that the format brings, and their
 * number does not depend on what the messages say.
 */
#include "text/chat_format.h"
#include "text/chat_text.h"
#include "tokenizer_fixture.h"

enum { FIRST_SPECIAL = 256, MESSAGES_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "fuzz_chat_text: %s\n", what);
        abort();
    }
}

static const struct container_tokenizer *tables_of(bool sentencepiece) {
    static const char *const specials[] = {
        "<|im_start|>",    "<|im_end|>", "<|endoftext|>",       "<|begin_of_text|>",
        "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"};
    static const char *const visible[] = {"<think>", "</think>", "<|tool|>"};
    static struct tokenizer_fixture fixtures[2];
    struct tokenizer_fixture *fixture = &fixtures[sentencepiece];
    if (fixture->memory != NULL) {
        return &fixture->tables;
    }
    struct tokenizer_builder builder;
    tercet_status status = tokenizer_builder_open(&builder, "fuzz", 300, NULL);
    builder.kind = sentencepiece ? TOKENIZER_SENTENCEPIECE : TOKENIZER_BYTE_BPE;
    builder.splitter = sentencepiece ? SPLITTER_NONE : SPLITTER_QWEN2;
    builder.flags = sentencepiece ? TOKENIZER_FLAG_ADD_PREFIX_SPACE | TOKENIZER_FLAG_BYTE_FALLBACK
                                  : TOKENIZER_FLAG_ADD_BEGINNING | TOKENIZER_FLAG_NFC;
    builder.beginning = FIRST_SPECIAL + 3;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint8_t text = (uint8_t)byte;
        status |=
            tokenizer_builder_add(&builder, byte, &text, 1,
                                  sentencepiece ? TOKEN_BYTE : TOKEN_NORMAL, !sentencepiece, NULL);
    }
    uint32_t next = FIRST_SPECIAL;
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)specials[i],
                                        strlen(specials[i]), TOKEN_CONTROL, false, NULL);
    }
    for (size_t i = 0; i < sizeof visible / sizeof *visible; i++) {
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)visible[i],
                                        strlen(visible[i]), TOKEN_USER_DEFINED, false, NULL);
    }
    if (sentencepiece) {
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)" ", 1, TOKEN_NORMAL,
                                        true, NULL);
    }
    status |= tokenizer_builder_index(&builder, NULL);
    status |= fixture_from_builder(fixture, &builder, NULL);
    must(status == TERCET_OK, "the tables are refused");
    return &fixture->tables;
}

/* Tokens that the format owns, in what it gives for these messages; SIZE_MAX if they are refused. */
static size_t count_specials(const struct container_tokenizer *tables,
                             const struct container_chat *chat, const tercet_chat_message *messages,
                             size_t count, uint32_t flags) {
    struct chat_text text;
    tercet_error error = {TERCET_OK, 0, ""};
    tercet_status status = chat_text_measure(tables, chat, messages, count, flags, &text, &error);
    if (status != TERCET_OK) {
        must(status == error.status && error.detail[0] != '\0', "an error without a sentence");
        return SIZE_MAX;
    }
    size_t token_count = 0, again = 0, capacity = 3 * text.text_bytes + text.mark_count + 1;
    uint32_t *tokens = malloc(capacity * sizeof *tokens);
    void *scratch = malloc(text.scratch_bytes);
    must(tokens != NULL && scratch != NULL, "out of memory");
    status = chat_text_encode(&text, tokens, capacity, &token_count, scratch, &error);
    must(status == TERCET_OK && token_count <= capacity, "the measured conversation is refused");
    status = chat_text_encode(&text, NULL, 0, &again, scratch, &error);
    must(again == token_count, "asking for the number gives another number");
    size_t specials = 0;
    for (size_t i = 0; i < token_count; i++) {
        must(tokens[i] < tables->token_count, "a token is out of range");
        bool owned = tokens[i] >= FIRST_SPECIAL && tokens[i] < FIRST_SPECIAL + 8;
        for (uint32_t s = 0; s < chat->part_ends[CHAT_PARTS - 1]; s++) {
            owned = owned || chat->segments[(size_t)s * CHAT_SEGMENT_FIELDS] == tokens[i];
        }
        specials += owned;
    }
    free(scratch);
    free(tokens);
    return specials;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const struct container_tokenizer *tables = tables_of((data[0] & 1) != 0);
    struct chat_known known;
    uint32_t formats = 0;
    while (chat_format_name(formats) != NULL) {
        formats++;
    }
    const char *name = chat_format_name((data[0] >> 2) % formats);
    must(chat_format_build(tables, name, &known, NULL) == TERCET_OK, "a known format is refused");
    tercet_chat_message messages[MESSAGES_MAX], empty[MESSAGES_MAX];
    char *texts[MESSAGES_MAX];
    size_t count = 0;
    for (size_t at = 1; at + 2 <= size && count < MESSAGES_MAX; count++) {
        size_t left = size - at - 2, bytes = data[at + 1] < left ? data[at + 1] : left;
        texts[count] = malloc(bytes == 0 ? 1 : bytes);
        must(texts[count] != NULL, "out of memory");
        memcpy(texts[count], data + at + 2, bytes);
        messages[count] = (tercet_chat_message){data[at] % 4, texts[count], bytes};
        empty[count] = (tercet_chat_message){data[at] % 4, NULL, 0};
        at += 2 + bytes;
    }
    uint32_t flags = data[0] >> 1 & TERCET_CHAT_NO_THINKING;
    size_t specials = count_specials(tables, &known.chat, messages, count, flags);
    size_t bare = count_specials(tables, &known.chat, empty, count, flags);
    must(specials == SIZE_MAX || specials == bare, "a text has brought special tokens");
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    return 0;
}
