/*
 * read_safetensors.c: see read_safetensors.h.
 */
#define _POSIX_C_SOURCE 200809L
#include "read_safetensors.h"

#include "json.h"
#include "safetensors_header.h"
#include "source_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SINGLE_FILE "model.safetensors"
#define INDEX_FILE "model.safetensors.index.json"
#define INDEX_BYTES_MAX (64u << 20)

/* Length, JSON, table. The descriptor is open. */
static tercet_status read_shard_header(struct source_shard *shard, tercet_error *error) {
    uint8_t length[SAFETENSORS_LENGTH_BYTES] = {0};
    uint64_t header_bytes = 0;
    if (shard->file_bytes >= sizeof length) {
        TERCET_TRY(source_shard_read(shard, 0, length, sizeof length, error));
    }
    TERCET_TRY(
        safetensors_header_bytes(shard->name, length, shard->file_bytes, &header_bytes, error));
    uint8_t *text = malloc((size_t)header_bytes + 1);
    if (text == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the header of %s",
                           shard->name);
    }
    tercet_status status =
        source_shard_read(shard, sizeof length, text, (size_t)header_bytes, error);
    if (status == TERCET_OK) {
        uint64_t data_begin = sizeof length + header_bytes;
        status = safetensors_parse_header(shard->name, text, (size_t)header_bytes,
                                          shard->file_bytes - data_begin, &shard->table, error);
        for (uint32_t i = 0; status == TERCET_OK && i < shard->table.count; i++) {
            shard->table.tensors[i].offset += data_begin;
        }
    }
    free(text);
    return status;
}

/* Opens folder/name as the next shard. `missing` is the status when it is not there. */
static tercet_status open_shard(struct source_weights *source, const char *folder, const char *name,
                                tercet_status missing, tercet_error *error) {
    size_t path_bytes = strlen(folder) + strlen(name) + 2;
    char *path = malloc(path_bytes);
    if (path == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the path of %s", name);
    }
    (void)snprintf(path, path_bytes, "%s/%s", folder, name);
    tercet_status status = source_weights_open_shard(source, path, name, missing, error);
    free(path);
    TERCET_TRY(status);
    return read_shard_header(&source->shards[source->shard_count - 1], error);
}

/* A name from outside becomes part of a path: it must be a plain file name. */
static bool is_plain_file_name(const char *name) {
    size_t bytes = strlen(name);
    if (bytes == 0 || bytes >= SOURCE_FILE_NAME_BYTES || name[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c == '/' || c == '\\' || c < 0x20 || c == 0x7F) {
            return false;
        }
    }
    return true;
}

static tercet_status find_or_open_shard(struct source_weights *source, const char *folder,
                                        const char *name, uint32_t *shard, tercet_error *error) {
    for (uint32_t i = 0; i < source->shard_count; i++) {
        if (strcmp(source->shards[i].name, name) == 0) {
            *shard = i;
            return TERCET_OK;
        }
    }
    if (!is_plain_file_name(name)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           INDEX_FILE " names a shard that is not a plain file name in the folder");
    }
    if (source->shard_count == SAFETENSORS_SHARDS_MAX) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0, INDEX_FILE " names more than %u shards",
                           SAFETENSORS_SHARDS_MAX);
    }
    *shard = source->shard_count;
    return open_shard(source, folder, name, TERCET_BAD_SOURCE, error);
}

/* Opens every shard, and holds the index against what is in them: equal, in both directions. */
static tercet_status read_index(struct source_weights *source, const char *folder,
                                const struct json_document *document, tercet_error *error) {
    const cJSON *map = NULL;
    uint64_t listed = 0;
    TERCET_TRY(json_get_object(document, document->root, "weight_map", JSON_REQUIRED, &map, error));
    for (const cJSON *item = map->child; item != NULL; item = item->next) {
        uint32_t shard;
        if (!cJSON_IsString(item)) {
            return tercet_fail(error, TERCET_BAD_SOURCE, listed,
                               INDEX_FILE " gives no file name for a tensor");
        }
        TERCET_TRY(find_or_open_shard(source, folder, item->valuestring, &shard, error));
        listed++;
    }
    TERCET_TRY(source_weights_collect(source, error));
    for (const cJSON *item = map->child; item != NULL; item = item->next) {
        uint32_t index;
        if (!source_weights_find(source, item->string, &index) ||
            strcmp(source->shards[source->tensors[index]->shard].name, item->valuestring) != 0) {
            return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                               INDEX_FILE " promises tensor %s in %s, where it is not",
                               item->string, item->valuestring);
        }
    }
    /* Every listed name was found and the names in the shards differ from each other, so equal counts mean equal sets,
     * unless the index lists a name twice. */
    if (listed != source->tensor_count) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           INDEX_FILE " lists %llu tensors, its shards hold %llu",
                           (unsigned long long)listed, (unsigned long long)source->tensor_count);
    }
    return TERCET_OK;
}

/* Nothing that can be read: say what was found instead. */
static tercet_status explain_missing_weights(const char *folder, tercet_error *error) {
    static const char *const others[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
                                         "consolidated.00.pth", "tf_model.h5",
                                         "flax_model.msgpack"};
    /* As people and their tools call them; read by themselves, not as a folder. */
    static const char *const files[] = {"model.gguf", "ggml-model-i2_s.gguf", "model.bin"};
    struct stat info;
    if (stat(folder, &info) != 0) {
        return tercet_fail(error,
                           errno == ENOENT || errno == ENOTDIR ? TERCET_FILE_NOT_FOUND
                                                               : TERCET_FILE_READ_FAILED,
                           0, "the folder %s cannot be opened: %s", folder, strerror(errno));
    }
    if (!S_ISDIR(info.st_mode)) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s is a file, but no GGUF file: give one, or the folder with "
                           "config.json and " SINGLE_FILE,
                           folder);
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (source_file_exists(folder, files[i])) {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                               "the folder holds %s but no safetensors: give that file instead of "
                               "the folder",
                               files[i]);
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (source_file_exists(folder, others[i])) {
            return tercet_fail(
                error, TERCET_UNSUPPORTED_SOURCE, 0,
                "the folder holds %s but no safetensors: convert it to safetensors first",
                others[i]);
        }
    }
    return tercet_fail(error, TERCET_FILE_NOT_FOUND, 0,
                       "there is neither " SINGLE_FILE " nor " INDEX_FILE " in %s", folder);
}

static tercet_status open_sharded(struct source_weights *source, const char *folder,
                                  tercet_error *error) {
    struct json_document document;
    TERCET_TRY(json_load(folder, INDEX_FILE, INDEX_BYTES_MAX, &document, error));
    tercet_status status = read_index(source, folder, &document, error);
    json_free(&document);
    return status;
}

tercet_status safetensors_open(const char *folder, struct source_weights *source,
                               tercet_error *error) {
    tercet_status status;
    memset(source, 0, sizeof *source);
    /* As transformers does: a single file goes before an index. */
    bool single = source_file_exists(folder, SINGLE_FILE);
    if (!single && !source_file_exists(folder, INDEX_FILE)) {
        return explain_missing_weights(folder, error);
    }
    source->shards = calloc(single ? 1 : SAFETENSORS_SHARDS_MAX, sizeof *source->shards);
    if (source->shards == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the list of shards");
    }
    if (single) {
        status = open_shard(source, folder, SINGLE_FILE, TERCET_FILE_NOT_FOUND, error);
        if (status == TERCET_OK) {
            status = source_weights_collect(source, error);
        }
    } else {
        status = open_sharded(source, folder, error);
    }
    if (status != TERCET_OK) {
        source_weights_close(source);
    }
    return status;
}
