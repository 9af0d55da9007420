/*
 * read_bitmamba.h: a BitMamba-2 `.bin` (Zhayr1/bitmamba.cpp) as a list of named tensors. The
 * file itself has no names: its order says what each tensor is. Opens and checks the file first; nothing of it is trusted.
 */
#ifndef TERCET_PACKER_READ_BITMAMBA_H
#define TERCET_PACKER_READ_BITMAMBA_H

#include "source_weights.h"

#define BITMAMBA_MAGIC 0x42495432u

struct bitmamba_shape {
    uint32_t vocabulary, hidden, layers, heads;
};

/* Whether `path` is a file that begins as such a file does. */
bool bitmamba_is(const char *path);
/* Tensors get the names that the trainer gives them ("layers.3.in_proj.weight"), ternary ones a second one for their scale
 * ("layers.3.in_proj.weight_scale"). Close with source_weights_close. FILE_NOT_FOUND, FILE_READ_FAILED, BAD_SOURCE (cut short, another
 * shape or type than the header asks for, bytes left over), LIMIT_EXCEEDED, OUT_OF_MEMORY. After a failure there is
 * nothing to close. */
tercet_status bitmamba_open(const char *path, struct source_weights *source,
                            struct bitmamba_shape *shape, tercet_error *error);

#endif
