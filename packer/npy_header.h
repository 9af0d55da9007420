/*
 * npy_header.h: the head of one NumPy array (.npy): what its numbers are and how many. The door for that format: after OK the
 * numbers fill the rest of the array exactly. No files here, so that a fuzzer can reach every line.
 *
 * Format: numpy/numpy, numpy/lib/_format_impl.py: magic, version, length, then a Python dictionary as text.
 */
#ifndef TERCET_PACKER_NPY_HEADER_H
#define TERCET_PACKER_NPY_HEADER_H

#include "../core/base/status.h"
#include <stdbool.h>

#define NPY_RANK_MAX 2u
#define NPY_START_BYTES 12u        /* enough to know npy_header_bytes; any array has more */
#define NPY_HEADER_BYTES_MAX 4096u /* NumPy's own for such arrays: 128 */

enum npy_type { NPY_F16, NPY_F32, NPY_F64, NPY_I32, NPY_I64, NPY_U32, NPY_U64 };

struct npy_header {
    enum npy_type type;
    uint32_t rank; /* 0: one number */
    uint64_t shape[NPY_RANK_MAX];
    uint64_t elements; /* product of the shape */
};

/* Bytes in front of the numbers: NPY_START_BYTES to NPY_HEADER_BYTES_MAX, and no more than the array's array_bytes. `start`:
 * the first NPY_START_BYTES. BAD_SOURCE, UNSUPPORTED_SOURCE (a later version), LIMIT_EXCEEDED. `name` is for sentences. */
tercet_status npy_header_bytes(const char *name, const uint8_t start[NPY_START_BYTES],
                               uint64_t array_bytes, size_t *count, tercet_error *error);
/* `bytes`: all of these `count`. BAD_SOURCE, UNSUPPORTED_SOURCE (other types, columns first, more than two dimensions). */
tercet_status npy_read_header(const char *name, const uint8_t *bytes, size_t count,
                              uint64_t array_bytes, struct npy_header *header, tercet_error *error);

#endif
