/*
 * prove_lossless.h: reads a packed tensor back from the file that is being written and holds every weight against the
 * source, read again. The decoder here follows the address formula of the format, element by element; it shares no loop with
 * the writer, so that one mistake cannot hide in both.
 */
#ifndef TERCET_PACKER_PROVE_LOSSLESS_H
#define TERCET_PACKER_PROVE_LOSSLESS_H

#include "tensor_writer.h"

/* Sums over the tensors proved so far. */
struct proof {
    uint64_t equal; /* weights that equal their source */
    uint64_t
        as_intended; /* weights of rounded or quantised tensors that are what they were meant to be */
    uint64_t zeros;                       /* ternary weights 0 of the last tensor */
    double error_squares, weight_squares; /* of the rounded and quantised tensors */
};

/* `offset`: where the tensor begins in the tensor data. Exact forms: every weight equals its source (a negative zero counts
 * as zero). Others: every weight is the one that tensor_form means. Padding is checked too. NOT_LOSSLESS names the
 * tensor and the element. */
tercet_status prove_tensor(struct source_matrix *matrix, const struct tensor_form *form,
                           struct container_writer *writer, uint64_t offset, struct proof *proof,
                           tercet_error *error);

#endif
