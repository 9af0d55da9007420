/*
 * gguf_writer.c: see gguf_writer.h. Format: ggml-org/ggml, docs/gguf.md.
 */
#include "gguf_writer.h"

#include "partial_file.h"

#include <stdlib.h>
#include <string.h>

enum { TYPE_U32 = 4, TYPE_F32 = 6, TYPE_BOOL = 7, TYPE_STRING = 8, TYPE_ARRAY = 9 };
#define HEAD_BYTES 24u /* magic, version, number of tensors, number of keys */
#define GGUF_VERSION 3u

struct block {
    uint8_t *bytes;
    size_t count, capacity;
};

struct gguf_writer {
    struct block keys, infos;
    uint64_t key_count, tensor_count;
    uint64_t *tensor_bytes; /* [tensor_count] */
    size_t tensor_capacity;
    uint64_t data_bytes; /* of all tensors, padded */
    bool out_of_memory;
    struct partial_file file;
    uint64_t at;            /* where the next byte goes */
    uint64_t current, left; /* the tensor that is being written, and its bytes still to come */
};

static uint64_t pad(uint64_t bytes) {
    return (bytes + GGUF_ALIGNMENT - 1) & ~(uint64_t)(GGUF_ALIGNMENT - 1);
}

/* Room for `count` more bytes at the end of a block; NULL (and remembered) without memory. */
static uint8_t *extend(struct gguf_writer *writer, struct block *block, size_t count) {
    if (block->count + count > block->capacity) {
        size_t capacity = 2 * (block->capacity + count) + 4096;
        uint8_t *larger = realloc(block->bytes, capacity);
        if (larger == NULL) {
            writer->out_of_memory = true;
            return NULL;
        }
        block->bytes = larger;
        block->capacity = capacity;
    }
    block->count += count;
    return block->bytes + block->count - count;
}

static void put_integer(struct gguf_writer *writer, struct block *block, uint64_t value,
                        unsigned bytes) {
    uint8_t *at = extend(writer, block, bytes);
    for (unsigned i = 0; at != NULL && i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void put_text(struct gguf_writer *writer, struct block *block, const void *text,
                     size_t bytes) {
    put_integer(writer, block, bytes, 8);
    uint8_t *at = extend(writer, block, bytes);
    if (at != NULL && bytes > 0) {
        memcpy(at, text, bytes);
    }
}

static void put_key(struct gguf_writer *writer, const char *key, uint32_t type) {
    put_text(writer, &writer->keys, key, strlen(key));
    put_integer(writer, &writer->keys, type, 4);
    writer->key_count++;
}

static uint32_t float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

struct gguf_writer *gguf_writer_create(void) {
    struct gguf_writer *writer = calloc(1, sizeof *writer);
    if (writer != NULL) {
        writer->file.descriptor = -1;
    }
    return writer;
}

void gguf_writer_add_u32(struct gguf_writer *writer, const char *key, uint32_t value) {
    put_key(writer, key, TYPE_U32);
    put_integer(writer, &writer->keys, value, 4);
}

void gguf_writer_add_f32(struct gguf_writer *writer, const char *key, float value) {
    put_key(writer, key, TYPE_F32);
    put_integer(writer, &writer->keys, float_bits(value), 4);
}

void gguf_writer_add_bool(struct gguf_writer *writer, const char *key, bool value) {
    put_key(writer, key, TYPE_BOOL);
    put_integer(writer, &writer->keys, value, 1);
}

void gguf_writer_add_string(struct gguf_writer *writer, const char *key, const char *text) {
    put_key(writer, key, TYPE_STRING);
    put_text(writer, &writer->keys, text, strlen(text));
}

void gguf_writer_add_array(struct gguf_writer *writer, const char *key, enum gguf_value type,
                           uint64_t count) {
    put_key(writer, key, TYPE_ARRAY);
    put_integer(writer, &writer->keys, (uint64_t)type, 4);
    put_integer(writer, &writer->keys, count, 8);
}

void gguf_writer_put_i32(struct gguf_writer *writer, int32_t value) {
    put_integer(writer, &writer->keys, (uint32_t)value, 4);
}

void gguf_writer_put_f32(struct gguf_writer *writer, float value) {
    put_integer(writer, &writer->keys, float_bits(value), 4);
}

void gguf_writer_put_string(struct gguf_writer *writer, const void *text, size_t bytes) {
    put_text(writer, &writer->keys, text, bytes);
}

void gguf_writer_add_tensor(struct gguf_writer *writer, const char *name, uint32_t type,
                            uint32_t columns, uint32_t rows, uint64_t bytes) {
    if (writer->tensor_count == writer->tensor_capacity) {
        size_t capacity = 2 * writer->tensor_capacity + 64;
        uint64_t *larger = realloc(writer->tensor_bytes, capacity * sizeof *larger);
        if (larger == NULL) {
            writer->out_of_memory = true;
            return;
        }
        writer->tensor_bytes = larger;
        writer->tensor_capacity = capacity;
    }
    writer->tensor_bytes[writer->tensor_count++] = bytes;
    put_text(writer, &writer->infos, name, strlen(name));
    put_integer(writer, &writer->infos, rows == 0 ? 1 : 2, 4);
    put_integer(writer, &writer->infos, columns, 8);
    if (rows != 0) {
        put_integer(writer, &writer->infos, rows, 8);
    }
    put_integer(writer, &writer->infos, type, 4);
    put_integer(writer, &writer->infos, writer->data_bytes, 8);
    writer->data_bytes += pad(bytes);
}

/* Zeros up to the next multiple of the alignment. The data section begins at one, so places in the file will do. */
static tercet_status write_padding(struct gguf_writer *writer, tercet_error *error) {
    static const uint8_t zeros[GGUF_ALIGNMENT];
    uint64_t end = pad(writer->at);
    TERCET_TRY(
        partial_file_write(&writer->file, writer->at, zeros, (size_t)(end - writer->at), error));
    writer->at = end;
    return TERCET_OK;
}

static tercet_status write_block(struct gguf_writer *writer, const void *bytes, size_t count,
                                 tercet_error *error) {
    TERCET_TRY(partial_file_write(&writer->file, writer->at, bytes, count, error));
    writer->at += count;
    return TERCET_OK;
}

/* Passes over what is complete: the end of a tensor, and tensors without data. */
static tercet_status next_tensor(struct gguf_writer *writer, tercet_error *error) {
    while (writer->left == 0 && writer->current < writer->tensor_count) {
        TERCET_TRY(write_padding(writer, error));
        writer->current++;
        if (writer->current < writer->tensor_count) {
            writer->left = writer->tensor_bytes[writer->current];
        }
    }
    return TERCET_OK;
}

tercet_status gguf_writer_open(struct gguf_writer *writer, const char *path, tercet_error *error) {
    struct block head = {0};
    put_integer(writer, &head, 0x46554747u, 4); /* "GGUF" */
    put_integer(writer, &head, GGUF_VERSION, 4);
    put_integer(writer, &head, writer->tensor_count, 8);
    put_integer(writer, &head, writer->key_count, 8);
    if (writer->out_of_memory) {
        free(head.bytes);
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the header of %s", path);
    }
    uint64_t header = pad(HEAD_BYTES + writer->keys.count + writer->infos.count);
    tercet_status status =
        partial_file_open(path, header + writer->data_bytes, &writer->file, error);
    if (status == TERCET_OK) {
        status = write_block(writer, head.bytes, head.count, error);
    }
    free(head.bytes);
    TERCET_TRY(status);
    TERCET_TRY(write_block(writer, writer->keys.bytes, writer->keys.count, error));
    TERCET_TRY(write_block(writer, writer->infos.bytes, writer->infos.count, error));
    TERCET_TRY(write_padding(writer, error));
    writer->current = 0;
    writer->left = writer->tensor_count > 0 ? writer->tensor_bytes[0] : 0;
    return next_tensor(writer, error);
}

tercet_status gguf_writer_append(struct gguf_writer *writer, const void *bytes, size_t count,
                                 tercet_error *error) {
    if (count > writer->left) {
        return tercet_fail(error, TERCET_BAD_ARGUMENT, writer->current,
                           "%llu bytes were written to tensor %llu, which has room for %llu",
                           (unsigned long long)count, (unsigned long long)writer->current,
                           (unsigned long long)writer->left);
    }
    TERCET_TRY(write_block(writer, bytes, count, error));
    writer->left -= count;
    return next_tensor(writer, error);
}

static void destroy(struct gguf_writer *writer) {
    free(writer->keys.bytes);
    free(writer->infos.bytes);
    free(writer->tensor_bytes);
    free(writer);
}

tercet_status gguf_writer_commit(struct gguf_writer *writer, uint64_t *file_bytes,
                                 tercet_error *error) {
    if (writer->current < writer->tensor_count) {
        tercet_status status = tercet_fail(
            error, TERCET_BAD_ARGUMENT, writer->current, "%llu bytes of tensor %llu are missing",
            (unsigned long long)writer->left, (unsigned long long)writer->current);
        gguf_writer_abort(writer);
        return status;
    }
    *file_bytes = writer->at;
    tercet_status status = partial_file_commit(&writer->file, error);
    destroy(writer);
    return status;
}

void gguf_writer_abort(struct gguf_writer *writer) {
    if (writer != NULL) {
        partial_file_discard(&writer->file);
        destroy(writer);
    }
}
