/*
 * read_gguf.h: opens a GGUF file: its header into memory, its tensors as weights of a source, whose bytes stay in the file.
 * Must never write.
 */
#ifndef TERCET_PACKER_READ_GGUF_H
#define TERCET_PACKER_READ_GGUF_H

#include "gguf_header.h"

struct gguf_file {
    struct gguf_header header; /* its table is empty: the weights own the tensors */
    uint8_t *bytes;            /* of the header; keys point into them */
    uint64_t header_bytes;     /* how many are there */
};

/* Whether `path` is a file (no folder) that begins with GGUF's magic or is named *.gguf. */
bool gguf_is_file(const char *path);
/* FILE_NOT_FOUND, FILE_READ_FAILED and errors of gguf_parse_header. `path` must outlive the result. After a failure there
 * is nothing to close; else close both. */
tercet_status gguf_open(const char *path, struct gguf_file *file, struct source_weights *weights,
                        tercet_error *error);
void gguf_close(struct gguf_file *file);

#endif
