/*
 * source_file.h: reads one whole file of the folder that is being packed, with a cap on its size. For the small files
 * (JSON, tokenizers); weights are read tensor by tensor elsewhere. Must never follow a size that the file itself names.
 */
#ifndef TERCET_PACKER_SOURCE_FILE_H
#define TERCET_PACKER_SOURCE_FILE_H

#include "../core/base/status.h"
#include <stdbool.h>

/* Reads folder/name into a malloc'ed block (one zero byte follows the content); free it. FILE_NOT_FOUND,
 * FILE_READ_FAILED (also for a folder, a pipe or a device of that name), LIMIT_EXCEEDED above most_bytes, OUT_OF_MEMORY. */
tercet_status source_file_read(const char *folder, const char *name, size_t most_bytes,
                               uint8_t **bytes, size_t *count, tercet_error *error);
/* Whether something of that name is there (it may still be unreadable, or a link to nothing). */
bool source_file_exists(const char *folder, const char *name);
/* Whether `path` is (a link to) a file of the folder, or `folder` itself where that is a file: the packer must not replace its own source. Packed files (*.tercet)
 * may lie there too and do not count. */
bool source_file_is_at(const char *folder, const char *path);

#endif
