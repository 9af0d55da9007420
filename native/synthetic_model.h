/*
 * synthetic_model.h: a model of a real shape with random weights, as a .tercet file or in memory,
 * through the packer's writer like any other model: real header, real hashes. Its name says
 * "synthetic". The same shape gives the same bytes, hence the same model id, on every machine.
 */
#ifndef TERCET_NATIVE_SYNTHETIC_MODEL_H
#define TERCET_NATIVE_SYNTHETIC_MODEL_H

#include "synthetic_shapes.h"

/* Raised when the bytes of a shape change: files of another generator are another model. */
#define SYNTHETIC_GENERATOR 1u

struct synthetic_request {
    const struct synthetic_shape *shape;
    uint32_t layers; /* 0: the shape's own */
    /* Called now and then; a non-zero return stops (CANCELLED). May be NULL. */
    int (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
    void *progress_context;
};

/* What the file has, without making it. LIMIT_EXCEEDED, OUT_OF_MEMORY. */
tercet_status synthetic_model_measure(const struct synthetic_request *request, uint64_t *file_bytes,
                                      tercet_error *error);
/* Writes the file; nothing is left behind on failure. FILE_WRITE_FAILED, DISK_FULL, CANCELLED. */
tercet_status synthetic_model_save(const struct synthetic_request *request, const char *path,
                                   tercet_error *error);
/* Makes the model in memory: *descriptor is an open file without a name, which the caller closes. It
 * counts as this process's memory only where it is mapped, like a file on disk. */
tercet_status synthetic_model_make(const struct synthetic_request *request, int *descriptor,
                                   tercet_error *error);

#endif
