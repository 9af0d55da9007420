/*
 * sha256.h: the one hash of the format. Natively libcrypto computes it; the WebAssembly module asks its host
 * (wasm/packer_files.c).
 */
#ifndef TERCET_PACKER_SHA256_H
#define TERCET_PACKER_SHA256_H

#include "../core/base/status.h"

/* SHA-256 of `first_bytes` bytes at first and, behind them, `second_bytes` at second (which may be NULL when there are
 * none). `hash` may lie between them. OUT_OF_MEMORY when the library cannot. */
tercet_status sha256_of(const uint8_t *first, size_t first_bytes, const uint8_t *second,
                        size_t second_bytes, uint8_t hash[32], tercet_error *error);

#endif
