/*
 * open_model.h: engine, file and model in one step, as every command that computes needs them, and
 * the options they share. Reports its own errors.
 */
#ifndef TERCET_NATIVE_OPEN_MODEL_H
#define TERCET_NATIVE_OPEN_MODEL_H

#include "arguments.h"
#include "file_source.h"

/* Files up to this size have every chunk hashed on opening (about 0.05 s); larger ones when asked. */
#define OPEN_VERIFY_BYTES ((uint64_t)64 << 20)

/* Larger files are moved into huge pages, where twice their size is available: what fits into a cache gains
 * little. See docs/kernels.md for what it brings. */
#define OPEN_COPY_BYTES ((uint64_t)64 << 20)

struct open_options {
    const char *path;
    const char *kernels; /* NULL: the best that works */
    uint32_t threads;    /* 0: machine_cores() */
    uint32_t kv;         /* TERCET_KV_* of the sessions */
    bool map;            /* compute from the mapped file, whatever its size */
    bool verify;         /* hash the chunks of a file of any size */
};

struct open_model {
    struct file_source source;
    tercet_engine *engine;
    tercet_model *model;
    tercet_engine_info engine_info;
    tercet_model_info info;
    double seconds; /* what opening took */
};

/* The rows of a command's argument table that fill the options. */
struct argument open_argument_threads(struct open_options *options);
struct argument open_argument_kernels(struct open_options *options);
struct argument open_argument_kv(struct open_options *options);
#define KV_NAMES "f32|f16|int8|int4" /* in the order of TERCET_KV_* */
/* "int8" and so on; kv is not the default. And back: TERCET_KV_DEFAULT for any other word. */
const char *kv_name(uint32_t kv);
uint32_t kv_find(const char *name, size_t length);
struct argument open_argument_map(struct open_options *options);
struct argument open_argument_verify(struct open_options *options);

/* EXIT_CODE_OK, or an exit code after the error was reported; the struct is then empty. */
int open_model(struct open_model *opened, const struct open_options *options);
void close_model(struct open_model *opened);

/* Just an engine; reports its own errors and notes. NULL on failure. */
tercet_engine *open_engine(const char *kernels, uint32_t threads);

#endif
