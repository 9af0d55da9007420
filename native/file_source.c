/*
 * file_source.c: see file_source.h. The mapping is private and read-only; a file that changes while
 * it is mapped is the user's doing and not defended against. A copy is read, not made through the mapping,
 * whose touched pages would count as memory of this process beside it.
 */
#define _GNU_SOURCE 1 /* madvise, O_CLOEXEC */
#include "file_source.h"
#include "digest.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of the header that its hash leaves out: the hash itself. CONTAINER.md. */
enum { HASHED_BEFORE = 32, HASHED_AFTER = 64 };
#define HUGE_PAGE_BYTES ((uint64_t)2 << 20)

static tercet_status refuse_folder(const char *path, tercet_error *error) {
    return set_error(error, TERCET_BAD_MAGIC, 0,
                     "this is a folder; pack it first: tercet pack %s -o model.tercet",
                     strlen(path) < 100 ? path : "FOLDER"); /* advice must fit into detail */
}

/* Files that people give by mistake: what they are, and what to do instead. */
static tercet_status refuse_known_formats(const struct file_source *source, tercet_error *error) {
    if (source->count >= 4 && memcmp(source->bytes, "GGUF", 4) == 0) {
        return set_error(error, TERCET_BAD_MAGIC, 0,
                         "this is a GGUF file; pack it first: tercet pack %s -o model.tercet",
                         strlen(source->path) < 100 ? source->path : "FILE");
    }
    /* safetensors: length of the JSON header (u64, little-endian), then the JSON. */
    if (source->count >= 9 && source->bytes[8] == '{' && source->bytes[5] == 0 &&
        source->bytes[6] == 0 && source->bytes[7] == 0) {
        return set_error(error, TERCET_BAD_MAGIC, 0,
                         "this is a safetensors file; pack the folder that holds it first: "
                         "tercet pack FOLDER -o model.tercet");
    }
    return TERCET_OK;
}

tercet_status file_source_open(struct file_source *source, const char *path, tercet_error *error) {
    struct stat status;
    memset(source, 0, sizeof *source);
    source->descriptor = -1;
    source->path = path;
    /* O_NONBLOCK: opening a pipe by mistake must not wait for its writer. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return set_error_from_errno(error, errno, TERCET_FILE_READ_FAILED);
    }
    if (fstat(descriptor, &status) != 0) {
        tercet_status failed = set_error_from_errno(error, errno, TERCET_FILE_READ_FAILED);
        (void)close(descriptor);
        return failed;
    }
    if (!S_ISREG(status.st_mode)) {
        (void)close(descriptor);
        return S_ISDIR(status.st_mode)
                   ? refuse_folder(path, error)
                   : set_error(error, TERCET_FILE_READ_FAILED, 0,
                               "a model must be a regular file, not a pipe or a device");
    }
    if (status.st_size == 0) { /* cannot be mapped */
        (void)close(descriptor);
        return set_error(error, TERCET_TRUNCATED, 0, "the file is empty");
    }
    source->count = (uint64_t)status.st_size;
    void *map = mmap(NULL, source->count, PROT_READ, MAP_PRIVATE, descriptor, 0);
    int map_errno = errno;
    if (map == MAP_FAILED) {
        (void)close(descriptor);
        return set_error_from_errno(error, map_errno, TERCET_FILE_READ_FAILED);
    }
    source->bytes = map;
    source->descriptor = descriptor;
    (void)madvise(map, source->count, MADV_WILLNEED);
    tercet_status refused = refuse_known_formats(source, error);
    if (refused != TERCET_OK) {
        file_source_close(source);
    }
    return refused;
}

bool file_source_is_at(const struct file_source *source, const char *path) {
    struct stat ours, there;
    return fstat(source->descriptor, &ours) == 0 && stat(path, &there) == 0 &&
           ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* Both places begin on a huge page, so that the threads share none. */
struct copied_part {
    int descriptor;
    uint8_t *to;
    uint64_t begin, end;
    bool whole;
};

static void *copy_part(void *context) {
    struct copied_part *part = context;
    uint64_t at = part->begin;
    while (at < part->end) {
        ssize_t taken = pread(part->descriptor, part->to + at, (size_t)(part->end - at), (off_t)at);
        if (taken < 0 && errno == EINTR) {
            continue;
        }
        if (taken <= 0) { /* an error, or the file has become shorter */
            break;
        }
        at += (uint64_t)taken;
    }
    part->whole = at == part->end;
    return NULL;
}

/* In two threads: to clear and fill pages costs processor time, not only the memory's. */
static bool read_from(int descriptor, uint8_t *to, uint64_t first, uint64_t count) {
    uint64_t middle = first + (count - first) / 2 / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    struct copied_part parts[2] = {{descriptor, to, first, middle, false},
                                   {descriptor, to, middle, count, false}};
    pthread_t helper;
    bool helped = pthread_create(&helper, NULL, copy_part, &parts[1]) == 0;
    (void)copy_part(&parts[0]);
    if (helped) {
        (void)pthread_join(helper, NULL);
    } else {
        (void)copy_part(&parts[1]);
    }
    return parts[0].whole && parts[1].whole;
}

bool file_source_copy(struct file_source *source) {
    /* The loader has a copy of the header, which is checked: here its pages keep their place, but are never touched. */
    uint64_t skipped = source->header_bytes / 4096 * 4096;
    uint64_t bytes = source->count + HUGE_PAGE_BYTES; /* for the data to begin on a huge page */
    uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    uint64_t before = -(uint64_t)((uintptr_t)memory + skipped) % HUGE_PAGE_BYTES;
    uint8_t *begin = memory + before;
    /* The rest of the last page stays mapped with it. */
    uint64_t kept = (source->count + 4095) / 4096 * 4096;
    if (before > 0) {
        (void)munmap(memory, before);
    }
    uint64_t after = bytes - before > kept ? bytes - before - kept : 0;
    if (after >= 4096) {
        (void)munmap(begin + kept, after);
    }
    (void)madvise(begin + skipped, source->count - skipped, MADV_HUGEPAGE);
    if (!read_from(source->descriptor, begin, skipped, source->count)) {
        (void)munmap(begin, source->count);
        return false;
    }
    (void)mprotect(begin, source->count, PROT_READ);
    (void)munmap((void *)(uintptr_t)source->bytes, source->count);
    source->bytes = begin;
    return true;
}

static tercet_status check_header_hash(const uint8_t *header, uint64_t bytes,
                                       const uint8_t *expected, tercet_error *error) {
    uint8_t actual[DIGEST_BYTES];
    struct digest *digest = digest_create();
    bool hashed = digest != NULL && digest_begin(digest) &&
                  digest_update(digest, header, HASHED_BEFORE) &&
                  digest_update(digest, header + HASHED_AFTER, bytes - HASHED_AFTER) &&
                  digest_end(digest, actual);
    digest_destroy(digest);
    if (!hashed) {
        return set_error(error, TERCET_OUT_OF_MEMORY, 0, "libcrypto gave no SHA-256");
    }
    if (memcmp(actual, expected, DIGEST_BYTES) != 0) {
        return set_error(error, TERCET_HEADER_HASH_MISMATCH, 0,
                         "bytes 0 to %" PRIu64 " are not what was written", bytes - 1);
    }
    return TERCET_OK;
}

/* One want: bytes to where the loader wants them, hash checked. A file that ends inside the prefix
 * is padded with zeros so that the loader can still tell what it is not; the padding never passes. */
static tercet_status answer(const struct file_source *source, const tercet_want *want,
                            tercet_error *error) {
    uint64_t there = source->count > want->offset ? source->count - want->offset : 0;
    if (there < want->bytes && want->kind != TERCET_WANT_PREFIX) {
        return set_error(error, TERCET_TRUNCATED, source->count, "byte %" PRIu64 " of %" PRIu64,
                         source->count, want->offset + want->bytes);
    }
    uint64_t copied = there < want->bytes ? there : want->bytes;
    memset(want->destination, 0, (size_t)want->bytes);
    memcpy(want->destination, source->bytes + want->offset, (size_t)copied);
    if (want->kind == TERCET_WANT_HEADER && want->sha256 != NULL) {
        return check_header_hash(want->destination, want->bytes, want->sha256, error);
    }
    return TERCET_OK;
}

tercet_status file_source_read_header(struct file_source *source, tercet_loader *loader,
                                      tercet_error *error) {
    for (;;) {
        tercet_want want;
        tercet_file_info info;
        tercet_status status = tercet_loader_want(loader, &want, error);
        if (status == TERCET_OK ||
            (status == TERCET_NEED_BYTES && want.kind == TERCET_WANT_CHUNK)) {
            status = tercet_loader_get_file_info(loader, &info);
            if (status != TERCET_OK) {
                return set_error(error, status, 0, "the loader has no header");
            }
            /* The loader has its copy: these pages, which a reader may still fault in, need not stay. */
            (void)madvise((void *)(uintptr_t)source->bytes, info.header_bytes / 4096 * 4096,
                          MADV_DONTNEED);
            source->header_bytes = info.header_bytes;
            source->data_bytes = info.data_bytes;
            source->chunk_bytes = info.chunk_bytes;
            source->chunks = info.chunks;
            return TERCET_OK;
        }
        if (status != TERCET_NEED_BYTES) {
            return status;
        }
        status = answer(source, &want, error);
        if (status != TERCET_OK) {
            return status;
        }
        status = tercet_loader_give(loader, error);
        if (status != TERCET_OK) {
            return status;
        }
        if (want.kind == TERCET_WANT_PREFIX && source->count < want.bytes) {
            return set_error(error, TERCET_TRUNCATED, source->count,
                             "byte %" PRIu64 ", inside the header", source->count);
        }
    }
}

static tercet_status check_one_chunk(const struct file_source *source, const tercet_file_info *info,
                                     struct digest *digest, struct damaged_chunk *chunk,
                                     tercet_error *error) {
    uint8_t actual[DIGEST_BYTES];
    uint64_t begin = (uint64_t)chunk->index * info->chunk_bytes;
    uint64_t left = info->data_bytes - begin;
    chunk->bytes = left < info->chunk_bytes ? left : info->chunk_bytes;
    chunk->offset = info->header_bytes + begin;
    if (chunk->offset + chunk->bytes > source->count) {
        return set_error(error, TERCET_TRUNCATED, source->count, "byte %" PRIu64 " of %" PRIu64,
                         source->count, info->file_bytes);
    }
    if (!digest_begin(digest) ||
        !digest_update(digest, source->bytes + chunk->offset, (size_t)chunk->bytes) ||
        !digest_end(digest, actual)) {
        return set_error(error, TERCET_OUT_OF_MEMORY, 0, "libcrypto gave no SHA-256");
    }
    if (memcmp(actual, info->chunk_sha256 + (size_t)chunk->index * DIGEST_BYTES, DIGEST_BYTES) !=
        0) {
        return set_error(error, TERCET_CHUNK_HASH_MISMATCH, chunk->index,
                         "chunk %" PRIu32 " of %" PRIu32 ", bytes %" PRIu64 " to %" PRIu64,
                         chunk->index, info->chunks, chunk->offset,
                         chunk->offset + chunk->bytes - 1);
    }
    return TERCET_OK;
}

tercet_status file_source_check_chunks(const struct file_source *source,
                                       const tercet_loader *loader, uint32_t first,
                                       const char *what, struct damaged_chunk *damaged,
                                       tercet_error *error) {
    tercet_file_info info;
    tercet_status status = tercet_loader_get_file_info(loader, &info);
    if (status != TERCET_OK) {
        return set_error(error, status, 0, "the loader has no header");
    }
    struct digest *digest = digest_create();
    if (digest == NULL) {
        return set_error(error, TERCET_OUT_OF_MEMORY, 0, "libcrypto gave no SHA-256");
    }
    for (uint32_t index = first; index < info.chunks && status == TERCET_OK; index++) {
        damaged->index = index;
        status = check_one_chunk(source, &info, digest, damaged, error);
        if (what != NULL) {
            progress_show(what, index + 1, info.chunks);
        }
    }
    digest_destroy(digest);
    if (what != NULL) {
        progress_end();
    }
    return status;
}

tercet_status file_source_finish(const struct file_source *source, tercet_loader *loader,
                                 tercet_model **model, tercet_error *error) {
    tercet_status status = tercet_loader_place(loader, source->bytes + source->header_bytes,
                                               source->count - source->header_bytes, error);
    return status != TERCET_OK ? status : tercet_loader_finish(loader, model, error);
}

void file_source_close(struct file_source *source) {
    if (source->descriptor >= 0 && source->bytes != NULL) {
        (void)close(source->descriptor);
        source->descriptor = -1;
    }
    if (source->bytes != NULL) {
        /* munmap takes the address that mmap gave: never written through. */
        (void)munmap((void *)(uintptr_t)source->bytes, source->count);
        source->bytes = NULL;
    }
}
