/*
 * packer_files.c: the packer's files in a page: the one source (source_weights.h), the packed file (partial_file.h) and
 * SHA-256 (sha256.h), each handed on to the host. There is no file system: a path is only the name that sentences and the
 * packed file's header show. What the host wrote becomes a model when it is committed to the browser's storage, later.
 */
#include "../packer/partial_file.h"
#include "../packer/sha256.h"
#include "../packer/source_file.h"
#include "../packer/source_weights.h"
#include "packer_host.h"

#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- source */

tercet_status source_weights_open_shard(struct source_weights *source, const char *path,
                                        const char *name, tercet_status missing,
                                        tercet_error *error) {
    struct source_shard *shard = &source->shards[source->shard_count++];
    double bytes = host_source_bytes();
    (void)path;
    (void)snprintf(shard->name, sizeof shard->name, "%s", name);
    shard->descriptor = 0;
    if (!(bytes >= 0 && bytes <= 9007199254740991.0)) {
        return tercet_fail(error, missing, 0, "%s has no known size", shard->name);
    }
    shard->file_bytes = (uint64_t)bytes;
    source->file_bytes += shard->file_bytes;
    return TERCET_OK;
}

tercet_status source_shard_read(const struct source_shard *shard, uint64_t offset, void *bytes,
                                size_t count, tercet_error *error) {
    if (offset > shard->file_bytes || count > shard->file_bytes - offset) {
        return tercet_fail(error, TERCET_BAD_SOURCE, offset, "%s ends before byte %llu",
                           shard->name, (unsigned long long)(offset + count));
    }
    return host_read_source((double)offset, bytes, (uint32_t)count) == 0
               ? TERCET_OK
               : tercet_fail(error, TERCET_FILE_READ_FAILED, offset, "%s cannot be read",
                             shard->name);
}

void source_shard_close(struct source_shard *shard) {
    (void)shard; /* the host's */
}

bool source_file_is_at(const char *folder, const char *path) {
    (void)folder;
    (void)path;
    return false; /* the host writes to a place of its own */
}

/* ---------------------------------------------------------------- packed file */

static tercet_status check_written(int32_t answer, uint64_t where, tercet_error *error) {
    if (answer == HOST_FULL) {
        return tercet_fail(error, TERCET_DISK_FULL, where,
                           "there is no room for the packed model in this browser's storage");
    }
    return answer == 0 ? TERCET_OK
                       : tercet_fail(error, TERCET_FILE_WRITE_FAILED, where,
                                     "the packed model could not be written");
}

tercet_status partial_file_open(const char *destination, uint64_t bytes, struct partial_file *file,
                                tercet_error *error) {
    (void)destination;
    *file = (struct partial_file){.descriptor = 0};
    return check_written(host_open_packed((double)bytes), 0, error);
}

tercet_status partial_file_adopt(int descriptor, struct partial_file *file, tercet_error *error) {
    *file = (struct partial_file){.descriptor = -1};
    return tercet_fail(error, TERCET_BAD_ARGUMENT, (uint64_t)descriptor,
                       "there are no descriptors here");
}

tercet_status partial_file_write(const struct partial_file *file, uint64_t offset,
                                 const void *bytes, size_t count, tercet_error *error) {
    (void)file;
    return check_written(host_write_packed((double)offset, bytes, (uint32_t)count), offset, error);
}

tercet_status partial_file_read(const struct partial_file *file, uint64_t offset, void *bytes,
                                size_t count, tercet_error *error) {
    (void)file;
    return host_read_packed((double)offset, bytes, (uint32_t)count) == 0
               ? TERCET_OK
               : tercet_fail(error, TERCET_FILE_READ_FAILED, offset,
                             "the packed model could not be read back");
}

tercet_status partial_file_commit(struct partial_file *file, tercet_error *error) {
    (void)error;
    partial_file_discard(file);
    return TERCET_OK;
}

void partial_file_discard(struct partial_file *file) {
    file->descriptor = -1;
}

/* ---------------------------------------------------------------- hash */

tercet_status sha256_of(const uint8_t *first, size_t first_bytes, const uint8_t *second,
                        size_t second_bytes, uint8_t hash[32], tercet_error *error) {
    (void)error;
    host_sha256(first, (uint32_t)first_bytes, second, (uint32_t)second_bytes, hash);
    return TERCET_OK;
}
