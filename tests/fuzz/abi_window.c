/*
 * abi_window.c: see abi_window.h.
 */
#include "abi_window.h"
#include "base/arena.h"
#include "kernels/known_answers.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WINDOW_IS_GUARDED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(WINDOW_IS_GUARDED)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

#include <stdlib.h>
#include <string.h>

/* wasm/abi_loader.c: the linker's end of static data, whose address alone counts. */
extern unsigned char __heap_base;
unsigned char __heap_base;

/* In place of the kernels' test of themselves, which takes longer than a thousand calls and depends on nothing from outside. */
const char *known_answers_fault(const struct tercet_kernels *set) {
    (void)set;
    return NULL;
}

static _Alignas(64) uint8_t window[WINDOW_BYTES];
static uint64_t taken_bytes, most_bytes = UINT64_MAX, takes_left = UINT64_MAX;

uint8_t *window_open(void) {
    ASAN_UNPOISON_MEMORY_REGION(window, sizeof window);
    return window;
}

void window_close(void) {
    ASAN_POISON_MEMORY_REGION(window, sizeof window);
}

void window_limit_memory(uint64_t bytes, uint64_t fail_at) {
    most_bytes = bytes;
    takes_left = fail_at == 0 ? UINT64_MAX : fail_at - 1;
}

void *abi_take(void *opaque, size_t bytes) {
    (void)opaque;
    if (takes_left == 0 || bytes > most_bytes || taken_bytes > most_bytes - bytes)
        return NULL;
    takes_left--;
    tercet_allocator allocator = arena_default_allocator();
    void *block = allocator.alloc(allocator.opaque, bytes);
    if (block != NULL) {
        memset(block, 0xA5, bytes); /* nothing may rely on zeros */
        taken_bytes += bytes;
    }
    return block;
}

void abi_give(void *opaque, void *block, size_t bytes) {
    (void)opaque;
    taken_bytes -= bytes;
    free(block);
}

uint64_t abi_taken_bytes(void) {
    return taken_bytes;
}

bool abi_span_fits(uint32_t address, uint64_t bytes) {
    if (address == 0 || bytes > WINDOW_BYTES || address > WINDOW_BYTES - bytes)
        return false;
    ASAN_UNPOISON_MEMORY_REGION(window + address, bytes);
    return true;
}

bool abi_words_fit(uint32_t address, uint64_t words) {
    return address % 4 == 0 && abi_span_fits(address, words * 4);
}

/* What lies elsewhere must not be used: the first byte, which no address is, is never open to a call. */
void *abi_at(uint32_t address) {
    return window + (address < WINDOW_BYTES ? address : 0);
}
