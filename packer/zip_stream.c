/*
 * zip_stream.c: see zip_stream.h.
 */
#include "zip_stream.h"

#include <stdlib.h>
#include <string.h>

#define RAW_DEFLATE (-15) /* zlib: a window of 2^15 bytes, no head of its own */

static tercet_status read_directory(struct zip_archive *archive, uint8_t *bytes,
                                    tercet_error *error) {
    const struct source_shard *shard = archive->shard;
    size_t tail = shard->file_bytes < ZIP_TAIL_BYTES ? (size_t)shard->file_bytes : ZIP_TAIL_BYTES;
    TERCET_TRY(source_shard_read(shard, shard->file_bytes - tail, bytes, tail, error));
    TERCET_TRY(zip_find_directory(shard->name, bytes, tail, shard->file_bytes, &archive->directory,
                                  error));
    TERCET_TRY(source_shard_read(shard, archive->directory.offset, bytes,
                                 (size_t)archive->directory.bytes, error));
    return zip_read_directory(shard->name, bytes, &archive->directory, archive->entries, error);
}

tercet_status zip_archive_read(const struct source_shard *shard, struct zip_archive *archive,
                               tercet_error *error) {
    size_t most =
        ZIP_TAIL_BYTES > ZIP_DIRECTORY_BYTES_MAX ? ZIP_TAIL_BYTES : ZIP_DIRECTORY_BYTES_MAX;
    uint8_t *bytes = malloc(most);
    if (bytes == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the directory of %s",
                           shard->name);
    }
    archive->shard = shard;
    tercet_status status = read_directory(archive, bytes, error);
    free(bytes);
    return status;
}

const struct zip_entry *zip_archive_find(const struct zip_archive *archive, const char *name) {
    for (uint32_t i = 0; i < archive->directory.entries; i++) {
        if (strcmp(archive->entries[i].name, name) == 0) {
            return &archive->entries[i];
        }
    }
    return NULL;
}

static tercet_status no_memory(const struct zip_stream *stream, tercet_error *error) {
    return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory to unpack %s of %s",
                       stream->entry->name, stream->archive->shard->name);
}

static tercet_status damaged(const struct zip_stream *stream, tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, stream->at,
                       "%s: %s is damaged: it does not unpack to what was packed",
                       stream->archive->shard->name, stream->entry->name);
}

tercet_status zip_stream_open(const struct zip_archive *archive, const struct zip_entry *entry,
                              struct zip_stream *stream, tercet_error *error) {
    uint8_t head[ZIP_HEAD_BYTES] = {0};
    memset(stream, 0, sizeof *stream);
    stream->archive = archive;
    stream->entry = entry;
    stream->packed_left = entry->packed_bytes;
    stream->left = entry->bytes;
    stream->crc32 = (uint32_t)crc32(0, NULL, 0);
    if (archive->directory.offset - entry->head < sizeof head) {
        return damaged(stream, error);
    }
    TERCET_TRY(source_shard_read(archive->shard, entry->head, head, sizeof head, error));
    TERCET_TRY(
        zip_read_head(archive->shard->name, head, entry, &archive->directory, &stream->at, error));
    if (!entry->deflated) {
        return TERCET_OK;
    }
    stream->buffer = malloc(ZIP_STREAM_BUFFER_BYTES);
    if (stream->buffer == NULL || inflateInit2(&stream->inflater, RAW_DEFLATE) != Z_OK) {
        free(stream->buffer);
        stream->buffer = NULL; /* says that there is nothing to end */
        return no_memory(stream, error);
    }
    return TERCET_OK;
}

static tercet_status refill(struct zip_stream *stream, tercet_error *error) {
    size_t count = stream->packed_left < ZIP_STREAM_BUFFER_BYTES ? (size_t)stream->packed_left
                                                                 : ZIP_STREAM_BUFFER_BYTES;
    TERCET_TRY(source_shard_read(stream->archive->shard, stream->at, stream->buffer, count, error));
    stream->inflater.next_in = stream->buffer;
    stream->inflater.avail_in = (uInt)count;
    stream->at += count;
    stream->packed_left -= count;
    return TERCET_OK;
}

static tercet_status inflate_bytes(struct zip_stream *stream, uint8_t *bytes, size_t count,
                                   tercet_error *error) {
    while (count > 0) {
        size_t step =
            count < ((size_t)1 << 30) ? count : (size_t)1 << 30; /* zlib counts in 32 bits */
        if (stream->inflater.avail_in == 0) {
            if (stream->packed_left == 0) {
                return damaged(stream, error);
            }
            TERCET_TRY(refill(stream, error));
        }
        stream->inflater.next_out = bytes;
        stream->inflater.avail_out = (uInt)step;
        int result = inflate(&stream->inflater, Z_NO_FLUSH);
        if (result == Z_MEM_ERROR) {
            return no_memory(stream, error);
        }
        size_t got = step - stream->inflater.avail_out;
        if ((result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) ||
            (result == Z_STREAM_END && got < count)) {
            return damaged(stream, error);
        }
        bytes += got;
        count -= got;
    }
    return TERCET_OK;
}

tercet_status zip_stream_read(struct zip_stream *stream, void *bytes, size_t count,
                              tercet_error *error) {
    if (count > stream->left) {
        return damaged(stream, error);
    }
    if (stream->entry->deflated) {
        TERCET_TRY(inflate_bytes(stream, bytes, count, error));
    } else {
        TERCET_TRY(source_shard_read(stream->archive->shard, stream->at, bytes, count, error));
        stream->at += count;
    }
    stream->left -= count;
    stream->crc32 = (uint32_t)crc32_z(stream->crc32, bytes, count);
    return TERCET_OK;
}

tercet_status zip_stream_finish(struct zip_stream *stream, tercet_error *error) {
    return stream->left == 0 && stream->crc32 == stream->entry->crc32 ? TERCET_OK
                                                                      : damaged(stream, error);
}

void zip_stream_close(struct zip_stream *stream) {
    if (stream->buffer != NULL) {
        (void)inflateEnd(&stream->inflater);
    }
    free(stream->buffer);
    stream->buffer = NULL;
}
