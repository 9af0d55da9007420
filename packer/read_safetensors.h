/*
 * read_safetensors.h: the weights of a Hugging Face folder: model.safetensors, or the shards that
 * model.safetensors.index.json names. Opens and checks all files; source_weights.h then delivers bytes. Must never open a
 * file outside the folder.
 */
#ifndef TERCET_PACKER_READ_SAFETENSORS_H
#define TERCET_PACKER_READ_SAFETENSORS_H

#include "source_weights.h"

#define SAFETENSORS_SHARDS_MAX 512u
/* FILE_NOT_FOUND when the folder or its weights are not there, BAD_SOURCE (damaged, shard missing, index and
 * shards differ; names the file), UNSUPPORTED_SOURCE (only other formats are there), FILE_READ_FAILED,
 * LIMIT_EXCEEDED, OUT_OF_MEMORY. After a failure there is nothing to close. */
tercet_status safetensors_open(const char *folder, struct source_weights *source,
                               tercet_error *error);

#endif
