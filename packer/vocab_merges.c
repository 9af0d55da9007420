/*
 * vocab_merges.c: see vocab_merges.h. What such a folder leaves unsaid is fixed by its one kind of tokenizer, GPT2Tokenizer
 * (huggingface/transformers, models/gpt2/tokenization_gpt2.py): byte-level, GPT-2's way to cut text. Its special
 * tokens are those that the files beside it name, and those that everyone calls so (added_tokens).
 */
#include "vocab_merges.h"

#include "../core/container/container_layout.h"
#include "../core/text/utf8.h"
#include "added_tokens.h"
#include "source_file.h"

#include <stdlib.h>
#include <string.h>

#define VOCAB_FILE "vocab.json"
#define MERGES_FILE "merges.txt"
#define VOCAB_BYTES_MAX (64u << 20)
#define MERGES_BYTES_MAX (64u << 20)

bool vocab_merges_exist(const char *folder) {
    return source_file_exists(folder, VOCAB_FILE) && source_file_exists(folder, MERGES_FILE);
}

static tercet_status no_memory(tercet_error *error) {
    return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for " VOCAB_MERGES_FILES);
}

/* One merge a line, "#version" in front. Cuts `text`, which ends with a zero byte, into lines. Merges are counted here, since
 * each takes far more memory than its line. */
static tercet_status add_merges(cJSON *list, char *text, tercet_error *error) {
    uint32_t number = 0, merges = 0;
    for (char *line = text; line != NULL && *line != '\0'; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        size_t bytes = strlen(line);
        if (bytes > 0 && line[bytes - 1] == '\r') {
            line[bytes - 1] = '\0';
        }
        bool comment = number == 0 && strncmp(line, "#version", 8) == 0;
        if (!comment && *line != '\0') {
            if (merges++ == LIMIT_MERGES) {
                return tercet_fail(error, TERCET_LIMIT_EXCEEDED, number,
                                   MERGES_FILE " has more than %u merges", LIMIT_MERGES);
            }
            cJSON *item = cJSON_CreateString(line);
            if (item == NULL || !cJSON_AddItemToArray(list, item)) {
                cJSON_Delete(item);
                return no_memory(error);
            }
        }
        line = end == NULL ? NULL : end + 1;
    }
    return TERCET_OK;
}

static tercet_status read_merges(const char *folder, cJSON *list, tercet_error *error) {
    uint8_t *bytes;
    size_t count;
    TERCET_TRY(source_file_read(folder, MERGES_FILE, MERGES_BYTES_MAX, &bytes, &count, error));
    size_t valid = utf8_valid_prefix(bytes, count);
    tercet_status status;
    if (valid < count) {
        status = tercet_fail(error, TERCET_BAD_SOURCE, valid,
                             MERGES_FILE " is not UTF-8 at byte %llu", (unsigned long long)valid);
    } else if (memchr(bytes, 0, count) != NULL) {
        status = tercet_fail(error, TERCET_BAD_SOURCE, 0, MERGES_FILE " holds a zero byte");
    } else {
        status = add_merges(list, (char *)bytes, error);
    }
    free(bytes);
    return status;
}

/* The parts of tokenizer.json that are the same for all such folders. */
static cJSON *make_frame(void) {
    return cJSON_Parse("{\"added_tokens\":[],\"normalizer\":null,"
                       "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
                       "\"decoder\":{\"type\":\"ByteLevel\"},"
                       "\"model\":{\"type\":\"BPE\",\"merges\":[]}}");
}

tercet_status vocab_merges_frame(cJSON *vocab, const char *file, struct json_document *document,
                                 cJSON **merges, tercet_error *error) {
    *document = (struct json_document){make_frame(), file};
    cJSON *model = cJSON_GetObjectItemCaseSensitive(document->root, "model");
    tercet_status status =
        model == NULL
            ? no_memory(error)
            : added_tokens_known(cJSON_GetObjectItemCaseSensitive(document->root, "added_tokens"),
                                 vocab, error);
    if (status == TERCET_OK && !cJSON_AddItemToObject(model, "vocab", vocab)) {
        status = no_memory(error);
    }
    if (status != TERCET_OK) {
        cJSON_Delete(vocab);
        json_free(document);
        return status;
    }
    /* The frame owns the vocabulary now. */
    *merges = cJSON_GetObjectItemCaseSensitive(model, "merges");
    return TERCET_OK;
}

/* Others have such files too (RoBERTa, Qwen2), but cut text in other ways. */
tercet_status vocab_merges_check(const struct json_document *config, tercet_error *error) {
    const char *class_name = "GPT2Tokenizer";
    bool add_space = false;
    if (config->root == NULL) {
        return TERCET_OK;
    }
    TERCET_TRY(json_get_string(config, config->root, "tokenizer_class", JSON_OPTIONAL, &class_name,
                               error));
    TERCET_TRY(
        json_get_bool(config, config->root, "add_prefix_space", JSON_OPTIONAL, &add_space, error));
    if (strcmp(class_name, "GPT2Tokenizer") != 0 && strcmp(class_name, "GPT2TokenizerFast") != 0) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: how a %s cuts text does not follow from " VOCAB_MERGES_FILES
                           ": save the tokenizer as tokenizer.json",
                           config->file, class_name);
    }
    if (add_space) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: add_prefix_space with " VOCAB_MERGES_FILES
                           " is not supported: save the tokenizer as tokenizer.json",
                           config->file);
    }
    return TERCET_OK;
}

tercet_status vocab_merges_load(const char *folder, struct json_document *document,
                                tercet_error *error) {
    struct json_document vocab;
    cJSON *merges = NULL;
    TERCET_TRY(json_load(folder, VOCAB_FILE, VOCAB_BYTES_MAX, &vocab, error));
    TERCET_TRY(vocab_merges_frame(vocab.root, VOCAB_MERGES_FILES, document, &merges, error));
    tercet_status status =
        added_tokens_read(folder, cJSON_GetObjectItemCaseSensitive(document->root, "added_tokens"),
                          vocab.root, error);
    if (status == TERCET_OK) {
        status = read_merges(folder, merges, error);
    }
    if (status != TERCET_OK) {
        json_free(document);
    }
    return status;
}
