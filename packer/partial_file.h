/*
 * partial_file.h: a file that exists only when it is complete. It is written under another name beside its destination and
 * renamed at the end; any failure removes it and leaves what was at the destination as it was. Knows no format.
 *
 * A process that is killed leaves `<destination>.partial-<pid>` behind, never a half-written destination. A host that
 * lowers RLIMIT_FSIZE must ignore SIGXFSZ to get an error instead of the signal.
 */
#ifndef TERCET_PACKER_PARTIAL_FILE_H
#define TERCET_PACKER_PARTIAL_FILE_H

#include "../core/base/status.h"

struct partial_file {
    int descriptor; /* -1: nothing is open */
    char *path;     /* of the partial file; malloc'ed */
    char *destination;
    char *folder; /* of the destination; NULL: a file without a name, which commit only closes */
};

/* `bytes` is the size that the file will have: DISK_FULL at once when the file system has less free. A destination that is
 * there must be a regular file (a link is followed): FILE_WRITE_FAILED. On an error nothing is left to discard. */
tercet_status partial_file_open(const char *destination, uint64_t bytes, struct partial_file *file,
                                tercet_error *error);
/* A file that has no name and needs none (memfd_create, O_TMPFILE). Works on a copy of the descriptor, so the caller's stays
 * open in any case. OUT_OF_MEMORY, FILE_WRITE_FAILED. */
tercet_status partial_file_adopt(int descriptor, struct partial_file *file, tercet_error *error);
/* All of `count` bytes at `offset`. DISK_FULL, FILE_WRITE_FAILED; the file must then be discarded. */
tercet_status partial_file_write(const struct partial_file *file, uint64_t offset,
                                 const void *bytes, size_t count, tercet_error *error);
/* What was written, from the file system. FILE_READ_FAILED, also beyond the end. */
tercet_status partial_file_read(const struct partial_file *file, uint64_t offset, void *bytes,
                                size_t count, tercet_error *error);
/* fsync, close, rename, fsync of the folder. Closes and frees in any case; on an error before the rename the destination is
 * as it was and the partial file is removed. */
tercet_status partial_file_commit(struct partial_file *file, tercet_error *error);
/* Removes the partial file, closes and frees. Does nothing to a file that was committed or never opened. */
void partial_file_discard(struct partial_file *file);

#endif
