/*
 * packed_rows.h: rows of a packed tensor as codes, scales or values again, from the bytes of a .tercet file. Reads what
 * container_reader has checked; the codes themselves nobody has looked at, so a row may hold the code 3, which is told.
 */
#ifndef TERCET_PACKER_PACKED_ROWS_H
#define TERCET_PACKER_PACKED_ROWS_H

#include "../core/container/container_reader.h"

struct packed_tensor {
    struct container_tensor info;
    const uint8_t *bytes; /* of this tensor, aligned to 64 */
};

/* Columns that share a scale: 64, 128, or all of them. Ternary and int8 only. */
uint32_t packed_scale_span(const struct packed_tensor *tensor);
float packed_scale(const struct packed_tensor *tensor, uint32_t row, uint32_t column);

/* weight + 1 of each column; false when one of them is 3. Writes columns rounded up to 16. Ternary only. */
bool packed_row_trits(const struct packed_tensor *tensor, uint32_t row, uint8_t *codes);
/* Writes columns rounded up to 4. Int8 only. */
void packed_row_int8(const struct packed_tensor *tensor, uint32_t row, int8_t *codes);
/* The values of a row of any type; `codes` has room for columns rounded up to 16. False as above. */
bool packed_row_values(const struct packed_tensor *tensor, uint32_t row, uint8_t *codes,
                       float *values);

#endif
