/* test_thread_pool.c - every item exactly once, at any thread and item count, also after the workers went to sleep. */
#include "base/arena.h"
#include "base/thread_pool.h"
#include "check.h"

#include <stdatomic.h>
#include <time.h>

#define ITEMS_MAX 300u

struct tally {
    atomic_uint touched[ITEMS_MAX];
    atomic_uint threads_seen; /* a bit a thread */
};

static void touch(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    struct tally *tally = context;
    atomic_fetch_or(&tally->threads_seen, 1u << thread);
    for (uint32_t i = begin; i < end; i++)
        atomic_fetch_add(&tally->touched[i], 1);
}

static void each_item_once(struct thread_pool *pool, uint32_t count) {
    static struct tally tally;
    for (uint32_t i = 0; i < ITEMS_MAX; i++)
        atomic_store(&tally.touched[i], 0);
    atomic_store(&tally.threads_seen, 0);
    thread_pool_run(pool, touch, &tally, count);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < ITEMS_MAX; i++)
        wrong += atomic_load(&tally.touched[i]) != (i < count ? 1u : 0u);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(atomic_load(&tally.threads_seen) >> thread_pool_threads(pool), 0);
}

static void sleep_ms(long ms) {
    struct timespec pause = {0, ms * 1000000L};
    nanosleep(&pause, NULL);
}

/* Each item waits until all have begun: passes only if that many threads run at once. */
struct meeting {
    atomic_uint arrived;
    uint32_t expected;
    atomic_bool late;
};

static void meet(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    (void)thread;
    struct meeting *meeting = context;
    if (end - begin != 1)
        atomic_store(&meeting->late, true); /* checks are made from one thread */
    atomic_fetch_add(&meeting->arrived, 1);
    for (int waited = 0; atomic_load(&meeting->arrived) < meeting->expected; waited++) {
        if (waited == 20000) {
            atomic_store(&meeting->late, true);
            return;
        }
        sleep_ms(1);
    }
}

/* A worker that is held up with one item delays that item only: the caller does all the others meanwhile. */
static void hold_first(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    atomic_uint *done = context;
    if (thread != 0)
        sleep_ms(20);
    atomic_fetch_add(done, end - begin);
}

static void runs(uint32_t threads) {
    tercet_allocator allocator = arena_default_allocator();
    struct thread_pool *pool = NULL;
    REQUIRE(thread_pool_create(&allocator, threads, &pool) == TERCET_OK);
    CHECK_EQ(thread_pool_threads(pool), threads);
    for (uint32_t count = 0; count < 70; count++)
        each_item_once(pool, count);
    for (int round = 0; round < 2000; round++)
        each_item_once(pool, (uint32_t)round % ITEMS_MAX);
    for (int round = 0; round < 5; round++) { /* longer than a worker spins */
        sleep_ms(5);
        each_item_once(pool, ITEMS_MAX);
    }
    struct meeting meeting = {.expected = threads};
    thread_pool_run(pool, meet, &meeting, threads);
    CHECK(!atomic_load(&meeting.late));
    atomic_uint done = 0;
    thread_pool_run(pool, hold_first, &done, 200);
    CHECK_EQ(atomic_load(&done), 200);
    thread_pool_destroy(pool);
}

static void *no_memory(void *opaque, size_t bytes) {
    (void)opaque;
    (void)bytes;
    return NULL;
}

static void no_release(void *opaque, void *pointer, size_t bytes) {
    (void)opaque;
    (void)pointer;
    (void)bytes;
}

int main(void) {
    const uint32_t counts[] = {1, 2, 3, 4, 7};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        runs(counts[i]);
    tercet_allocator none = {no_memory, no_release, NULL};
    struct thread_pool *pool = NULL;
    CHECK_STATUS(thread_pool_create(&none, 2, &pool), TERCET_OUT_OF_MEMORY);
    thread_pool_destroy(NULL);
    /* More than there may be: as many as there may be. */
    tercet_allocator allocator = arena_default_allocator();
    REQUIRE(thread_pool_create(&allocator, 65, &pool) == TERCET_OK);
    CHECK_EQ(thread_pool_threads(pool), 64);
    thread_pool_destroy(pool);
    return check_done();
}
