/*
 * thread_pool.c: see thread_pool.h. Threads claim small ranges of the items one after another, the caller too, so a worker
 * that the system has not scheduled delays nobody: the caller simply does its share. A worker spins for some microseconds
 * after its last task, because a token is a few hundred short tasks in a row, and then sleeps: a pure spin barrier
 * collapses when the cores are shared with other programs.
 */
#include "thread_pool.h"
#include "arena.h"

/* WebAssembly without shared memory has no threads; the same pool then runs everything in the caller. */
#if defined(__EMSCRIPTEN__) && !defined(__EMSCRIPTEN_PTHREADS__)
#define POOL_HAS_THREADS 0
#else
#define POOL_HAS_THREADS 1
#include <pthread.h>
#include <stdatomic.h>
#endif

#define POOL_THREADS_MAX 64u

#if POOL_HAS_THREADS

/* Some tens of microseconds, longer than what one thread does alone between two tasks (a norm, a row quantised), so
 * that nobody falls asleep in the middle of a token. WebAssembly has no pause instruction: a round is only a load. */
#ifdef __EMSCRIPTEN__
#define SPIN_ROUNDS 40000
#else
#define SPIN_ROUNDS 2000
#endif

/* Four rows of tiles at once is what the kernels like best; four claims a thread even out what the scheduler does. */
#define RANGE_MIN 4u
#define CLAIMS_PER_THREAD 4u

/* The low half of a ticket while no item can be claimed. */
#define CLOSED 0xFFFFFFFFu

struct worker {
    struct thread_pool *pool;
    pthread_t handle;
    uint32_t index;
};

struct thread_pool {
    tercet_allocator allocator;
    uint32_t threads; /* running ones, the caller included */

    /* High half: generation, one a task. Low half: next unclaimed item. A claim is one compare-and-swap of the whole, so
     * it fails when the generation has moved on; a successful claim keeps the fields below valid until it is finished. */
    _Alignas(64) _Atomic(uint64_t) ticket;
    thread_pool_task task;
    void *context;
    _Atomic(uint32_t) count; /* atomic: read before the claim that makes it valid */
    _Atomic(uint32_t) range;

    _Alignas(64) _Atomic(uint32_t) finished; /* items of this generation */
    _Atomic(uint32_t) sleepers;
    atomic_bool caller_sleeps;
    atomic_bool stop;
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    struct worker workers[POOL_THREADS_MAX];
};

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static uint32_t generation_of(uint64_t ticket) {
    return (uint32_t)(ticket >> 32);
}

/* Claims and runs ranges of this generation until none is left. */
static void work_on(struct thread_pool *pool, uint32_t generation, uint32_t thread) {
    uint64_t ticket = atomic_load(&pool->ticket);
    for (;;) {
        uint32_t begin = (uint32_t)ticket;
        uint32_t count = atomic_load_explicit(&pool->count, memory_order_relaxed);
        uint32_t range = atomic_load_explicit(&pool->range, memory_order_relaxed);
        if (generation_of(ticket) != generation || begin >= count)
            return;
        uint32_t end = count - begin < range ? count : begin + range;
        uint64_t claimed = (uint64_t)generation << 32 | end;
        if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, claimed))
            continue;

        pool->task(pool->context, begin, end, thread);
        if (atomic_fetch_add(&pool->finished, end - begin) + (end - begin) == count &&
            atomic_load(&pool->caller_sleeps)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->mutex);
        }
        ticket = atomic_load(&pool->ticket);
    }
}

/* Returns a generation other than `seen`. Sleepers are counted under the lock and before the last look, and the ticket
 * moves before the sleepers are counted: with sequentially consistent atomics none is missed. */
static uint32_t wait_for_generation_after(struct thread_pool *pool, uint32_t seen) {
    for (int round = 0; round < SPIN_ROUNDS; round++) {
        uint32_t generation = generation_of(atomic_load(&pool->ticket));
        if (generation != seen)
            return generation;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    uint32_t generation;
    while ((generation = generation_of(atomic_load(&pool->ticket))) == seen)
        pthread_cond_wait(&pool->work, &pool->mutex);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
    return generation;
}

static void *worker_main(void *opaque) {
    struct worker *worker = opaque;
    uint32_t seen = 0;
    for (;;) {
        seen = wait_for_generation_after(worker->pool, seen);
        if (atomic_load(&worker->pool->stop))
            return NULL;
        work_on(worker->pool, seen, worker->index);
    }
}

static void wake_sleepers(struct thread_pool *pool) {
    if (atomic_load(&pool->sleepers) == 0)
        return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
}

tercet_status thread_pool_create(const tercet_allocator *allocator, uint32_t threads,
                                 struct thread_pool **out) {
    struct thread_pool *pool = allocator_take(allocator, sizeof *pool);
    if (pool == NULL)
        return TERCET_OUT_OF_MEMORY;
    if (threads > POOL_THREADS_MAX)
        threads = POOL_THREADS_MAX;
    pool->allocator = *allocator;
    pool->task = NULL;
    pool->context = NULL;
    atomic_init(&pool->count, 0);
    atomic_init(&pool->ticket, CLOSED);
    atomic_init(&pool->range, 1);
    atomic_init(&pool->finished, 0);
    atomic_init(&pool->sleepers, 0);
    atomic_init(&pool->caller_sleeps, false);
    atomic_init(&pool->stop, false);
    /* Branches not counted: no mutex of glibc fails */
    if (pthread_mutex_init(&pool->mutex, NULL) != 0) {
        allocator_give(allocator, pool, sizeof *pool);
        return TERCET_OUT_OF_MEMORY;
    }
    bool work = pthread_cond_init(&pool->work, NULL) == 0;
    /* Branches not counted: nor does a condition */
    bool done = work && pthread_cond_init(&pool->done, NULL) == 0;
    /* Branches not counted: likewise */
    if (!done) {
        /* Branches not counted: likewise */
        if (work)
            pthread_cond_destroy(&pool->work);
        pthread_mutex_destroy(&pool->mutex);
        allocator_give(allocator, pool, sizeof *pool);
        return TERCET_OUT_OF_MEMORY;
    }
    pool->threads = 1;
    for (uint32_t i = 1; i < threads; i++) {
        struct worker *worker = &pool->workers[i];
        worker->pool = pool;
        worker->index = i;
        if (pthread_create(&worker->handle, NULL, worker_main, worker) != 0)
            break;
        pool->threads = i + 1;
    }
    *out = pool;
    return pool->threads < threads ? TERCET_FEWER_THREADS : TERCET_OK;
}

static uint32_t range_of(const struct thread_pool *pool, uint32_t count) {
    uint32_t claims = pool->threads * CLAIMS_PER_THREAD;
    if (count < pool->threads * RANGE_MIN)
        return (count + pool->threads - 1) / pool->threads;
    uint32_t range = (uint32_t)(((uint64_t)count + claims - 1) / claims);
    return (range + RANGE_MIN - 1) & ~(RANGE_MIN - 1);
}

void thread_pool_run(struct thread_pool *pool, thread_pool_task task, void *context,
                     uint32_t count) {
    if (pool->threads == 1 || count < 2) {
        if (count > 0)
            task(context, 0, count, 0);
        return;
    }
    uint32_t generation = generation_of(atomic_load(&pool->ticket));
    /* Closed first: a worker that still holds an old ticket must not claim with the new fields. */
    atomic_store(&pool->ticket, (uint64_t)generation << 32 | CLOSED);
    generation++;
    pool->task = task;
    pool->context = context;
    atomic_store_explicit(&pool->count, count, memory_order_relaxed);
    atomic_store_explicit(&pool->range, range_of(pool, count), memory_order_relaxed);
    atomic_store(&pool->finished, 0);
    atomic_store(&pool->ticket, (uint64_t)generation << 32);
    wake_sleepers(pool);
    work_on(pool, generation, 0);

    for (int round = 0; round < SPIN_ROUNDS; round++) {
        if (atomic_load(&pool->finished) == count)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_sleeps, true);
    while (atomic_load(&pool->finished) != count)
        pthread_cond_wait(&pool->done, &pool->mutex);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->mutex);
}

void thread_pool_destroy(struct thread_pool *pool) {
    if (pool == NULL)
        return;
    atomic_store(&pool->stop, true);
    uint32_t generation = generation_of(atomic_load(&pool->ticket)) + 1;
    atomic_store(&pool->ticket, (uint64_t)generation << 32 | CLOSED);
    wake_sleepers(pool);
    for (uint32_t i = 1; i < pool->threads; i++)
        pthread_join(pool->workers[i].handle, NULL);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->mutex);
    tercet_allocator allocator = pool->allocator;
    allocator_give(&allocator, pool, sizeof *pool);
}

#else

struct thread_pool {
    tercet_allocator allocator;
    uint32_t threads;
};

tercet_status thread_pool_create(const tercet_allocator *allocator, uint32_t threads,
                                 struct thread_pool **out) {
    struct thread_pool *pool = allocator_take(allocator, sizeof *pool);
    if (pool == NULL)
        return TERCET_OUT_OF_MEMORY;
    pool->allocator = *allocator;
    pool->threads = 1;
    *out = pool;
    return threads > 1 ? TERCET_FEWER_THREADS : TERCET_OK;
}

void thread_pool_run(struct thread_pool *pool, thread_pool_task task, void *context,
                     uint32_t count) {
    (void)pool;
    if (count > 0)
        task(context, 0, count, 0);
}

void thread_pool_destroy(struct thread_pool *pool) {
    if (pool == NULL)
        return;
    tercet_allocator allocator = pool->allocator;
    allocator_give(&allocator, pool, sizeof *pool);
}

#endif

uint32_t thread_pool_threads(const struct thread_pool *pool) {
    return pool->threads;
}
