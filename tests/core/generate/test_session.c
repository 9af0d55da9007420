/* test_session.c - sessions over small real models that this test packs: slicing, threads, cancel, reset, limits, text,
 * and memory: what is announced is what is taken, nothing is allocated in the token loop, and every failed allocation
 * is an error that leaks nothing. */
#include "session_fixture.h"

#include "model/model.h"

static tercet_session *open_session(struct setup *setup, uint32_t context, uint32_t slice,
                                    float temperature) {
    tercet_session_options options;
    tercet_session_options_init(setup->model, &options);
    options.context = context;
    options.slice = slice;
    options.kv = setup->kv;
    options.sampling.temperature = temperature;
    options.sampling.seed = 9;
    tercet_session *session = NULL;
    REQUIRE(tercet_session_create(setup->model, &options, &session, NULL) == TERCET_OK);
    return session;
}

/* All logits of the prompt and 12 greedy steps in one buffer: [PROMPT + 12][vocabulary]. */
static float *run_all(struct setup *setup, uint32_t slice) {
    uint32_t vocabulary = setup->info.vocabulary;
    float *logits = malloc((size_t)(PROMPT + 12) * vocabulary * sizeof(float));
    uint32_t prompt[PROMPT];
    REQUIRE(logits != NULL);
    fill_prompt(prompt, vocabulary);
    tercet_session *session = open_session(setup, 0, slice, 0.0f);
    CHECK_STATUS(prefill(session, prompt, PROMPT, logits, vocabulary), TERCET_OK);
    CHECK_MEM(tercet_session_logits(session), logits + (size_t)(PROMPT - 1) * vocabulary,
              vocabulary * sizeof(float));
    uint64_t calls = setup->meter.calls;
    for (size_t i = 0; i < 12; i++) {
        uint32_t token;
        tercet_status status = tercet_session_step(session, &token, NULL);
        if (status == TERCET_END_OF_TEXT) {
            size_t done; /* go on all the same: the logits are what is compared */
            CHECK_STATUS(tercet_session_prefill(session, &token, 1, &done, NULL, NULL), TERCET_OK);
        } else {
            CHECK_STATUS(status, TERCET_OK);
        }
        memcpy(logits + (PROMPT + i) * vocabulary, tercet_session_logits(session),
               vocabulary * sizeof(float));
    }
    CHECK_EQ(setup->meter.calls, calls); /* no allocation in the token loop */
    CHECK_EQ(tercet_session_cancel_flag(session)[0], 0);
    CHECK(tercet_session_cancel_flag(session)[1] >= (int32_t)setup->info.layers * 12); /* at work */
    tercet_session_destroy(session);
    return logits;
}

static void slices_and_threads_change_no_bit(const struct file *file, uint32_t kv) {
    struct setup first;
    set_up(&first, file, 1);
    first.kv = kv;
    float *reference = run_all(&first, 32);
    size_t bytes = (size_t)(PROMPT + 12) * first.info.vocabulary * sizeof(float);
    const uint32_t slices[] = {1, 3, 16, 64};
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        float *logits = run_all(&first, slices[i]);
        CHECK_MEM(logits, reference, bytes);
        free(logits);
    }
    tear_down(&first);
    for (uint32_t threads = 2; threads <= 5; threads++) {
        struct setup other;
        set_up(&other, file, threads);
        other.kv = kv;
        float *logits = run_all(&other, 7);
        CHECK_MEM(logits, reference, bytes);
        free(logits);
        tear_down(&other);
    }
    free(reference);
}

static void cancel_leaves_no_trace(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT], token;
    fill_prompt(prompt, vocabulary);
    tercet_session *plain = open_session(&setup, 0, 8, 0.9f),
                   *stopped = open_session(&setup, 0, 8, 0.9f);
    CHECK_STATUS(prefill(plain, prompt, PROMPT, NULL, vocabulary), TERCET_OK);

    tercet_session_cancel(stopped);
    size_t done = 99;
    CHECK_STATUS(tercet_session_prefill(stopped, prompt, PROMPT, &done, NULL, NULL),
                 TERCET_CANCELLED);
    CHECK_EQ(done, 0);
    CHECK_STATUS(prefill(stopped, prompt, PROMPT, NULL, vocabulary),
                 TERCET_OK); /* a cancel is used up by one call */
    for (int i = 0; i < 20; i++) {
        if (i % 4 == 2) {
            *tercet_session_cancel_flag(stopped) = 1;
            CHECK_STATUS(tercet_session_step(stopped, &token, NULL), TERCET_CANCELLED);
        }
        uint32_t expected;
        tercet_status status = tercet_session_step(plain, &expected, NULL);
        CHECK_STATUS(tercet_session_step(stopped, &token, NULL), status);
        CHECK_EQ(token, expected);
        if (status != TERCET_OK)
            break;
    }
    CHECK_MEM(tercet_session_logits(plain), tercet_session_logits(stopped),
              vocabulary * sizeof(float));
    tercet_session_destroy(plain);
    tercet_session_destroy(stopped);
    tear_down(&setup);
}

static void reset_equals_a_fresh_session(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 2);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT], first[10], token;
    fill_prompt(prompt, vocabulary);
    tercet_session *session = open_session(&setup, 0, 16, 0.9f);
    CHECK(tercet_session_logits(session) == NULL);
    CHECK_STATUS(tercet_session_step(session, &token, NULL),
                 TERCET_BAD_ARGUMENT); /* nothing to continue */
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t keep = round * 13; /* 0, 13, 26 tokens of the prompt stay */
        CHECK_STATUS(tercet_session_reset(session, keep), TERCET_OK);
        CHECK(tercet_session_logits(session) == NULL);
        uint32_t from = round == 0 ? 0 : keep;
        CHECK_STATUS(prefill(session, prompt + from, PROMPT - from, NULL, vocabulary), TERCET_OK);
        for (int i = 0; i < 10; i++) {
            tercet_status status = tercet_session_step(session, &token, NULL);
            if (round == 0)
                first[i] = token;
            CHECK_EQ(token, first[i]);
            if (status != TERCET_OK)
                break;
        }
    }
    tercet_session_destroy(session);
    tear_down(&setup);
}

/* A chat format's: the text ends at the first of them that comes, and nothing of it was computed. */
static void further_stop_tokens_end_the_text(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT], tokens[10] = {0}, token;
    fill_prompt(prompt, vocabulary);
    tercet_session *session = open_session(&setup, 0, 16, 0.9f);
    CHECK_STATUS(prefill(session, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
    uint32_t count = 0;
    while (count < 10 && tercet_session_step(session, &tokens[count], NULL) == TERCET_OK)
        count++;
    REQUIRE(count >= 2);
    uint32_t at = 0;
    while (tokens[at] != tokens[count - 1])
        at++;
    const uint32_t stops[] = {vocabulary - 1, tokens[at]};
    CHECK_STATUS(tercet_session_set_stop_tokens(session, stops + 1, 1, NULL), TERCET_OK);
    CHECK_STATUS(tercet_session_reset(session, 0), TERCET_OK);
    CHECK_STATUS(prefill(session, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
    for (uint32_t i = 0; i < at; i++) {
        CHECK_STATUS(tercet_session_step(session, &token, NULL), TERCET_OK);
        CHECK_EQ(token, tokens[i]);
    }
    CHECK_STATUS(tercet_session_step(session, &token, NULL), TERCET_END_OF_TEXT);
    CHECK_EQ(token, tokens[at]);
    tercet_session_info info;
    tercet_session_get_info(session, &info);
    CHECK_EQ(info.tokens, PROMPT + at);

    const uint32_t many[9] = {0}, wrong[] = {0, vocabulary};
    tercet_error error;
    CHECK_STATUS(tercet_session_set_stop_tokens(session, many, 9, &error), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_session_set_stop_tokens(session, wrong, 2, &error), TERCET_BAD_TOKEN);
    CHECK_EQ(error.where, 1);
    CHECK_STATUS(tercet_session_set_stop_tokens(session, NULL, 1, NULL), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_session_set_stop_tokens(NULL, NULL, 0, NULL), TERCET_BAD_ARGUMENT);
    /* What was refused changed nothing; none are none. */
    CHECK_STATUS(tercet_session_reset(session, 0), TERCET_OK);
    CHECK_STATUS(tercet_session_set_stop_tokens(session, NULL, 0, NULL), TERCET_OK);
    CHECK_STATUS(prefill(session, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
    for (uint32_t i = 0; i < count; i++) {
        CHECK_STATUS(tercet_session_step(session, &token, NULL), TERCET_OK);
        CHECK_EQ(token, tokens[i]);
    }
    tercet_session_destroy(session);
    tear_down(&setup);
}

static void limits_are_told(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT], token;
    fill_prompt(prompt, vocabulary);
    tercet_error error;
    size_t done;
    tercet_session *session = open_session(&setup, PROMPT + 2, 16, 0.0f);
    uint32_t wrong[3] = {1, vocabulary, 2};
    CHECK_STATUS(tercet_session_prefill(session, wrong, 3, &done, NULL, &error), TERCET_BAD_TOKEN);
    CHECK_EQ(error.where, 1);
    uint32_t long_prompt[PROMPT + 3] = {0};
    CHECK_STATUS(tercet_session_prefill(session, long_prompt, PROMPT + 3, &done, NULL, &error),
                 TERCET_PROMPT_TOO_LONG);
    CHECK_STR(error.detail, "the prompt has 43 tokens, the context only 42");
    CHECK_STATUS(prefill(session, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
    CHECK_STATUS(tercet_session_prefill(session, prompt, 3, &done, NULL, &error),
                 TERCET_PROMPT_TOO_LONG);
    CHECK_EQ(done, 0);
    CHECK(strstr(error.detail, "42") != NULL);
    const uint32_t two[] = {3, 4};
    CHECK_STATUS(prefill(session, two, 2, NULL, vocabulary), TERCET_OK);
    CHECK_STATUS(tercet_session_step(session, &token, &error), TERCET_CONTEXT_FULL);
    tercet_session_info info;
    tercet_session_get_info(session, &info);
    CHECK_EQ(info.tokens, PROMPT + 2);
    CHECK_EQ(info.context, PROMPT + 2);
    tercet_session_destroy(session);

    tercet_session_options options;
    tercet_session_options_init(setup.model, &options);
    options.context = setup.info.context + 1;
    CHECK_STATUS(tercet_session_create(setup.model, &options, &session, &error),
                 TERCET_BAD_ARGUMENT);
    CHECK_EQ(tercet_session_bytes(setup.model, &options), 0);
    options.context = 0;
    options.slice = 513;
    CHECK_STATUS(tercet_session_create(setup.model, &options, &session, &error),
                 TERCET_BAD_ARGUMENT);
    options.slice = 0;
    options.kv = TERCET_KV_INT4 + 1;
    CHECK_STATUS(tercet_session_create(setup.model, &options, &session, &error),
                 TERCET_BAD_ARGUMENT);
    CHECK(strstr(error.detail, "cache") != NULL);
    options.kv = TERCET_KV_DEFAULT;
    options.sampling.top_p = 2.0f;
    CHECK_STATUS(tercet_session_create(setup.model, &options, &session, &error),
                 TERCET_BAD_ARGUMENT);
    tear_down(&setup);
}

static void memory_is_what_was_announced(const struct file *file, uint32_t kv) {
    struct setup setup;
    set_up(&setup, file, 1);
    tercet_session_options options;
    tercet_session_options_init(setup.model, &options);
    for (uint32_t context = 1; context <= setup.info.context; context = context * 3 + 1) {
        options.context = context;
        options.kv = kv;
        uint64_t before = setup.meter.now, announced = tercet_session_bytes(setup.model, &options);
        tercet_session *session = NULL;
        CHECK_STATUS(tercet_session_create(setup.model, &options, &session, NULL), TERCET_OK);
        CHECK_EQ(setup.meter.now - before, announced);
        tercet_session_info info;
        tercet_session_get_info(session, &info);
        CHECK_EQ(info.bytes, announced);
        CHECK_EQ(info.kv, kv == TERCET_KV_DEFAULT ? TERCET_KV_INT8 : kv);
        tercet_session_destroy(session);
    }
    tear_down(&setup);
}

/* As large as the format allows, numbers whose product has 49 bits: what is announced is the product, and nothing smaller is
 * taken for it. */
static void sizes_do_not_wrap(void) {
    struct file file =
        pack_folder("golden/models/llama-packed-oldstyle", PACK_QUANTIZE_NONE, PACK_DENSE_NO);
    struct setup setup;
    set_up(&setup, &file, 1);
    const struct form {
        uint32_t kv;
        uint64_t half_bytes; /* of one key */
    } forms[] = {{TERCET_KV_F32, 8}, {TERCET_KV_F16, 4}, {TERCET_KV_INT8, 2}, {TERCET_KV_INT4, 1}};
    struct tercet_model huge = *setup.model;
    huge.config.layers = 256;
    huge.config.heads = huge.config.kv_heads = 1024;
    huge.config.head_dim = 128;
    huge.config.query_width = huge.config.kv_width = 1024 * 128;
    huge.config.context = 1u << 20;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        tercet_session_options options;
        tercet_session *session = NULL;
        tercet_error error;
        char figure[32];
        tercet_session_options_init(&huge, &options);
        options.kv = forms[i].kv;
        options.slice = 512;
        options.speculation = 16;
        /* Keys and values, half a byte for each of a key's numbers at least. */
        uint64_t cache = forms[i].half_bytes << (8 + 17 + 20), before = setup.meter.now;
        uint64_t announced = tercet_session_bytes(&huge, &options);
        CHECK(announced > cache && announced < cache + cache / 4);
        uint64_t calls = setup.meter.calls;
        setup.meter.fail_at = calls + 2; /* the session's own block can be had, not what it holds */
        CHECK_STATUS(tercet_session_create(&huge, &options, &session, &error),
                     TERCET_OUT_OF_MEMORY);
        setup.meter.fail_at = 0;
        CHECK(session == NULL);
        snprintf(figure, sizeof figure, "%llu bytes", (unsigned long long)announced);
        CHECK(strstr(error.detail, figure) != NULL);
        CHECK_EQ(setup.meter.now, before);
    }
    tear_down(&setup);
    free(file.bytes);
}

static void threads_take_what_was_announced(const struct file *file) {
    struct setup one, three;
    set_up(&one, file, 1);
    set_up(&three, file, 3);
    for (uint32_t kv = TERCET_KV_F32; kv <= TERCET_KV_INT4; kv++) {
        tercet_session_options options;
        tercet_session_options_init(one.model, &options);
        options.kv = kv;
        uint64_t more = 2 * tercet_session_thread_bytes(one.model, &options);
        CHECK(more > 0);
        CHECK_EQ(tercet_session_bytes(three.model, &options),
                 tercet_session_bytes(one.model, &options) + more);
    }
    tear_down(&one);
    tear_down(&three);
}

static void every_failed_allocation_is_an_error(const struct file *file) {
    uint32_t prompt[PROMPT];
    bool finished = false;
    for (uint64_t n = 1; n < 100 && !finished; n++) {
        struct meter meter = {.fail_at = n};
        tercet_engine *engine = NULL;
        tercet_model *model = NULL;
        tercet_session *session = NULL;
        tercet_status status = open_engine(&meter, 2, &engine);
        if (status == TERCET_OK)
            status = load(engine, file, &model);
        if (status == TERCET_OK) {
            tercet_session_options options;
            tercet_session_options_init(model, &options);
            status = tercet_session_create(model, &options, &session, NULL);
        }
        size_t count = 0;
        if (status == TERCET_OK)
            status = tercet_tokenize(model, "a", 1, 0, prompt, PROMPT, &count, NULL);
        finished = status == TERCET_OK;
        if (!finished)
            CHECK_STATUS(status, TERCET_OUT_OF_MEMORY);
        tercet_session_destroy(session);
        tercet_model_destroy(model);
        tercet_engine_destroy(engine);
        CHECK_EQ(meter.now, 0);
    }
    CHECK(finished);
}

/* What the steps give as text is what detokenizing all tokens gives. */
static void streamed_text_is_the_whole_text(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t tokens[64];
    size_t count = 0;
    CHECK_STATUS(
        tercet_tokenize(setup.model, "", 0, TERCET_TEXT_ADD_BEGINNING, tokens, 64, &count, NULL),
        TERCET_OK);
    if (count == 0)
        tokens[count++] = 5;
    size_t start = count;
    tercet_session *session = open_session(&setup, 0, 8, 1.5f);
    CHECK_STATUS(prefill(session, tokens, count, NULL, setup.info.vocabulary), TERCET_OK);
    char streamed[8192], whole[8192], before[8192];
    size_t streamed_bytes = 0, whole_bytes = 0, before_bytes = 0;
    const char *text;
    size_t bytes;
    while (count < 60 && tercet_session_step(session, &tokens[count], NULL) == TERCET_OK) {
        count++;
        CHECK_STATUS(tercet_session_take_text(session, 0, &text, &bytes), TERCET_OK);
        REQUIRE(streamed_bytes + bytes < sizeof streamed);
        memcpy(streamed + streamed_bytes, text, bytes);
        streamed_bytes += bytes;
    }
    CHECK(count > start);
    CHECK_STATUS(tercet_session_take_text(session, 1, &text, &bytes), TERCET_OK);
    memcpy(streamed + streamed_bytes, text, bytes);
    streamed_bytes += bytes;
    CHECK_STATUS(
        tercet_detokenize(setup.model, tokens, start, before, sizeof before, &before_bytes, NULL),
        TERCET_OK);
    CHECK_STATUS(
        tercet_detokenize(setup.model, tokens, count, whole, sizeof whole, &whole_bytes, NULL),
        TERCET_OK);
    REQUIRE(CHECK_EQ(whole_bytes, before_bytes + streamed_bytes));
    CHECK_MEM(whole + before_bytes, streamed, streamed_bytes);
    tercet_session_destroy(session);
    tear_down(&setup);
}

/* A caller's memory may be used twice: logits that are written where the tokens stood must not become tokens of the text, which the
 * penalty for repetition, for one, takes for places in a table. */
static void logits_over_the_tokens_change_nothing(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT];
    fill_prompt(prompt, vocabulary);
    tercet_sampling sampling;
    tercet_session_options options;
    tercet_session_options_init(setup.model, &options);
    sampling = options.sampling;
    sampling.temperature = 0.0f;
    sampling.repetition_penalty = 1.3f;
    uint32_t texts[3][8];
    const size_t half = PROMPT / 2;
    float *shared = malloc(PROMPT * vocabulary * sizeof(float));
    REQUIRE(shared != NULL && vocabulary >= PROMPT);
    double *sums = (double *)(void *)shared;
    for (uint32_t how = 0; how < 3; how++) {
        tercet_session *session = open_session(&setup, 0, PROMPT, 0.0f);
        CHECK_STATUS(tercet_session_set_sampling(session, &sampling, NULL), TERCET_OK);
        size_t done = 0;
        const uint32_t *tokens = how == 0 ? prompt : memcpy(shared, prompt, sizeof prompt);
        if (how == 2)
            CHECK_STATUS(tercet_session_embed(session, tokens, half, &done, sums, NULL), TERCET_OK);
        else
            CHECK_STATUS(tercet_session_prefill(session, tokens, half, &done,
                                                how == 0 ? NULL : shared, NULL),
                         TERCET_OK);
        CHECK_EQ(done, half);
        CHECK_STATUS(tercet_session_prefill(session, prompt + half, half, &done, NULL, NULL),
                     TERCET_OK);
        for (uint32_t i = 0; i < 8; i++)
            CHECK(!tercet_status_is_error(tercet_session_step(session, &texts[how][i], NULL)));
        size_t kept = 0;
        CHECK_STATUS(tercet_session_reuse(session, prompt, PROMPT, &kept), TERCET_OK);
        CHECK_EQ(kept, PROMPT - 1);
        tercet_session_destroy(session);
    }
    CHECK_MEM(texts[1], texts[0], sizeof texts[0]);
    CHECK_MEM(texts[2], texts[0], sizeof texts[0]);
    free(shared);
    tear_down(&setup);
}

static void check_model(const char *folder, enum pack_quantize quantize, enum pack_dense dense) {
    struct file file = pack_folder(folder, quantize, dense);
    for (uint32_t kv = TERCET_KV_F32; kv <= TERCET_KV_INT4; kv++)
        slices_and_threads_change_no_bit(&file, kv);
    cancel_leaves_no_trace(&file);
    reset_equals_a_fresh_session(&file);
    further_stop_tokens_end_the_text(&file);
    limits_are_told(&file);
    for (uint32_t kv = TERCET_KV_DEFAULT; kv <= TERCET_KV_INT4; kv++)
        memory_is_what_was_announced(&file, kv);
    threads_take_what_was_announced(&file);
    every_failed_allocation_is_an_error(&file);
    streamed_text_is_the_whole_text(&file);
    logits_over_the_tokens_change_nothing(&file);
    free(file.bytes);
}

int main(void) {
    check_model("golden/models/bitnet-packed-autobitlinear", PACK_QUANTIZE_NONE, PACK_DENSE_NO);
    check_model("golden/models/llama-packed-oldstyle", PACK_QUANTIZE_NONE, PACK_DENSE_NO);
    check_model("golden/models/llama-dense-f32", PACK_QUANTIZE_NONE, PACK_DENSE_Q8);
    check_model("golden/models/llama-dense-f32", PACK_QUANTIZE_NONE, PACK_DENSE_F16);
    sizes_do_not_wrap();
    return check_done();
}
