/*
 * partial_file.c: see partial_file.h. POSIX only. Must never remove or rename a file that it did not make.
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "partial_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* The sentence for a failed call: why first, since a long path may be cut. */
static tercet_status write_failed(int number, uint64_t where, const char *path,
                                  tercet_error *error) {
    if (number == ENOMEM)
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, where,
                           "the system has no memory to write %s", path);
    if (number == ENOSPC || number == EDQUOT)
        return tercet_fail(error, TERCET_DISK_FULL, where,
                           "the disk became full after %llu bytes of %s", (unsigned long long)where,
                           path);
    return tercet_fail(error, TERCET_FILE_WRITE_FAILED, where, "%s: cannot write %s",
                       strerror(number), path);
}

static void forget(struct partial_file *file) {
    free(file->path);
    free(file->destination);
    free(file->folder);
    *file = (struct partial_file){.descriptor = -1};
}

/* Whether `path` still names the file that is open: another process with our id (on a shared disk) may have replaced it. */
static bool is_ours(const struct partial_file *file) {
    struct stat open_file, named_file;
    return fstat(file->descriptor, &open_file) == 0 && lstat(file->path, &named_file) == 0 &&
           open_file.st_dev == named_file.st_dev && open_file.st_ino == named_file.st_ino;
}

/* What a destination that is already there must be; links are followed to what they name. */
static tercet_status check_destination(struct partial_file *file, tercet_error *error) {
    struct stat there;
    if (stat(file->destination, &there) != 0)
        return TERCET_OK; /* open will say why, if it matters */
    if (!S_ISREG(there.st_mode))
        return tercet_fail(error, TERCET_FILE_WRITE_FAILED, 0,
                           "what is there is no regular file and will not be replaced: %s",
                           file->destination);
    char *resolved = realpath(file->destination, NULL);
    if (resolved == NULL)
        return write_failed(errno, 0, file->destination, error);
    free(file->destination);
    file->destination = resolved;
    return TERCET_OK;
}

static tercet_status check_free_space(const struct partial_file *file, uint64_t bytes,
                                      tercet_error *error) {
    struct statvfs system;
    /* File systems that do not count their blocks report 0 of them. */
    if (fstatvfs(file->descriptor, &system) != 0 || system.f_blocks == 0)
        return TERCET_OK;
    uint64_t block = system.f_frsize;
    if (system.f_bavail >= bytes / block + (bytes % block != 0))
        return TERCET_OK;
    return tercet_fail(error, TERCET_DISK_FULL, 0,
                       "%llu bytes are needed, but the disk has only %llu free: %s",
                       (unsigned long long)bytes, (unsigned long long)(system.f_bavail * block),
                       file->destination);
}

/* A leftover of an earlier process that had our id is replaced. */
static int open_exclusively(const char *path) {
    int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    int descriptor = open(path, flags, 0666);
    if (descriptor < 0 && errno == EEXIST && unlink(path) == 0)
        descriptor = open(path, flags, 0666);
    return descriptor;
}

/* The names that writing needs, so that nothing is allocated once bytes are written. False without memory. */
static bool make_names(struct partial_file *file) {
    size_t room = strlen(file->destination) + sizeof ".partial-18446744073709551615";
    const char *slash = strrchr(file->destination, '/');
    if (slash == NULL)
        file->folder = strdup(".");
    else /* the folder of "/file" is "/" */
        file->folder =
            strndup(file->destination,
                    slash == file->destination ? 1 : (size_t)(slash - file->destination));
    file->path = malloc(room);
    if (file->folder == NULL || file->path == NULL)
        return false;
    (void)snprintf(file->path, room, "%s.partial-%" PRIuMAX, file->destination,
                   (uintmax_t)getpid());
    return true;
}

static tercet_status open_partial(struct partial_file *file, uint64_t bytes, tercet_error *error) {
    if (file->destination == NULL)
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for a path");
    TERCET_TRY(check_destination(file, error));
    if (!make_names(file))
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for a path");
    file->descriptor = open_exclusively(file->path);
    if (file->descriptor < 0)
        return write_failed(errno, 0, file->path, error);
    return check_free_space(file, bytes, error);
}

tercet_status partial_file_open(const char *destination, uint64_t bytes, struct partial_file *file,
                                tercet_error *error) {
    *file = (struct partial_file){.descriptor = -1};
    if (destination[0] == '\0')
        return tercet_fail(error, TERCET_FILE_WRITE_FAILED, 0, "the path to write to is empty");
    file->destination = strdup(destination);
    tercet_status status = open_partial(file, bytes, error);
    if (status != TERCET_OK)
        partial_file_discard(file);
    return status;
}

tercet_status partial_file_adopt(int descriptor, struct partial_file *file, tercet_error *error) {
    *file = (struct partial_file){.descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)};
    file->path = strdup("the file in memory");
    if (file->descriptor < 0 || file->path == NULL) {
        tercet_status status = file->path == NULL ? tercet_fail(error, TERCET_OUT_OF_MEMORY, 0,
                                                                "no memory for the name of a file")
                                                  : write_failed(errno, 0, file->path, error);
        partial_file_discard(file);
        return status;
    }
    return TERCET_OK;
}

tercet_status partial_file_write(const struct partial_file *file, uint64_t offset,
                                 const void *bytes, size_t count, tercet_error *error) {
    const uint8_t *at = bytes;
    while (count > 0) {
        ssize_t written = pwrite(file->descriptor, at, count, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return write_failed(written < 0 ? errno : ENOSPC, offset, file->path, error);
        at += written;
        offset += (uint64_t)written;
        count -= (size_t)written;
    }
    return TERCET_OK;
}

tercet_status partial_file_read(const struct partial_file *file, uint64_t offset, void *bytes,
                                size_t count, tercet_error *error) {
    uint8_t *at = bytes;
    while (count > 0) {
        ssize_t got = pread(file->descriptor, at, count, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return tercet_fail(error, TERCET_FILE_READ_FAILED, offset, "%s: cannot read back %s",
                               got < 0 ? strerror(errno)
                                       : "the file is shorter than what was written",
                               file->path);
        at += got;
        offset += (uint64_t)got;
        count -= (size_t)got;
    }
    return TERCET_OK;
}

/* The rename is on the disk only when its folder is. Some file systems cannot sync a folder and say so: nothing more can
 * be done there. */
static tercet_status sync_folder(const struct partial_file *file, tercet_error *error) {
    int descriptor = open(file->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return TERCET_OK; /* a folder that may be written but not read: likewise */
    int number = fsync(descriptor) == 0 ? 0 : errno;
    (void)close(descriptor);
    if (number == 0 || number == EINVAL || number == ENOTSUP)
        return TERCET_OK;
    return write_failed(number, 0, file->destination, error);
}

tercet_status partial_file_commit(struct partial_file *file, tercet_error *error) {
    tercet_status status = TERCET_OK;
    if (file->folder == NULL) { /* nameless: nothing to rename, and no disk behind it to sync */
        partial_file_discard(file);
        return TERCET_OK;
    }
    if (fsync(file->descriptor) != 0) {
        status = write_failed(errno, 0, file->path, error);
    } else if (!is_ours(file)) {
        status = tercet_fail(error, TERCET_FILE_WRITE_FAILED, 0, "another process replaced %s",
                             file->path);
    } else {
        int descriptor = file->descriptor;
        file->descriptor = -1; /* closed even if close fails */
        if (close(descriptor) != 0 || rename(file->path, file->destination) != 0) {
            status = write_failed(errno, 0, file->destination, error);
            (void)unlink(file->path);
        }
    }
    if (status == TERCET_OK) {
        status = sync_folder(file, error);
        forget(file);
    } else {
        partial_file_discard(file);
    }
    return status;
}

void partial_file_discard(struct partial_file *file) {
    if (file->descriptor >= 0) {
        if (file->folder != NULL && is_ours(file))
            (void)unlink(file->path);
        (void)close(file->descriptor);
    }
    forget(file);
}
