/*
 * memory_folder.c: see memory_folder.h.
 */
#include "memory_folder.h"

#include "promise.h"
#include "source_file.h"
#include "source_weights.h"

#include <stdio.h>
#include <string.h>

#define MARK "@@@"
#define LENGTH_BYTES 8u /* of safetensors */

struct memory_file {
    const char *name; /* NULL: not there */
    const uint8_t *bytes;
    size_t count;
    uint64_t zeros; /* behind them */
    bool measured;  /* their count stands in front */
};

static struct {
    struct memory_file files[MEMORY_FOLDER_FILES_MAX];
    int open_shards;
} folder;

int memory_folder_open_shards(void) {
    return folder.open_shards;
}

/* The next mark of a file from `at` on, or the end. */
static size_t find_mark(const uint8_t *data, size_t size, size_t at, size_t name_count) {
    while (at + sizeof MARK - 1 < size) {
        const uint8_t *found = memchr(data + at, MARK[0], size - at);
        if (found == NULL) {
            return size;
        }
        at = (size_t)(found - data);
        if (size - at > sizeof MARK - 1 && memcmp(found, MARK, sizeof MARK - 1) == 0 &&
            (size_t)(found[sizeof MARK - 1] - 'A') < name_count) {
            return at;
        }
        at++;
    }
    return size;
}

/* "+500:" or "#500:" at the beginning of a file. */
static void take_zeros(struct memory_file *file) {
    size_t at = 1;
    uint64_t zeros = 0;
    if (file->count == 0 || (file->bytes[0] != '+' && file->bytes[0] != '#')) {
        return;
    }
    for (; at < file->count && file->bytes[at] >= '0' && file->bytes[at] <= '9'; at++) {
        zeros = zeros < MEMORY_FOLDER_ZEROS_MAX ? 10 * zeros + (file->bytes[at] - '0') : zeros;
    }
    if (at == 1 || at == file->count || file->bytes[at] != ':') {
        return;
    }
    file->measured = file->bytes[0] == '#';
    file->zeros = zeros < MEMORY_FOLDER_ZEROS_MAX ? zeros : MEMORY_FOLDER_ZEROS_MAX;
    file->bytes += at + 1;
    file->count -= at + 1;
}

void memory_folder_fill(const char *const *names, size_t name_count, const uint8_t *data,
                        size_t size) {
    PROMISE(name_count <= MEMORY_FOLDER_FILES_MAX && folder.open_shards == 0);
    memset(folder.files, 0, sizeof folder.files);
    size_t at = find_mark(data, size, 0, name_count);
    while (at < size) {
        size_t which = (size_t)(data[at + sizeof MARK - 1] - 'A'), begin = at + sizeof MARK;
        at = find_mark(data, size, begin, name_count);
        struct memory_file *file = &folder.files[which];
        if (file->name == NULL) {
            *file = (struct memory_file){names[which], data + begin, at - begin, 0, false};
            take_zeros(file);
        }
    }
}

void memory_folder_fill_one(const char *name, const uint8_t *data, size_t size) {
    PROMISE(folder.open_shards == 0);
    memset(folder.files, 0, sizeof folder.files);
    folder.files[0] = (struct memory_file){name, data, size, 0, false};
    take_zeros(&folder.files[0]);
}

static const struct memory_file *find_file(const char *name) {
    for (size_t i = 0; i < MEMORY_FOLDER_FILES_MAX; i++) {
        if (folder.files[i].name != NULL && strcmp(folder.files[i].name, name) == 0) {
            return &folder.files[i];
        }
    }
    return NULL;
}

static uint64_t file_bytes(const struct memory_file *file) {
    return (file->measured ? LENGTH_BYTES : 0) + file->count + file->zeros;
}

/* Bytes [offset, offset + count), which lie inside. */
static void copy_bytes(const struct memory_file *file, uint64_t offset, uint8_t *to, size_t count) {
    uint64_t begin = file->measured ? LENGTH_BYTES : 0;
    for (; count > 0 && offset < begin; count--) {
        *to++ = (uint8_t)((uint64_t)file->count >> (8 * offset++));
    }
    uint64_t left = offset - begin < file->count ? file->count - (offset - begin) : 0;
    size_t own = count < left ? count : (size_t)left;
    if (own > 0) {
        memcpy(to, file->bytes + (offset - begin), own);
    }
    if (count > own) {
        memset(to + own, 0, count - own);
    }
}

/* ---------------------------------------------------------------- source_file.h */

tercet_status source_file_read(const char *path, const char *name, size_t most_bytes,
                               uint8_t **bytes, size_t *count, tercet_error *error) {
    const struct memory_file *file = find_file(name);
    if (file == NULL) {
        return tercet_fail(error, TERCET_FILE_NOT_FOUND, 0, "there is no file %s/%s", path, name);
    }
    uint64_t size = file_bytes(file);
    if (size > most_bytes) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0, "%s has more bytes than are read",
                           name);
    }
    *bytes = malloc((size_t)size + 1);
    PROMISE(*bytes != NULL);
    copy_bytes(file, 0, *bytes, (size_t)size);
    (*bytes)[size] = 0;
    *count = (size_t)size;
    return TERCET_OK;
}

bool source_file_exists(const char *path, const char *name) {
    (void)path;
    return find_file(name) != NULL;
}

bool source_file_is_at(const char *path, const char *other) {
    (void)path;
    return find_file(other) != NULL;
}

/* ---------------------------------------------------------------- source_weights.h */

tercet_status source_weights_open_shard(struct source_weights *source, const char *path,
                                        const char *name, tercet_status missing,
                                        tercet_error *error) {
    const char *slash = strrchr(path, '/');
    const struct memory_file *file = find_file(slash == NULL ? path : slash + 1);
    if (file == NULL) {
        return tercet_fail(error, missing, 0, "the file %s is missing", name);
    }
    struct source_shard *shard = &source->shards[source->shard_count++];
    (void)snprintf(shard->name, sizeof shard->name, "%s", name);
    shard->descriptor = (int)(file - folder.files);
    shard->file_bytes = file_bytes(file);
    source->file_bytes += shard->file_bytes;
    folder.open_shards++;
    return TERCET_OK;
}

tercet_status source_shard_read(const struct source_shard *shard, uint64_t offset, void *bytes,
                                size_t count, tercet_error *error) {
    PROMISE(shard->descriptor >= 0 && (size_t)shard->descriptor < MEMORY_FOLDER_FILES_MAX);
    const struct memory_file *file = &folder.files[shard->descriptor];
    uint64_t size = file_bytes(file);
    if (offset > size || count > size - offset) {
        return tercet_fail(error, TERCET_BAD_SOURCE, offset, "%s ends before byte %llu",
                           shard->name, (unsigned long long)offset);
    }
    copy_bytes(file, offset, bytes, count);
    return TERCET_OK;
}

void source_shard_close(struct source_shard *shard) {
    PROMISE(folder.open_shards > 0);
    shard->descriptor = -1;
    folder.open_shards--;
}
