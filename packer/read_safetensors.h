/*
 * read_safetensors.h: the weights of a Hugging Face folder: model.safetensors, or the shards that
 * model.safetensors.index.json names. Opens and checks all files first, then delivers bytes of one
 * tensor at a time by pread, so that memory never depends on the size of the model. Must never write,
 * and never open a file outside the folder.
 */
#ifndef TERCET_PACKER_READ_SAFETENSORS_H
#define TERCET_PACKER_READ_SAFETENSORS_H

#include "safetensors_header.h"

#define SAFETENSORS_SHARDS_MAX 512u
#define SAFETENSORS_FILE_NAME_BYTES 256u

struct safetensors_shard {
    char name[SAFETENSORS_FILE_NAME_BYTES];
    int descriptor;
    uint64_t file_bytes;
    struct safetensors_header header; /* owns the names of its tensors */
};

struct safetensors {
    struct safetensors_shard *shards;
    uint32_t shard_count;
    const struct safetensors_tensor **tensors; /* of all shards, by rising name */
    uint32_t tensor_count;
    uint64_t file_bytes; /* of all shards */
};

/* FILE_NOT_FOUND when the folder or its weights are not there, BAD_SOURCE (damaged, shard missing, index and
 * shards differ; names the file), UNSUPPORTED_SOURCE (only other formats are there), FILE_READ_FAILED,
 * LIMIT_EXCEEDED, OUT_OF_MEMORY. After a failure there is nothing to close. */
tercet_status safetensors_open(const char *folder, struct safetensors *source, tercet_error *error);
void safetensors_close(struct safetensors *source);

/* Index in source->tensors; false when there is no such tensor. */
bool safetensors_find(const struct safetensors *source, const char *name, uint32_t *index);
/* Bytes [offset, offset + count) of a tensor; the range must lie inside it. FILE_READ_FAILED, BAD_SOURCE when the file
 * became shorter. */
tercet_status safetensors_read(const struct safetensors *source,
                               const struct safetensors_tensor *tensor, uint64_t offset,
                               void *bytes, size_t count, tercet_error *error);

#endif
