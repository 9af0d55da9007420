/*
 * thread_pool.h: fixed workers and one operation: run a function over [0, count) in contiguous ranges. The
 * caller works too. Workers spin briefly, then sleep. Fewer threads than asked for is a note, not an error; without
 * thread support (single-threaded WebAssembly) everything runs in the caller.
 */
#ifndef TERCET_BASE_THREAD_POOL_H
#define TERCET_BASE_THREAD_POOL_H

#include "status.h"

struct thread_pool;

/* [begin, end) of the items for this thread; `thread` in 0..threads-1 for per-thread scratch. */
typedef void (*thread_pool_task)(void *context, uint32_t begin, uint32_t end, uint32_t thread);

/* threads 1..64, caller included. OK, FEWER_THREADS, OUT_OF_MEMORY. */
tercet_status thread_pool_create(const tercet_allocator *allocator, uint32_t threads,
                                 struct thread_pool **pool);
uint32_t thread_pool_threads(const struct thread_pool *pool);
/* Returns when all items are done. Not reentrant. */
void thread_pool_run(struct thread_pool *pool, thread_pool_task task, void *context,
                     uint32_t count);
void thread_pool_destroy(struct thread_pool *pool);

#endif
