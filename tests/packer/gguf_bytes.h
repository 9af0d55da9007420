/*
 * gguf_bytes.h: for the packer's tests: a GGUF file put together field by field in memory, so that a test can put any field
 * wrong. Shares no code with the packer's writer.
 */
#ifndef TERCET_TESTS_PACKER_GGUF_BYTES_H
#define TERCET_TESTS_PACKER_GGUF_BYTES_H

#include "check.h"

enum { GGUF_BYTES_MAX = 1 << 20, ARRAY_TYPE = 9, STRING_TYPE = 8 };

struct gguf_bytes {
    uint8_t *bytes;
    size_t count;
};

static inline void gguf_put(struct gguf_bytes *file, const void *bytes, size_t count) {
    REQUIRE(file->count + count <= GGUF_BYTES_MAX);
    memcpy(file->bytes + file->count, bytes, count);
    file->count += count;
}

static inline void gguf_put_number(struct gguf_bytes *file, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)(value >> (8 * i));
        gguf_put(file, &byte, 1);
    }
}

static inline void gguf_put_u32(struct gguf_bytes *file, uint32_t value) {
    gguf_put_number(file, value, 4);
}

static inline void gguf_put_u64(struct gguf_bytes *file, uint64_t value) {
    gguf_put_number(file, value, 8);
}

static inline void gguf_put_text(struct gguf_bytes *file, const char *text) {
    gguf_put_u64(file, strlen(text));
    gguf_put(file, text, strlen(text));
}

static inline void gguf_start(struct gguf_bytes *file, uint32_t version, uint64_t tensors,
                              uint64_t keys) {
    file->bytes = calloc(1, GGUF_BYTES_MAX);
    file->count = 0;
    REQUIRE(file->bytes != NULL);
    gguf_put(file, "GGUF", 4);
    gguf_put_u32(file, version);
    gguf_put_u64(file, tensors);
    gguf_put_u64(file, keys);
}

/* A number of `bytes` bytes under the value type `type`. */
static inline void gguf_put_key(struct gguf_bytes *file, const char *name, uint32_t type,
                                uint64_t value, size_t bytes) {
    gguf_put_text(file, name);
    gguf_put_u32(file, type);
    gguf_put_number(file, value, bytes);
}

static inline void gguf_put_key_text(struct gguf_bytes *file, const char *name, const char *text) {
    gguf_put_text(file, name);
    gguf_put_u32(file, STRING_TYPE);
    gguf_put_text(file, text);
}

/* The elements must follow. */
static inline void gguf_put_array(struct gguf_bytes *file, const char *name, uint32_t element,
                                  uint64_t count) {
    gguf_put_text(file, name);
    gguf_put_u32(file, ARRAY_TYPE);
    gguf_put_u32(file, element);
    gguf_put_u64(file, count);
}

/* rows 0: a vector. */
static inline void gguf_put_tensor(struct gguf_bytes *file, const char *name, uint64_t columns,
                                   uint64_t rows, uint32_t type, uint64_t offset) {
    gguf_put_text(file, name);
    gguf_put_u32(file, rows > 0 ? 2 : 1);
    gguf_put_u64(file, columns);
    if (rows > 0) {
        gguf_put_u64(file, rows);
    }
    gguf_put_u32(file, type);
    gguf_put_u64(file, offset);
}

static inline void gguf_pad(struct gguf_bytes *file, size_t alignment) {
    while (file->count % alignment != 0) {
        gguf_put_number(file, 0, 1);
    }
}

static inline void gguf_fill(struct gguf_bytes *file, uint8_t byte, size_t count) {
    for (size_t i = 0; i < count; i++) {
        gguf_put(file, &byte, 1);
    }
}

static inline void gguf_free(struct gguf_bytes *file) {
    free(file->bytes);
    file->bytes = NULL;
}

#endif
