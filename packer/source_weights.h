/*
 * source_weights.h: the tensors of a source, whatever format its files have: a table of names, shapes, types and places,
 * and the bytes behind them by pread, so that memory never depends on the size of the model. Readers of a format
 * (read_safetensors.c, read_gguf.c) fill it; nothing behind them knows which one it was. Must never write.
 */
#ifndef TERCET_PACKER_SOURCE_WEIGHTS_H
#define TERCET_PACKER_SOURCE_WEIGHTS_H

#include "../core/base/status.h"
#include <stdbool.h>

#define SOURCE_RANK_MAX 8u
#define SOURCE_NAME_BYTES_MAX 512u
#define SOURCE_FILE_NAME_BYTES 256u

/* How numbers are stored. Those of type OTHER have a known size and may occur in tensors that are not needed; they are
 * refused, by name, where they are. Behind it: blocks of GGUF files (block_codecs.h). */
enum source_type {
    SOURCE_F32,
    SOURCE_F16,
    SOURCE_BF16,
    SOURCE_U8,
    SOURCE_U32,   /* words of codes (MLX) */
    SOURCE_QUADS, /* trits, four columns of a row a byte, the first in the lowest bits (BitMamba-2) */
    SOURCE_OTHER,
    SOURCE_Q4_0,
    SOURCE_Q8_0,
    SOURCE_Q6_K,
    SOURCE_TQ1_0,
    SOURCE_TQ2_0,
    SOURCE_Q2_0,   /* 64 weights in 18 bytes */
    SOURCE_PQ2_0,  /* 128 weights in 34 bytes; the older form of Q2_0 as well */
    SOURCE_PTQ1_0, /* 128 weights in 28 bytes */
    SOURCE_I2_S    /* codes of the whole tensor, one scale behind them */
};

struct source_tensor {
    const char *name;       /* UTF-8 without control characters; owned by its table */
    const char *dtype_name; /* "BF16"; static */
    enum source_type dtype;
    uint32_t shard; /* which file, filled when tables are collected */
    uint32_t rank;
    uint64_t shape[SOURCE_RANK_MAX]; /* outermost first: [rows, columns] */
    uint64_t elements;               /* product of the shape */
    uint64_t
        columns; /* numbers of a row, where the file says so and its words only bound them (.npz); else 0 */
    uint64_t offset; /* in the file; a header's reader counts from the start of the data */
    uint64_t bytes;
};

/* The tensors of one file. */
struct source_table {
    struct source_tensor *tensors; /* by rising name */
    uint32_t count;
    char *names;
};

struct source_shard {
    char name[SOURCE_FILE_NAME_BYTES];
    int descriptor;
    uint64_t file_bytes;
    struct source_table table; /* owns the names of its tensors */
};

struct thread_pool;

struct source_weights {
    struct source_shard *shards;
    uint32_t shard_count;
    const struct source_tensor **tensors; /* of all shards, by rising name */
    uint32_t tensor_count;
    uint64_t file_bytes; /* of all shards */
    const char
        *form; /* what its ternary weights are, where types alone do not say; static, or NULL */
    struct thread_pool
        *pool; /* of the caller: who else may read (strip_crew.h); NULL: nobody. Kept by close */
};

void source_table_free(struct source_table *table);

/* Opens `path` as the next shard, which must have room; `name` is for sentences. It stays open, so that what was checked
 * is what is read. FILE_READ_FAILED (also for what is no regular file), `missing` when it is not there, OUT_OF_MEMORY. */
tercet_status source_weights_open_shard(struct source_weights *source, const char *path,
                                        const char *name, tercet_status missing,
                                        tercet_error *error);
/* Bytes of a shard. FILE_READ_FAILED, BAD_SOURCE when the file is shorter. */
tercet_status source_shard_read(const struct source_shard *shard, uint64_t offset, void *bytes,
                                size_t count, tercet_error *error);
void source_shard_close(struct source_shard *shard);
/* One list over all shards, whose tables are filled; a name may occur once (BAD_SOURCE). */
tercet_status source_weights_collect(struct source_weights *source, tercet_error *error);
void source_weights_close(struct source_weights *source);

/* Index in source->tensors; false when there is no such tensor. */
bool source_weights_find(const struct source_weights *source, const char *name, uint32_t *index);
/* Bytes [offset, offset + count) of a tensor; the range must lie inside it. FILE_READ_FAILED, BAD_SOURCE when the file
 * became shorter. */
tercet_status source_weights_read(const struct source_weights *source,
                                  const struct source_tensor *tensor, uint64_t offset, void *bytes,
                                  size_t count, tercet_error *error);

#endif
