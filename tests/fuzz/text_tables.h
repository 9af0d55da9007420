/*
 * text_tables.h: small tokenizers of each kind for fuzz targets, 280 tokens each, made as the packer makes them. For targets
 * that include it once.
 */
#ifndef TERCET_TESTS_FUZZ_TEXT_TABLES_H
#define TERCET_TESTS_FUZZ_TEXT_TABLES_H

#include "promise.h"
#include "tokenizer_fixture.h"

enum { TABLES = 8, WORDS_AT = 256, CHOOSE_FORM = 32 };

/* Tokens 0..255 stand for the bytes, then words, merges for every cut of a word, and specials. */
static inline void make_tables(struct tokenizer_fixture *fixture, uint32_t kind, uint32_t splitter,
                               uint32_t flags, bool specials) {
    static const char *const words[] = {"th",        "he",   "the", " t",  " the", "  ",
                                        "    ",      "\n\n", "aa",  "aaa", "aaaa", "\xC3\xA9",
                                        "e\xC3\xA9", "'s",   "ll",  "'ll"};
    enum { WORDS = sizeof words / sizeof words[0] };
    struct tokenizer_builder builder;
    uint32_t next = WORDS_AT;
    tercet_status status = tokenizer_builder_open(&builder, "fuzz", 400, NULL);
    builder.kind = kind;
    builder.splitter = splitter;
    builder.flags = flags;
    builder.beginning = 0;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint8_t text = (uint8_t)byte;
        bool is_byte = kind == TOKENIZER_SENTENCEPIECE;
        status |= tokenizer_builder_add(&builder, byte, &text, 1,
                                        is_byte ? TOKEN_BYTE : TOKEN_NORMAL, !is_byte, NULL);
    }
    for (uint32_t i = 0; i < WORDS; i++) {
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)words[i],
                                        strlen(words[i]), TOKEN_NORMAL, true, NULL);
    }
    if (kind == TOKENIZER_SENTENCEPIECE) { /* its characters need tokens beside the byte tokens */
        for (const char *c = " aehlst'\n"; *c != '\0'; c++) {
            status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)c, 1, TOKEN_NORMAL,
                                            true, NULL);
        }
    }
    if (specials) {
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)"<|end|>", 7,
                                        TOKEN_CONTROL, false, NULL);
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)"<|end", 5,
                                        TOKEN_USER_DEFINED, false, NULL);
    }
    status |= tokenizer_builder_index(&builder, NULL);
    for (uint32_t i = 0; i < WORDS; i++) {
        const uint8_t *word = (const uint8_t *)words[i];
        for (size_t cut = 1, bytes = strlen(words[i]); cut < bytes; cut++) {
            uint32_t left = tokenizer_builder_find(&builder, word, cut);
            uint32_t right = tokenizer_builder_find(&builder, word + cut, bytes - cut);
            if (left != TERCET_NO_TOKEN && right != TERCET_NO_TOKEN) {
                status |= tokenizer_builder_add_merge(&builder, left, right, i / 2, NULL);
            }
        }
    }
    status |= fixture_from_builder(fixture, &builder, NULL);
    PROMISE(status == TERCET_OK);
}

static inline void make_all_tables(struct tokenizer_fixture *fixtures, uint32_t more) {
    const uint32_t prefix = TOKENIZER_FLAG_ADD_PREFIX_SPACE, bytes = TOKENIZER_FLAG_BYTE_FALLBACK;
    make_tables(&fixtures[0], TOKENIZER_BYTE_BPE, SPLITTER_GPT2, more, true);
    make_tables(&fixtures[1], TOKENIZER_BYTE_BPE, SPLITTER_LLAMA3,
                more | TOKENIZER_FLAG_IGNORE_MERGES, true);
    make_tables(&fixtures[2], TOKENIZER_BYTE_BPE, SPLITTER_QWEN2,
                more | TOKENIZER_FLAG_ADD_BEGINNING, false);
    make_tables(&fixtures[3], TOKENIZER_BYTE_BPE, SPLITTER_NONE, more, true);
    make_tables(&fixtures[4], TOKENIZER_SENTENCEPIECE, SPLITTER_NONE,
                more | prefix | bytes | TOKENIZER_FLAG_PREFIX_EVERY_PART, false);
    make_tables(&fixtures[5], TOKENIZER_SENTENCEPIECE, SPLITTER_NONE,
                more | prefix | TOKENIZER_FLAG_PREFIX_IF_MISSING, true);
    make_tables(&fixtures[6], TOKENIZER_SENTENCEPIECE, SPLITTER_NONE, more | bytes, true);
    make_tables(&fixtures[7], TOKENIZER_SENTENCEPIECE, SPLITTER_NONE, more, false);
}

/* One of 16, by the lowest three bits and CHOOSE_FORM. */
static inline const struct tokenizer_fixture *text_tables(uint32_t choice) {
    static struct tokenizer_fixture fixtures[2][TABLES];
    if (fixtures[0][0].memory == NULL) {
        make_all_tables(fixtures[0], 0);
        make_all_tables(fixtures[1], TOKENIZER_FLAG_NFC);
    }
    return &fixtures[(choice & CHOOSE_FORM) != 0][choice % TABLES];
}

#endif
