/*
 * fuzz_npy_header.c: any bytes as a NumPy array: the start, then the dictionary. Whatever is accepted must keep the promises of
 * npy_header.h, or the program ends.
 */
#include "npy_header.h"
#include "promise.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct npy_header header;
    tercet_error error = {.detail = ""};
    size_t count;
    if (size < NPY_START_BYTES) {
        return 0; /* the caller's duty */
    }
    if (npy_header_bytes("fuzz", data, size, &count, &error) != TERCET_OK) {
        PROMISE(error.detail[0] != '\0');
        return 0;
    }
    PROMISE(count >= NPY_START_BYTES && count <= NPY_HEADER_BYTES_MAX && count <= size);
    if (npy_read_header("fuzz", data, count, size, &header, &error) != TERCET_OK) {
        PROMISE(error.detail[0] != '\0');
        return 0;
    }
    uint64_t elements = 1;
    PROMISE(header.rank <= NPY_RANK_MAX);
    for (uint32_t i = 0; i < header.rank; i++) {
        elements *= header.shape[i];
    }
    PROMISE(elements == header.elements);
    PROMISE(elements <= size - count); /* none is smaller than a byte */
    return 0;
}
