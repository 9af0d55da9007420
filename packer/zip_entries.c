/*
 * zip_entries.c: see zip_entries.h.
 */
#include "zip_entries.h"

#include "../core/base/untrusted.h"

#include <string.h>

#define END_BYTES 22u     /* "PK\5\6": end of the directory, then a comment */
#define LOCATOR_BYTES 20u /* "PK\6\7": where the end in 64 bits is */
#define END_64_BYTES 56u  /* "PK\6\6" */
#define ENTRY_BYTES 46u   /* "PK\1\2", then name, extra fields and a comment */
#define SIGNATURE_END 0x06054B50u
#define SIGNATURE_LOCATOR 0x07064B50u
#define SIGNATURE_END_64 0x06064B50u
#define SIGNATURE_ENTRY 0x02014B50u
#define SIGNATURE_HEAD 0x04034B50u
#define EXTRA_ZIP64 1u
#define FLAG_ENCRYPTED 1u
#define METHOD_STORED 0u
#define METHOD_DEFLATED 8u

static tercet_status damaged(const char *file, uint64_t where, const char *what,
                             tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, where, "%s is no sound zip archive: %s", file,
                       what);
}

/* Any two bytes are a number that can be trusted to be below 65536; the window must hold them. */
static uint32_t u16_at(untrusted_bytes window, size_t offset) {
    return (uint32_t)window.bytes[offset] | (uint32_t)window.bytes[offset + 1] << 8;
}

static bool has_signature(untrusted_bytes window, size_t offset, uint32_t signature) {
    untrusted_u32 found;
    return untrusted_read_u32(window, offset, &found) && found.raw == signature;
}

/* ---------------------------------------------------------------- the end of the archive */

/* The end record is followed by a comment that reaches to the last byte. */
static bool find_end(untrusted_bytes tail, size_t *at) {
    for (size_t i = tail.count < END_BYTES ? 0 : tail.count - END_BYTES + 1; i > 0; i--) {
        if (has_signature(tail, i - 1, SIGNATURE_END) &&
            u16_at(tail, i - 1 + 20) == tail.count - (i - 1) - END_BYTES) {
            *at = i - 1;
            return true;
        }
    }
    return false;
}

/* Numbers of the end in 64 bits, where a locator in front of the end at `at` points to one. */
static tercet_status read_end_64(const char *file, untrusted_bytes tail, size_t at,
                                 uint64_t archive_bytes, bool *found, untrusted_u64 numbers[3],
                                 tercet_error *error) {
    untrusted_u64 offset = {0};
    uint64_t first = archive_bytes - tail.count, place;
    *found = at >= LOCATOR_BYTES && has_signature(tail, at - LOCATOR_BYTES, SIGNATURE_LOCATOR);
    if (!*found) {
        return TERCET_OK;
    }
    (void)untrusted_read_u64(tail, at - LOCATOR_BYTES + 8, &offset);
    if (!take_u64_between(offset, first, archive_bytes, &place) ||
        !has_signature(tail, (size_t)(place - first), SIGNATURE_END_64) ||
        !untrusted_read_u64(tail, (size_t)(place - first) + 32, &numbers[0]) ||
        !untrusted_read_u64(tail, (size_t)(place - first) + 40, &numbers[1]) ||
        !untrusted_read_u64(tail, (size_t)(place - first) + 48, &numbers[2])) {
        return damaged(file, at, "the end of its directory in 64 bits is not where it should be",
                       error);
    }
    return TERCET_OK;
}

tercet_status zip_find_directory(const char *file, const uint8_t *tail, size_t count,
                                 uint64_t archive_bytes, struct zip_directory *directory,
                                 tercet_error *error) {
    untrusted_bytes window = {tail, count};
    untrusted_u64 numbers[3] = {{0}, {0}, {0}}; /* entries, bytes, offset */
    untrusted_u32 bytes = {0}, offset = {0};
    uint64_t entries;
    size_t at;
    bool wide;
    if (!find_end(window, &at)) {
        return damaged(file, archive_bytes, "it has no directory at its end; it may be cut short",
                       error);
    }
    TERCET_TRY(read_end_64(file, window, at, archive_bytes, &wide, numbers, error));
    if (!wide) {
        (void)untrusted_read_u32(window, at + 12, &bytes);
        (void)untrusted_read_u32(window, at + 16, &offset);
        numbers[0].raw = u16_at(window, at + 10);
        numbers[1].raw = bytes.raw;
        numbers[2].raw = offset.raw;
    }
    if (u16_at(window, at + 4) != 0 || u16_at(window, at + 6) != 0) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, at,
                           "%s is one part of a zip archive in several: join them first", file);
    }
    if (!take_u64_at_most(numbers[0], ZIP_ENTRIES_MAX, &entries) ||
        !take_u64_at_most(numbers[1], ZIP_DIRECTORY_BYTES_MAX, &directory->bytes)) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, at,
                           "%s holds more than the %u arrays of one .npz that are read", file,
                           ZIP_ENTRIES_MAX);
    }
    directory->entries = (uint32_t)entries;
    if (directory->bytes > archive_bytes ||
        !take_u64_at_most(numbers[2], archive_bytes - directory->bytes, &directory->offset)) {
        return damaged(file, at, "its directory does not lie inside of it", error);
    }
    return TERCET_OK;
}

/* ---------------------------------------------------------------- the directory */

/* Sizes and place that did not fit into 32 bits stand in an extra field, those alone and in this order. */
static bool read_zip64(untrusted_bytes extra, bool want[3], untrusted_u64 numbers[3]) {
    size_t at = 0;
    while (extra.count - at >= 4) {
        uint32_t kind = u16_at(extra, at), bytes = u16_at(extra, at + 2);
        untrusted_bytes field;
        if (!untrusted_part(extra, at + 4, bytes, &field)) {
            return false;
        }
        if (kind == EXTRA_ZIP64) {
            size_t next = 0;
            for (int i = 0; i < 3; i++) {
                if (want[i] && !untrusted_read_u64(field, next, &numbers[i])) {
                    return false;
                }
                next += want[i] ? 8 : 0;
            }
            return true;
        }
        at += 4 + bytes;
    }
    return !want[0] && !want[1] && !want[2];
}

/* Names reach sentences and are compared: printable ASCII. */
static bool take_name(untrusted_bytes name, char out[ZIP_NAME_BYTES]) {
    if (name.count == 0 || name.count >= ZIP_NAME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < name.count; i++) {
        if (name.bytes[i] < 0x21 || name.bytes[i] > 0x7E) {
            return false;
        }
        out[i] = (char)name.bytes[i];
    }
    out[name.count] = '\0';
    return true;
}

static tercet_status read_entry(const char *file, untrusted_bytes window, size_t *at,
                                const struct zip_directory *directory, struct zip_entry *entry,
                                tercet_error *error) {
    static const size_t places[3] = {24, 20, 42}; /* size, packed size, head: zip64's order */
    untrusted_u64 numbers[3] = {{0}, {0}, {0}};
    untrusted_u32 crc = {0};
    bool wide[3];
    untrusted_bytes fixed, name, extra;
    if (!untrusted_part(window, *at, ENTRY_BYTES, &fixed) ||
        !has_signature(fixed, 0, SIGNATURE_ENTRY)) {
        return damaged(file, *at, "its directory holds fewer members than it says", error);
    }
    uint32_t name_bytes = u16_at(fixed, 28), extra_bytes = u16_at(fixed, 30);
    uint32_t comment_bytes = u16_at(fixed, 32), method = u16_at(fixed, 10);
    if (!untrusted_part(window, *at + ENTRY_BYTES, name_bytes, &name) ||
        !untrusted_part(window, *at + ENTRY_BYTES + name_bytes, extra_bytes, &extra)) {
        return damaged(file, *at, "a member of its directory is cut short", error);
    }
    if (!take_name(name, entry->name)) {
        return damaged(file, *at, "a member has no printable name of at most 63 characters", error);
    }
    (void)untrusted_read_u32(fixed, 16, &crc);
    entry->crc32 = crc.raw; /* only ever compared */
    for (int i = 0; i < 3; i++) {
        untrusted_u32 number = {0};
        (void)untrusted_read_u32(fixed, places[i], &number);
        numbers[i].raw = number.raw;
        wide[i] = number.raw == UINT32_MAX;
    }
    if (!read_zip64(extra, wide, numbers)) {
        return damaged(file, *at, "sizes of a member are missing", error);
    }
    if ((u16_at(fixed, 8) & FLAG_ENCRYPTED) != 0) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, *at, "%s is encrypted", file);
    }
    if (method != METHOD_STORED && method != METHOD_DEFLATED) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, method,
                           "%s: %s is packed by method %u: NumPy stores (0) or deflates (8)", file,
                           entry->name, method);
    }
    entry->deflated = method == METHOD_DEFLATED;
    if (!take_u64_at_most(numbers[0], UINT64_MAX / 2, &entry->bytes) ||
        !take_u64_at_most(numbers[1], directory->offset, &entry->packed_bytes) ||
        !take_u64_at_most(numbers[2], directory->offset - entry->packed_bytes, &entry->head) ||
        (!entry->deflated && entry->packed_bytes != entry->bytes)) {
        return damaged(file, *at, "a member does not lie inside of it", error);
    }
    *at += ENTRY_BYTES + (size_t)name_bytes + extra_bytes + comment_bytes;
    return TERCET_OK;
}

tercet_status zip_read_directory(const char *file, const uint8_t *bytes,
                                 const struct zip_directory *directory, struct zip_entry *entries,
                                 tercet_error *error) {
    untrusted_bytes window = {bytes, (size_t)directory->bytes};
    size_t at = 0;
    for (uint32_t i = 0; i < directory->entries; i++) {
        TERCET_TRY(read_entry(file, window, &at, directory, &entries[i], error));
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(entries[k].name, entries[i].name) == 0) {
                return damaged(file, at, "two members have the same name", error);
            }
        }
    }
    return at == window.count
               ? TERCET_OK
               : damaged(file, at, "its directory does not end where it should", error);
}

tercet_status zip_read_head(const char *file, const uint8_t head[ZIP_HEAD_BYTES],
                            const struct zip_entry *entry, const struct zip_directory *directory,
                            uint64_t *offset, tercet_error *error) {
    untrusted_bytes window = {head, ZIP_HEAD_BYTES};
    uint64_t skipped = ZIP_HEAD_BYTES + (uint64_t)u16_at(window, 26) + u16_at(window, 28);
    if (!has_signature(window, 0, SIGNATURE_HEAD) ||
        (u16_at(window, 8) == METHOD_DEFLATED) != entry->deflated) {
        return damaged(file, entry->head, "a member and the directory differ", error);
    }
    if (skipped > directory->offset - entry->packed_bytes - entry->head) {
        return damaged(file, entry->head, "a member runs into the directory", error);
    }
    *offset = entry->head + skipped;
    return TERCET_OK;
}
