/*
 * untrusted.h: numbers that came from outside have a type of their own, so that using one before it was checked does not
 * compile (a habit of checking fails at the fifth addition; a type does not). The only ways out are the take_ functions.
 * Nothing here knows any format.
 */
#ifndef TERCET_BASE_UNTRUSTED_H
#define TERCET_BASE_UNTRUSTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct untrusted_u32 {
    uint32_t raw;
} untrusted_u32;

typedef struct untrusted_u64 {
    uint64_t raw;
} untrusted_u64;

/* A window of bytes from outside. `bytes` may hold anything, `count` is ours. */
typedef struct untrusted_bytes {
    const uint8_t *bytes;
    size_t count;
} untrusted_bytes;

/* The part [offset, offset + count) of a window; false when it does not lie inside. Both numbers must already be
 * trusted. */
static inline bool untrusted_part(untrusted_bytes window, uint64_t offset, uint64_t count,
                                  untrusted_bytes *out) {
    if (offset > window.count || window.count - offset < count)
        return false;
    out->bytes = window.bytes + (size_t)offset;
    out->count = (size_t)count;
    return true;
}

/* Little-endian reads; false when the window is too short. `offset` must already be trusted. */
static inline bool untrusted_read_u32(untrusted_bytes window, size_t offset, untrusted_u32 *out) {
    if (offset > window.count || window.count - offset < 4)
        return false;
    const uint8_t *p = window.bytes + offset;
    out->raw = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return true;
}

static inline bool untrusted_read_u64(untrusted_bytes window, size_t offset, untrusted_u64 *out) {
    untrusted_u32 low = {0}, high = {0};
    if (offset > window.count || window.count - offset < 8)
        return false;
    (void)untrusted_read_u32(window, offset, &low);
    (void)untrusted_read_u32(window, offset + 4, &high);
    out->raw = (uint64_t)low.raw | (uint64_t)high.raw << 32;
    return true;
}

/* The ways out: a number leaves only through a bound. */
static inline bool take_u32_at_most(untrusted_u32 value, uint32_t limit, uint32_t *out) {
    if (value.raw > limit)
        return false;
    *out = value.raw;
    return true;
}

static inline bool take_u32_between(untrusted_u32 value, uint32_t least, uint32_t limit,
                                    uint32_t *out) {
    if (value.raw < least)
        return false;
    return take_u32_at_most(value, limit, out);
}

static inline bool take_u64_at_most(untrusted_u64 value, uint64_t limit, uint64_t *out) {
    if (value.raw > limit)
        return false;
    *out = value.raw;
    return true;
}

static inline bool take_u64_between(untrusted_u64 value, uint64_t least, uint64_t limit,
                                    uint64_t *out) {
    if (value.raw < least)
        return false;
    return take_u64_at_most(value, limit, out);
}

/* A float of the file: any bit pattern is legal for the machine, NaN and infinities are refused here. */
static inline bool take_finite_f32(untrusted_u32 value, float *out) {
    if ((value.raw & 0x7F800000u) == 0x7F800000u)
        return false;
    memcpy(out, &value.raw, sizeof *out);
    return true;
}

static inline bool take_finite_f64(untrusted_u64 value, double *out) {
    if ((value.raw & 0x7FF0000000000000u) == 0x7FF0000000000000u)
        return false;
    memcpy(out, &value.raw, sizeof *out);
    return true;
}

/* Arithmetic on trusted sizes that may still overflow. False, and *out untouched, when it does. */
static inline bool checked_add_u64(uint64_t a, uint64_t b, uint64_t *out) {
    if (a > UINT64_MAX - b)
        return false;
    *out = a + b;
    return true;
}

static inline bool checked_mul_u64(uint64_t a, uint64_t b, uint64_t *out) {
    if (b != 0 && a > UINT64_MAX / b)
        return false;
    *out = a * b;
    return true;
}

/* Up to the next multiple of a power of two. */
static inline bool checked_pad_u64(uint64_t value, uint64_t multiple, uint64_t *out) {
    uint64_t padded;
    if (!checked_add_u64(value, multiple - 1, &padded))
        return false;
    *out = padded & ~(multiple - 1);
    return true;
}

#endif
