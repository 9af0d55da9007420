/*
 * arena.h: one block per owner, sized before it is taken, cut into aligned pieces that are never freed one by one. Two
 * passes over the same layout code: with memory NULL it only counts.
 */
#ifndef TERCET_BASE_ARENA_H
#define TERCET_BASE_ARENA_H

#include "status.h"
#include <stdbool.h>

struct arena {
    uint8_t *memory; /* NULL: counting pass */
    uint64_t used;
    uint64_t capacity;
    bool overflow; /* a size overflowed or the capacity was too small; sticky */
};

/* A part of a block, for who saves it. */
struct memory_run {
    uint8_t *at;
    uint64_t bytes;
};
#define MEMORY_RUNS_MAX 6u

/* count x size bytes aligned to 64; NULL in the counting pass or on overflow. */
void *arena_take(struct arena *arena, uint64_t count, uint64_t size);

/* The allocator of the options, or aligned malloc. */
tercet_allocator arena_default_allocator(void);
void *allocator_take(const tercet_allocator *allocator,
                     uint64_t bytes); /* NULL on failure and for 0 bytes */
void allocator_give(const tercet_allocator *allocator, void *pointer, uint64_t bytes);

#endif
