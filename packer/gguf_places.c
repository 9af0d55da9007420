/*
 * gguf_places.c: see gguf_places.h.
 */
#include "gguf_places.h"

#include "../core/base/untrusted.h"

#include <stdlib.h>
#include <string.h>

static tercet_status bad_tensor(const char *file, const char *name, const char *what,
                                tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: tensor %s %s", file, name, what);
}

tercet_status gguf_size_tensor(const char *file, const struct gguf_tensor_type *type,
                               struct source_tensor *tensor, tercet_error *error) {
    uint64_t columns = tensor->shape[tensor->rank - 1];
    tensor->dtype = type->type;
    tensor->dtype_name = type->name;
    if (columns % type->block_columns != 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, columns,
                           "%s: tensor %s has rows of %llu weights, but blocks of %s have %u", file,
                           tensor->name, (unsigned long long)columns, type->name,
                           type->block_columns);
    }
    if (!checked_mul_u64(tensor->elements / type->block_columns, type->block_bytes,
                         &tensor->bytes) ||
        (type->id == GGUF_TYPE_I2_S &&
         !checked_add_u64(tensor->bytes, GGUF_I2_S_TAIL_BYTES, &tensor->bytes))) {
        return bad_tensor(file, tensor->name, "has an impossible shape", error);
    }
    return TERCET_OK;
}

static int by_offset(const void *a, const void *b) {
    const struct source_tensor *left = a, *right = b;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static int by_tensor_name(const void *a, const void *b) {
    const struct source_tensor *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static bool is_q2_0(const struct source_tensor *tensor) {
    return tensor->dtype == SOURCE_Q2_0;
}

/* Whether every tensor of type 42 fills its place when its blocks are of this size. Tensors are in order of offsets; the
 * last may end with the file or with its padding. */
static bool q2_0_fits(const struct gguf_header *header, const struct gguf_tensor_type *type,
                      uint64_t data_bytes) {
    for (uint32_t i = 0; i < header->table.count; i++) {
        const struct source_tensor *tensor = &header->table.tensors[i];
        if (!is_q2_0(tensor)) {
            continue;
        }
        bool last = i + 1 == header->table.count;
        uint64_t next = last ? data_bytes : header->table.tensors[i + 1].offset, padded;
        uint64_t bytes = tensor->elements / type->block_columns * type->block_bytes;
        if (next < tensor->offset || tensor->shape[tensor->rank - 1] % type->block_columns != 0 ||
            !checked_pad_u64(bytes, header->alignment, &padded) ||
            (next - tensor->offset != padded && !(last && next - tensor->offset == bytes))) {
            return false;
        }
    }
    return true;
}

/* Number 42 is official for 64 weights in 18 bytes, but its first files had 128 in 34. Only the offsets can tell. */
static tercet_status decide_q2_0(struct gguf_header *header, uint64_t data_bytes,
                                 tercet_error *error) {
    const struct gguf_tensor_type *wide = gguf_wide_q2_0();
    bool any = false;
    for (uint32_t i = 0; i < header->table.count; i++) {
        any = any || is_q2_0(&header->table.tensors[i]);
    }
    if (!any || q2_0_fits(header, gguf_find_type(GGUF_TYPE_Q2_0, false), data_bytes) ||
        !q2_0_fits(header, wide, data_bytes)) {
        return TERCET_OK; /* what fits neither is found too long, or read as the official form */
    }
    header->wide_q2_0 = true;
    for (uint32_t i = 0; i < header->table.count; i++) {
        if (is_q2_0(&header->table.tensors[i])) {
            TERCET_TRY(gguf_size_tensor(header->file, wide, &header->table.tensors[i], error));
        }
    }
    return TERCET_OK;
}

tercet_status gguf_place_tensors(struct gguf_header *header, uint64_t header_bytes,
                                 uint64_t file_bytes, tercet_error *error) {
    struct source_table *table = &header->table;
    uint64_t data, covered = 0;
    if (table->count == 0) {
        return TERCET_OK;
    }
    if (!checked_pad_u64(header_bytes, header->alignment, &data) || data > file_bytes) {
        return tercet_fail(error, TERCET_BAD_SOURCE, header_bytes,
                           "%s is cut short: it ends before the data of its tensors", header->file);
    }
    uint64_t data_bytes = file_bytes - data;
    qsort(table->tensors, table->count, sizeof *table->tensors, by_offset);
    TERCET_TRY(decide_q2_0(header, data_bytes, error));
    for (uint32_t i = 0; i < table->count; i++) {
        struct source_tensor *tensor = &table->tensors[i];
        if (tensor->offset < covered) {
            return bad_tensor(header->file, tensor->name, "overlaps another tensor", error);
        }
        if (tensor->offset > data_bytes || tensor->bytes > data_bytes - tensor->offset) {
            return tercet_fail(error, TERCET_BAD_SOURCE, tensor->offset,
                               "%s is cut short: tensor %s has %llu bytes, but after its start "
                               "there are only %llu",
                               header->file, tensor->name, (unsigned long long)tensor->bytes,
                               (unsigned long long)(tensor->offset > data_bytes
                                                        ? 0
                                                        : data_bytes - tensor->offset));
        }
        covered = tensor->offset + tensor->bytes;
        tensor->offset += data;
    }
    qsort(table->tensors, table->count, sizeof *table->tensors, by_tensor_name);
    for (uint32_t i = 1; i < table->count; i++) {
        if (strcmp(table->tensors[i - 1].name, table->tensors[i].name) == 0) {
            return bad_tensor(header->file, table->tensors[i].name, "is there twice", error);
        }
    }
    return TERCET_OK;
}
