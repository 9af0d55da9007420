/*
 * torture_host.h: a host for the tortures: the public interface alone, as a page or a program uses it, over a file in memory; memory
 * that is counted, is bounded and can end; and one whole use of whatever a loader accepted.
 */
#ifndef TERCET_TESTS_TORTURE_HOST_H
#define TERCET_TESTS_TORTURE_HOST_H

#include "check.h"
#include "include/tercet.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_MOST = 256 << 20, PROMPT_TOKENS = 6, STEPS = 2 };

/* ---------------------------------------------------------------- memory */

struct meter {
    uint64_t now, most, calls, fail_at;
    bool fail_once; /* else from fail_at on */
};

static inline void *meter_alloc(void *opaque, size_t bytes) {
    struct meter *meter = opaque;
    meter->calls++;
    if (meter->fail_at != 0 &&
        (meter->fail_once ? meter->calls == meter->fail_at : meter->calls >= meter->fail_at))
        return NULL;
    if (bytes > MEMORY_MOST || meter->now > MEMORY_MOST - bytes)
        return NULL;
    void *block = NULL;
    if (posix_memalign(&block, 64, bytes > 0 ? bytes : 1) != 0)
        return NULL;
    meter->now += bytes;
    meter->most = meter->now > meter->most ? meter->now : meter->most;
    return block;
}

static inline void meter_free(void *opaque, void *pointer, size_t bytes) {
    struct meter *meter = opaque;
    if (pointer != NULL)
        meter->now -= bytes;
    free(pointer);
}

/* `kernels`: NULL for the best set. */
static inline tercet_status open_engine_with(struct meter *meter, uint32_t threads,
                                             const char *kernels, tercet_engine **engine) {
    tercet_engine_options options;
    tercet_engine_options_init(&options);
    options.threads = threads;
    options.kernels = kernels;
    options.allocator = (tercet_allocator){meter_alloc, meter_free, meter};
    return tercet_engine_create(&options, engine, NULL);
}

static inline tercet_status open_engine(struct meter *meter, uint32_t threads,
                                        tercet_engine **engine) {
    return open_engine_with(meter, threads, NULL, engine);
}

/* ---------------------------------------------------------------- loading */

struct bytes {
    const uint8_t *bytes;
    size_t count;
};

/* How the host reads: whether it compares hashes (who maps a large file does not), whether it knows the size. */
struct manner {
    bool hashes, size;
};

static inline bool has_hash(const tercet_want *want) {
    uint8_t hash[32];
    const uint8_t *part = want->destination;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    REQUIRE(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    if (want->kind == TERCET_WANT_HEADER) {
        REQUIRE(EVP_DigestUpdate(context, part, 32) == 1);
        REQUIRE(EVP_DigestUpdate(context, part + 64, (size_t)want->bytes - 64) == 1);
    } else {
        REQUIRE(EVP_DigestUpdate(context, part, (size_t)want->bytes) == 1);
    }
    REQUIRE(EVP_DigestFinal_ex(context, hash, NULL) == 1);
    EVP_MD_CTX_free(context);
    return memcmp(hash, want->sha256, sizeof hash) == 0;
}

static inline tercet_status answer(const tercet_want *want, struct bytes file,
                                   struct manner manner) {
    if (want->offset > file.count || want->bytes > file.count - want->offset)
        return TERCET_TRUNCATED;
    memcpy(want->destination, file.bytes + want->offset, (size_t)want->bytes);
    if (want->sha256 == NULL || !manner.hashes || has_hash(want))
        return TERCET_OK;
    return want->kind == TERCET_WANT_HEADER ? TERCET_HEADER_HASH_MISMATCH
                                            : TERCET_CHUNK_HASH_MISMATCH;
}

/* OK and *model, or an error with a sentence. */
static inline tercet_status load(tercet_engine *engine, struct bytes file, struct manner manner,
                                 tercet_model **model, tercet_error *error) {
    tercet_loader_options options;
    tercet_loader_options_init(&options);
    options.file_bytes = manner.size ? file.count : 0;
    tercet_loader *loader = NULL;
    tercet_want want;
    *model = NULL;
    tercet_status status = tercet_loader_create(engine, &options, &loader, error);
    while (status == TERCET_OK &&
           (status = tercet_loader_want(loader, &want, error)) == TERCET_NEED_BYTES) {
        status = answer(&want, file, manner);
        if (status == TERCET_OK)
            status = tercet_loader_give(loader, error);
        else
            error->status = status;
    }
    if (status == TERCET_OK)
        status = tercet_loader_finish(loader, model, error);
    tercet_loader_destroy(loader);
    return status;
}

/* ---------------------------------------------------------------- use */

static inline tercet_status write_tokens(tercet_session *session, const tercet_model_info *info) {
    uint32_t prompt[PROMPT_TOKENS], token = 0;
    const char *text;
    size_t done, bytes;
    for (uint32_t i = 0; i < PROMPT_TOKENS; i++)
        prompt[i] = (i * 7u + 5u) % info->vocabulary;
    tercet_status status = TERCET_OK;
    for (size_t at = 0; status == TERCET_OK && at < PROMPT_TOKENS; at += done)
        status =
            tercet_session_prefill(session, prompt + at, PROMPT_TOKENS - at, &done, NULL, NULL);
    for (uint32_t i = 0; status == TERCET_OK && i < STEPS; i++) {
        status = tercet_session_step(session, &token, NULL);
        if (status == TERCET_OK)
            status = tercet_session_take_text(session, 0, &text, &bytes);
    }
    return status;
}

/* A session over the model writes a little: OK, or an error that a model of strange numbers may give. */
static inline tercet_status use_session(tercet_model *model, tercet_session_options *options,
                                        const tercet_model_info *info) {
    tercet_session *session = NULL;
    tercet_status status = tercet_session_create(model, options, &session, NULL);
    if (status == TERCET_OK)
        status = write_tokens(session, info);
    tercet_session_destroy(session);
    return status == TERCET_END_OF_TEXT || status == TERCET_CONTEXT_FULL ? TERCET_OK : status;
}

/* Of the session that use_model makes. */
static inline void choose_session(const tercet_model *model, tercet_session_options *options) {
    tercet_model_info info;
    tercet_model_get_info(model, &info);
    tercet_session_options_init(model, options);
    options->context = info.context < 64 ? info.context : 64;
    options->slice = 4;
}

/* Text, chat and a session: everything that a caller does with a model. */
static inline tercet_status use_model(tercet_model *model) {
    static const char text[] = "Once upon a time <s> \xE2\x82\xAC caf\xC3\xA9 1+1\n";
    uint32_t tokens[256];
    char back[4096];
    size_t count = 0, bytes = 0;
    tercet_model_info info;
    tercet_model_get_info(model, &info);
    tercet_status status = tercet_tokenize(model, text, sizeof text - 1,
                                           TERCET_TEXT_ADD_BEGINNING | TERCET_TEXT_PARSE_SPECIAL,
                                           tokens, 256, &count, NULL);
    if (status == TERCET_OK)
        status = tercet_detokenize(model, tokens, count, back, sizeof back, &bytes, NULL);
    tercet_chat_message message = {TERCET_CHAT_USER, text, sizeof text - 1};
    if (status == TERCET_OK)
        (void)tercet_chat_tokenize(model, NULL, &message, 1, 0, tokens, 256, &count, NULL);
    tercet_session_options options;
    choose_session(model, &options);
    return status == TERCET_OK ? use_session(model, &options, &info) : status;
}

/* ---------------------------------------------------------------- files and numbers */

static inline struct bytes read_whole(const char *path) {
    FILE *stream = fopen(path, "rb");
    if (stream == NULL)
        fprintf(stderr, "%s cannot be read\n", path);
    REQUIRE(stream != NULL && fseek(stream, 0, SEEK_END) == 0);
    long size = ftell(stream);
    REQUIRE(size > 64 && fseek(stream, 0, SEEK_SET) == 0);
    uint8_t *bytes = malloc((size_t)size);
    REQUIRE(bytes != NULL && fread(bytes, 1, (size_t)size, stream) == (size_t)size);
    fclose(stream);
    return (struct bytes){bytes, (size_t)size};
}

/* xorshift64*, as in fuzz/replay_main.c. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

static inline uint64_t read_number(const char *text) {
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    REQUIRE(*text != '\0' && *end == '\0');
    return value;
}

#endif
