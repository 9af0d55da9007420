/*
 * digest.h: SHA-256 by libcrypto. The page does the same with WebCrypto; core never hashes.
 */
#ifndef TERCET_NATIVE_DIGEST_H
#define TERCET_NATIVE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX_BYTES = 65 /* with its NUL */ };

struct digest;

/* NULL without memory. */
struct digest *digest_create(void);
/* Any number of updates between begin and end; false when libcrypto fails. */
bool digest_begin(struct digest *digest);
bool digest_update(struct digest *digest, const void *bytes, size_t count);
bool digest_end(struct digest *digest, uint8_t sha256[DIGEST_BYTES]);
void digest_destroy(struct digest *digest);

const char *digest_hex(const uint8_t sha256[DIGEST_BYTES], char hex[DIGEST_HEX_BYTES]);

#endif
