/*
 * source_weights.c: see source_weights.h.
 */
#include "source_weights.h"

#include <stdlib.h>
#include <string.h>

static int by_tensor_name(const void *a, const void *b) {
    const struct source_tensor *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

tercet_status source_weights_collect(struct source_weights *source, tercet_error *error) {
    size_t count = 0;
    for (uint32_t i = 0; i < source->shard_count; i++) {
        count += source->shards[i].table.count;
    }
    source->tensors = malloc((count + 1) * sizeof *source->tensors);
    if (source->tensors == NULL || count > UINT32_MAX) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the list of tensors");
    }
    for (uint32_t i = 0; i < source->shard_count; i++) {
        for (uint32_t j = 0; j < source->shards[i].table.count; j++) {
            source->shards[i].table.tensors[j].shard = i;
            source->tensors[source->tensor_count++] = &source->shards[i].table.tensors[j];
        }
    }
    qsort(source->tensors, source->tensor_count, sizeof *source->tensors, by_tensor_name);
    for (uint32_t i = 1; i < source->tensor_count; i++) {
        const struct source_tensor *a = source->tensors[i - 1], *b = source->tensors[i];
        if (strcmp(a->name, b->name) == 0) {
            return tercet_fail(error, TERCET_BAD_SOURCE, 0, "tensor %s is in %s and in %s", a->name,
                               source->shards[a->shard].name, source->shards[b->shard].name);
        }
    }
    return TERCET_OK;
}

void source_table_free(struct source_table *table) {
    free(table->tensors);
    free(table->names);
    memset(table, 0, sizeof *table);
}

void source_weights_close(struct source_weights *source) {
    for (uint32_t i = 0; i < source->shard_count; i++) {
        source_shard_close(&source->shards[i]);
        source_table_free(&source->shards[i].table);
    }
    free(source->shards);
    free(source->tensors);
    memset(source, 0, sizeof *source);
}

bool source_weights_find(const struct source_weights *source, const char *name, uint32_t *index) {
    uint32_t low = 0, high = source->tensor_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(name, source->tensors[middle]->name);
        if (order == 0) {
            *index = middle;
            return true;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return false;
}

tercet_status source_weights_read(const struct source_weights *source,
                                  const struct source_tensor *tensor, uint64_t offset, void *bytes,
                                  size_t count, tercet_error *error) {
    if (offset > tensor->bytes || count > tensor->bytes - offset) {
        return tercet_fail(error, TERCET_BAD_ARGUMENT, offset,
                           "bytes beyond the end of tensor %s were asked for", tensor->name);
    }
    return source_shard_read(&source->shards[tensor->shard], tensor->offset + offset, bytes, count,
                             error);
}
