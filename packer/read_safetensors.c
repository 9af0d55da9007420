/*
 * read_safetensors.c: see read_safetensors.h. Every file is opened once and stays open, so that what was checked is what
 * is read.
 */
#define _POSIX_C_SOURCE 200809L
#include "read_safetensors.h"

#include "json.h"
#include "source_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SINGLE_FILE "model.safetensors"
#define INDEX_FILE "model.safetensors.index.json"
#define INDEX_BYTES_MAX (64u << 20)

/* One pread can move at most SSIZE_MAX bytes, and Linux moves fewer than 2^31. */
#define READ_BYTES_MAX ((size_t)1 << 30)

static tercet_status read_at(const struct safetensors_shard *shard, uint64_t offset, void *bytes,
                             size_t count, tercet_error *error) {
    uint8_t *next = bytes;
    while (count > 0) {
        size_t step = count < READ_BYTES_MAX ? count : READ_BYTES_MAX;
        ssize_t got = pread(shard->descriptor, next, step, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return tercet_fail(error, TERCET_FILE_READ_FAILED, offset, "%s cannot be read: %s",
                               shard->name, strerror(errno));
        }
        if (got == 0) {
            return tercet_fail(error, TERCET_BAD_SOURCE, offset,
                               "%s became shorter while it was packed: it ends before byte %llu",
                               shard->name, (unsigned long long)offset);
        }
        next += got;
        offset += (uint64_t)got;
        count -= (size_t)got;
    }
    return TERCET_OK;
}

/* Length, JSON, table. The descriptor is open. */
static tercet_status read_shard_header(struct safetensors_shard *shard, tercet_error *error) {
    uint8_t length[SAFETENSORS_LENGTH_BYTES] = {0};
    uint64_t header_bytes = 0;
    struct stat info;
    if (fstat(shard->descriptor, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size < 0) {
        return tercet_fail(error, TERCET_FILE_READ_FAILED, 0, "%s is not a regular file",
                           shard->name);
    }
    shard->file_bytes = (uint64_t)info.st_size;
    if (shard->file_bytes >= sizeof length) {
        TERCET_TRY(read_at(shard, 0, length, sizeof length, error));
    }
    TERCET_TRY(
        safetensors_header_bytes(shard->name, length, shard->file_bytes, &header_bytes, error));
    uint8_t *text = malloc((size_t)header_bytes + 1);
    if (text == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the header of %s",
                           shard->name);
    }
    tercet_status status = read_at(shard, sizeof length, text, (size_t)header_bytes, error);
    if (status == TERCET_OK) {
        uint64_t data_begin = sizeof length + header_bytes;
        status = safetensors_parse_header(shard->name, text, (size_t)header_bytes,
                                          shard->file_bytes - data_begin, &shard->header, error);
        for (uint32_t i = 0; status == TERCET_OK && i < shard->header.count; i++) {
            shard->header.tensors[i].offset += data_begin;
        }
    }
    free(text);
    return status;
}

/* Opens folder/name as the next shard. `missing` is the status when it is not there. */
static tercet_status open_shard(struct safetensors *source, const char *folder, const char *name,
                                tercet_status missing, tercet_error *error) {
    size_t path_bytes = strlen(folder) + strlen(name) + 2;
    char *path = malloc(path_bytes);
    if (path == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the path of %s", name);
    }
    (void)snprintf(path, path_bytes, "%s/%s", folder, name);
    /* Without O_NONBLOCK a pipe of that name would hang the program. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int reason = errno;
    free(path);
    if (descriptor < 0) {
        return reason == ENOENT ? tercet_fail(error, missing, 0, "the file %s is missing", name)
                                : tercet_fail(error, TERCET_FILE_READ_FAILED, 0,
                                              "%s cannot be opened: %s", name, strerror(reason));
    }
    struct safetensors_shard *shard = &source->shards[source->shard_count++];
    (void)snprintf(shard->name, sizeof shard->name, "%s", name);
    shard->descriptor = descriptor;
    TERCET_TRY(read_shard_header(shard, error));
    for (uint32_t i = 0; i < shard->header.count; i++) {
        shard->header.tensors[i].shard = source->shard_count - 1;
    }
    source->file_bytes += shard->file_bytes;
    return TERCET_OK;
}

static int by_tensor_name(const void *a, const void *b) {
    const struct safetensors_tensor *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

/* One list over all shards; a name may occur once. */
static tercet_status collect_tensors(struct safetensors *source, tercet_error *error) {
    size_t count = 0;
    for (uint32_t i = 0; i < source->shard_count; i++) {
        count += source->shards[i].header.count;
    }
    source->tensors = malloc((count + 1) * sizeof *source->tensors);
    if (source->tensors == NULL || count > UINT32_MAX) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the list of tensors");
    }
    for (uint32_t i = 0; i < source->shard_count; i++) {
        for (uint32_t j = 0; j < source->shards[i].header.count; j++) {
            source->tensors[source->tensor_count++] = &source->shards[i].header.tensors[j];
        }
    }
    qsort(source->tensors, source->tensor_count, sizeof *source->tensors, by_tensor_name);
    for (uint32_t i = 1; i < source->tensor_count; i++) {
        const struct safetensors_tensor *a = source->tensors[i - 1], *b = source->tensors[i];
        if (strcmp(a->name, b->name) == 0) {
            return tercet_fail(error, TERCET_BAD_SOURCE, 0, "tensor %s is in %s and in %s", a->name,
                               source->shards[a->shard].name, source->shards[b->shard].name);
        }
    }
    return TERCET_OK;
}

/* A name from outside becomes part of a path: it must be a plain file name. */
static bool is_plain_file_name(const char *name) {
    size_t bytes = strlen(name);
    if (bytes == 0 || bytes >= SAFETENSORS_FILE_NAME_BYTES || name[0] == '.') {
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

static tercet_status find_or_open_shard(struct safetensors *source, const char *folder,
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
static tercet_status read_index(struct safetensors *source, const char *folder,
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
    TERCET_TRY(collect_tensors(source, error));
    for (const cJSON *item = map->child; item != NULL; item = item->next) {
        uint32_t index;
        if (!safetensors_find(source, item->string, &index) ||
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
    struct stat info;
    if (stat(folder, &info) != 0) {
        return tercet_fail(error,
                           errno == ENOENT || errno == ENOTDIR ? TERCET_FILE_NOT_FOUND
                                                               : TERCET_FILE_READ_FAILED,
                           0, "the folder %s cannot be opened: %s", folder, strerror(errno));
    }
    if (!S_ISDIR(info.st_mode)) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s is a file: give the folder with config.json and " SINGLE_FILE,
                           folder);
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

static tercet_status open_sharded(struct safetensors *source, const char *folder,
                                  tercet_error *error) {
    struct json_document document;
    TERCET_TRY(json_load(folder, INDEX_FILE, INDEX_BYTES_MAX, &document, error));
    tercet_status status = read_index(source, folder, &document, error);
    json_free(&document);
    return status;
}

tercet_status safetensors_open(const char *folder, struct safetensors *source,
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
            status = collect_tensors(source, error);
        }
    } else {
        status = open_sharded(source, folder, error);
    }
    if (status != TERCET_OK) {
        safetensors_close(source);
    }
    return status;
}

void safetensors_close(struct safetensors *source) {
    for (uint32_t i = 0; i < source->shard_count; i++) {
        (void)close(source->shards[i].descriptor);
        safetensors_header_free(&source->shards[i].header);
    }
    free(source->shards);
    free(source->tensors);
    memset(source, 0, sizeof *source);
}

bool safetensors_find(const struct safetensors *source, const char *name, uint32_t *index) {
    uint32_t low = 0, high = source->tensor_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(name, source->tensors[middle]->name);
        if (order == 0) {
            *index = middle;
            return true;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return false;
}

tercet_status safetensors_read(const struct safetensors *source,
                               const struct safetensors_tensor *tensor, uint64_t offset,
                               void *bytes, size_t count, tercet_error *error) {
    if (offset > tensor->bytes || count > tensor->bytes - offset) {
        return tercet_fail(error, TERCET_BAD_ARGUMENT, offset,
                           "bytes beyond the end of tensor %s were asked for", tensor->name);
    }
    return read_at(&source->shards[tensor->shard], tensor->offset + offset, bytes, count, error);
}
