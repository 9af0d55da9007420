/*
 * fuzz_gguf_header.c: any bytes as a GGUF file: keys, tensors, places; once as a whole and once as the first bytes of a longer
 * file. Whatever is accepted must keep the promises of gguf_header.h, or the program ends.
 */
#include "gguf_header.h"
#include "promise.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Keys are in order and their elements can be walked through without leaving the bytes. */
static void check_keys(const struct gguf_header *header, const uint8_t *data, size_t size) {
    for (uint32_t i = 0; i < header->key_count; i++) {
        const struct gguf_key *key = &header->keys[i];
        const uint8_t *cursor = key->value;
        uint32_t number;
        double real;
        tercet_error error;
        PROMISE(key->name[0] != '\0');
        PROMISE(i == 0 || strcmp(header->keys[i - 1].name, key->name) < 0);
        PROMISE(key->value >= data && key->bytes <= size - (size_t)(key->value - data));
        PROMISE(gguf_find_key(header, key->name) == key);
        for (uint64_t n = 0; key->element == GGUF_STRING && n < key->count; n++) {
            (void)gguf_next_text(&cursor);
        }
        PROMISE(key->element != GGUF_STRING || cursor == key->value + key->bytes);
        (void)gguf_get_u32(header, key->name, UINT32_MAX, &number, NULL, &error);
        (void)gguf_get_number(header, key->name, &real, NULL, &error);
    }
}

/* Tensors lie inside the file and not upon each other. */
static void check_tensors(const struct source_table *table, uint64_t file_bytes) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct source_tensor *tensor = &table->tensors[i];
        uint64_t elements = 1;
        PROMISE(tensor->rank >= 1 && tensor->rank <= GGUF_RANK_MAX);
        for (uint32_t d = 0; d < tensor->rank; d++) {
            elements *= tensor->shape[d];
        }
        PROMISE(elements == tensor->elements && elements > 0 && tensor->bytes > 0);
        PROMISE(tensor->offset <= file_bytes && tensor->bytes <= file_bytes - tensor->offset);
        PROMISE(tensor->name[0] != '\0' && strlen(tensor->name) <= GGUF_TENSOR_NAME_BYTES_MAX);
        PROMISE(i == 0 || strcmp(table->tensors[i - 1].name, tensor->name) < 0);
        sum += tensor->bytes;
    }
    PROMISE(sum <= file_bytes);
}

static void parse(const uint8_t *data, size_t size, uint64_t file_bytes) {
    struct gguf_header header;
    tercet_error error;
    bool cut = false;
    if (gguf_parse_header("fuzz", data, size, file_bytes, &header, &cut, &error) == TERCET_OK) {
        PROMISE(!cut);
        check_keys(&header, data, size);
        check_tensors(&header.table, file_bytes);
        gguf_header_free(&header);
    } else {
        PROMISE(header.keys == NULL && header.table.tensors == NULL && header.names == NULL);
        PROMISE(error.detail[0] != '\0');
        PROMISE(!cut || file_bytes > size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    parse(data, size, size);
    parse(data, size, (uint64_t)size + 4096);
    return 0;
}
