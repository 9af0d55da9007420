/*
 * file_source.h: a .tercet file on disk, mapped read-only and used in place. Answers the loader's
 * wants, and checks what core does not: the header's hash always, the chunks' hashes when asked.
 * A large file may be moved into memory of huge pages; it is never there twice. Never writes.
 */
#ifndef TERCET_NATIVE_FILE_SOURCE_H
#define TERCET_NATIVE_FILE_SOURCE_H

#include "tercet.h"
#include <stdbool.h>

struct file_source {
    const char *path;
    const uint8_t *bytes; /* the whole file, mapped, or in memory of its own without the header */
    int descriptor;
    uint64_t count;
    /* Filled by file_source_read_header. */
    uint64_t header_bytes, data_bytes;
    uint32_t chunk_bytes, chunks;
};

struct damaged_chunk {
    uint32_t index;
    uint64_t offset, bytes; /* in the file */
};

/* Maps the file. FILE_NOT_FOUND, FILE_READ_FAILED; BAD_MAGIC with advice for a folder, a safetensors
 * or a GGUF file. `path` must outlive the source. */
tercet_status file_source_open(struct file_source *source, const char *path, tercet_error *error);
/* Whether `path` is the very file, under whatever name: what is written there would replace it. */
bool file_source_is_at(const struct file_source *source, const char *path);
/* Replaces the mapping by a copy in huge pages, before the loader places anything: a pass over pages of 4 KiB
 * reads at 70 % of the memory's speed. The header is left out: the loader has it. True if it did; false, and all is as before, where memory for
 * it cannot be had. */
bool file_source_copy(struct file_source *source);
/* Gives the loader prefix and header, and checks the header's hash. The loader must have been
 * created with map_in_place and file_bytes = source->count. */
tercet_status file_source_read_header(struct file_source *source, tercet_loader *loader,
                                      tercet_error *error);
/* Hashes every chunk. At the first damaged one: CHUNK_HASH_MISMATCH, `error->where` its index, and
 * *damaged says where it lies; `first` is where to start, so that a caller can find them all.
 * Shows progress as `what` unless it is NULL. */
tercet_status file_source_check_chunks(const struct file_source *source,
                                       const tercet_loader *loader, uint32_t first,
                                       const char *what, struct damaged_chunk *damaged,
                                       tercet_error *error);
/* Places the mapped data and hands the model over. The source must outlive the model. */
tercet_status file_source_finish(const struct file_source *source, tercet_loader *loader,
                                 tercet_model **model, tercet_error *error);
void file_source_close(struct file_source *source);

#endif
