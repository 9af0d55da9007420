/*
 * container_writer.h: writes a .tercet file: header first in memory, tensors streamed in order, chunks hashed on the way
 * (libcrypto), commit by rename. Nothing is left behind on failure. The layout's constants are core's
 * container_layout.h; every file is read back through container_read_header before it is committed.
 */
#ifndef TERCET_PACKER_CONTAINER_WRITER_H
#define TERCET_PACKER_CONTAINER_WRITER_H

#include "../core/container/container_reader.h"

struct thread_pool;

struct writer_tensor {
    uint32_t stage, role, type, scale, rows, columns;
};

/* Everything of the header but offsets and hashes, which the writer computes. */
struct writer_plan {
    struct container_config config;
    double rope_scale;
    const double *rope_frequencies;      /* head_dim / 2; none with learned positions */
    const struct writer_tensor *tensors; /* in (stage, role) order */
    uint32_t tensor_count;
    const uint8_t *tokenizer_section; /* bytes as tokenizer_tables.h builds them */
    size_t tokenizer_bytes;
    const uint8_t *chat_section; /* bytes as chat_section.h builds them; NULL: none */
    size_t chat_bytes;
    const char *name, *licence, *source; /* may be NULL */
    struct thread_pool *pool;            /* that hashes and writes; NULL: the caller */
};

struct container_writer;

/* Opens `path`.partial-<pid> beside the destination. FILE_WRITE_FAILED, DISK_FULL (also when the file system has less free
 * than the file needs), LIMIT_EXCEEDED, OUT_OF_MEMORY. */
tercet_status container_writer_open(const char *path, const struct writer_plan *plan,
                                    struct container_writer **writer, tercet_error *error);
/* The same into a file without a name (memfd_create), which the caller keeps open: commit writes the header and no more. */
tercet_status container_writer_open_descriptor(int descriptor, const struct writer_plan *plan,
                                               struct container_writer **writer,
                                               tercet_error *error);
/* Next bytes of tensor data (with scales and padding: use container_tensor_bytes for the sizes), in file order. */
tercet_status container_writer_append(struct container_writer *writer, const void *bytes,
                                      size_t count, tercet_error *error);
/* Reads back data bytes already appended (offset in the tensor data): for the packer's proof of losslessness. */
tercet_status container_writer_read_back(struct container_writer *writer, uint64_t offset,
                                         void *bytes, size_t count, tercet_error *error);
/* All data was appended: writes the header, checks it with the reader, fsync, rename, fsync of the folder. model_id gets
 * 32 bytes. Frees the writer in any case. */
tercet_status container_writer_commit(struct container_writer *writer, uint8_t model_id[32],
                                      uint64_t *file_bytes, tercet_error *error);
/* Removes the partial file and frees the writer; NULL is fine. */
void container_writer_abort(struct container_writer *writer);

#endif
