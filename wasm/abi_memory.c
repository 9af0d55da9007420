/*
 * abi_memory.c: the memory of a WebAssembly module: what is taken of it, and which addresses lie in it. The one file of the interface
 * that knows what an address is: tests/fuzz/abi_window.c stands in for it where the others run natively.
 */
#include "abi_state.h"

#include <stdlib.h>

static uint64_t taken_bytes;

#define ALIGNMENT 64u

static size_t padded(size_t bytes) {
    return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static uint64_t memory_bytes(void) {
    return (uint64_t)__builtin_wasm_memory_size(0) * 65536u;
}

/* emmalloc compares where a block would end without looking whether that wraps around 4 GiB, gives one that does, and has
 * then written over the bottom of memory. Below 2 GiB nothing can wrap (and a planner's memory may still grow); above,
 * what is taken already says what can be there. */
static bool can_fit(uint64_t bytes) {
    const uint64_t half = (uint64_t)1 << 31;
    return taken_bytes + bytes <= (memory_bytes() > half ? memory_bytes() : half);
}

void *abi_take(void *opaque, size_t bytes) {
    (void)opaque;
    bool possible = padded(bytes) >= bytes && can_fit(padded(bytes));
    void *block = possible ? aligned_alloc(ALIGNMENT, padded(bytes)) : NULL;
    if (block != NULL)
        taken_bytes += padded(bytes) + ABI_BLOCK_OVERHEAD_BYTES;
    return block;
}

void abi_give(void *opaque, void *block, size_t bytes) {
    (void)opaque;
    taken_bytes -= padded(bytes) + ABI_BLOCK_OVERHEAD_BYTES;
    free(block);
}

uint64_t abi_taken_bytes(void) {
    return taken_bytes;
}

bool abi_span_fits(uint32_t address, uint64_t bytes) {
    uint64_t all = memory_bytes();
    return address != 0 && bytes <= all && address <= all - bytes;
}

bool abi_words_fit(uint32_t address, uint64_t words) {
    return address % 4 == 0 && abi_span_fits(address, words * 4);
}

void *abi_at(uint32_t address) {
    return (void *)(uintptr_t)address;
}
