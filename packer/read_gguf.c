/*
 * read_gguf.c: see read_gguf.h. Nothing says how long a header is, so its beginning is read, and twice as much whenever the
 * parser came to the end of it.
 */
#define _POSIX_C_SOURCE 200809L
#include "read_gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST_BYTES ((size_t)1 << 20)

bool gguf_is_file(const char *path) {
    static const char ending[] = ".gguf";
    struct stat info;
    char magic[GGUF_MAGIC_BYTES] = {0};
    size_t bytes = strlen(path);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return false;
    }
    if (bytes >= sizeof ending && strcmp(path + bytes - (sizeof ending - 1), ending) == 0) {
        return true;
    }
    FILE *file = fopen(path, "rb");
    bool found = file != NULL && fread(magic, 1, sizeof magic, file) == sizeof magic &&
                 memcmp(magic, "GGUF", sizeof magic) == 0;
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static tercet_status read_header(const char *path, const struct source_shard *shard,
                                 struct gguf_file *file, tercet_error *error) {
    const char *name = strrchr(path, '/');
    name = name != NULL ? name + 1 : path;
    for (uint64_t wanted = FIRST_BYTES;; wanted *= 2) {
        size_t count = (size_t)(wanted < shard->file_bytes ? wanted : shard->file_bytes);
        bool cut = false;
        free(file->bytes);
        file->bytes = malloc(count + 1);
        file->header_bytes = count;
        if (file->bytes == NULL) {
            return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the header of %s",
                               name);
        }
        TERCET_TRY(source_shard_read(shard, 0, file->bytes, count, error));
        tercet_status status = gguf_parse_header(name, file->bytes, count, shard->file_bytes,
                                                 &file->header, &cut, error);
        if (!cut) {
            return status;
        }
    }
}

static tercet_status open_shard(const char *path, struct gguf_file *file,
                                struct source_weights *weights, tercet_error *error) {
    weights->shards = calloc(1, sizeof *weights->shards);
    if (weights->shards == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the file");
    }
    TERCET_TRY(source_weights_open_shard(weights, path, path, TERCET_FILE_NOT_FOUND, error));
    TERCET_TRY(read_header(path, &weights->shards[0], file, error));
    weights->shards[0].table = file->header.table;
    memset(&file->header.table, 0, sizeof file->header.table);
    return source_weights_collect(weights, error);
}

tercet_status gguf_open(const char *path, struct gguf_file *file, struct source_weights *weights,
                        tercet_error *error) {
    memset(file, 0, sizeof *file);
    memset(weights, 0, sizeof *weights);
    tercet_status status = open_shard(path, file, weights, error);
    if (status != TERCET_OK) {
        source_weights_close(weights);
        gguf_close(file);
    }
    return status;
}

void gguf_close(struct gguf_file *file) {
    gguf_header_free(&file->header);
    free(file->bytes);
    memset(file, 0, sizeof *file);
}
