/*
 * gguf_places.h: how many bytes a tensor of a GGUF file has, and where in the file they lie.
 */
#ifndef TERCET_PACKER_GGUF_PLACES_H
#define TERCET_PACKER_GGUF_PLACES_H

#include "gguf_header.h"
#include "gguf_types.h"

/* Type and bytes of a tensor of known shape: whole blocks in each row. BAD_SOURCE. */
tercet_status gguf_size_tensor(const char *file, const struct gguf_tensor_type *type,
                               struct source_tensor *tensor, tercet_error *error);
/* All tensors were read, their offsets count from the start of the data. Decides which form of Q2_0 the file has, checks
 * that every tensor lies inside the file and none upon another (gaps are harmless: some writers leave them), turns offsets
 * into places in the file and sorts by name. BAD_SOURCE. */
tercet_status gguf_place_tensors(struct gguf_header *header, uint64_t header_bytes,
                                 uint64_t file_bytes, tercet_error *error);

#endif
