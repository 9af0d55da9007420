/*
 * zip_entries.h: what lies where in a zip archive, as NumPy's .npz are: the directory at its end and the heads in front of the
 * members. The door for numbers of that format: after OK every member lies inside the archive. No files here (zip_stream.h
 * has them), so that a fuzzer can reach every line.
 *
 * Format: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3.
 */
#ifndef TERCET_PACKER_ZIP_ENTRIES_H
#define TERCET_PACKER_ZIP_ENTRIES_H

#include "../core/base/status.h"
#include <stdbool.h>

#define ZIP_TAIL_BYTES (22u + 65535u + 20u + 56u) /* the most that the end of an archive takes */
#define ZIP_DIRECTORY_BYTES_MAX 65536u
#define ZIP_ENTRIES_MAX 32u /* a .npz of one tensor has five */
#define ZIP_NAME_BYTES 64u
#define ZIP_HEAD_BYTES 30u

struct zip_directory {
    uint64_t offset, bytes; /* in the archive; bytes <= ZIP_DIRECTORY_BYTES_MAX */
    uint32_t entries;       /* <= ZIP_ENTRIES_MAX */
};

struct zip_entry {
    char name[ZIP_NAME_BYTES]; /* printable ASCII */
    bool deflated;
    uint32_t crc32;
    uint64_t packed_bytes, bytes; /* in the archive, and what they become */
    uint64_t head;                /* where its head begins */
};

/* `tail`: the last `count` bytes of an archive of archive_bytes, all of it or at least ZIP_TAIL_BYTES. BAD_SOURCE,
 * LIMIT_EXCEEDED, UNSUPPORTED_SOURCE (an archive in parts). `file` is for sentences, here as below. */
tercet_status zip_find_directory(const char *file, const uint8_t *tail, size_t count,
                                 uint64_t archive_bytes, struct zip_directory *directory,
                                 tercet_error *error);
/* `bytes`: directory->bytes of them; `entries`: room for directory->entries. BAD_SOURCE, UNSUPPORTED_SOURCE (encrypted, or
 * neither stored nor deflated). */
tercet_status zip_read_directory(const char *file, const uint8_t *bytes,
                                 const struct zip_directory *directory, struct zip_entry *entries,
                                 tercet_error *error);
/* `head`: the bytes at entry->head. Where the member's bytes begin; they end before the directory. BAD_SOURCE. */
tercet_status zip_read_head(const char *file, const uint8_t head[ZIP_HEAD_BYTES],
                            const struct zip_entry *entry, const struct zip_directory *directory,
                            uint64_t *offset, tercet_error *error);

#endif
