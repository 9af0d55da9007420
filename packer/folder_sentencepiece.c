/*
 * folder_sentencepiece.c: see folder_sentencepiece.h.
 */
#include "folder_sentencepiece.h"

#include "source_file.h"
#include "tokenizer_sentencepiece.h"

#include <stdlib.h>
#include <string.h>

#define FILE_NAME "tokenizer.model"

/* tokenizer_config.json lists tokens that were added behind the pieces; those among the pieces it only repeats. */
static tercet_status add_config_tokens(struct tokenizer_builder *builder, uint32_t pieces,
                                       const struct json_document *config, tercet_error *error) {
    const cJSON *list = NULL;
    if (config->root == NULL) {
        return TERCET_OK;
    }
    TERCET_TRY(
        json_get_object(config, config->root, "added_tokens_decoder", JSON_OPTIONAL, &list, error));
    for (const cJSON *item = list != NULL ? list->child : NULL; item != NULL; item = item->next) {
        const char *content = NULL;
        bool special = false, lstrip = false, rstrip = false, single_word = false;
        char *end;
        unsigned long long id = strtoull(item->string, &end, 10);
        if (item->string[0] < '0' || item->string[0] > '9' || *end != '\0') {
            return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                               "%s: the key \"%s\" of added_tokens_decoder is not an id",
                               config->file, item->string);
        }
        if (id < pieces) {
            continue;
        }
        TERCET_TRY(json_get_string(config, item, "content", JSON_REQUIRED, &content, error));
        TERCET_TRY(json_get_bool(config, item, "special", JSON_OPTIONAL, &special, error));
        TERCET_TRY(json_get_bool(config, item, "lstrip", JSON_OPTIONAL, &lstrip, error));
        TERCET_TRY(json_get_bool(config, item, "rstrip", JSON_OPTIONAL, &rstrip, error));
        TERCET_TRY(json_get_bool(config, item, "single_word", JSON_OPTIONAL, &single_word, error));
        if (lstrip || rstrip || single_word) {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                               "%s: the added token \"%s\" needs lstrip, rstrip or single_word, "
                               "which are not supported yet",
                               config->file, content);
        }
        TERCET_TRY(tokenizer_builder_add(
            builder, id < UINT32_MAX ? (uint32_t)id : UINT32_MAX, (const uint8_t *)content,
            strlen(content), special ? TOKEN_CONTROL : TOKEN_USER_DEFINED, false, error));
    }
    return TERCET_OK;
}

static tercet_status fill(struct tokenizer_builder *builder,
                          const struct sentencepiece_model *model,
                          const struct json_document *config, tercet_error *error) {
    TERCET_TRY(tokenizer_sentencepiece_fill(builder, model, error));
    TERCET_TRY(add_config_tokens(builder, model->count, config, error));
    return tokenizer_sentencepiece_finish(builder, model, error);
}

tercet_status folder_sentencepiece_read(const char *folder, uint32_t vocabulary,
                                        const struct json_document *config,
                                        struct tokenizer_builder *builder, tercet_error *error) {
    uint8_t *bytes = NULL;
    size_t count = 0;
    struct sentencepiece_model model;
    TERCET_TRY(tokenizer_builder_open(builder, FILE_NAME, vocabulary, error));
    TERCET_TRY(
        source_file_read(folder, FILE_NAME, TOKENIZER_MODEL_BYTES_MAX, &bytes, &count, error));
    tercet_status status = sentencepiece_read(FILE_NAME, bytes, count, &model, error);
    if (status == TERCET_OK) {
        status = fill(builder, &model, config, error);
        sentencepiece_free(&model);
    }
    free(bytes);
    return status;
}
