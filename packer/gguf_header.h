/*
 * gguf_header.h: the head of a GGUF file (version 2 or 3): keys and tensors. The door for numbers of that format: after
 * gguf_parse_header returned OK, every string and array lies inside the header's bytes, and every tensor inside the file,
 * with a size that fits its shape and type. No files here (read_gguf.h has them), so that a fuzzer can reach every line.
 *
 * Format: github ggml-org/ggml, docs/gguf.md and src/gguf.cpp.
 */
#ifndef TERCET_PACKER_GGUF_HEADER_H
#define TERCET_PACKER_GGUF_HEADER_H

#include "source_weights.h"

#define GGUF_MAGIC_BYTES 4u
#define GGUF_HEADER_BYTES_MAX (256u << 20) /* real ones with 250,000 tokens and merges have 12 MB */
#define GGUF_KEYS_MAX 65536u
#define GGUF_TENSORS_MAX 262144u
#define GGUF_TENSOR_NAME_BYTES_MAX 63u
#define GGUF_RANK_MAX 4u
#define GGUF_ALIGNMENT_MAX (1u << 20)

/* Types of values, by their number in the file. */
enum gguf_value_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_FLOAT32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_FLOAT64,
    GGUF_VALUE_TYPES
};

struct gguf_key {
    const char *name; /* UTF-8 without control characters; owned by the header */
    enum gguf_value_type type;
    enum gguf_value_type element; /* of an array; else as type */
    uint64_t count;               /* of an array; else 1 */
    const uint8_t *value;         /* first element, in the bytes that were parsed */
    size_t bytes;                 /* of all elements */
};

struct gguf_header {
    const char *file; /* for sentences; the caller's */
    uint32_t version;
    uint32_t alignment;
    struct gguf_key *keys; /* by rising name */
    uint32_t key_count;
    struct source_table table; /* offsets count from the start of the file */
    bool
        wide_q2_0; /* type 42 is the older form of 128 weights in 34 bytes: decided by the offsets */
    char *names;   /* of keys */
};

/* `bytes`: the first `count` bytes of a file of `file_bytes`. They must outlive the header, which points into them. When
 * they end before the header does and the file goes on, the answer is BAD_SOURCE with *cut true: come back with more.
 * BAD_SOURCE for anything that breaks the rules, UNSUPPORTED_SOURCE for a version or a tensor type that is not read,
 * LIMIT_EXCEEDED, OUT_OF_MEMORY. On failure *header holds nothing. */
tercet_status gguf_parse_header(const char *file, const uint8_t *bytes, size_t count,
                                uint64_t file_bytes, struct gguf_header *header, bool *cut,
                                tercet_error *error);
void gguf_header_free(struct gguf_header *header);

/* Of one element; 0 for texts and arrays. */
uint32_t gguf_value_bytes(enum gguf_value_type type);
/* NULL when there is no such key. */
const struct gguf_key *gguf_find_key(const struct gguf_header *header, const char *name);

/* Values of keys. *out keeps its value when the key is not there; *found says whether it is (may be NULL). BAD_SOURCE for
 * another type and for a value out of range; the sentence names the key. */

/* Any integer type from 0 to `limit`; an array of equal ones counts as one (per-layer numbers). */
tercet_status gguf_get_u32(const struct gguf_header *header, const char *name, uint32_t limit,
                           uint32_t *out, bool *found, tercet_error *error);
/* FLOAT32 or FLOAT64, finite. */
tercet_status gguf_get_number(const struct gguf_header *header, const char *name, double *out,
                              bool *found, tercet_error *error);
tercet_status gguf_get_bool(const struct gguf_header *header, const char *name, bool *out,
                            bool *found, tercet_error *error);

struct gguf_text {
    const uint8_t *bytes;
    size_t count;
};

tercet_status gguf_get_text(const struct gguf_header *header, const char *name,
                            struct gguf_text *out, bool *found, tercet_error *error);
/* A key that must be an array of this element type; NULL in *out when it is not there. */
tercet_status gguf_get_array(const struct gguf_header *header, const char *name,
                             enum gguf_value_type element, const struct gguf_key **out,
                             tercet_error *error);
bool gguf_text_is(struct gguf_text text, const char *wanted);

#define GGUF_SHOWN_BYTES 48u
/* The beginning of a text as it may stand in a sentence; returns `shown`. */
const char *gguf_show_text(struct gguf_text text, char shown[GGUF_SHOWN_BYTES]);

/* Elements of an array, in order: `cursor` begins at key->value and must not be taken beyond key->count elements. */
struct gguf_text gguf_next_text(const uint8_t **cursor);
int32_t gguf_next_i32(const uint8_t **cursor);
float gguf_next_f32(const uint8_t **cursor);

#endif
