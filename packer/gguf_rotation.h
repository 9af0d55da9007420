/*
 * gguf_rotation.h: the keys about rotation of a GGUF file (base, scaling) and its tensor rope_freqs.weight -> the radians per
 * position of each pair. The way back is gguf_rope.h.
 */
#ifndef TERCET_PACKER_GGUF_ROTATION_H
#define TERCET_PACKER_GGUF_ROTATION_H

#include "gguf_header.h"

/* Writes head_dim / 2 frequencies and the factor on cosines and sines. `architecture` is the prefix of the keys, `context`
 * the model's. BAD_SOURCE, UNSUPPORTED_SOURCE. */
tercet_status gguf_rotation_read(const struct gguf_header *header,
                                 const struct source_weights *source, const char *architecture,
                                 uint32_t head_dim, double context, double *frequencies,
                                 double *scale, tercet_error *error);

#endif
