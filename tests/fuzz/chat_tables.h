/*
 * chat_tables.h: a vocabulary with the special tokens of every known chat format, for fuzz targets, and what must hold of a
 * conversation that is encoded with it. For targets that include it once.
 */
#ifndef TERCET_TESTS_FUZZ_CHAT_TABLES_H
#define TERCET_TESTS_FUZZ_CHAT_TABLES_H

#include "promise.h"
#include "text/chat_text.h"
#include "tokenizer_fixture.h"

enum { FIRST_SPECIAL = 256 };

/* A TOKENIZER section: the bytes, the special tokens from FIRST_SPECIAL on, a few that are no control tokens. */
static inline void chat_tokenizer(bool sentencepiece, struct tokenizer_section *section) {
    static const char *const specials[] = {
        "<|im_start|>",    "<|im_end|>", "<|endoftext|>",       "<|begin_of_text|>",
        "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"};
    static const char *const visible[] = {"<think>", "</think>", "<|tool|>"};
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
    status |= tokenizer_builder_finish(&builder, section, NULL);
    PROMISE(status == TERCET_OK);
    tokenizer_builder_close(&builder);
}

static inline const struct container_tokenizer *chat_tables(bool sentencepiece) {
    static struct tokenizer_fixture fixtures[2];
    struct tokenizer_fixture *fixture = &fixtures[sentencepiece];
    if (fixture->memory == NULL) {
        struct tokenizer_section section;
        chat_tokenizer(sentencepiece, &section);
        PROMISE(fixture_from_section(fixture, &section, NULL) == TERCET_OK);
    }
    return &fixture->tables;
}

/* Tokens that the format owns, in what it gives for these messages; SIZE_MAX if they are refused. */
static inline size_t chat_specials(const struct container_tokenizer *tables,
                                   const struct container_chat *chat,
                                   const tercet_chat_message *messages, size_t count,
                                   uint32_t flags) {
    struct chat_text text;
    tercet_error error = {TERCET_OK, 0, ""};
    tercet_status status = chat_text_measure(tables, chat, messages, count, flags, &text, &error);
    if (status != TERCET_OK) {
        PROMISE(status == error.status && error.detail[0] != '\0');
        return SIZE_MAX;
    }
    size_t token_count = 0, again = 0, capacity = 3 * text.text_bytes + text.mark_count + 1;
    uint32_t *tokens = malloc(capacity * sizeof *tokens);
    void *scratch = malloc(text.scratch_bytes);
    PROMISE(tokens != NULL && scratch != NULL);
    status = chat_text_encode(&text, tokens, capacity, &token_count, scratch, &error);
    PROMISE(status == TERCET_OK && token_count <= capacity);
    status = chat_text_encode(&text, NULL, 0, &again, scratch, &error);
    PROMISE(again == token_count);
    size_t specials = 0;
    for (size_t i = 0; i < token_count; i++) {
        PROMISE(tokens[i] < tables->token_count);
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

#endif
