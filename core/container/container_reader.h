/*
 * container_reader.h: header bytes of a .tercet file -> validated, typed view. The door: after container_read_header
 * returned OK everything in struct container is trusted. No allocation, no recursion, no I/O; views point into the header
 * bytes, which must outlive them and start at an address aligned to 64.
 */
#ifndef TERCET_CONTAINER_READER_H
#define TERCET_CONTAINER_READER_H

#include "../base/status.h"
#include "../base/untrusted.h"
#include "container_layout.h"

struct container_prefix {
    uint32_t section_count;
    uint64_t header_bytes;
    uint64_t file_bytes;
};

struct container_config {
    uint32_t family, flags, layers, hidden, inner, heads, kv_heads, head_dim, vocabulary, context;
    uint32_t activation, activation_bits;
    float linear_norm_epsilon; /* 0 without CONFIG_FLAG_LINEAR_NORMS */
    float norm_epsilon, temperature, top_p, min_p;
    uint32_t top_k;
    uint32_t stop_count;
    uint32_t stop_tokens[CONFIG_STOP_TOKENS_MAX]; /* TERCET_NO_TOKEN from stop_count on */
};

struct container_tensor {
    uint32_t stage, role, type, scale, rows, columns;
    uint64_t offset; /* in the file */
    uint64_t bytes;
};

/* Tokenizer tables, checked: offsets in range and rising, ids < token_count, orders as CONTAINER.md says. */
struct container_tokenizer {
    uint32_t kind, splitter, flags, token_count, sorted_count, merge_count, special_count,
        beginning, unknown;
    const uint32_t *text_offsets, *sorted, *byte_tokens, *merges, *specials;
    const uint8_t *kinds, *text;
};

/* How a conversation becomes one text. A file without the section has none: name is "". */
struct container_chat {
    const char *name; /* small letters, digits, '-' and '.' */
    uint32_t flags;
    const char *system; /* default system text, valid UTF-8 */
    uint32_t system_bytes;
    uint32_t stop_count;
    uint32_t stop_tokens[CHAT_STOP_TOKENS_MAX]; /* TERCET_NO_TOKEN from stop_count on */
    uint32_t part_ends[CHAT_PARTS]; /* not falling; the last is the number of segments */
    const uint32_t *segments;       /* [][CHAT_SEGMENT_FIELDS] */
    const uint8_t *text;            /* of all segments, one after the other; each valid UTF-8 */
};

struct container {
    struct container_prefix prefix;
    const uint8_t *model_id; /* 32 bytes */
    struct container_config config;
    double rope_scale;
    uint32_t rope_count;
    const uint8_t *rope_frequencies; /* rope_count f64, little-endian, 8-aligned, all finite */
    uint32_t tensor_count;
    const uint8_t *tensor_entries; /* read one by container_get_tensor */
    uint32_t chunk_count;
    const uint8_t *chunk_sha256; /* chunk_count x 32 */
    struct container_tokenizer tokenizer;
    struct container_chat chat;
    const char *name, *licence, *source; /* "" without an ABOUT section */
};

/* The first 64 bytes. `known_file_bytes` is 0 when the host does not know the size; else TRUNCATED or TRAILING_BYTES
 * when it differs. BAD_MAGIC, VERSION_TOO_NEW, BAD_HEADER, LIMIT_EXCEEDED, TRUNCATED (fewer than 64 bytes). */
tercet_status container_read_prefix(untrusted_bytes bytes, uint64_t known_file_bytes,
                                    struct container_prefix *prefix, tercet_error *error);
/* The whole header: exactly prefix.header_bytes bytes, aligned to 64 (else BAD_ARGUMENT; fewer: TRUNCATED). Beyond the
 * statuses of the prefix: UNSUPPORTED for an id, a flag or a required section that this version does not know,
 * BAD_HEADER and LIMIT_EXCEEDED. `where` is the offset in the file of the field that is wrong. On an error *container is
 * all zero. That the tensors are those that the configuration needs is not checked here but in core/model. */
tercet_status container_read_header(untrusted_bytes bytes, uint64_t known_file_bytes,
                                    struct container *container, tercet_error *error);
/* The tables of a TOKENIZER section alone, for those who make one. `bytes` is aligned to 4; the rest is as above. */
tercet_status container_view_tokenizer(untrusted_bytes bytes, uint32_t vocabulary,
                                       struct container_tokenizer *tokenizer, tercet_error *error);
/* index < tensor_count of a container that was read. */
struct container_tensor container_get_tensor(const struct container *container, uint32_t index);
/* Exact size of a tensor of this type, scale and shape; false on overflow, a side of 0 or a combination that does not
 * exist. */
bool container_tensor_bytes(uint32_t type, uint32_t scale, uint32_t rows, uint32_t columns,
                            uint64_t *bytes);
/* Offset of the scales inside such a tensor (the size of the codes). Only int8 and ternary. */
uint64_t container_scales_offset(uint32_t type, uint32_t rows, uint32_t columns);
/* "embedding", "layers.3.attention.q", "layers.3.ffn.down", "output_norm", "head", ...; NUL-terminated, at most 63 characters. */
void container_tensor_name(uint32_t stage, uint32_t role, char name[64]);

#endif
