/*
 * gguf_writer.h: writes a GGUF file, version 3: keys and tensors are announced first and kept in memory, then the tensor
 * data is streamed in the same order, then the file is committed by rename. Obeys the strict rules that ggml demands of a
 * file (offsets in order, each the end of the one before padded to 32). Knows neither models nor block types.
 */
#ifndef TERCET_PACKER_GGUF_WRITER_H
#define TERCET_PACKER_GGUF_WRITER_H

#include "../core/base/status.h"
#include <stdbool.h>

#define GGUF_ALIGNMENT 32u
#define GGUF_NAME_BYTES 64u /* of a tensor, with its NUL */

/* Element types of arrays. */
enum gguf_value { GGUF_VALUE_I32 = 5, GGUF_VALUE_F32 = 6, GGUF_VALUE_STRING = 8 };

struct gguf_writer;

/* NULL without memory. */
struct gguf_writer *gguf_writer_create(void);

/* Keys, each once. What cannot be kept for lack of memory is reported by gguf_writer_open. */
void gguf_writer_add_u32(struct gguf_writer *writer, const char *key, uint32_t value);
void gguf_writer_add_f32(struct gguf_writer *writer, const char *key, float value);
void gguf_writer_add_bool(struct gguf_writer *writer, const char *key, bool value);
void gguf_writer_add_string(struct gguf_writer *writer, const char *key, const char *text);
/* Exactly `count` items of that type must follow. */
void gguf_writer_add_array(struct gguf_writer *writer, const char *key, enum gguf_value type,
                           uint64_t count);
void gguf_writer_put_i32(struct gguf_writer *writer, int32_t value);
void gguf_writer_put_f32(struct gguf_writer *writer, float value);
void gguf_writer_put_string(struct gguf_writer *writer, const void *text, size_t bytes);

/* rows = 0: a vector of `columns`. `bytes` is the size of its data, without padding. The name is below GGUF_NAME_BYTES. */
void gguf_writer_add_tensor(struct gguf_writer *writer, const char *name, uint32_t type,
                            uint32_t columns, uint32_t rows, uint64_t bytes);

/* Opens the partial file and writes the header; nothing may be added from here on. OUT_OF_MEMORY, FILE_WRITE_FAILED,
 * DISK_FULL (also when less is free than the file needs). */
tercet_status gguf_writer_open(struct gguf_writer *writer, const char *path, tercet_error *error);
/* The next bytes of tensor data, in the order of the tensors; never beyond the end of the current one. Padding is added. */
tercet_status gguf_writer_append(struct gguf_writer *writer, const void *bytes, size_t count,
                                 tercet_error *error);
/* All data was appended (else BAD_ARGUMENT): fsync, rename. Destroys the writer in any case. */
tercet_status gguf_writer_commit(struct gguf_writer *writer, uint64_t *file_bytes,
                                 tercet_error *error);
/* Removes the partial file, if there is one; NULL is fine. */
void gguf_writer_abort(struct gguf_writer *writer);

#endif
