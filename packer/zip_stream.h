/*
 * zip_stream.h: the bytes of one member of a zip archive, from front to end, inflated on the way by Debian's zlib. Memory: a
 * buffer and zlib's window, whatever the member's size. Nothing is believed before its check sum was right: zip_stream_finish.
 */
#ifndef TERCET_PACKER_ZIP_STREAM_H
#define TERCET_PACKER_ZIP_STREAM_H

#include "source_weights.h"
#include "zip_entries.h"

#include <zlib.h>

#define ZIP_STREAM_BUFFER_BYTES 65536u

struct zip_archive {
    const struct source_shard *shard; /* open */
    struct zip_directory directory;
    struct zip_entry entries[ZIP_ENTRIES_MAX];
};

struct zip_stream {
    const struct zip_archive *archive;
    const struct zip_entry *entry;
    z_stream inflater; /* of a deflated member */
    uint64_t at, packed_left, left;
    uint32_t crc32; /* of what was delivered */
    uint8_t *buffer;
};

/* Reads the directory. Errors of zip_entries.h and source_shard_read. */
tercet_status zip_archive_read(const struct source_shard *shard, struct zip_archive *archive,
                               tercet_error *error);
/* NULL when there is none of that name. */
const struct zip_entry *zip_archive_find(const struct zip_archive *archive, const char *name);

/* Close it in any case. OUT_OF_MEMORY and errors of zip_entries.h. */
tercet_status zip_stream_open(const struct zip_archive *archive, const struct zip_entry *entry,
                              struct zip_stream *stream, tercet_error *error);
/* The next `count` bytes, which must be left. BAD_SOURCE when they cannot be inflated, OUT_OF_MEMORY, FILE_READ_FAILED. */
tercet_status zip_stream_read(struct zip_stream *stream, void *bytes, size_t count,
                              tercet_error *error);
/* All bytes were read: BAD_SOURCE when they are not those that were packed. */
tercet_status zip_stream_finish(struct zip_stream *stream, tercet_error *error);
void zip_stream_close(struct zip_stream *stream);

#endif
