/*
 * output_file.h: a result file that is there whole or not at all: written beside its place under a
 * temporary name, renamed at the end. "-" is stdout; a device or pipe is written directly.
 */
#ifndef TERCET_NATIVE_OUTPUT_FILE_H
#define TERCET_NATIVE_OUTPUT_FILE_H

#include "tercet.h"
#include <stdbool.h>
#include <stdio.h>

struct output_file {
    FILE *stream;
    const char *path;
    char *temporary; /* NULL when written directly */
};

/* FILE_WRITE_FAILED, DISK_FULL, OUT_OF_MEMORY. `path` must outlive the file. */
tercet_status output_file_open(struct output_file *file, const char *path, tercet_error *error);
tercet_status output_file_write(struct output_file *file, const void *bytes, size_t count,
                                tercet_error *error);
/* Everything is on the disk and under its name. After a failure here or in write: output_file_drop. */
tercet_status output_file_commit(struct output_file *file, tercet_error *error);
/* Closes and removes what was written; nothing after a commit. Ctrl-C and SIGTERM do the same. */
void output_file_drop(struct output_file *file);

#endif
