/*
 * guarded_buffer.h: memory that ends where the next byte faults, or begins where the one before it does, so that a kernel
 * that reads or writes one byte too many ends the test. Natively a page without access follows; WebAssembly has
 * no such pages, there it is plain memory and the native run is the proof.
 */
#ifndef TERCET_TESTS_GUARDED_BUFFER_H
#define TERCET_TESTS_GUARDED_BUFFER_H

#include "check.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifndef __EMSCRIPTEN__
#include <sys/mman.h>
#endif

enum { GUARDED_CAPACITY = 4 << 20, GUARDED_SLOTS = 24 };

/* Whether buffers begin behind a guard page, and not end in front of one: for what reads or writes one byte too early. */
static bool guarded_from_start;

/* How often a buffer was asked for: each asking is a check that is no case. */
static unsigned long guarded_askings;

/* `bytes` that end at the guard page, filled with a pattern. The same slot gives the same memory
 * again: what it held before is gone. */
static inline void *guarded(int slot, size_t bytes) {
    static uint8_t *end[GUARDED_SLOTS];
    guarded_askings++;
    REQUIRE(slot >= 0 && slot < GUARDED_SLOTS && bytes <= GUARDED_CAPACITY);
    if (end[slot] == NULL) {
#ifdef __EMSCRIPTEN__
        uint8_t *base = malloc(GUARDED_CAPACITY);
        REQUIRE(base != NULL);
#else
        const size_t page = 65536; /* a multiple of every page size in use */
        uint8_t *base = mmap(NULL, GUARDED_CAPACITY + 2 * page, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(base != MAP_FAILED);
        REQUIRE(mprotect(base, page, PROT_NONE) == 0);
        base += page;
        REQUIRE(mprotect(base + GUARDED_CAPACITY, page, PROT_NONE) == 0);
#endif
        end[slot] = base + GUARDED_CAPACITY;
    }
    return memset(end[slot] - (guarded_from_start ? GUARDED_CAPACITY : bytes), 0xA5, bytes);
}

#endif
