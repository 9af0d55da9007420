/* tokenizer_fixture.h - tokenizer tables for tests: from a folder or a builder, through the reader.
 *
 * Why it exists: what the packer lays out must be what the core reads, so tests take their tables
 * the way a model does: section bytes, then container_read_tokenizer. It must never hand over tables
 * that the reader refused.
 */
#ifndef TERCET_TESTS_TOKENIZER_FIXTURE_H
#define TERCET_TESTS_TOKENIZER_FIXTURE_H

#include "container/container_sections.h"
#include "text/tokenizer.h"
#include "tokenizer_builder.h"
#include "tokenizer_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tokenizer_fixture {
    uint8_t *memory; /* aligned to 64, as a header is */
    struct container_tokenizer tables;
};

/* Takes the section over and frees it. */
static inline tercet_status fixture_from_section(struct tokenizer_fixture *fixture,
                                                 struct tokenizer_section *section,
                                                 tercet_error *error) {
    fixture->memory = aligned_alloc(64, (section->count + 63) / 64 * 64);
    if (fixture->memory == NULL) {
        abort();
    }
    memcpy(fixture->memory, section->bytes, section->count);
    const struct section window = {{fixture->memory, section->count}, 0, "TOKENIZER"};
    tercet_status status =
        container_read_tokenizer(&window, section->token_count, &fixture->tables, error);
    tokenizer_section_free(section);
    return status;
}

static inline tercet_status fixture_from_folder(struct tokenizer_fixture *fixture,
                                                const char *folder, uint32_t vocabulary,
                                                uint32_t bos, tercet_error *error) {
    struct tokenizer_section section;
    fixture->memory = NULL;
    TERCET_TRY(tokenizer_section_build(folder, vocabulary, bos, &section, error));
    return fixture_from_section(fixture, &section, error);
}

/* Closes the builder. */
static inline tercet_status fixture_from_builder(struct tokenizer_fixture *fixture,
                                                 struct tokenizer_builder *builder,
                                                 tercet_error *error) {
    struct tokenizer_section section;
    fixture->memory = NULL;
    tercet_status status = tokenizer_builder_finish(builder, &section, error);
    if (status == TERCET_OK) {
        status = fixture_from_section(fixture, &section, error);
    }
    tokenizer_builder_close(builder);
    return status;
}

static inline void fixture_free(struct tokenizer_fixture *fixture) {
    free(fixture->memory);
    fixture->memory = NULL;
}

/* Ids of a text, malloc'ed, [*count]; scratch is a block of exactly the size that was asked for, so that a sanitizer
 * sees one byte too many. NULL and an error when encoding fails. */
static inline uint32_t *fixture_encode(const struct tokenizer_fixture *fixture, const char *text,
                                       size_t bytes, uint32_t flags, size_t *count,
                                       tercet_error *error) {
    size_t scratch_bytes = tokenizer_scratch_bytes(&fixture->tables, text, bytes);
    void *scratch = malloc(scratch_bytes);
    /* A byte gives at most one token; one space and the beginning may come in front. */
    size_t capacity =
        (size_t)tokenizer_formed_bytes(&fixture->tables, (const uint8_t *)text, bytes) + 2;
    uint32_t *tokens = malloc(capacity * sizeof *tokens);
    if (scratch == NULL || tokens == NULL) {
        abort();
    }
    tercet_status status = tokenizer_encode(&fixture->tables, text, bytes, flags, tokens, capacity,
                                            count, scratch, error);
    free(scratch);
    if (status != TERCET_OK) {
        free(tokens);
        return NULL;
    }
    return tokens;
}

/* Text of tokens, malloc'ed, NUL-terminated, [*bytes]; NULL when decoding fails. */
static inline char *fixture_decode(const struct tokenizer_fixture *fixture, const uint32_t *tokens,
                                   size_t count, size_t *bytes, tercet_error *error) {
    tercet_status status = tokenizer_decode(&fixture->tables, tokens, count, NULL, 0, bytes, error);
    if (status != TERCET_OK && status != TERCET_BAD_ARGUMENT) {
        return NULL;
    }
    char *text = malloc(*bytes + 1);
    if (text == NULL) {
        abort();
    }
    size_t capacity = *bytes;
    status = tokenizer_decode(&fixture->tables, tokens, count, text, capacity, bytes, error);
    if (status != TERCET_OK) {
        free(text);
        return NULL;
    }
    text[*bytes] = '\0';
    return text;
}

#endif
