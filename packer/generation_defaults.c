/*
 * generation_defaults.c: see generation_defaults.h.
 */
#include "generation_defaults.h"

#include "source_file.h"

#define GENERATION_FILE "generation_config.json"
#define GENERATION_BYTES_MAX (1u << 20)

static tercet_status add_stop_token(const struct json_document *document, const cJSON *item,
                                    struct container_config *config, tercet_error *error) {
    uint64_t token;
    if (!json_take_u64(item, config->vocabulary - 1, &token)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "%s: \"eos_token_id\" is no token of a vocabulary of %u", document->file,
                           config->vocabulary);
    }
    for (uint32_t i = 0; i < config->stop_count; i++) {
        if (config->stop_tokens[i] == token) {
            return TERCET_OK;
        }
    }
    if (config->stop_count == CONFIG_STOP_TOKENS_MAX) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0, "%s: more than %u end-of-text tokens",
                           document->file, CONFIG_STOP_TOKENS_MAX);
    }
    config->stop_tokens[config->stop_count++] = (uint32_t)token;
    return TERCET_OK;
}

/* One id, a list of ids, or none. */
static tercet_status add_stop_tokens(const struct json_document *document,
                                     struct container_config *config, tercet_error *error) {
    const cJSON *value = NULL;
    TERCET_TRY(json_get(document, document->root, "eos_token_id", JSON_OPTIONAL, &value, error));
    if (value == NULL || cJSON_IsNull(value)) {
        return TERCET_OK;
    }
    if (!cJSON_IsArray(value)) {
        return add_stop_token(document, value, config, error);
    }
    for (const cJSON *item = value->child; item != NULL; item = item->next) {
        TERCET_TRY(add_stop_token(document, item, config, error));
    }
    return TERCET_OK;
}

static tercet_status read_fraction(const struct json_document *document, const char *key,
                                   double most, float *out, tercet_error *error) {
    double value = *out;
    TERCET_TRY(json_get_number(document, document->root, key, JSON_OPTIONAL, &value, error));
    if (value < 0 || value > most) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: \"%s\" is out of range",
                           document->file, key);
    }
    *out = (float)value;
    return TERCET_OK;
}

static tercet_status read_sampling(const struct json_document *document,
                                   struct container_config *config, tercet_error *error) {
    const cJSON *temperature = NULL;
    bool sample;
    TERCET_TRY(
        json_get(document, document->root, "temperature", JSON_OPTIONAL, &temperature, error));
    sample = temperature != NULL && !cJSON_IsNull(temperature);
    TERCET_TRY(json_get_bool(document, document->root, "do_sample", JSON_OPTIONAL, &sample, error));
    if (!sample) {
        return TERCET_OK;
    }
    config->temperature = 1;
    TERCET_TRY(read_fraction(document, "temperature", 100, &config->temperature, error));
    TERCET_TRY(read_fraction(document, "top_p", 1, &config->top_p, error));
    TERCET_TRY(read_fraction(document, "min_p", 1, &config->min_p, error));
    TERCET_TRY(json_get_u32(document, document->root, "top_k", JSON_OPTIONAL, UINT32_MAX,
                            &config->top_k, error));
    if (config->top_k > config->vocabulary) {
        config->top_k = config->vocabulary;
    }
    if (config->top_p == 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: \"top_p\" is out of range",
                           document->file);
    }
    return TERCET_OK;
}

tercet_status generation_defaults_read(const char *folder, const struct json_document *model_config,
                                       struct container_config *config, tercet_error *error) {
    struct json_document document;
    config->stop_count = 0;
    for (uint32_t i = 0; i < CONFIG_STOP_TOKENS_MAX; i++) {
        config->stop_tokens[i] = TERCET_NO_TOKEN;
    }
    config->temperature = 0;
    config->top_k = 0;
    config->top_p = 1;
    config->min_p = 0;
    TERCET_TRY(add_stop_tokens(model_config, config, error));
    if (!source_file_exists(folder, GENERATION_FILE)) {
        return TERCET_OK;
    }
    TERCET_TRY(json_load(folder, GENERATION_FILE, GENERATION_BYTES_MAX, &document, error));
    tercet_status status = add_stop_tokens(&document, config, error);
    if (status == TERCET_OK) {
        status = read_sampling(&document, config, error);
    }
    json_free(&document);
    return status;
}
