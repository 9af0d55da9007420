/*
 * container_writer.c: see container_writer.h. Tensor data is gathered into one chunk, which is hashed and written when it is
 * full; the header comes last, when all hashes are known. Must never write a header that the reader would refuse.
 */
#include "container_writer.h"
#include "container_header.h"
#include "partial_file.h"
#include "sha256.h"

#include <stdlib.h>

struct container_writer {
    struct partial_file file;
    struct container_header header;
    uint8_t *chunk;        /* CONTAINER_CHUNK_BYTES */
    size_t chunk_used;     /* not written yet */
    uint64_t written;      /* tensor data in the file, a multiple of the chunk size until the end */
    tercet_status failure; /* OK, or why nothing more is taken */
};

static void release(struct container_writer *writer) {
    partial_file_discard(&writer->file);
    container_header_free(&writer->header);
    free(writer->chunk);
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
    made->chunk = malloc(CONTAINER_CHUNK_BYTES);
    tercet_status status = made->chunk == NULL
                               ? tercet_fail(error, TERCET_OUT_OF_MEMORY, CONTAINER_CHUNK_BYTES,
                                             "no memory for a chunk")
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

/* Hashes and writes what the chunk holds. */
static tercet_status flush_chunk(struct container_writer *writer, tercet_error *error) {
    uint64_t index = writer->written / CONTAINER_CHUNK_BYTES;
    uint8_t *hash = writer->header.bytes + writer->header.chunk_hashes + index * CHUNK_HASH_BYTES;
    TERCET_TRY(sha256_of(writer->chunk, writer->chunk_used, NULL, 0, hash, error));
    TERCET_TRY(partial_file_write(&writer->file, writer->header.header_bytes + writer->written,
                                  writer->chunk, writer->chunk_used, error));
    writer->written += writer->chunk_used;
    writer->chunk_used = 0;
    return TERCET_OK;
}

static tercet_status append(struct container_writer *writer, const uint8_t *bytes, size_t count,
                            tercet_error *error) {
    uint64_t room = writer->header.data_bytes - writer->written - writer->chunk_used;
    if (count > room)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, writer->written + writer->chunk_used,
                           "%llu bytes were appended where the tensors have only %llu left",
                           (unsigned long long)count, (unsigned long long)room);
    while (count > 0) {
        size_t free_bytes = CONTAINER_CHUNK_BYTES - writer->chunk_used;
        size_t part = count < free_bytes ? count : free_bytes;
        memcpy(writer->chunk + writer->chunk_used, bytes, part);
        writer->chunk_used += part;
        bytes += part;
        count -= part;
        if (writer->chunk_used == CONTAINER_CHUNK_BYTES)
            TERCET_TRY(flush_chunk(writer, error));
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
    uint64_t appended = writer->written + writer->chunk_used;
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
        memcpy(at, writer->chunk + (offset - writer->written), count);
    return TERCET_OK;
}

/* The model id: everything of the header but the place of the id itself. */
static tercet_status hash_header(struct container_header *header, tercet_error *error) {
    return sha256_of(header->bytes, PREFIX_AT_SHA256, header->bytes + PREFIX_BYTES,
                     (size_t)header->header_bytes - PREFIX_BYTES, header->bytes + PREFIX_AT_SHA256,
                     error);
}

static tercet_status finish(struct container_writer *writer, tercet_error *error) {
    uint64_t appended = writer->written + writer->chunk_used;
    if (writer->failure != TERCET_OK)
        return tercet_fail(error, TERCET_DISABLED, 0,
                           "an earlier error ended this file: nothing was written");
    if (appended != writer->header.data_bytes)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, appended,
                           "only %llu of %llu bytes of tensor data were appended",
                           (unsigned long long)appended,
                           (unsigned long long)writer->header.data_bytes);
    if (writer->chunk_used > 0)
        TERCET_TRY(flush_chunk(writer, error));
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
