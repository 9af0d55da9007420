/*
 * tokenizer_wordpiece.c: see tokenizer_wordpiece.h. A token that begins a word gets a space in front, "##" comes off one that goes
 * on. Signs that a decoder writes directly behind a word (. , ! ?, its "cleanup") have no space; the tokens "##." and the like, which
 * can never be matched because a sign is a word by itself, are kept out of the way of those.
 */
#include "tokenizer_wordpiece.h"

#include "../core/container/container_reader.h"
#include "../core/text/unicode_folding.h"
#include "../core/text/utf8.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "##"

static tercet_status unsupported(const struct json_document *document, const char *what,
                                 tercet_error *error) {
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                       "%s: a WordPiece tokenizer with %s is not supported: uncased BERT's is",
                       document->file, what);
}

bool tokenizer_wordpiece_is(const struct json_document *document) {
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(document->root, "model");
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(model, "type");
    return cJSON_IsString(type) && strcmp(type->valuestring, "WordPiece") == 0;
}

/* The part of the pipeline with this type; `must` be there. */
static tercet_status read_part(const struct json_document *document, const char *key,
                               const char *want, const cJSON **part, tercet_error *error) {
    const char *type = NULL;
    TERCET_TRY(json_get_object(document, document->root, key, JSON_OPTIONAL, part, error));
    if (*part == NULL) {
        return unsupported(document, "a part missing around it", error);
    }
    TERCET_TRY(json_get_string(document, *part, "type", JSON_REQUIRED, &type, error));
    return strcmp(type, want) == 0 ? TERCET_OK : unsupported(document, type, error);
}

static tercet_status read_switch(const struct json_document *document, const cJSON *object,
                                 const char *key, bool *value, tercet_error *error) {
    *value = true; /* what the library does where nothing is said */
    return json_get_bool(document, object, key, JSON_OPTIONAL, value, error);
}

/* Clean text, Chinese apart, lower case; accents off, which follows lower case where nothing is said. */
static tercet_status check_normalizer(const struct json_document *document, tercet_error *error) {
    static const char *const keys[] = {"clean_text", "handle_chinese_chars", "strip_accents",
                                       "lowercase"};
    const cJSON *normalizer = NULL;
    TERCET_TRY(read_part(document, "normalizer", "BertNormalizer", &normalizer, error));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        bool value;
        TERCET_TRY(read_switch(document, normalizer, keys[i], &value, error));
        if (!value) {
            return unsupported(document, keys[i], error);
        }
    }
    return TERCET_OK;
}

static tercet_status check_model(const struct json_document *document, const cJSON *model,
                                 const char **unknown, tercet_error *error) {
    const cJSON *splitter = NULL;
    const char *prefix = PREFIX;
    uint32_t most = 100;
    TERCET_TRY(read_part(document, "pre_tokenizer", "BertPreTokenizer", &splitter, error));
    TERCET_TRY(json_get_string(document, model, "continuing_subword_prefix", JSON_OPTIONAL, &prefix,
                               error));
    TERCET_TRY(json_get_u32(document, model, "max_input_chars_per_word", JSON_OPTIONAL, UINT32_MAX,
                            &most, error));
    if (strcmp(prefix, PREFIX) != 0) {
        return unsupported(document, "another continuing_subword_prefix", error);
    }
    if (most != 100) {
        return unsupported(document, "another max_input_chars_per_word", error);
    }
    return json_get_string(document, model, "unk_token", JSON_REQUIRED, unknown, error);
}

static bool is_added(const cJSON *added, uint64_t id) {
    for (const cJSON *item = added == NULL ? NULL : added->child; item != NULL; item = item->next) {
        uint64_t other;
        if (json_take_u64(cJSON_GetObjectItemCaseSensitive(item, "id"), UINT32_MAX, &other) &&
            other == id) {
            return true;
        }
    }
    return false;
}

/* One sign of punctuation. */
static bool is_sign(const char *text, size_t bytes) {
    size_t length = 0;
    return bytes > 0 &&
           unicode_is_punctuation(utf8_decode((const uint8_t *)text, bytes, &length)) &&
           length == bytes;
}

static tercet_status add_word(struct tokenizer_builder *builder, uint32_t id, const char *key,
                              uint8_t *room, tercet_error *error) {
    size_t bytes = strlen(key), prefix = strlen(PREFIX);
    if (bytes > prefix && strncmp(key, PREFIX, prefix) == 0) {
        return tokenizer_builder_add(builder, id, (const uint8_t *)key + prefix, bytes - prefix,
                                     TOKEN_NORMAL, !is_sign(key + prefix, bytes - prefix), error);
    }
    if (bytes == 1 && strchr(".,!?", key[0]) != NULL) {
        return tokenizer_builder_add(builder, id, (const uint8_t *)key, 1, TOKEN_NORMAL, true,
                                     error);
    }
    if (bytes > LIMIT_TOKEN_BYTES - 1) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, id, "%s: token %u has more than %u bytes",
                           builder->source, id, LIMIT_TOKEN_BYTES - 1);
    }
    room[0] = ' ';
    memcpy(room + 1, key, bytes);
    return tokenizer_builder_add(builder, id, room, bytes + 1, TOKEN_NORMAL, bytes > 0, error);
}

static tercet_status read_vocabulary(const struct json_document *document, const cJSON *model,
                                     const cJSON *added, const char *unknown,
                                     struct tokenizer_builder *builder, tercet_error *error) {
    const cJSON *vocab = NULL;
    uint8_t room[LIMIT_TOKEN_BYTES];
    TERCET_TRY(json_get_object(document, model, "vocab", JSON_REQUIRED, &vocab, error));
    for (const cJSON *item = vocab->child; item != NULL; item = item->next) {
        uint64_t id;
        if (!json_take_u64(item, UINT32_MAX - 1, &id)) {
            return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                               "%s: the id of token \"%s\" is not a whole number", document->file,
                               item->string);
        }
        bool is_unknown = strcmp(item->string, unknown) == 0;
        if (is_unknown) {
            builder->unknown = (uint32_t)id;
        }
        if (is_added(added, id) || is_unknown) {
            TERCET_TRY(tokenizer_builder_add(builder, (uint32_t)id, (const uint8_t *)item->string,
                                             strlen(item->string), TOKEN_CONTROL, false, error));
        } else {
            TERCET_TRY(add_word(builder, (uint32_t)id, item->string, room, error));
        }
    }
    return builder->unknown != TERCET_NO_TOKEN
               ? TERCET_OK
               : tercet_fail(error, TERCET_BAD_SOURCE, 0,
                             "%s: unk_token \"%s\" is not in the vocabulary", document->file,
                             unknown);
}

/* All added tokens must be plain special ones: found in the text as it is. */
static tercet_status check_added(const struct json_document *document, const cJSON *added,
                                 tercet_error *error) {
    static const char *const options[] = {"lstrip", "rstrip", "single_word", "normalized"};
    for (const cJSON *item = added == NULL ? NULL : added->child; item != NULL; item = item->next) {
        for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
            bool value = false;
            TERCET_TRY(json_get_bool(document, item, options[i], JSON_OPTIONAL, &value, error));
            if (value) {
                return unsupported(document, options[i], error);
            }
        }
    }
    return TERCET_OK;
}

/* [CLS] goes in front. [SEP], which the template puts behind, ends a text: a prompt is not ended. */
static tercet_status read_template(const struct json_document *document,
                                   struct tokenizer_builder *builder, tercet_error *error) {
    const cJSON *processor = NULL, *single = NULL, *first = NULL;
    const char *type = NULL, *name = NULL;
    TERCET_TRY(json_get_object(document, document->root, "post_processor", JSON_OPTIONAL,
                               &processor, error));
    if (processor == NULL) {
        return TERCET_OK;
    }
    TERCET_TRY(json_get_string(document, processor, "type", JSON_REQUIRED, &type, error));
    if (strcmp(type, "TemplateProcessing") != 0) {
        return unsupported(document, type, error);
    }
    TERCET_TRY(json_get_array(document, processor, "single", JSON_REQUIRED, &single, error));
    first = cJSON_GetObjectItemCaseSensitive(single->child, "SpecialToken");
    if (first == NULL) {
        return TERCET_OK;
    }
    TERCET_TRY(json_get_string(document, first, "id", JSON_REQUIRED, &name, error));
    for (uint32_t id = 0; id < builder->token_count; id++) {
        const struct builder_token *token = &builder->tokens[id];
        if (token->kind == TOKEN_CONTROL && token->bytes == strlen(name) &&
            memcmp(builder->texts + token->offset, name, token->bytes) == 0) {
            builder->beginning = id;
            builder->flags |= TOKENIZER_FLAG_ADD_BEGINNING;
            return TERCET_OK;
        }
    }
    return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                       "%s: the post_processor adds \"%s\", which is no special token",
                       document->file, name);
}

tercet_status tokenizer_wordpiece_read(const struct json_document *document,
                                       struct tokenizer_builder *builder, tercet_error *error) {
    const cJSON *model = NULL, *added = NULL;
    const char *unknown = NULL;
    TERCET_TRY(json_get_object(document, document->root, "model", JSON_REQUIRED, &model, error));
    TERCET_TRY(
        json_get_array(document, document->root, "added_tokens", JSON_OPTIONAL, &added, error));
    TERCET_TRY(check_normalizer(document, error));
    TERCET_TRY(check_model(document, model, &unknown, error));
    TERCET_TRY(check_added(document, added, error));
    builder->kind = TOKENIZER_WORDPIECE;
    builder->splitter = SPLITTER_NONE;
    builder->flags = TOKENIZER_FLAG_ADD_PREFIX_SPACE;
    TERCET_TRY(read_vocabulary(document, model, added, unknown, builder, error));
    TERCET_TRY(tokenizer_builder_index(builder, error));
    return read_template(document, builder, error);
}
