/*
 * packer_host.h: what the packer's WebAssembly module asks of the JavaScript that runs it (web/src/packer_module.ts): bytes of
 * the source, a place for the packed file, a hash. Every call is answered before it returns: the host reads Blobs and
 * writes files as only a worker may. Offsets are doubles, exact up to 2^53. The only file that knows the imports' names.
 */
#ifndef TERCET_WASM_PACKER_HOST_H
#define TERCET_WASM_PACKER_HOST_H

#include <stdint.h>

#ifdef __wasm__
#define PACKER_IMPORT(name) __attribute__((import_module("tercet"), import_name(name)))
#else
#define PACKER_IMPORT(name) /* other compilers only look at this file */
#endif

/* Answers of the host that are no count. */
enum { HOST_FAILED = -1, HOST_FULL = -2 };

PACKER_IMPORT("sourceBytes") double host_source_bytes(void);
/* All `count` bytes at `offset` of the source, which has them: 0, or HOST_FAILED. */
PACKER_IMPORT("readSource") int32_t host_read_source(double offset, void *bytes, uint32_t count);
/* The packed file will have so many bytes: 0, HOST_FULL or HOST_FAILED; likewise the next one. */
PACKER_IMPORT("openPacked") int32_t host_open_packed(double bytes);
PACKER_IMPORT("writePacked")
int32_t host_write_packed(double offset, const void *bytes, uint32_t count);
/* Bytes that were written: 0, or HOST_FAILED. */
PACKER_IMPORT("readPacked") int32_t host_read_packed(double offset, void *bytes, uint32_t count);
/* SHA-256 of two stretches, one behind the other; `hash` has 32 bytes. */
PACKER_IMPORT("sha256")
void host_sha256(const void *first, uint32_t first_bytes, const void *second, uint32_t second_bytes,
                 uint8_t *hash);
PACKER_IMPORT("progress") void host_progress(double done_bytes, double total_bytes);

#endif
