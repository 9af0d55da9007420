/*
 * fuzz_container_header.c: any bytes as the header of a .tercet file. The input is taken as it is; what the reader accepts
 * must keep every promise of container_reader.h.
 */
#define _POSIX_C_SOURCE 200809L /* posix_memalign */
#include "core/container/container_consistency.h"
#include "edge_mutator.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what) {
    fprintf(stderr, "accepted, but this does not hold: %s\n", what);
    abort();
}

/* The header alone in a block of its exact size, as a loader holds it. */
static void read_header(const uint8_t *data, size_t size, uint64_t file_bytes) {
    void *block = NULL;
    struct container container;
    tercet_error error = {0};
    if (posix_memalign(&block, 64, size > 0 ? size : 1) != 0)
        return;
    if (size > 0)
        memcpy(block, data, size);
    tercet_status status =
        container_read_header((untrusted_bytes){block, size}, file_bytes, &container, &error);
    if (status == TERCET_OK) {
        const char *wrong = container_inconsistency(&container, block);
        if (wrong != NULL)
            fail(wrong);
    } else if (error.status != status || error.detail[0] == '\0' || container.tensor_count != 0) {
        fail("an error is told and nothing is left behind");
    }
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct container_prefix prefix;
    tercet_status status = container_read_prefix((untrusted_bytes){data, size}, 0, &prefix, NULL);
    if (status == TERCET_OK && prefix.header_bytes < size)
        size = (size_t)prefix.header_bytes;
    read_header(data, size, 0);
    if (status == TERCET_OK)
        read_header(data, size, prefix.file_bytes);
    return 0;
}
