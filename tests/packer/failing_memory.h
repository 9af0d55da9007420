/*
 * failing_memory.h: memory that ends at the n-th allocation, once or from then on, libc's own included, and a count of the blocks that are held: each
 * of these functions stands in for libc's. For one test program, which includes it once; allocations from one thread only.
 * A sanitizer has an allocator of its own, which cannot be stood in for: nothing fails then.
 */
#ifndef TERCET_TESTS_FAILING_MEMORY_H
#define TERCET_TESTS_FAILING_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_CAN_FAIL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMORY_CAN_FAIL 0
#endif
#endif
#ifndef MEMORY_CAN_FAIL
#define MEMORY_CAN_FAIL 1
#endif

/* Allocations since the test set it to 0; which of them fails, from 1 (0: none); blocks that were taken and not freed. */
static unsigned allocations, fail_allocation;
static bool fail_from_then_on; /* and all that follow it */
static long blocks_held;

#if MEMORY_CAN_FAIL
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *pointer, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *pointer);

static bool memory_ends(void) {
    allocations++;
    if (allocations == fail_allocation ||
        (fail_from_then_on && fail_allocation != 0 && allocations > fail_allocation)) {
        errno = ENOMEM;
        return true;
    }
    return false;
}

static void *count_block(void *pointer) {
    blocks_held += pointer != NULL;
    return pointer;
}

void *malloc(size_t bytes) {
    return memory_ends() ? NULL : count_block(__libc_malloc(bytes));
}

void *calloc(size_t count, size_t bytes) {
    return memory_ends() ? NULL : count_block(__libc_calloc(count, bytes));
}

void *realloc(void *pointer, size_t bytes) {
    if (memory_ends()) {
        return NULL;
    }
    return pointer == NULL ? count_block(__libc_malloc(bytes)) : __libc_realloc(pointer, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return memory_ends() ? NULL : count_block(__libc_memalign(alignment, bytes));
}

void free(void *pointer) {
    blocks_held -= pointer != NULL;
    __libc_free(pointer);
}
#endif

#endif
