/*
 * tokenizer_target.h: what the targets of tokenizer files share. A tokenizer that the packer accepts must be one that the core
 * accepts and that can be used: texts become tokens of the vocabulary, tokens become UTF-8. For one target, which includes
 * it once.
 */
#ifndef TERCET_TESTS_FUZZ_TOKENIZER_TARGET_H
#define TERCET_TESTS_FUZZ_TOKENIZER_TARGET_H

#include "core/container/container_consistency.h"
#include "promise.h"
#include "text/utf8.h"
#include "tokenizer_fixture.h"

static inline void use_text(const struct tokenizer_fixture *fixture, const char *text,
                            uint32_t flags) {
    size_t count = 0, bytes = 0;
    tercet_error error = {0};
    uint32_t *tokens = fixture_encode(fixture, text, strlen(text), flags, &count, &error);
    PROMISE(tokens != NULL);
    for (size_t i = 0; i < count; i++) {
        PROMISE(tokens[i] < fixture->tables.token_count);
    }
    char *again = fixture_decode(fixture, tokens, count, &bytes, &error);
    PROMISE(again != NULL && utf8_valid_prefix((const uint8_t *)again, bytes) == bytes);
    free(again);
    free(tokens);
}

static inline void use_tokenizer(const struct tokenizer_fixture *fixture) {
    /* U+2581, two ways to write one letter, a letter of four bytes, a control character. */
    static const char *const texts[] = {"", "The cat's  tail.\n\n1234 <|end|>",
                                        (" \xE2\x96\x81\xC3\xA9"
                                         "e\xCC\x81\xF0\x9F\x98\x80\x01[CLS]")};
    const struct container_tokenizer *tables = &fixture->tables;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        use_text(fixture, texts[i], 0);
        use_text(fixture, texts[i], TERCET_TEXT_ADD_BEGINNING | TERCET_TEXT_PARSE_SPECIAL);
    }
    uint32_t most = tables->token_count < 64 ? tables->token_count : 64, tokens[64];
    for (uint32_t i = 0; i < most; i++) {
        tokens[i] = tables->token_count - 1 - i;
    }
    size_t bytes = 0;
    char *text = fixture_decode(fixture, tokens, most, &bytes, NULL);
    PROMISE(text != NULL && utf8_valid_prefix((const uint8_t *)text, bytes) == bytes);
    free(text);
}

/* Takes the section over. */
static inline void use_section(struct tokenizer_section *section) {
    struct tokenizer_fixture fixture;
    uint64_t bytes = section->count;
    uint32_t count = section->token_count;
    PROMISE(section->end_token == TERCET_NO_TOKEN || section->end_token < count);
    PROMISE(fixture_from_section(&fixture, section, NULL) == TERCET_OK);
    PROMISE(fixture.tables.token_count == count);
    PROMISE(tokenizer_inconsistency_(&fixture.tables, fixture.memory, bytes) == NULL);
    use_tokenizer(&fixture);
    fixture_free(&fixture);
}

/* What a folder's files give. */
static inline void read_folder_tokenizer(const char *folder, uint32_t vocabulary,
                                         uint32_t beginning) {
    struct tokenizer_section section;
    tercet_error error = {0};
    tercet_status status = tokenizer_section_build(folder, vocabulary, beginning, &section, &error);
    if (status == TERCET_OK) {
        use_section(&section);
    } else {
        PROMISE(error.status == status && error.detail[0] != '\0' && section.bytes == NULL);
    }
}

#endif
