/*
 * synthetic_weights.h: random weights as the bytes of a tensor: ternary codes with about a third of
 * zeros, int8 codes, floats, with scales that keep every activation of a forward pass within a sane
 * range. The bytes depend on the seed and the tensor alone: integer arithmetic and correctly rounded
 * operations, so every machine makes the same.
 */
#ifndef TERCET_NATIVE_SYNTHETIC_WEIGHTS_H
#define TERCET_NATIVE_SYNTHETIC_WEIGHTS_H

#include "../packer/container_writer.h"

/* Appends the whole tensor with scales and padding. `gain` is the root mean square of an output for
 * inputs of 1 (a table: of a logit). Errors of the writer, OUT_OF_MEMORY. */
tercet_status synthetic_weights_write(struct container_writer *writer,
                                      const struct writer_tensor *tensor, uint64_t seed, float gain,
                                      tercet_error *error);

#endif
