/*
 * safetensors_header.h: the JSON header of one safetensors file -> a checked table of tensors. The door for numbers of that
 * format: after safetensors_parse_header returned OK, every size and offset in the table lies inside the file's buffer. No
 * files here (read_safetensors.h has them), so that a fuzzer can reach every line.
 *
 * Format: github huggingface/safetensors, README.md: u64 length, JSON object, byte buffer; offsets relative to the buffer.
 */
#ifndef TERCET_PACKER_SAFETENSORS_HEADER_H
#define TERCET_PACKER_SAFETENSORS_HEADER_H

#include "../core/base/status.h"
#include <stdbool.h>

#define SAFETENSORS_LENGTH_BYTES 8u             /* the u64 in front */
#define SAFETENSORS_HEADER_BYTES_MAX 100000000u /* the reference reader's own cap */
#define SAFETENSORS_RANK_MAX 8u
#define SAFETENSORS_NAME_BYTES_MAX 512u

/* The types whose size is known. Those with numbers that Tercet reads are the first four; the others may occur in tensors
 * that are not needed and are refused, by name, where they are. */
enum safetensors_dtype {
    SAFETENSORS_F32,
    SAFETENSORS_F16,
    SAFETENSORS_BF16,
    SAFETENSORS_U8,
    SAFETENSORS_OTHER
};

struct safetensors_tensor {
    const char *name;       /* UTF-8 without control characters; owned by the header */
    const char *dtype_name; /* "BF16"; static */
    enum safetensors_dtype dtype;
    uint32_t shard; /* which file, filled by read_safetensors.c */
    uint32_t rank;
    uint64_t shape[SAFETENSORS_RANK_MAX];
    uint64_t elements; /* product of the shape */
    uint64_t offset;   /* in the buffer; read_safetensors.c makes it one in the file */
    uint64_t bytes;
};

struct safetensors_header {
    struct safetensors_tensor *tensors; /* by rising name */
    uint32_t count;
    char *names;
};

/* The length field of the first 8 bytes of a file of `file_bytes` bytes. BAD_SOURCE, LIMIT_EXCEEDED. `file` is for
 * sentences. */
tercet_status safetensors_header_bytes(const char *file,
                                       const uint8_t length[SAFETENSORS_LENGTH_BYTES],
                                       uint64_t file_bytes, uint64_t *header_bytes,
                                       tercet_error *error);
/* `text`: the JSON; buffer_bytes: what is left of the file behind it. BAD_SOURCE for anything that breaks the rules
 * (duplicate names, gaps, overlaps, sizes that do not fit their shape, a file that is cut short), LIMIT_EXCEEDED,
 * UNSUPPORTED_SOURCE for an unknown dtype, OUT_OF_MEMORY. On failure *header holds nothing. */
tercet_status safetensors_parse_header(const char *file, const uint8_t *text, size_t text_bytes,
                                       uint64_t buffer_bytes, struct safetensors_header *header,
                                       tercet_error *error);
void safetensors_header_free(struct safetensors_header *header);

#endif
