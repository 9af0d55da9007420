/*
 * added_tokens.c: see added_tokens.h. What the files mean: huggingface/transformers, tokenization_utils_base.py. Roles are a
 * text or an object with "content"; a text that no vocabulary has names no token.
 */
#include "added_tokens.h"

#include "source_file.h"

#include <string.h>

#define CONFIG_FILE "tokenizer_config.json"
#define MAP_FILE "special_tokens_map.json"
#define BYTES_MAX (16u << 20)

struct adding {
    cJSON *list;        /* of {id, content, special} */
    const cJSON *vocab; /* text -> id */
    const cJSON *more;  /* likewise, of added_tokens.json; may be NULL */
    uint32_t count;     /* of the list */
    tercet_error *error;
};

static bool is_listed(const struct adding *adding, const char *text) {
    for (const cJSON *item = adding->list->child; item != NULL; item = item->next) {
        if (strcmp(cJSON_GetObjectItemCaseSensitive(item, "content")->valuestring, text) == 0) {
            return true;
        }
    }
    return false;
}

static tercet_status add(struct adding *adding, double id, const char *text, bool special) {
    if (text[0] == '\0' || is_listed(adding, text)) {
        return TERCET_OK;
    }
    if (adding->count++ == ADDED_TOKENS_MAX) {
        return tercet_fail(adding->error, TERCET_LIMIT_EXCEEDED, adding->count,
                           ADDED_TOKENS_FILE
                           " and the files beside it add more than %u tokens: save the "
                           "tokenizer as tokenizer.json",
                           ADDED_TOKENS_MAX);
    }
    cJSON *token = cJSON_CreateObject();
    if (token == NULL || cJSON_AddNumberToObject(token, "id", id) == NULL ||
        cJSON_AddStringToObject(token, "content", text) == NULL ||
        cJSON_AddBoolToObject(token, "special", special) == NULL ||
        !cJSON_AddItemToArray(adding->list, token)) {
        cJSON_Delete(token);
        return tercet_fail(adding->error, TERCET_OUT_OF_MEMORY, 0,
                           "no memory for the tokens of " ADDED_TOKENS_FILE);
    }
    return TERCET_OK;
}

static tercet_status add_special(struct adding *adding, const char *text) {
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(adding->vocab, text);
    if (id == NULL && adding->more != NULL) {
        id = cJSON_GetObjectItemCaseSensitive(adding->more, text);
    }
    return cJSON_IsNumber(id) ? add(adding, id->valuedouble, text, true) : TERCET_OK;
}

static tercet_status add_role(struct adding *adding, const cJSON *item) {
    if (cJSON_IsObject(item)) {
        item = cJSON_GetObjectItemCaseSensitive(item, "content");
    }
    return cJSON_IsString(item) ? add_special(adding, item->valuestring) : TERCET_OK;
}

static tercet_status add_roles(struct adding *adding, const cJSON *root) {
    static const char *const roles[] = {"bos_token", "eos_token", "pad_token",
                                        "sep_token", "cls_token", "mask_token"};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        TERCET_TRY(add_role(adding, cJSON_GetObjectItemCaseSensitive(root, roles[i])));
    }
    const cJSON *others = cJSON_GetObjectItemCaseSensitive(root, "additional_special_tokens");
    for (const cJSON *item = cJSON_IsArray(others) ? others->child : NULL; item != NULL;
         item = item->next) {
        TERCET_TRY(add_role(adding, item));
    }
    return TERCET_OK;
}

static tercet_status load(const char *folder, struct json_document *document, tercet_error *error) {
    return source_file_exists(folder, document->file)
               ? json_load(folder, document->file, BYTES_MAX, document, error)
               : TERCET_OK;
}

static tercet_status add_the_rest(struct adding *adding) {
    for (const cJSON *item = adding->more != NULL ? adding->more->child : NULL; item != NULL;
         item = item->next) {
        if (!cJSON_IsNumber(item) || item->string == NULL) {
            return tercet_fail(adding->error, TERCET_BAD_SOURCE, 0,
                               ADDED_TOKENS_FILE
                               " must hold the id of each text, and numbers alone");
        }
        TERCET_TRY(add(adding, item->valuedouble, item->string, false));
    }
    return TERCET_OK;
}

tercet_status added_tokens_known(cJSON *list, const cJSON *vocab, tercet_error *error) {
    static const char *const texts[] = {
        "<|endoftext|>", "<|startoftext|>", "<|im_start|>", "<|im_end|>",    "<|eot_id|>",
        "<|end|>",       "<|system|>",      "<|user|>",     "<|assistant|>", "<|pad|>"};
    struct adding adding = {.list = list, .vocab = vocab, .error = error};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        TERCET_TRY(add_special(&adding, texts[i]));
    }
    return TERCET_OK;
}

tercet_status added_tokens_read(const char *folder, cJSON *list, const cJSON *vocab,
                                tercet_error *error) {
    struct json_document more = {NULL, ADDED_TOKENS_FILE}, config = {NULL, CONFIG_FILE},
                         map = {NULL, MAP_FILE};
    struct adding adding = {.list = list, .vocab = vocab, .error = error};
    adding.count = (uint32_t)cJSON_GetArraySize(list);
    tercet_status status = load(folder, &more, error);
    if (status == TERCET_OK) {
        status = load(folder, &config, error);
    }
    if (status == TERCET_OK) {
        status = load(folder, &map, error);
    }
    adding.more = more.root;
    if (status == TERCET_OK) {
        status = add_roles(&adding, config.root);
    }
    if (status == TERCET_OK) {
        status = add_roles(&adding, map.root);
    }
    if (status == TERCET_OK) {
        status = add_the_rest(&adding);
    }
    json_free(&more);
    json_free(&config);
    json_free(&map);
    return status;
}
