/*
 * source_shard.c: the bytes of a source's file on a POSIX system: open, pread, close. Declared in source_weights.h. The
 * WebAssembly module has its own of these (wasm/packer_files.c).
 */
#define _POSIX_C_SOURCE 200809L
#include "source_weights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One pread can move at most SSIZE_MAX bytes, and Linux moves fewer than 2^31. */
#define READ_BYTES_MAX ((size_t)1 << 30)

tercet_status source_shard_read(const struct source_shard *shard, uint64_t offset, void *bytes,
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

tercet_status source_weights_open_shard(struct source_weights *source, const char *path,
                                        const char *name, tercet_status missing,
                                        tercet_error *error) {
    struct stat info;
    /* Without O_NONBLOCK a pipe of that name would hang the program. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int reason = errno;
    if (descriptor < 0) {
        return reason == ENOENT ? tercet_fail(error, missing, 0, "the file %s is missing", name)
                                : tercet_fail(error, TERCET_FILE_READ_FAILED, 0,
                                              "%s cannot be opened: %s", name, strerror(reason));
    }
    struct source_shard *shard = &source->shards[source->shard_count++];
    (void)snprintf(shard->name, sizeof shard->name, "%s", name);
    shard->descriptor = descriptor;
    if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size < 0) {
        return tercet_fail(error, TERCET_FILE_READ_FAILED, 0, "%s is not a regular file",
                           shard->name);
    }
    shard->file_bytes = (uint64_t)info.st_size;
    source->file_bytes += shard->file_bytes;
    return TERCET_OK;
}

void source_shard_close(struct source_shard *shard) {
    (void)close(shard->descriptor);
}
