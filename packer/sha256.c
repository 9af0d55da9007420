/*
 * sha256.c: see sha256.h.
 */
#define OPENSSL_SUPPRESS_DEPRECATED                                                                \
    1 /* the old interface alone leaves the catalogue of algorithms out of memory */
#include "sha256.h"

#include <openssl/sha.h>

tercet_status sha256_of(const uint8_t *first, size_t first_bytes, const uint8_t *second,
                        size_t second_bytes, uint8_t hash[32], tercet_error *error) {
    SHA256_CTX context;
    if (SHA256_Init(&context) == 1 && SHA256_Update(&context, first, first_bytes) == 1 &&
        (second_bytes == 0 || SHA256_Update(&context, second, second_bytes) == 1) &&
        SHA256_Final(hash, &context) == 1)
        return TERCET_OK;
    return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "libcrypto could not compute a SHA-256");
}
