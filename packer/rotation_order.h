/*
 * rotation_order.h: files differ in which two rows of a head of q or k are turned together: (p, p + head_dim / 2), or
 * neighbours (2p, 2p + 1). A matrix in one order becomes one in the other by moving rows inside each head.
 */
#ifndef TERCET_PACKER_ROTATION_ORDER_H
#define TERCET_PACKER_ROTATION_ORDER_H

#include "../core/container/container_reader.h"

/* The row of the container's q or k (of their biases, or an element of the norms of their heads) that becomes `row` where
 * neighbours are turned together (`interleaved`), or halves. */
uint32_t rotation_row(const struct container_config *config, bool interleaved, uint32_t row);

#endif
