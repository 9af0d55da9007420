/*
 * arena.c: see arena.h. The default allocator is the C library's; a block always starts at a multiple of 64, which the
 * kernels and the container format rely on.
 */
#include "arena.h"
#include "untrusted.h"

#include <stdlib.h>

#define ARENA_ALIGNMENT 64u
/* A block and what an allocator puts around it must not wrap around; half of 32 bits of addresses would be too little
 * for a model in WebAssembly. */
#define BLOCK_MARGIN 4096u

void *arena_take(struct arena *arena, uint64_t count, uint64_t size) {
    uint64_t bytes, end;
    if (arena->overflow || !checked_mul_u64(count, size, &bytes) ||
        !checked_pad_u64(bytes, ARENA_ALIGNMENT, &bytes) ||
        !checked_add_u64(arena->used, bytes, &end)) {
        arena->overflow = true;
        return NULL;
    }
    uint64_t begin = arena->used;
    if (arena->memory == NULL) {
        arena->used = end;
        return NULL;
    }
    if (end > arena->capacity) {
        arena->overflow = true;
        return NULL;
    }
    arena->used = end;
    return arena->memory + begin;
}

static void *default_alloc(void *opaque, size_t bytes) {
    (void)opaque;
    size_t padded = (bytes + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    return padded < bytes ? NULL : aligned_alloc(ARENA_ALIGNMENT, padded);
}

static void default_free(void *opaque, void *pointer, size_t bytes) {
    (void)opaque;
    (void)bytes;
    free(pointer);
}

tercet_allocator arena_default_allocator(void) {
    return (tercet_allocator){default_alloc, default_free, NULL};
}

void *allocator_take(const tercet_allocator *allocator, uint64_t bytes) {
    if (bytes == 0 || bytes > SIZE_MAX - BLOCK_MARGIN)
        return NULL;
    return allocator->alloc(allocator->opaque, (size_t)bytes);
}

void allocator_give(const tercet_allocator *allocator, void *pointer, uint64_t bytes) {
    if (pointer != NULL)
        allocator->free(allocator->opaque, pointer, (size_t)bytes);
}
