/*
 * fuzz_safetensors_header.c: any bytes as a safetensors file: length, JSON, table. Whatever is accepted must keep the promises
 * of safetensors_header.h, or the program ends.
 */
#include "promise.h"
#include "safetensors_header.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Tensors lie inside the buffer, fill it exactly once, agree with their shapes, and are in order by name. */
static void check_table(const struct source_table *header, uint64_t buffer_bytes) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < header->count; i++) {
        const struct source_tensor *tensor = &header->tensors[i];
        uint64_t elements = 1;
        PROMISE(tensor->rank <= SOURCE_RANK_MAX);
        for (uint32_t d = 0; d < tensor->rank; d++) {
            elements *= tensor->shape[d];
        }
        PROMISE(elements == tensor->elements);
        PROMISE(tensor->bytes >= tensor->elements && (tensor->elements > 0 || tensor->bytes == 0));
        PROMISE(tensor->offset <= buffer_bytes && tensor->bytes <= buffer_bytes - tensor->offset);
        PROMISE(tensor->name[0] != '\0' && strlen(tensor->name) <= SOURCE_NAME_BYTES_MAX);
        PROMISE(i == 0 || strcmp(header->tensors[i - 1].name, tensor->name) < 0);
        sum += tensor->bytes;
    }
    PROMISE(sum == buffer_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct source_table header;
    uint8_t length[SAFETENSORS_LENGTH_BYTES] = {0};
    uint64_t header_bytes = 0;
    tercet_error error;
    memcpy(length, data, size < sizeof length ? size : sizeof length);
    if (safetensors_header_bytes("fuzz", length, size, &header_bytes, &error) != TERCET_OK) {
        return 0;
    }
    uint64_t buffer_bytes = size - SAFETENSORS_LENGTH_BYTES - header_bytes;
    if (safetensors_parse_header("fuzz", data + SAFETENSORS_LENGTH_BYTES, (size_t)header_bytes,
                                 buffer_bytes, &header, &error) == TERCET_OK) {
        check_table(&header, buffer_bytes);
        source_table_free(&header);
    } else {
        PROMISE(header.tensors == NULL && header.names == NULL);
        PROMISE(error.detail[0] != '\0');
    }
    return 0;
}
