/*
 * npz_bytes.h: for the packer's tests: zip archives and NumPy arrays written here, byte by byte, with zlib for what is deflated;
 * nothing of the readers under test. A test changes single bytes of what it made.
 */
#ifndef TERCET_TESTS_PACKER_NPZ_BYTES_H
#define TERCET_TESTS_PACKER_NPZ_BYTES_H

#include "check.h"

#include <stdbool.h>
#include <zlib.h>

enum { NPZ_BYTES_MAX = 1 << 16, NPZ_MEMBERS_MAX = 40 };

struct npz_bytes {
    uint8_t bytes[NPZ_BYTES_MAX];
    size_t count;
    struct {
        const char *name;
        size_t head, data, packed, size;
        uint32_t crc;
        bool deflated;
    } members[NPZ_MEMBERS_MAX];
    uint32_t member_count;
    size_t directory, end; /* where they begin, once closed */
    bool wide;             /* sizes and places in 64 bits, as archives beyond 4 GiB have them */
};

static inline void npz_put(struct npz_bytes *npz, uint64_t value, int bytes) {
    REQUIRE(npz->count + 8 < NPZ_BYTES_MAX);
    for (int i = 0; i < bytes; i++)
        npz->bytes[npz->count++] = (uint8_t)(value >> (8 * i));
}

static inline void npz_put_text(struct npz_bytes *npz, const void *text, size_t count) {
    REQUIRE(npz->count + count < NPZ_BYTES_MAX);
    memcpy(npz->bytes + npz->count, text, count);
    npz->count += count;
}

static inline void npz_set(struct npz_bytes *npz, size_t at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        npz->bytes[at + (size_t)i] = (uint8_t)(value >> (8 * i));
}

/* Raw deflate, as a zip archive holds it. */
static inline size_t npz_deflate(const void *bytes, size_t count, uint8_t *to, size_t room) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (uInt)count;
    stream.next_out = to;
    stream.avail_out = (uInt)room;
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    REQUIRE(deflateEnd(&stream) == Z_OK);
    return room - stream.avail_out;
}

/* The member `name`, which must stay where it is. */
static inline void npz_add(struct npz_bytes *npz, const char *name, const void *bytes, size_t count,
                           bool deflated) {
    static uint8_t packed[NPZ_BYTES_MAX];
    size_t packed_count = count;
    REQUIRE(npz->member_count < NPZ_MEMBERS_MAX && count < sizeof packed);
    if (deflated)
        packed_count = npz_deflate(bytes, count, packed, sizeof packed);
    else
        memcpy(packed, bytes, count);
    uint32_t crc = (uint32_t)crc32_z(0, bytes, count);
    size_t head = npz->count;
    npz_put(npz, 0x04034B50, 4);
    npz_put(npz, 20, 2);
    npz_put(npz, 0, 2);
    npz_put(npz, deflated ? 8 : 0, 2);
    npz_put(npz, 0, 4); /* time */
    npz_put(npz, crc, 4);
    npz_put(npz, packed_count, 4);
    npz_put(npz, count, 4);
    npz_put(npz, strlen(name), 2);
    npz_put(npz, 4, 2); /* an extra field of a kind that nobody knows */
    npz_put_text(npz, name, strlen(name));
    npz_put(npz, 0x7777, 2);
    npz_put(npz, 0, 2);
    size_t data = npz->count;
    npz_put_text(npz, packed, packed_count);
    npz->members[npz->member_count].name = name;
    npz->members[npz->member_count].head = head;
    npz->members[npz->member_count].data = data;
    npz->members[npz->member_count].packed = packed_count;
    npz->members[npz->member_count].size = count;
    npz->members[npz->member_count].crc = crc;
    npz->members[npz->member_count++].deflated = deflated;
}

/* An array of version 1.0 with NumPy's own spelling of its header. */
static inline void npz_add_array(struct npz_bytes *npz, const char *name, const char *type,
                                 const char *shape, const void *numbers, size_t count,
                                 bool deflated) {
    static uint8_t array[NPZ_BYTES_MAX];
    char text[256];
    int used = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                        type, shape);
    REQUIRE(used > 0 && used < 117 && count < sizeof array - 128);
    memcpy(array, "\x93NUMPY\x01\x00\x76\x00", 10);
    memset(array + 10, ' ', 117);
    memcpy(array + 10, text, (size_t)used);
    array[127] = '\n';
    memcpy(array + 128, numbers, count);
    npz_add(npz, name, array, 128 + count, deflated);
}

static inline void npz_close(struct npz_bytes *npz) {
    npz->directory = npz->count;
    for (uint32_t i = 0; i < npz->member_count; i++) {
        npz_put(npz, 0x02014B50, 4);
        npz_put(npz, 20, 2);
        npz_put(npz, 20, 2);
        npz_put(npz, 0, 2);
        npz_put(npz, npz->members[i].deflated ? 8 : 0, 2);
        npz_put(npz, 0, 4);
        npz_put(npz, npz->members[i].crc, 4);
        npz_put(npz, npz->wide ? UINT32_MAX : npz->members[i].packed, 4);
        npz_put(npz, npz->wide ? UINT32_MAX : npz->members[i].size, 4);
        npz_put(npz, strlen(npz->members[i].name), 2);
        npz_put(npz, npz->wide ? 4 + 28 : 0, 2);
        npz_put(npz, 0, 2); /* comment */
        npz_put(npz, 0, 8); /* disk, attributes */
        npz_put(npz, npz->wide ? UINT32_MAX : npz->members[i].head, 4);
        npz_put_text(npz, npz->members[i].name, strlen(npz->members[i].name));
        if (npz->wide) {
            npz_put(npz, 0x7777, 2); /* a field to be passed over */
            npz_put(npz, 0, 2);
            npz_put(npz, 1, 2);
            npz_put(npz, 24, 2);
            npz_put(npz, npz->members[i].size, 8);
            npz_put(npz, npz->members[i].packed, 8);
            npz_put(npz, npz->members[i].head, 8);
        }
    }
    size_t directory_bytes = npz->count - npz->directory, end_64 = npz->count;
    if (npz->wide) {
        npz_put(npz, 0x06064B50, 4);
        npz_put(npz, 44, 8);
        npz_put(npz, 45, 2);
        npz_put(npz, 45, 2);
        npz_put(npz, 0, 8); /* disks */
        npz_put(npz, npz->member_count, 8);
        npz_put(npz, npz->member_count, 8);
        npz_put(npz, directory_bytes, 8);
        npz_put(npz, npz->directory, 8);
        npz_put(npz, 0x07064B50, 4);
        npz_put(npz, 0, 4);
        npz_put(npz, end_64, 8);
        npz_put(npz, 1, 4);
    }
    npz->end = npz->count;
    npz_put(npz, 0x06054B50, 4);
    npz_put(npz, 0, 4);
    npz_put(npz, npz->member_count, 2);
    npz_put(npz, npz->member_count, 2);
    npz_put(npz, npz->wide ? UINT32_MAX : directory_bytes, 4);
    npz_put(npz, npz->wide ? UINT32_MAX : npz->directory, 4);
    npz_put(npz, 0, 2);
}

#endif
