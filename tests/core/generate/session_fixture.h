/*
 * session_fixture.h: what tests of sessions share: a small real model packed into memory, an engine whose memory is counted and
 * can run out, and a prompt. For test_*.c of this folder only.
 */
#ifndef TERCET_TESTS_SESSION_FIXTURE_H
#define TERCET_TESTS_SESSION_FIXTURE_H

#include "base/arena.h"
#include "check.h"
#include "include/tercet.h"
#include "pack.h"

#include <unistd.h>

struct file {
    uint8_t *bytes;
    size_t count;
};

/* Counts what is taken; fails from the n-th allocation on (0: never). */
struct meter {
    uint64_t now, calls, fail_at;
};

static inline void *metered_alloc(void *opaque, size_t bytes) {
    struct meter *meter = opaque;
    meter->calls++;
    if (meter->fail_at != 0 && meter->calls >= meter->fail_at)
        return NULL;
    tercet_allocator allocator = arena_default_allocator();
    void *pointer = allocator.alloc(NULL, bytes);
    if (pointer != NULL) {
        memset(pointer, 0xA5, bytes); /* nothing may rely on zeros */
        meter->now += bytes;
    }
    return pointer;
}

static inline void metered_free(void *opaque, void *pointer, size_t bytes) {
    struct meter *meter = opaque;
    meter->now -= bytes;
    free(pointer);
}

/* A folder packed with these options, but for the destination. */
static inline struct file pack_with(struct pack_options options) {
    char path[] = "/tmp/tercet-session-XXXXXX";
    int descriptor = mkstemp(path);
    REQUIRE(descriptor >= 0);
    close(descriptor);
    options.destination = path;
    struct pack_report report;
    tercet_error error = {TERCET_OK, 0, ""};
    tercet_status status = pack(&options, &report, &error);
    if (status != TERCET_OK)
        fprintf(stderr, "%s: %s\n", options.source, error.detail);
    REQUIRE(status == TERCET_OK);
    pack_report_free(&report);
    FILE *stream = fopen(path, "rb");
    REQUIRE(stream != NULL);
    struct file file = {.count = 0};
    fseek(stream, 0, SEEK_END);
    file.count = (size_t)ftell(stream);
    rewind(stream);
    file.bytes = malloc(file.count);
    REQUIRE(file.bytes != NULL && fread(file.bytes, 1, file.count, stream) == file.count);
    fclose(stream);
    unlink(path);
    return file;
}

static inline struct file pack_folder(const char *folder, enum pack_quantize quantize,
                                      enum pack_dense dense) {
    struct pack_options options;
    pack_options_init(&options);
    options.source = folder;
    options.quantize = quantize;
    options.dense = dense;
    return pack_with(options);
}

static inline tercet_status open_engine(struct meter *meter, uint32_t threads,
                                        tercet_engine **engine) {
    tercet_engine_options options;
    tercet_engine_options_init(&options);
    options.threads = threads;
    options.allocator = (tercet_allocator){metered_alloc, metered_free, meter};
    return tercet_engine_create(&options, engine, NULL);
}

static inline tercet_status load(tercet_engine *engine, const struct file *file,
                                 tercet_model **model) {
    tercet_loader_options options;
    tercet_loader_options_init(&options);
    options.file_bytes = file->count;
    tercet_loader *loader = NULL;
    tercet_status status = tercet_loader_create(engine, &options, &loader, NULL);
    if (status != TERCET_OK)
        return status;
    tercet_want want;
    while ((status = tercet_loader_want(loader, &want, NULL)) == TERCET_NEED_BYTES) {
        if (want.offset + want.bytes > file->count) {
            status = TERCET_TRUNCATED;
            break;
        }
        memcpy(want.destination, file->bytes + want.offset, want.bytes);
        status = tercet_loader_give(loader, NULL);
        if (status != TERCET_OK)
            break;
    }
    if (status == TERCET_OK)
        status = tercet_loader_finish(loader, model, NULL);
    if (status != TERCET_OK)
        CHECK_STATUS(tercet_loader_want(loader, &want, NULL), TERCET_DISABLED);
    tercet_loader_destroy(loader);
    return status;
}

struct setup {
    struct meter meter;
    tercet_engine *engine;
    tercet_model *model;
    tercet_model_info info;
    uint32_t kv; /* of the sessions */
};

static inline void set_up(struct setup *setup, const struct file *file, uint32_t threads) {
    memset(setup, 0, sizeof *setup);
    REQUIRE(open_engine(&setup->meter, threads, &setup->engine) == TERCET_OK);
    REQUIRE(load(setup->engine, file, &setup->model) == TERCET_OK);
    tercet_model_get_info(setup->model, &setup->info);
}

static inline void tear_down(struct setup *setup) {
    tercet_model_destroy(setup->model);
    tercet_engine_destroy(setup->engine);
    CHECK_EQ(setup->meter.now, 0);
}

#define PROMPT 40u

static inline void fill_prompt(uint32_t prompt[PROMPT], uint32_t vocabulary) {
    for (uint32_t i = 0; i < PROMPT; i++)
        prompt[i] = (i * 7u + 5u) % vocabulary;
}

static inline tercet_status prefill(tercet_session *session, const uint32_t *tokens, size_t count,
                                    float *logits, uint32_t vocabulary) {
    size_t at = 0;
    while (at < count) {
        size_t done = 0;
        tercet_status status =
            tercet_session_prefill(session, tokens + at, count - at, &done,
                                   logits == NULL ? NULL : logits + at * vocabulary, NULL);
        if (status != TERCET_OK)
            return status;
        REQUIRE(done > 0);
        at += done;
    }
    return TERCET_OK;
}

#endif
