/*
 * abi_window.h: what stands in for the memory of a WebAssembly module (wasm/abi_memory.c) where its flat functions run natively: an
 * address is a place in a window, and the bytes that a call has not asked about (abi_span_fits) may not be touched: with
 * AddressSanitizer they are poisoned. What the core takes are blocks of their own, which can run out.
 */
#ifndef TERCET_TESTS_FUZZ_ABI_WINDOW_H
#define TERCET_TESTS_FUZZ_ABI_WINDOW_H

#include "../../wasm/abi_state.h"

#define WINDOW_BYTES 32768u

/* The whole window, for the host. Call window_close() before the next function of the module. */
uint8_t *window_open(void);
void window_close(void);
/* From now on no more than so many bytes, and none at the n-th time (0: always). */
void window_limit_memory(uint64_t bytes, uint64_t fail_at);

#endif
