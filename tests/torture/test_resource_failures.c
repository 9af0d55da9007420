/*
 * test_resource_failures.c: everything that a host does with the core, with the n-th allocation or the n-th thread failing, once and
 * from then on, for every n: an error or fewer threads, nothing lost, and the engine then gives the logits that it gives when
 * nothing fails. Steps take no memory at all.
 */
#define _GNU_SOURCE 1 /* RTLD_NEXT */
#include "torture_host.h"

#include "base/arena.h"
#include "pack.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

enum { THREADS = 3 };

/* ---------------------------------------------------------------- threads that cannot be made */

static struct {
    unsigned made, fail_at;
    bool once;
} threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument) {
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    if (found == NULL)
        abort();
    memcpy(&next, &found, sizeof next);
    threads.made++;
    if (threads.fail_at != 0 &&
        (threads.once ? threads.made == threads.fail_at : threads.made >= threads.fail_at))
        return EAGAIN;
    return next(thread, attributes, run, argument);
}

/* ---------------------------------------------------------------- one whole use */

struct outcome {
    tercet_status engine, loading, session;
    float *logits; /* of the last token, NULL if it did not come so far */
    uint64_t step_calls;
};

static tercet_status take_state(tercet_session *session, struct meter *meter) {
    uint64_t bytes = tercet_session_state_bytes(session), calls = meter->calls;
    uint8_t *state = malloc((size_t)bytes);
    REQUIRE(state != NULL);
    tercet_status status = tercet_session_save(session, 0, state, bytes, NULL);
    if (status == TERCET_OK)
        status = tercet_session_restore(session, 0, state, bytes, NULL);
    free(state);
    CHECK_EQ(meter->calls, calls);
    return status;
}

static void use(tercet_model *model, struct meter *meter, struct outcome *outcome) {
    tercet_session_options options;
    tercet_model_info info;
    tercet_session *session = NULL;
    tercet_model_get_info(model, &info);
    tercet_session_options_init(model, &options);
    options.sampling.temperature = 0;
    outcome->session = tercet_session_create(model, &options, &session, NULL);
    if (outcome->session == TERCET_OK) {
        uint64_t calls = meter->calls;
        outcome->session = write_tokens(session, &info);
        outcome->step_calls = meter->calls - calls;
        const float *logits = tercet_session_logits(session);
        if (outcome->session == TERCET_OK && logits != NULL) {
            outcome->logits = malloc(info.vocabulary * sizeof *logits);
            REQUIRE(outcome->logits != NULL);
            memcpy(outcome->logits, logits, info.vocabulary * sizeof *logits);
        }
        CHECK_STATUS(take_state(session, meter), TERCET_OK);
    }
    tercet_session_destroy(session);
}

/* With an engine of its own, which is given back if it could be made. */
static struct outcome use_all(struct bytes file, struct meter *meter, tercet_engine **engine) {
    struct outcome outcome = {TERCET_OK, TERCET_OK, TERCET_OK, NULL, 0};
    outcome.engine = open_engine(meter, THREADS, engine);
    if (tercet_status_is_error(outcome.engine))
        return outcome;
    const struct manner manner = {true, true};
    tercet_error error;
    tercet_model *model;
    outcome.loading = load(*engine, file, manner, &model, &error);
    if (outcome.loading == TERCET_OK)
        use(model, meter, &outcome);
    tercet_model_destroy(model);
    return outcome;
}

/* The same engine, now that nothing fails. */
static void check_engine(tercet_engine *engine, struct bytes file, struct meter *meter,
                         const float *want, uint32_t vocabulary) {
    const struct manner manner = {true, false};
    struct outcome outcome = {TERCET_OK, TERCET_OK, TERCET_OK, NULL, 0};
    tercet_error error;
    tercet_model *model;
    meter->fail_at = 0;
    threads.fail_at = 0;
    REQUIRE(load(engine, file, manner, &model, &error) == TERCET_OK);
    use(model, meter, &outcome);
    tercet_model_destroy(model);
    CHECK_STATUS(outcome.session, TERCET_OK);
    REQUIRE(outcome.logits != NULL);
    CHECK_MEM(outcome.logits, want, vocabulary * sizeof *want);
    free(outcome.logits);
    tercet_engine_destroy(engine);
    CHECK_EQ(meter->now, 0);
}

/* ---------------------------------------------------------------- tests */

static void fail_each_allocation(struct bytes file, uint64_t allocations, const float *want,
                                 uint32_t vocabulary) {
    for (uint64_t n = 1; n <= allocations; n++) {
        for (int once = 0; once < 2; once++) {
            struct meter meter = {.fail_at = n, .fail_once = once == 1};
            tercet_engine *engine = NULL;
            struct outcome outcome = use_all(file, &meter, &engine);
            tercet_status last = tercet_status_is_error(outcome.engine) ? outcome.engine
                                 : outcome.loading != TERCET_OK         ? outcome.loading
                                                                        : outcome.session;
            /* What can be done without is done without, with the same numbers. */
            CHECK(last == TERCET_OUT_OF_MEMORY || (last == TERCET_OK && outcome.logits != NULL));
            if (outcome.logits != NULL)
                CHECK_MEM(outcome.logits, want, vocabulary * sizeof *want);
            free(outcome.logits);
            if (tercet_status_is_error(outcome.engine)) {
                CHECK(engine == NULL);
                CHECK_EQ(meter.now, 0);
            } else {
                check_engine(engine, file, &meter, want, vocabulary);
            }
        }
    }
}

static void fail_each_thread(struct bytes file, const float *want, uint32_t vocabulary) {
    for (unsigned n = 1; n < THREADS; n++) {
        for (int once = 0; once < 2; once++) {
            struct meter meter = {0};
            tercet_engine *engine = NULL;
            tercet_engine_info info;
            threads.made = 0;
            threads.fail_at = n;
            threads.once = once == 1;
            struct outcome outcome = use_all(file, &meter, &engine);
            CHECK_STATUS(outcome.engine, TERCET_FEWER_THREADS);
            REQUIRE(outcome.logits != NULL);
            tercet_engine_get_info(engine, &info);
            CHECK(info.threads >= n && info.threads < THREADS);
            CHECK_MEM(outcome.logits, want, vocabulary * sizeof *want);
            free(outcome.logits);
            check_engine(engine, file, &meter, want, vocabulary);
        }
    }
}

static struct bytes pack_model(const char *source) {
    char path[] = "/tmp/tercet-failures-XXXXXX";
    int descriptor = mkstemp(path);
    REQUIRE(descriptor >= 0);
    close(descriptor);
    struct pack_options options;
    struct pack_report report;
    pack_options_init(&options);
    options.source = source;
    options.destination = path;
    options.quantize = PACK_QUANTIZE_ABSMEAN;
    REQUIRE(pack(&options, &report, NULL) == TERCET_OK);
    pack_report_free(&report);
    struct bytes file = read_whole(path);
    unlink(path);
    return file;
}

static void check_model(const char *source) {
    struct bytes file = pack_model(source);
    struct meter meter = {0};
    tercet_engine *engine = NULL;
    struct outcome whole = use_all(file, &meter, &engine);
    REQUIRE(whole.engine == TERCET_OK && whole.session == TERCET_OK && whole.logits != NULL);
    CHECK_EQ(whole.step_calls, 0); /* nor do prefill and step take memory */
    uint64_t allocations = meter.calls;
    CHECK(allocations >= 5); /* engine, loader, header, data, session */
    const struct manner manner = {true, true};
    tercet_model *model;
    tercet_model_info info;
    tercet_error error;
    REQUIRE(load(engine, file, manner, &model, &error) == TERCET_OK);
    tercet_model_get_info(model, &info);
    tercet_model_destroy(model);
    check_engine(engine, file, &meter, whole.logits, info.vocabulary);
    fail_each_allocation(file, allocations, whole.logits, info.vocabulary);
    fail_each_thread(file, whole.logits, info.vocabulary);
    free(whole.logits);
    free((void *)(uintptr_t)file.bytes);
}

int main(void) {
    check_model("golden/models/llama-dense-f32");
    check_model("golden/models/bitmamba2-bin/model.bin");
    return check_done();
}
