/*
 * safetensors_header.h: the JSON header of one safetensors file -> a checked table of tensors. The door for numbers of that
 * format: after safetensors_parse_header returned OK, every size and offset in the table lies inside the file's buffer. No
 * files here (read_safetensors.h has them), so that a fuzzer can reach every line.
 *
 * Format: github huggingface/safetensors, README.md: u64 length, JSON object, byte buffer; offsets relative to the buffer.
 */
#ifndef TERCET_PACKER_SAFETENSORS_HEADER_H
#define TERCET_PACKER_SAFETENSORS_HEADER_H

#include "source_weights.h"

#define SAFETENSORS_LENGTH_BYTES 8u             /* the u64 in front */
#define SAFETENSORS_HEADER_BYTES_MAX 100000000u /* the reference reader's own cap */

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
                                       uint64_t buffer_bytes, struct source_table *header,
                                       tercet_error *error);

#endif
