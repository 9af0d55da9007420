/*
 * test_resource_failures.c: everything that a host does with the core, with the n-th allocation or the n-th thread failing, once and
 * from then on, for every n: an error or fewer threads, nothing lost, and the engine then gives all that it gives when nothing
 * fails: logits, hidden states, tokens of texts and messages. Steps take no memory at all.
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
    uint8_t *result; /* all that came out, NULL if it did not come to its end */
    size_t count;
    uint64_t step_calls;
};

static void note(struct outcome *outcome, const void *bytes, size_t count) {
    outcome->result = realloc(outcome->result, outcome->count + count);
    REQUIRE(outcome->result != NULL);
    memcpy(outcome->result + outcome->count, bytes, count);
    outcome->count += count;
}

static bool note_logits(struct outcome *outcome, const tercet_session *session,
                        const tercet_model_info *info) {
    const float *logits = tercet_session_logits(session);
    if (logits != NULL)
        note(outcome, logits, info->vocabulary * sizeof *logits);
    return logits != NULL;
}

static void take_state(tercet_session *session, struct meter *meter) {
    uint64_t bytes = tercet_session_state_bytes(session), calls = meter->calls;
    uint8_t *state = malloc((size_t)bytes);
    REQUIRE(state != NULL);
    CHECK_STATUS(tercet_session_save(session, 0, state, bytes, NULL), TERCET_OK);
    CHECK_STATUS(tercet_session_restore(session, 0, state, bytes, NULL), TERCET_OK);
    free(state);
    CHECK_EQ(meter->calls, calls);
}

/* A text and a message to tokens, and back: what takes memory for the time of a call. */
static tercet_status use_texts(tercet_model *model, struct outcome *outcome) {
    static const char text[] = "The quick brown fox \xE2\x82\xAC 1+1";
    uint32_t tokens[512];
    char back[4096];
    size_t count = 0, bytes = 0;
    TERCET_TRY(tercet_tokenize(model, text, sizeof text - 1, TERCET_TEXT_ADD_BEGINNING, tokens, 512,
                               &count, NULL));
    note(outcome, tokens, count * sizeof *tokens);
    TERCET_TRY(tercet_detokenize(model, tokens, count, back, sizeof back, &bytes, NULL));
    note(outcome, back, bytes);
    tercet_chat_message message = {TERCET_CHAT_USER, text, sizeof text - 1};
    tercet_status status =
        tercet_chat_tokenize(model, NULL, &message, 1, 0, tokens, 512, &count, NULL);
    if (status == TERCET_OUT_OF_MEMORY)
        return status;
    note(outcome, &status, sizeof status); /* not every model has a chat format */
    if (status == TERCET_OK)
        note(outcome, tokens, count * sizeof *tokens);
    return TERCET_OK;
}

/* Hidden states and the logits of each token of a text, which take no memory; and a prompt in parts, which takes some. */
static tercet_status use_parts(tercet_session *session, struct meter *meter,
                               const tercet_model_info *info, struct outcome *outcome) {
    uint32_t prompt[PROMPT_TOKENS];
    uint64_t calls = meter->calls;
    size_t done = 0;
    int more = 1;
    double *sums = calloc(info->hidden, sizeof *sums);
    float *rows = malloc(PROMPT_TOKENS * (size_t)info->vocabulary * sizeof *rows);
    REQUIRE(sums != NULL && rows != NULL);
    for (uint32_t i = 0; i < PROMPT_TOKENS; i++)
        prompt[i] = (i * 11u + 3u) % info->vocabulary;
    CHECK_STATUS(tercet_session_reset(session, 0), TERCET_OK);
    CHECK_STATUS(tercet_session_embed(session, prompt, PROMPT_TOKENS, &done, sums, NULL),
                 TERCET_OK);
    CHECK_EQ(done, PROMPT_TOKENS);
    note(outcome, sums, info->hidden * sizeof *sums);
    CHECK_STATUS(tercet_session_reset(session, 0), TERCET_OK);
    CHECK_STATUS(tercet_session_prefill(session, prompt, PROMPT_TOKENS, &done, rows, NULL),
                 TERCET_OK);
    CHECK_EQ(done, PROMPT_TOKENS);
    note(outcome, rows, PROMPT_TOKENS * (size_t)info->vocabulary * sizeof *rows);
    free(rows);
    free(sums);
    CHECK_EQ(meter->calls, calls);
    CHECK_STATUS(tercet_session_reset(session, 0), TERCET_OK);
    tercet_status status = tercet_session_arrive(session, prompt, PROMPT_TOKENS, NULL);
    if (status == TERCET_UNSUPPORTED) /* of states */
        return TERCET_OK;
    while (status == TERCET_OK && more)
        status = tercet_session_arrive_more(session, &more, NULL);
    TERCET_TRY(status);
    CHECK_STATUS(tercet_session_reuse(session, prompt, PROMPT_TOKENS, &done), TERCET_OK);
    CHECK_EQ(done, PROMPT_TOKENS - 1);
    CHECK_STATUS(tercet_session_prefill(session, prompt + done, 1, &done, NULL, NULL), TERCET_OK);
    CHECK(note_logits(outcome, session, info));
    return TERCET_OK;
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
        if (outcome->session == TERCET_OK)
            CHECK(note_logits(outcome, session, &info));
        take_state(session, meter);
    }
    if (outcome->session == TERCET_OK)
        outcome->session = use_parts(session, meter, &info, outcome);
    if (outcome->session == TERCET_OK)
        outcome->session = use_texts(model, outcome);
    if (outcome->session != TERCET_OK) {
        free(outcome->result);
        outcome->result = NULL;
    }
    tercet_session_destroy(session);
}

/* With an engine of its own, which is given back if it could be made. */
static struct outcome use_all(struct bytes file, struct meter *meter, tercet_engine **engine) {
    struct outcome outcome = {.result = NULL};
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

/* Gives it back. */
static void check_result(struct outcome *outcome, const struct outcome *want) {
    REQUIRE(outcome->result != NULL && outcome->count == want->count);
    CHECK_MEM(outcome->result, want->result, want->count);
    free(outcome->result);
}

/* The same engine, now that nothing fails. */
static void check_engine(tercet_engine *engine, struct bytes file, struct meter *meter,
                         const struct outcome *want) {
    const struct manner manner = {true, false};
    struct outcome outcome = {.result = NULL};
    tercet_error error;
    tercet_model *model;
    meter->fail_at = 0;
    threads.fail_at = 0;
    REQUIRE(load(engine, file, manner, &model, &error) == TERCET_OK);
    use(model, meter, &outcome);
    tercet_model_destroy(model);
    CHECK_STATUS(outcome.session, TERCET_OK);
    check_result(&outcome, want);
    tercet_engine_destroy(engine);
    CHECK_EQ(meter->now, 0);
}

/* ---------------------------------------------------------------- tests */

static void fail_each_allocation(struct bytes file, uint64_t allocations,
                                 const struct outcome *want) {
    for (uint64_t n = 1; n <= allocations; n++) {
        for (int once = 0; once < 2; once++) {
            struct meter meter = {.fail_at = n, .fail_once = once == 1};
            tercet_engine *engine = NULL;
            struct outcome outcome = use_all(file, &meter, &engine);
            tercet_status last = tercet_status_is_error(outcome.engine) ? outcome.engine
                                 : outcome.loading != TERCET_OK         ? outcome.loading
                                                                        : outcome.session;
            /* What can be done without is done without, with the same numbers. */
            CHECK(last == TERCET_OUT_OF_MEMORY || (last == TERCET_OK && outcome.result != NULL));
            if (outcome.result != NULL)
                check_result(&outcome, want);
            if (tercet_status_is_error(outcome.engine)) {
                CHECK(engine == NULL);
                CHECK_EQ(meter.now, 0);
            } else {
                check_engine(engine, file, &meter, want);
            }
        }
    }
}

static void fail_each_thread(struct bytes file, const struct outcome *want) {
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
            tercet_engine_get_info(engine, &info);
            CHECK(info.threads >= n && info.threads < THREADS);
            check_result(&outcome, want);
            check_engine(engine, file, &meter, want);
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

/* Of a container; its bytes are given back. */
static void check_file(struct bytes file, uint64_t least) {
    struct meter meter = {0};
    tercet_engine *engine = NULL;
    struct outcome whole = use_all(file, &meter, &engine);
    REQUIRE(whole.engine == TERCET_OK && whole.session == TERCET_OK && whole.result != NULL);
    CHECK_EQ(whole.step_calls, 0); /* nor do prefill and step take memory */
    uint64_t allocations = meter.calls;
    CHECK(allocations >= least);
    check_engine(engine, file, &meter, &whole);
    fail_each_allocation(file, allocations, &whole);
    fail_each_thread(file, &whole);
    free(whole.result);
    free((void *)(uintptr_t)file.bytes);
}

int main(void) {
    /* Engine, loader, header, data, model and its table, session and its block, a text; a prompt in parts; a message. */
    check_file(pack_model("golden/models/llama-dense-f32"), 10);
    check_file(pack_model("golden/models/bitmamba2-bin/model.bin"), 9);
    check_file(read_whole("golden/container/well_formed_chat.tercet"), 11);
    return check_done();
}
