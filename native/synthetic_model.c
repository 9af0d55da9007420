/*
 * synthetic_model.c: see synthetic_model.h.
 */
#define _GNU_SOURCE 1 /* memfd_create */
#include "synthetic_model.h"
#include "synthetic_tokenizer.h"
#include "synthetic_weights.h"
#include "terminal.h"

#include "../packer/container_header.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NAME_BYTES = 96, GAIN_LINEAR = 1, GAIN_TABLE = 3 };

/* Everything that a plan points to. */
struct ingredients {
    struct tokenizer_section tokenizer;
    struct writer_tensor *tensors;
    double *frequencies;
    char name[NAME_BYTES], source[NAME_BYTES];
    struct writer_plan plan;
};

static void free_ingredients(struct ingredients *made) {
    tokenizer_section_free(&made->tokenizer);
    free(made->tensors);
    free(made->frequencies);
}

static tercet_status gather(const struct synthetic_request *request, struct ingredients *made,
                            tercet_error *error) {
    const struct synthetic_shape *shape = request->shape;
    uint32_t layers = request->layers != 0 ? request->layers : shape->config.layers;
    uint32_t tensor_count = 0, pairs = shape->config.head_dim / 2;
    memset(made, 0, sizeof *made);
    made->tensors = synthetic_shape_tensors(shape, layers, &tensor_count);
    made->frequencies = calloc(pairs, sizeof *made->frequencies);
    if (made->tensors == NULL || made->frequencies == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the plan of %s",
                           shape->name);
    }
    double frequency = 1;
    for (uint32_t i = 0; i < pairs; i++, frequency *= shape->rope_ratio) {
        made->frequencies[i] = frequency;
    }
    if (layers == shape->config.layers) {
        (void)snprintf(made->name, sizeof made->name, "synthetic %s", shape->name);
    } else {
        (void)snprintf(made->name, sizeof made->name, "synthetic %s with %u layers", shape->name,
                       layers);
    }
    (void)snprintf(made->source, sizeof made->source, "random weights, generator %u",
                   SYNTHETIC_GENERATOR);
    TERCET_TRY(synthetic_tokenizer_build(&shape->tokenizer, &made->tokenizer, error));
    made->plan = (struct writer_plan){.config = shape->config,
                                      .rope_scale = 1,
                                      .rope_frequencies = made->frequencies,
                                      .tensors = made->tensors,
                                      .tensor_count = tensor_count,
                                      .tokenizer_section = made->tokenizer.bytes,
                                      .tokenizer_bytes = made->tokenizer.count,
                                      .name = made->name,
                                      .source = made->source};
    made->plan.config.layers = layers;
    return TERCET_OK;
}

/* FNV-1a: a different stream of random numbers for every shape and tensor. */
static uint64_t seed_of(const char *shape, const struct writer_tensor *tensor) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (const char *p = shape; *p != '\0'; p++) {
        hash = (hash ^ (uint8_t)*p) * 0x100000001B3u;
    }
    hash = (hash ^ tensor->stage) * 0x100000001B3u;
    return (hash ^ tensor->role) * 0x100000001B3u;
}

static bool is_table(uint32_t role) {
    return role == ROLE_EMBEDDING || role == ROLE_POSITION_EMBEDDING || role == ROLE_HEAD;
}

static tercet_status write_tensors(const struct synthetic_request *request,
                                   const struct ingredients *made, struct container_writer *writer,
                                   tercet_error *error) {
    uint64_t done = 0, total = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < made->plan.tensor_count; i++) {
            const struct writer_tensor *tensor = &made->tensors[i];
            uint64_t bytes = 0;
            (void)container_tensor_bytes(tensor->type, tensor->scale, tensor->rows, tensor->columns,
                                         &bytes);
            if (pass == 0) {
                total += bytes;
                continue;
            }
            TERCET_TRY(
                synthetic_weights_write(writer, tensor, seed_of(request->shape->name, tensor),
                                        is_table(tensor->role) ? GAIN_TABLE : GAIN_LINEAR, error));
            done += bytes;
            if (request->progress != NULL &&
                request->progress(request->progress_context, done, total) != 0) {
                return tercet_fail(error, TERCET_CANCELLED, done, "the making of %s was cancelled",
                                   made->name);
            }
        }
    }
    return TERCET_OK;
}

/* Into `path`, or into the descriptor when that is NULL. */
static tercet_status write_model(const struct synthetic_request *request, const char *path,
                                 int descriptor, tercet_error *error) {
    struct ingredients made;
    struct container_writer *writer = NULL;
    uint8_t model_id[32];
    uint64_t file_bytes;
    tercet_status status = gather(request, &made, error);
    if (status == TERCET_OK) {
        status = path != NULL
                     ? container_writer_open(path, &made.plan, &writer, error)
                     : container_writer_open_descriptor(descriptor, &made.plan, &writer, error);
    }
    if (status == TERCET_OK) {
        status = write_tensors(request, &made, writer, error);
    }
    if (status == TERCET_OK) {
        status = container_writer_commit(writer, model_id, &file_bytes, error);
    } else {
        container_writer_abort(writer);
    }
    free_ingredients(&made);
    return status;
}

tercet_status synthetic_model_measure(const struct synthetic_request *request, uint64_t *file_bytes,
                                      tercet_error *error) {
    struct ingredients made;
    struct container_header header = {0};
    tercet_status status = gather(request, &made, error);
    if (status == TERCET_OK) {
        status = container_header_build(&made.plan, &header, error);
    }
    if (status == TERCET_OK) {
        *file_bytes = header.header_bytes + header.data_bytes;
        container_header_free(&header);
    }
    free_ingredients(&made);
    return status;
}

tercet_status synthetic_model_save(const struct synthetic_request *request, const char *path,
                                   tercet_error *error) {
    return write_model(request, path, -1, error);
}

tercet_status synthetic_model_make(const struct synthetic_request *request, int *descriptor,
                                   tercet_error *error) {
    *descriptor = memfd_create("tercet synthetic model", MFD_CLOEXEC);
    if (*descriptor < 0) {
        return set_error_from_errno(error, errno, TERCET_OUT_OF_MEMORY);
    }
    tercet_status status = write_model(request, NULL, *descriptor, error);
    if (status != TERCET_OK) {
        (void)close(*descriptor);
        *descriptor = -1;
    }
    return status;
}
