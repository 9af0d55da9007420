/*
 * thread_pool.c: see thread_pool.h. A worker spins for some microseconds after its last task, because a token is a few
 * hundred short tasks in a row, and then sleeps: a pure spin barrier collapses when the cores are shared with other
 * programs. Generation and sleeper counts are sequentially consistent, so that a sleeper is never missed.
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

#define SPIN_ROUNDS 2000

struct worker {
    struct thread_pool *pool;
    pthread_t handle;
    uint32_t index;
};

struct thread_pool {
    tercet_allocator allocator;
    uint32_t threads; /* running ones, the caller included */

    /* Written by the caller before `generation` moves on, read by workers after they saw it move. */
    thread_pool_task task;
    void *context;
    uint32_t count;

    _Alignas(64) atomic_uint generation;
    _Alignas(64) atomic_uint remaining; /* workers that have not finished this generation */
    atomic_uint sleepers;
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

static void run_share(const struct thread_pool *pool, uint32_t thread) {
    uint32_t begin = (uint32_t)((uint64_t)pool->count * thread / pool->threads);
    uint32_t end = (uint32_t)((uint64_t)pool->count * (thread + 1) / pool->threads);
    if (begin < end)
        pool->task(pool->context, begin, end, thread);
}

static void wait_for_generation_after(struct thread_pool *pool, uint32_t seen) {
    for (int round = 0; round < SPIN_ROUNDS; round++) {
        if (atomic_load(&pool->generation) != seen)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->generation) == seen)
        pthread_cond_wait(&pool->work, &pool->mutex);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void *worker_main(void *opaque) {
    struct worker *worker = opaque;
    struct thread_pool *pool = worker->pool;
    uint32_t seen = 0;
    for (;;) {
        wait_for_generation_after(pool, seen);
        seen++;
        if (atomic_load(&pool->stop))
            return NULL;
        run_share(pool, worker->index);
        if (atomic_fetch_sub(&pool->remaining, 1) == 1 && atomic_load(&pool->caller_sleeps)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

static void start_generation(struct thread_pool *pool) {
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleepers) != 0) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->mutex);
    }
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
    pool->count = 0;
    atomic_init(&pool->generation, 0);
    atomic_init(&pool->remaining, 0);
    atomic_init(&pool->sleepers, 0);
    atomic_init(&pool->caller_sleeps, false);
    atomic_init(&pool->stop, false);
    if (pthread_mutex_init(&pool->mutex, NULL) != 0) {
        allocator_give(allocator, pool, sizeof *pool);
        return TERCET_OUT_OF_MEMORY;
    }
    bool work = pthread_cond_init(&pool->work, NULL) == 0;
    bool done = work && pthread_cond_init(&pool->done, NULL) == 0;
    if (!done) {
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
        pool->threads = i + 1; /* workers read it only after a generation, which is later */
    }
    *out = pool;
    return pool->threads < threads ? TERCET_FEWER_THREADS : TERCET_OK;
}

void thread_pool_run(struct thread_pool *pool, thread_pool_task task, void *context,
                     uint32_t count) {
    if (pool->threads == 1 || count < 2) {
        if (count > 0)
            task(context, 0, count, 0);
        return;
    }
    pool->task = task;
    pool->context = context;
    pool->count = count;
    atomic_store(&pool->remaining, pool->threads - 1);
    start_generation(pool);
    run_share(pool, 0);
    for (int round = 0; round < SPIN_ROUNDS; round++) {
        if (atomic_load(&pool->remaining) == 0)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_sleeps, true);
    while (atomic_load(&pool->remaining) != 0)
        pthread_cond_wait(&pool->done, &pool->mutex);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->mutex);
}

void thread_pool_destroy(struct thread_pool *pool) {
    if (pool == NULL)
        return;
    atomic_store(&pool->stop, true);
    start_generation(pool);
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
