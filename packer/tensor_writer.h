/*
 * tensor_writer.h: streams one tensor into the container: codes strip by strip, then scales, then padding. Holds a
 * block of strips and, for row and group scales, the scales of the tensor.
 */
#ifndef TERCET_PACKER_TENSOR_WRITER_H
#define TERCET_PACKER_TENSOR_WRITER_H

#include "container_writer.h"
#include "tensor_form.h"

/* Appends exactly container_tensor_bytes(...) bytes. Errors of the source, of the writer, OUT_OF_MEMORY; LIMIT_EXCEEDED for
 * a scale that its type cannot hold. */
tercet_status tensor_write(struct source_matrix *matrix, const struct tensor_form *form,
                           struct container_writer *writer, tercet_error *error);

/* Bytes of the scales of one strip of 16 rows (row and group scales), 4 for one scale a tensor. */
size_t tensor_scale_bytes(const struct tensor_form *form, uint32_t columns);

#endif
