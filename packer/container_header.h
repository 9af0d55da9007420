/*
 * container_header.h: the header of a .tercet file in memory, from a writer's plan: everything but the hashes, which the
 * writer fills in when it has seen the data. The counterpart of core's container_reader.h; CONTAINER.md is the text.
 */
#ifndef TERCET_PACKER_CONTAINER_HEADER_H
#define TERCET_PACKER_CONTAINER_HEADER_H

#include "container_writer.h"

struct container_header {
    uint8_t *bytes; /* aligned to 64; container_header_free */
    uint64_t header_bytes;
    uint64_t data_bytes;
    uint64_t chunk_hashes; /* offset of the CHUNKS section, all zero so far */
};

/* Lays the header out and has it checked by the reader, so that a plan that cannot be loaded is refused before a byte is
 * written. BAD_SOURCE (what the reader calls BAD_HEADER), UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY. */
tercet_status container_header_build(const struct writer_plan *plan,
                                     struct container_header *header, tercet_error *error);
/* The reader's verdict on the header as it is; statuses as above. */
tercet_status container_header_check(const struct container_header *header, tercet_error *error);
void container_header_free(struct container_header *header);

#endif
