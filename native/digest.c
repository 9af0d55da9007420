/*
 * digest.c: the only file of the twin that knows libcrypto's names. The old interface to SHA-256 on purpose: it needs nothing but
 * the algorithm, where EVP, which OpenSSL 3 prefers, brings its whole catalogue of algorithms into memory.
 */
#define OPENSSL_SUPPRESS_DEPRECATED 1
#include "digest.h"

#include <openssl/sha.h>
#include <stdlib.h>

struct digest {
    SHA256_CTX context;
};

struct digest *digest_create(void) {
    return calloc(1, sizeof(struct digest));
}

bool digest_begin(struct digest *digest) {
    return SHA256_Init(&digest->context) == 1;
}

bool digest_update(struct digest *digest, const void *bytes, size_t count) {
    return SHA256_Update(&digest->context, bytes, count) == 1;
}

bool digest_end(struct digest *digest, uint8_t sha256[DIGEST_BYTES]) {
    return SHA256_Final(sha256, &digest->context) == 1;
}

void digest_destroy(struct digest *digest) {
    free(digest);
}

const char *digest_hex(const uint8_t sha256[DIGEST_BYTES], char hex[DIGEST_HEX_BYTES]) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < DIGEST_BYTES; i++) {
        hex[2 * i] = digits[sha256[i] >> 4];
        hex[2 * i + 1] = digits[sha256[i] & 15];
    }
    hex[2 * DIGEST_BYTES] = '\0';
    return hex;
}
