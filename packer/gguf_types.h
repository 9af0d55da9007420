/*
 * gguf_types.h: the tensor types of GGUF files by their numbers: which are read, how large their blocks are, and why the
 * others are refused. Knows neither files nor how a block is decoded (block_codecs.h).
 */
#ifndef TERCET_PACKER_GGUF_TYPES_H
#define TERCET_PACKER_GGUF_TYPES_H

#include "source_weights.h"

struct gguf_tensor_type {
    uint32_t id;
    const char *name;
    enum source_type type;
    uint32_t block_columns, block_bytes; /* 0 bytes: no size that a reader could know */
    const char *refusal;                 /* what to do instead; NULL for a type that is read, or
                                            that may lie in the file unread */
};

#define GGUF_TYPE_I2_S 36u /* codes of the whole tensor, then 32 bytes with its scale */
#define GGUF_TYPE_Q2_0 42u
#define GGUF_I2_S_TAIL_BYTES 32u

/* NULL for a number that nobody gave. `bitnet_fork`: the file is of an architecture of Microsoft's fork of llama.cpp, which
 * gave some numbers another meaning. */
const struct gguf_tensor_type *gguf_find_type(uint32_t id, bool bitnet_fork);
/* The older form of type 42. */
const struct gguf_tensor_type *gguf_wide_q2_0(void);

#endif
