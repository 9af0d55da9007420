/*
 * failing_resources.c: linked into a module in place of what it stands in front of (--wrap), so that a test can let the n-th
 * allocation, or the n-th thread, of a module fail, once or from then on. In no module that is shipped.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __EMSCRIPTEN_PTHREADS__
#include <pthread.h>
#endif

struct failing {
    uint32_t calls, fail_at;
    bool once;
};

static struct failing allocations, threads;

static bool fails(struct failing *failing) {
    failing->calls++;
    if (failing->fail_at == 0)
        return false;
    return failing->once ? failing->calls == failing->fail_at : failing->calls >= failing->fail_at;
}

/* Counts anew; `at` 0: nothing fails. */
static void begin(struct failing *failing, uint32_t at, uint32_t once) {
    *failing = (struct failing){.fail_at = at, .once = once != 0};
}

void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
    return fails(&allocations) ? NULL : __real_aligned_alloc(alignment, bytes);
}

#ifdef __EMSCRIPTEN_PTHREADS__
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument) {
    return fails(&threads) ? EAGAIN : __real_pthread_create(thread, attributes, run, argument);
}
#endif

/* Each begins a new count and gives the calls of the last one. */
uint32_t failing_allocation(uint32_t at, uint32_t once);
uint32_t failing_thread(uint32_t at, uint32_t once);

uint32_t failing_allocation(uint32_t at, uint32_t once) {
    uint32_t calls = allocations.calls;
    begin(&allocations, at, once);
    return calls;
}

uint32_t failing_thread(uint32_t at, uint32_t once) {
    uint32_t calls = threads.calls;
    begin(&threads, at, once);
    return calls;
}
