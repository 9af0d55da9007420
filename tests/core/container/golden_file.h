/*
 * golden_file.h: reads golden containers for C tests, and computes their hashes the way a host does (libcrypto). Every
 * block has exactly the size of its content and starts at a multiple of 64, so that AddressSanitizer sees a read behind
 * the end.
 */
#ifndef TERCET_TESTS_GOLDEN_FILE_H
#define TERCET_TESTS_GOLDEN_FILE_H

#include "check.h"
#include "container/container_reader.h"

#include <openssl/evp.h>

struct golden_file {
    uint8_t *bytes;
    size_t count;
};

static inline uint8_t *aligned_block(size_t bytes) {
    void *block = NULL;
    if (posix_memalign(&block, 64, bytes > 0 ? bytes : 1) != 0)
        abort();
    return block;
}

static inline uint8_t *aligned_copy(const uint8_t *bytes, size_t count) {
    uint8_t *copy = aligned_block(count);
    if (count > 0)
        memcpy(copy, bytes, count);
    return copy;
}

/* Ends the test when it cannot be read. The caller frees bytes. */
static inline struct golden_file golden_read(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fprintf(stderr, "%s cannot be opened (run this test in tests/)\n", path);
    REQUIRE(file != NULL);
    REQUIRE(fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    REQUIRE(size >= 0 && fseek(file, 0, SEEK_SET) == 0);
    struct golden_file golden = {aligned_block((size_t)size), (size_t)size};
    REQUIRE(fread(golden.bytes, 1, golden.count, file) == golden.count);
    fclose(file);
    return golden;
}

/* header_bytes as the prefix says, unchecked: only for files that are known to be well formed. */
static inline size_t golden_header_bytes(const uint8_t *file) {
    uint64_t bytes;
    memcpy(&bytes, file + PREFIX_AT_HEADER_BYTES, sizeof bytes);
    return (size_t)bytes;
}

/* The model id that the header should have: everything but bytes 32 to 63. */
static inline void golden_model_id(const uint8_t *header, size_t header_bytes, uint8_t id[32]) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    REQUIRE(EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    REQUIRE(EVP_DigestUpdate(context, header, 32) == 1);
    REQUIRE(EVP_DigestUpdate(context, header + 64, header_bytes - 64) == 1);
    REQUIRE(EVP_DigestFinal_ex(context, id, NULL) == 1);
    EVP_MD_CTX_free(context);
}

static inline void golden_sha256(const void *bytes, size_t count, uint8_t hash[32]) {
    REQUIRE(EVP_Digest(bytes, count, hash, NULL, EVP_sha256(), NULL) == 1);
}

#endif
