/*
 * container_writer.c: see container_writer.h. Tensor data is gathered into a window of some chunks, which are hashed and written
 * when it is full, each by one thread; the header comes last, when all hashes are known. Must never write a header that
 * the reader would refuse.
 */
#include "container_writer.h"

#include "../core/base/thread_pool.h"
#include "container_header.h"
#include "partial_file.h"
#include "sha256.h"

#include <stdlib.h>

/* What became of one chunk of the window. */
struct chunk_outcome {
    tercet_status status;
    tercet_error error;
};

struct container_writer {
    struct partial_file file;
    struct container_header header;
    struct thread_pool *pool;         /* NULL: none */
    uint8_t *window;                  /* window_bytes, whole chunks */
    size_t window_bytes, window_used; /* not written yet */
    struct chunk_outcome *outcomes;   /* one a chunk of the window */
    uint64_t written;      /* tensor data in the file, a multiple of the chunk size until the end */
    tercet_status failure; /* OK, or why nothing more is taken */
};

static void release(struct container_writer *writer) {
    partial_file_discard(&writer->file);
    container_header_free(&writer->header);
    free(writer->window);
    free(writer->outcomes);
    free(writer);
}

/* Header and buffers; `file` is opened by the caller. */
static tercet_status make_writer(const struct writer_plan *plan, struct container_writer **writer,
                                 tercet_error *error) {
    struct container_writer *made = calloc(1, sizeof *made);
    *writer = NULL;
    if (made == NULL)
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the writer");
    made->file.descriptor = -1;
    size_t chunks = plan->pool == NULL ? 1 : (size_t)2 * thread_pool_threads(plan->pool);
    made->pool = plan->pool;
    made->window_bytes = chunks * CONTAINER_CHUNK_BYTES;
    made->window = malloc(made->window_bytes);
    made->outcomes = malloc(chunks * sizeof *made->outcomes);
    tercet_status status =
        made->window == NULL || made->outcomes == NULL
            ? tercet_fail(error, TERCET_OUT_OF_MEMORY, made->window_bytes, "no memory for a chunk")
            : container_header_build(plan, &made->header, error);
    if (status != TERCET_OK) {
        release(made);
        return status;
    }
    *writer = made;
    return TERCET_OK;
}

static tercet_status drop_unless_open(tercet_status status, struct container_writer **writer) {
    if (status != TERCET_OK) {
        release(*writer);
        *writer = NULL;
    }
    return status;
}

tercet_status container_writer_open(const char *path, const struct writer_plan *plan,
                                    struct container_writer **writer, tercet_error *error) {
    TERCET_TRY(make_writer(plan, writer, error));
    const struct container_header *header = &(*writer)->header;
    return drop_unless_open(
        partial_file_open(path, header->header_bytes + header->data_bytes, &(*writer)->file, error),
        writer);
}

tercet_status container_writer_open_descriptor(int descriptor, const struct writer_plan *plan,
                                               struct container_writer **writer,
                                               tercet_error *error) {
    TERCET_TRY(make_writer(plan, writer, error));
    return drop_unless_open(partial_file_adopt(descriptor, &(*writer)->file, error), writer);
}

/* Hashes and writes one chunk of the window. */
static tercet_status write_chunk(struct container_writer *writer, size_t chunk,
                                 tercet_error *error) {
    size_t at = chunk * CONTAINER_CHUNK_BYTES, left = writer->window_used - at;
    size_t count = left < CONTAINER_CHUNK_BYTES ? left : CONTAINER_CHUNK_BYTES;
    uint64_t index = writer->written / CONTAINER_CHUNK_BYTES + chunk;
    uint8_t *hash = writer->header.bytes + writer->header.chunk_hashes + index * CHUNK_HASH_BYTES;
    TERCET_TRY(sha256_of(writer->window + at, count, NULL, 0, hash, error));
    return partial_file_write(&writer->file, writer->header.header_bytes + writer->written + at,
                              writer->window + at, count, error);
}

static void write_chunks(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    struct container_writer *writer = context;
    (void)thread;
    for (uint32_t i = begin; i < end; i++) {
        struct chunk_outcome *outcome = &writer->outcomes[i];
        outcome->status = write_chunk(writer, i, &outcome->error);
    }
}

/* What the window holds; the error of the first chunk that has one. */
static tercet_status flush_window(struct container_writer *writer, tercet_error *error) {
    uint32_t count =
        (uint32_t)((writer->window_used + CONTAINER_CHUNK_BYTES - 1) / CONTAINER_CHUNK_BYTES);
    if (writer->pool == NULL)
        write_chunks(writer, 0, count, 0);
    else
        thread_pool_run(writer->pool, write_chunks, writer, count);
    for (uint32_t i = 0; i < count; i++) {
        if (writer->outcomes[i].status != TERCET_OK) {
            if (error != NULL)
                *error = writer->outcomes[i].error;
            return writer->outcomes[i].status;
        }
    }
    writer->written += writer->window_used;
    writer->window_used = 0;
    return TERCET_OK;
}

static tercet_status append(struct container_writer *writer, const uint8_t *bytes, size_t count,
                            tercet_error *error) {
    uint64_t room = writer->header.data_bytes - writer->written - writer->window_used;
    if (count > room)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, writer->written + writer->window_used,
                           "%llu bytes were appended where the tensors have only %llu left",
                           (unsigned long long)count, (unsigned long long)room);
    while (count > 0) {
        size_t free_bytes = writer->window_bytes - writer->window_used;
        size_t part = count < free_bytes ? count : free_bytes;
        memcpy(writer->window + writer->window_used, bytes, part);
        writer->window_used += part;
        bytes += part;
        count -= part;
        if (writer->window_used == writer->window_bytes)
            TERCET_TRY(flush_window(writer, error));
    }
    return TERCET_OK;
}

tercet_status container_writer_append(struct container_writer *writer, const void *bytes,
                                      size_t count, tercet_error *error) {
    if (writer->failure != TERCET_OK)
        return tercet_fail(error, TERCET_DISABLED, 0,
                           "an earlier error ended this file: abort the writer");
    writer->failure = append(writer, bytes, count, error);
    return writer->failure;
}

tercet_status container_writer_read_back(struct container_writer *writer, uint64_t offset,
                                         void *bytes, size_t count, tercet_error *error) {
    uint64_t appended = writer->written + writer->window_used;
    if (offset > appended || count > appended - offset)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, offset,
                           "only %llu bytes were appended so far", (unsigned long long)appended);
    uint8_t *at = bytes;
    if (offset < writer->written) {
        uint64_t in_file = writer->written - offset;
        size_t part = count < in_file ? count : (size_t)in_file;
        TERCET_TRY(partial_file_read(&writer->file, writer->header.header_bytes + offset, at, part,
                                     error));
        at += part;
        offset += part;
        count -= part;
    }
    if (count > 0)
        memcpy(at, writer->window + (offset - writer->written), count);
    return TERCET_OK;
}

/* The model id: everything of the header but the place of the id itself. */
static tercet_status hash_header(struct container_header *header, tercet_error *error) {
    return sha256_of(header->bytes, PREFIX_AT_SHA256, header->bytes + PREFIX_BYTES,
                     (size_t)header->header_bytes - PREFIX_BYTES, header->bytes + PREFIX_AT_SHA256,
                     error);
}

static tercet_status finish(struct container_writer *writer, tercet_error *error) {
    uint64_t appended = writer->written + writer->window_used;
    if (writer->failure != TERCET_OK)
        return tercet_fail(error, TERCET_DISABLED, 0,
                           "an earlier error ended this file: nothing was written");
    if (appended != writer->header.data_bytes)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, appended,
                           "only %llu of %llu bytes of tensor data were appended",
                           (unsigned long long)appended,
                           (unsigned long long)writer->header.data_bytes);
    if (writer->window_used > 0)
        TERCET_TRY(flush_window(writer, error));
    TERCET_TRY(hash_header(&writer->header, error));
    TERCET_TRY(container_header_check(&writer->header, error));
    TERCET_TRY(partial_file_write(&writer->file, 0, writer->header.bytes,
                                  (size_t)writer->header.header_bytes, error));
    return partial_file_commit(&writer->file, error);
}

tercet_status container_writer_commit(struct container_writer *writer, uint8_t model_id[32],
                                      uint64_t *file_bytes, tercet_error *error) {
    tercet_status status = finish(writer, error);
    if (status == TERCET_OK) {
        memcpy(model_id, writer->header.bytes + PREFIX_AT_SHA256, 32);
        *file_bytes = writer->header.header_bytes + writer->header.data_bytes;
    }
    release(writer);
    return status;
}

void container_writer_abort(struct container_writer *writer) {
    if (writer != NULL)
        release(writer);
}
