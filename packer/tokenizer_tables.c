/*
 * tokenizer_tables.c: see tokenizer_tables.h. Chooses the file and decides about the beginning-of-text token; the rest is
 * tokenizer_json, folder_sentencepiece and tokenizer_builder.
 */
#include "tokenizer_tables.h"

#include "folder_sentencepiece.h"
#include "json.h"
#include "source_file.h"
#include "tokenizer_bin.h"
#include "tokenizer_builder.h"
#include "tokenizer_json.h"
#include "vocab_merges.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_NAME "tokenizer_config.json"
#define CONFIG_BYTES_MAX (16u << 20) /* it may hold chat templates and a list of all added tokens */

struct beginning_choice {
    bool decided, add; /* add_bos_token is there; its value */
    const char *text;  /* bos_token, or NULL */
};

/* bos_token is a string or an object that holds it as "content". */
static tercet_status read_beginning_choice(const struct json_document *config,
                                           struct beginning_choice *choice, tercet_error *error) {
    const cJSON *item = NULL;
    bool add_end = false;
    *choice = (struct beginning_choice){false, false, NULL};
    if (config->root == NULL) {
        return TERCET_OK;
    }
    TERCET_TRY(json_get(config, config->root, "add_bos_token", JSON_OPTIONAL, &item, error));
    choice->decided = item != NULL && cJSON_IsBool(item);
    choice->add = choice->decided && cJSON_IsTrue(item);
    TERCET_TRY(
        json_get_bool(config, config->root, "add_eos_token", JSON_OPTIONAL, &add_end, error));
    if (add_end) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           CONFIG_NAME ": add_eos_token is not supported yet");
    }
    item = NULL;
    TERCET_TRY(json_get(config, config->root, "bos_token", JSON_OPTIONAL, &item, error));
    if (item != NULL && cJSON_IsObject(item)) {
        return json_get_string(config, item, "content", JSON_REQUIRED, &choice->text, error);
    }
    return json_get_string(config, config->root, "bos_token", JSON_OPTIONAL, &choice->text, error);
}

/* The special token with that text, or TERCET_NO_TOKEN. */
static uint32_t find_special(const struct tokenizer_builder *builder, const char *text) {
    size_t bytes = strlen(text);
    for (uint32_t id = 0; id < builder->token_count; id++) {
        const struct builder_token *token = &builder->tokens[id];
        if ((token->kind == TOKEN_CONTROL || token->kind == TOKEN_USER_DEFINED ||
             token->kind == TOKEN_UNKNOWN) &&
            token->bytes == bytes && memcmp(builder->texts + token->offset, text, bytes) == 0) {
            return id;
        }
    }
    return TERCET_NO_TOKEN;
}

/* In falling order: what the tokenizer file says, tokenizer_config.json's bos_token, config.json's bos_token_id. Whether it
 * is put in front: add_bos_token if there, else what the tokenizer file does. */
static tercet_status decide_beginning(struct tokenizer_builder *builder, bool file_adds,
                                      const struct beginning_choice *choice, uint32_t bos,
                                      tercet_error *error) {
    if (builder->beginning == TERCET_NO_TOKEN && choice->text != NULL) {
        builder->beginning = find_special(builder, choice->text);
    }
    if (builder->beginning == TERCET_NO_TOKEN && bos != TERCET_NO_TOKEN) {
        if (bos >= builder->token_count) {
            return tercet_fail(error, TERCET_BAD_SOURCE, bos,
                               "config.json: bos_token_id is %u, but there are only %u tokens", bos,
                               builder->token_count);
        }
        builder->beginning = bos;
    }
    bool add = choice->decided ? choice->add : file_adds;
    if (add && builder->beginning == TERCET_NO_TOKEN) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           CONFIG_NAME ": add_bos_token is true, but no file names the token");
    }
    builder->flags &= ~TOKENIZER_FLAG_ADD_BEGINNING;
    builder->flags |= add ? TOKENIZER_FLAG_ADD_BEGINNING : 0u;
    return TERCET_OK;
}

static tercet_status build(const char *folder, uint32_t vocabulary, uint32_t bos,
                           const struct json_document *config, struct tokenizer_builder *builder,
                           struct tokenizer_section *section, tercet_error *error) {
    struct beginning_choice choice;
    bool file_adds;
    TERCET_TRY(read_beginning_choice(config, &choice, error));
    bool sentencepiece = source_file_exists(folder, "tokenizer.model");
    bool json = source_file_exists(folder, "tokenizer.json");
    if (json || (!sentencepiece && (vocab_merges_exist(folder) || tokenizer_bin_exists(folder)))) {
        if (!json) {
            TERCET_TRY(vocab_merges_check(config, error));
        }
        TERCET_TRY(tokenizer_json_read(folder, vocabulary, builder, error));
        file_adds = (builder->flags & TOKENIZER_FLAG_ADD_BEGINNING) != 0;
    } else if (sentencepiece) {
        TERCET_TRY(folder_sentencepiece_read(folder, vocabulary, config, builder, error));
        /* Nothing in the file says so; transformers' tokenizer for such files does it unless told otherwise. */
        file_adds = builder->beginning != TERCET_NO_TOKEN;
    } else {
        return tercet_fail(
            error, TERCET_FILE_NOT_FOUND, 0,
            "%s has no tokenizer.json, no tokenizer.model, and not both vocab.json and "
            "merges.txt",
            folder);
    }
    TERCET_TRY(decide_beginning(builder, file_adds, &choice, bos, error));
    section->end_token =
        find_special(builder, builder->kind == TOKENIZER_WORDPIECE ? "[SEP]" : "<|endoftext|>");
    return tokenizer_builder_finish(builder, section, error);
}

tercet_status tokenizer_section_build(const char *folder, uint32_t vocabulary, uint32_t bos,
                                      struct tokenizer_section *section, tercet_error *error) {
    struct json_document config = {NULL, CONFIG_NAME};
    struct tokenizer_builder builder;
    memset(section, 0, sizeof *section);
    memset(&builder, 0, sizeof builder);
    if (source_file_exists(folder, CONFIG_NAME)) {
        TERCET_TRY(json_load(folder, CONFIG_NAME, CONFIG_BYTES_MAX, &config, error));
    }
    tercet_status status = build(folder, vocabulary, bos, &config, &builder, section, error);
    tokenizer_builder_close(&builder);
    json_free(&config);
    return status;
}

void tokenizer_section_free(struct tokenizer_section *section) {
    free(section->bytes);
    section->bytes = NULL;
    section->count = 0;
}
