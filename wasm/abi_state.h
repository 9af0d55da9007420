/*
 * abi_state.h: abi_*.c are the WebAssembly face of tercet.h: flat functions of integers, addresses and floats, which return a
 * tercet_status and leave what they have to say in one fixed block of memory (tercet_abi_result). JavaScript is the only
 * caller. Here is what they share: that block, the memory that was taken, and the handles that are open.
 *
 * Every number that comes in is checked: a handle is an index with a generation, so one that was destroyed, or was never
 * given, is BAD_ARGUMENT and not a pointer; an address must lie in memory with all its bytes. What a function must never
 * do: trust a caller, keep an address of the caller's after the call, parse text, print, or touch JavaScript.
 */
#ifndef TERCET_WASM_ABI_STATE_H
#define TERCET_WASM_ABI_STATE_H

#include "tercet.h"

#include <stdbool.h>

/* Rises with every change of a signature, of the meaning of a value, or of the block. */
#define ABI_VERSION 5u

/* ---------------------------------------------------------------- result block */

#define ABI_VALUES 32u

/* Layout known to web/src/wasm_calls.ts: values at 0, bytes at 256, where at 288, detail_bytes at 296, detail at 304.
 * A value is a 64-bit integer or the bits of a double, as each function says. */
struct abi_result {
    uint64_t values[ABI_VALUES];
    uint8_t bytes[32];
    uint64_t where;
    uint32_t detail_bytes;
    uint32_t zero;
    char detail[192];
};

extern struct abi_result abi_result;

void abi_put(uint32_t at, uint64_t value);
void abi_put_double(uint32_t at, double value);
void abi_put_address(uint32_t at, const void *address);
/* Address and number of bytes; both 0 for NULL. */
void abi_put_string(uint32_t at, const char *text);

/* Every function starts with a clean block ... */
tercet_error abi_start(void);
/* ... and ends here. */
int32_t abi_end(tercet_status status, const tercet_error *error);
/* BAD_ARGUMENT and OUT_OF_MEMORY with a sentence. */
int32_t abi_refuse(const char *detail);
int32_t abi_no_room(uint64_t bytes, const char *detail);

/* ---------------------------------------------------------------- memory */

/* A block of the allocator and what comes with it: emmalloc's own words, and what alignment to 64 can cost. */
#define ABI_BLOCK_OVERHEAD_BYTES 128u

/* The allocator of every engine: counts what it gives. */
void *abi_take(void *opaque, size_t bytes);
void abi_give(void *opaque, void *block, size_t bytes);
/* What the core holds now; the plan of a model is made from it. */
uint64_t abi_taken_bytes(void);

bool abi_span_fits(uint32_t address, uint64_t bytes);
bool abi_words_fit(uint32_t address, uint64_t words);
void *abi_at(uint32_t address);

/* ---------------------------------------------------------------- handles */

enum abi_kind { ABI_NONE, ABI_BUFFER, ABI_ENGINE, ABI_LOADER, ABI_PLAN, ABI_MODEL, ABI_SESSION };

#define ABI_SLOTS 32u
#define ABI_NO_PARENT ABI_SLOTS

/* A handle is generation << 8 | slot. Generations begin at 1, so 0 is never a handle. */
struct abi_slot {
    enum abi_kind kind;
    uint32_t generation;
    uint32_t parent;   /* slot that must outlive this one, or ABI_NO_PARENT */
    uint32_t children; /* slots whose parent this is */
    void *pointer;
    uint64_t bytes; /* of a buffer */
};

extern const char abi_no_slot[];

/* NULL for a handle that is not open, or is of another kind. */
struct abi_slot *abi_find(uint32_t handle, enum abi_kind kind);
void *abi_pointer(uint32_t handle, enum abi_kind kind);
/* A plan answers questions about its model as a model does. */
tercet_model *abi_model(uint32_t handle);
/* Of an open slot that has one. */
void *abi_parent(const struct abi_slot *slot);
/* NULL when all are in use: abi_no_slot says so. */
struct abi_slot *abi_free_slot(void);
/* The new handle is values[0]. */
void abi_fill_slot(struct abi_slot *slot, enum abi_kind kind, void *pointer, uint32_t parent);
/* From now on `slot` must be destroyed before `parent`, in place of the one that it was made from. */
void abi_set_parent(struct abi_slot *slot, const struct abi_slot *parent);
/* The slot of a handle that is open. */
uint32_t abi_index(uint32_t handle);

#endif
