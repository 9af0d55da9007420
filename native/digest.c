/*
 * digest.c: the only file that knows libcrypto's names.
 */
#include "digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct digest {
    EVP_MD_CTX *context;
    EVP_MD *algorithm; /* fetched once: a lookup by name costs more than a small hash */
};

struct digest *digest_create(void) {
    struct digest *digest = calloc(1, sizeof *digest);
    if (digest == NULL) {
        return NULL;
    }
    digest->context = EVP_MD_CTX_new();
    digest->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (digest->context == NULL || digest->algorithm == NULL) {
        digest_destroy(digest);
        return NULL;
    }
    return digest;
}

bool digest_begin(struct digest *digest) {
    return EVP_DigestInit_ex2(digest->context, digest->algorithm, NULL) == 1;
}

bool digest_update(struct digest *digest, const void *bytes, size_t count) {
    return EVP_DigestUpdate(digest->context, bytes, count) == 1;
}

bool digest_end(struct digest *digest, uint8_t sha256[DIGEST_BYTES]) {
    unsigned length = 0;
    return EVP_DigestFinal_ex(digest->context, sha256, &length) == 1 && length == DIGEST_BYTES;
}

void digest_destroy(struct digest *digest) {
    if (digest != NULL) {
        EVP_MD_CTX_free(digest->context);
        EVP_MD_free(digest->algorithm);
        free(digest);
    }
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
