/*
 * source_vocabulary.c: see source_vocabulary.h.
 */
#define _POSIX_C_SOURCE 200809L
#include "source_vocabulary.h"

#include "../core/container/container_sections.h"
#include "../core/text/tokenizer.h"
#include "json.h"
#include "read_gguf.h"
#include "source_file.h"
#include "tokenizer_gguf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_FILE "config.json"
#define CONFIG_FILE_BYTES_MAX (16u << 20)
#define TABLE_ALIGNMENT 64u

bool source_vocabulary_is_source(const char *path) {
    struct stat info;
    return gguf_is_file(path) || (stat(path, &info) == 0 && S_ISDIR(info.st_mode));
}

/* The file may be without tensors, and of an architecture that is not run. */
static tercet_status build_from_gguf(const char *path, struct tokenizer_section *section,
                                     tercet_error *error) {
    struct gguf_file file;
    struct source_weights weights;
    TERCET_TRY(gguf_open(path, &file, &weights, error));
    tercet_status status = tokenizer_gguf_build(&file.header, 0, section, error);
    section->source = NULL; /* a name in the header, which goes */
    source_weights_close(&weights);
    gguf_close(&file);
    return status;
}

/* How many rows the model has for tokens, and which token begins a text: where there is a config.json that says so. */
static tercet_status read_config(const char *folder, uint32_t *rows, uint32_t *beginning,
                                 tercet_error *error) {
    struct json_document config;
    const cJSON *value = NULL;
    uint64_t token;
    *rows = LIMIT_VOCABULARY;
    *beginning = TERCET_NO_TOKEN;
    if (!source_file_exists(folder, CONFIG_FILE)) {
        return TERCET_OK;
    }
    TERCET_TRY(json_load(folder, CONFIG_FILE, CONFIG_FILE_BYTES_MAX, &config, error));
    tercet_status status = json_get_u32(&config, config.root, "vocab_size", JSON_OPTIONAL,
                                        LIMIT_VOCABULARY, rows, error);
    if (status == TERCET_OK) {
        status = json_get(&config, config.root, "bos_token_id", JSON_OPTIONAL, &value, error);
    }
    if (status == TERCET_OK && value != NULL && json_take_u64(value, *rows - 1, &token)) {
        *beginning = (uint32_t)token;
    }
    json_free(&config);
    return status;
}

static tercet_status build_from_folder(const char *folder, struct tokenizer_section *section,
                                       tercet_error *error) {
    uint32_t rows, beginning;
    TERCET_TRY(read_config(folder, &rows, &beginning, error));
    return tokenizer_section_build(folder, rows, beginning, section, error);
}

tercet_status source_vocabulary_take(const struct tokenizer_section *section,
                                     struct source_vocabulary *vocabulary, tercet_error *error) {
    /* An address that the container's reader can point into. */
    size_t room = (section->count + TABLE_ALIGNMENT - 1) / TABLE_ALIGNMENT * TABLE_ALIGNMENT;
    vocabulary->memory = aligned_alloc(TABLE_ALIGNMENT, room);
    if (vocabulary->memory == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, room, "no memory for the vocabulary");
    }
    memcpy(vocabulary->memory, section->bytes, section->count);
    const struct section window = {{vocabulary->memory, section->count}, 0, "TOKENIZER"};
    tercet_status status =
        container_read_tokenizer(&window, section->token_count, &vocabulary->tables, error);
    if (status != TERCET_OK) {
        source_vocabulary_close(vocabulary);
    }
    return status;
}

tercet_status source_vocabulary_open(const char *path, struct source_vocabulary *vocabulary,
                                     tercet_error *error) {
    struct tokenizer_section section;
    memset(vocabulary, 0, sizeof *vocabulary);
    memset(&section, 0, sizeof section);
    tercet_status status = gguf_is_file(path) ? build_from_gguf(path, &section, error)
                                              : build_from_folder(path, &section, error);
    if (status == TERCET_OK) {
        status = source_vocabulary_take(&section, vocabulary, error);
    }
    tokenizer_section_free(&section);
    return status;
}

void source_vocabulary_close(struct source_vocabulary *vocabulary) {
    free(vocabulary->memory);
    memset(vocabulary, 0, sizeof *vocabulary);
}

tercet_status source_vocabulary_encode(const struct source_vocabulary *vocabulary, const char *text,
                                       size_t bytes, uint32_t flags, uint32_t **tokens,
                                       size_t *count, tercet_error *error) {
    const uint64_t formed =
        tokenizer_formed_bytes(&vocabulary->tables, (const uint8_t *)text, bytes);
    size_t capacity = (size_t)formed + 2; /* at most the bytes, a space and a beginning */
    void *scratch = malloc(tokenizer_formed_scratch_bytes(&vocabulary->tables, formed) + 1);
    tercet_status status = TERCET_OK;
    *tokens = malloc(capacity * sizeof **tokens);
    if (*tokens == NULL || scratch == NULL) {
        status = tercet_fail(error, TERCET_OUT_OF_MEMORY, bytes, "no memory to tokenize the text");
    } else {
        status = tokenizer_encode(&vocabulary->tables, text, bytes, flags, *tokens, capacity, count,
                                  scratch, error);
    }
    free(scratch);
    if (status != TERCET_OK) {
        free(*tokens);
        *tokens = NULL;
    }
    return status;
}

tercet_status source_vocabulary_decode(const struct source_vocabulary *vocabulary,
                                       const uint32_t *tokens, size_t count, char *text,
                                       size_t capacity, size_t *bytes, tercet_error *error) {
    return tokenizer_decode(&vocabulary->tables, tokens, count, text, capacity, bytes, error);
}

bool source_vocabulary_token(const struct source_vocabulary *vocabulary, uint32_t token,
                             const uint8_t **bytes, size_t *count) {
    return tokenizer_token_bytes(&vocabulary->tables, token, bytes, count);
}
