/*
 * fuzz_zip_stream.c: any bytes as a whole zip archive, each member unpacked from front to end in pieces of several sizes. What is
 * finished without an error must be what its check sum says, and every member is given back.
 */
#include "memory_folder.h"
#include "promise.h"
#include "zip_stream.h"

#include <stdlib.h>
#include <string.h>

/* Of a member that says it is longer, so much is unpacked: inflating more tries nothing new. */
#define UNPACKED_MAX ((uint64_t)1 << 20)
#define PIECE_BYTES 40000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static tercet_status unpack(struct zip_stream *stream, uint32_t *sum, tercet_error *error) {
    static uint8_t piece[PIECE_BYTES];
    uint64_t left = stream->left;
    for (size_t most = 1; left > 0 && stream->entry->bytes - left < UNPACKED_MAX;
         most = most < sizeof piece / 3 ? 3 * most : 1) {
        size_t count = most < left ? most : (size_t)left;
        TERCET_TRY(zip_stream_read(stream, piece, count, error));
        *sum = (uint32_t)crc32(*sum, piece, (uInt)count);
        left -= count;
        PROMISE(stream->left == left);
    }
    if (left > 0) {
        return TERCET_OK;
    }
    PROMISE(zip_stream_read(stream, piece, 1, error) == TERCET_BAD_SOURCE); /* nothing is left */
    TERCET_TRY(zip_stream_finish(stream, error));
    PROMISE(*sum == stream->entry->crc32);
    return TERCET_OK;
}

static void unpack_all(const struct zip_archive *archive) {
    for (uint32_t i = 0; i < archive->directory.entries; i++) {
        struct zip_stream stream;
        tercet_error error = {.detail = ""};
        uint32_t sum = (uint32_t)crc32(0, NULL, 0);
        PROMISE(zip_archive_find(archive, archive->entries[i].name) != NULL);
        tercet_status status = zip_stream_open(archive, &archive->entries[i], &stream, &error);
        if (status == TERCET_OK) {
            status = unpack(&stream, &sum, &error);
        }
        zip_stream_close(&stream);
        PROMISE(status == TERCET_OK || error.detail[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct source_shard shard;
    struct source_weights source = {.shards = &shard};
    struct zip_archive archive;
    tercet_error error = {.detail = ""};
    memory_folder_fill_one("a.npz", data, size);
    PROMISE(source_weights_open_shard(&source, MEMORY_FOLDER "/a.npz", "a.npz",
                                      TERCET_FILE_NOT_FOUND, &error) == TERCET_OK);
    if (zip_archive_read(&shard, &archive, &error) == TERCET_OK) {
        unpack_all(&archive);
    } else {
        PROMISE(error.detail[0] != '\0');
    }
    source_shard_close(&shard);
    PROMISE(memory_folder_open_shards() == 0);
    return 0;
}
