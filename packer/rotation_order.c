/*
 * rotation_order.c: see rotation_order.h.
 */
#include "rotation_order.h"

uint32_t rotation_row(const struct container_config *config, bool interleaved, uint32_t row) {
    bool ours = (config->flags & CONFIG_FLAG_ROPE_INTERLEAVED) != 0;
    uint32_t half = config->head_dim / 2, in_head = row % config->head_dim;
    if (ours == interleaved) {
        return row;
    }
    return row - in_head +
           (interleaved ? in_head % 2 * half + in_head / 2 : in_head % half * 2 + in_head / half);
}
