/*
 * test_state_space.c: a model with states in place of a cache: the same logits for any slicing and any number of threads, nothing
 * changed by a run that is given up, no way back but to the beginning, and memory that does not grow with the context.
 */
#include "../generate/session_fixture.h"
#include "generate/session.h"

static const char model_path[] = "golden/models/bitmamba2-bin/model.bin";

static tercet_session *open_session(const struct setup *setup, uint32_t context, uint32_t slice,
                                    uint32_t speculation) {
    tercet_session_options options;
    tercet_session *session = NULL;
    tercet_session_options_init(setup->model, &options);
    options.context = context;
    options.slice = slice;
    options.speculation = speculation;
    REQUIRE(tercet_session_create(setup->model, &options, &session, NULL) == TERCET_OK);
    return session;
}

/* [PROMPT][vocabulary], malloc'ed. */
static float *logits_of(const struct setup *setup, tercet_session *session) {
    uint32_t prompt[PROMPT], vocabulary = setup->info.vocabulary;
    float *logits = malloc((size_t)PROMPT * vocabulary * sizeof *logits);
    REQUIRE(logits != NULL);
    fill_prompt(prompt, vocabulary);
    REQUIRE(prefill(session, prompt, PROMPT, logits, vocabulary) == TERCET_OK);
    return logits;
}

static void test_slices_and_threads(const struct file *file) {
    static const uint32_t slices[] = {32, 1, 2, 3, 5, 17};
    float *want = NULL;
    for (uint32_t threads = 1; threads <= 3; threads++) {
        struct setup setup;
        set_up(&setup, file, threads);
        CHECK_STR(setup.info.family, "bitmamba2");
        size_t bytes = (size_t)PROMPT * setup.info.vocabulary * sizeof(float);
        for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
            tercet_session *session = open_session(&setup, 64, slices[i], 0);
            float *got = logits_of(&setup, session);
            if (want == NULL) {
                want = got;
            } else {
                CHECK_MEM(got, want, bytes);
                free(got);
            }
            tercet_session_destroy(session);
        }
        tear_down(&setup);
    }
    free(want);
}

static void (*whole_silu_mul)(float *, const float *, size_t);
static tercet_session *cancelled_session;
static int calls_left;

/* A kernel during which somebody asks to cancel. */
static void cancelling_silu_mul(float *gate, const float *up, size_t n) {
    whole_silu_mul(gate, up, n);
    if (calls_left > 0 && --calls_left == 0)
        tercet_session_cancel(cancelled_session);
}

static void test_cancelled_run(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t prompt[PROMPT], vocabulary = setup.info.vocabulary;
    fill_prompt(prompt, vocabulary);
    size_t bytes = (size_t)PROMPT * vocabulary * sizeof(float), done;
    tercet_session *session = open_session(&setup, 64, 8, 0);
    float *want = logits_of(&setup, session);
    whole_silu_mul = setup.engine->kernels.silu_mul;
    setup.engine->kernels.silu_mul = cancelling_silu_mul;
    cancelled_session = session;
    /* In the first and in the last layer, with nothing before it and with a text. */
    for (calls_left = 1; calls_left < 128; calls_left += 59) {
        for (size_t before = 0; before <= 8; before += 8) {
            int at = calls_left;
            calls_left = 0;
            REQUIRE(tercet_session_reset(session, 0) == TERCET_OK);
            REQUIRE(prefill(session, prompt, before, NULL, vocabulary) == TERCET_OK);
            calls_left = at;
            CHECK_STATUS(tercet_session_prefill(session, prompt + before, 8, &done, NULL, NULL),
                         TERCET_CANCELLED);
            float *got = malloc(bytes);
            REQUIRE(got != NULL);
            REQUIRE(prefill(session, prompt + before, PROMPT - before, got, vocabulary) ==
                    TERCET_OK);
            CHECK_MEM(got, want + before * vocabulary, bytes - before * vocabulary * sizeof(float));
            free(got);
            calls_left = at;
        }
    }
    free(want);
    tercet_session_destroy(session);
    tear_down(&setup);
}

/* Logits after the prompt, on from `kept`. */
static void check_last(const struct setup *setup, tercet_session *session, size_t kept,
                       const float *want) {
    uint32_t prompt[PROMPT];
    size_t bytes = setup->info.vocabulary * sizeof(float);
    fill_prompt(prompt, setup->info.vocabulary);
    REQUIRE(prefill(session, prompt + kept, PROMPT - kept, NULL, setup->info.vocabulary) ==
            TERCET_OK);
    CHECK_MEM(tercet_session_logits(session), want, bytes);
}

static void test_no_way_back(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 2);
    uint32_t prompt[PROMPT], vocabulary = setup.info.vocabulary, other[PROMPT];
    size_t kept;
    fill_prompt(prompt, vocabulary);
    memcpy(other, prompt, sizeof other);
    other[20] = (other[20] + 1) % vocabulary;
    tercet_session *session = open_session(&setup, 64, 8, 0);
    float *all = logits_of(&setup, session);
    const float *want = all + (size_t)(PROMPT - 1) * vocabulary;

    CHECK_STATUS(tercet_session_reuse(session, prompt, PROMPT, &kept), TERCET_OK);
    CHECK_EQ(kept, PROMPT); /* as it is */
    CHECK_MEM(tercet_session_logits(session), want, vocabulary * sizeof(float));
    CHECK_STATUS(tercet_session_reuse(session, prompt, 30, &kept), TERCET_OK);
    CHECK_EQ(kept, 0); /* 30 tokens ago */
    check_last(&setup, session, 0, want);
    CHECK_STATUS(tercet_session_reuse(session, other, PROMPT, &kept), TERCET_OK);
    CHECK_EQ(kept, 0); /* another text */
    REQUIRE(prefill(session, prompt, 25, NULL, vocabulary) == TERCET_OK);
    CHECK_STATUS(tercet_session_reuse(session, prompt, PROMPT, &kept), TERCET_OK);
    CHECK_EQ(kept, 25); /* the same text goes on */
    check_last(&setup, session, kept, want);

    CHECK_STATUS(tercet_session_reset(session, 10), TERCET_BAD_ARGUMENT);
    CHECK_MEM(tercet_session_logits(session), want, vocabulary * sizeof(float));
    CHECK_STATUS(tercet_session_reset(session, PROMPT), TERCET_OK);
    CHECK(tercet_session_logits(session) == NULL);
    CHECK_STATUS(tercet_session_reset(session, 0), TERCET_OK);
    check_last(&setup, session, 0, want);
    free(all);
    tercet_session_destroy(session);
    tear_down(&setup);
}

static void test_memory(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    tercet_session_options options;
    tercet_session_options_init(setup.model, &options);
    options.context = 64;
    uint64_t small = tercet_session_bytes(setup.model, &options);
    options.context = 64 + 16000;
    CHECK_EQ(tercet_session_bytes(setup.model, &options), small + 16000 * sizeof(uint32_t));
    CHECK_EQ(tercet_session_thread_bytes(setup.model, &options), 0);
    for (options.kv = TERCET_KV_F32; options.kv <= TERCET_KV_INT8; options.kv++)
        for (options.speculation = 0; options.speculation <= 16; options.speculation += 8)
            CHECK_EQ(tercet_session_bytes(setup.model, &options), small + 16000 * sizeof(uint32_t));

    /* Text that repeats itself, where a model with a cache would draft. */
    uint64_t before = setup.meter.now;
    tercet_session *session = open_session(&setup, 64, 8, 16);
    tercet_session_info info;
    uint32_t same[32] = {0}, token;
    REQUIRE(prefill(session, same, 32, NULL, setup.info.vocabulary) == TERCET_OK);
    for (int i = 0; i < 8; i++)
        (void)tercet_session_step(session, &token, NULL);
    tercet_session_get_info(session, &info);
    CHECK_EQ(info.drafted, 0);
    CHECK_EQ(info.bytes, setup.meter.now - before);
    tercet_session_destroy(session);
    tear_down(&setup);
}

int main(void) {
    struct file file = pack_folder(model_path, PACK_QUANTIZE_NONE, PACK_DENSE_NO);
    test_slices_and_threads(&file);
    test_cancelled_run(&file);
    test_no_way_back(&file);
    test_memory(&file);
    free(file.bytes);
    return check_done();
}
