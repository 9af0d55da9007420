/* test_arriving.c - a prompt that is computed while its model arrives: whatever the sizes of its slices, the text that follows has
 * the tokens and the logits, bit for bit, of a prompt that was computed afterwards; nothing else works before the model is
 * whole; what cannot be computed so is refused; and a text that is begun in between, and cancelled, ends it. */
#include "session_fixture.h"

#include "generate/session.h"

#define TOKENS 37u
#define STEPS 5u

static uint32_t model_context(const tercet_model *model) {
    tercet_model_info info;
    tercet_model_get_info(model, &info);
    return info.context;
}

static tercet_session *open_session(tercet_model *model, uint32_t slice, uint32_t kv) {
    tercet_session_options options;
    tercet_session_options_init(model, &options);
    options.context = model_context(model) < 64 ? 0 : 64;
    options.slice = slice;
    options.kv = kv;
    options.sampling.temperature = 0.0f;
    tercet_session *session = NULL;
    REQUIRE(tercet_session_create(model, &options, &session, NULL) == TERCET_OK);
    return session;
}

/* The logits after the prompt, then STEPS tokens. */
static void write_some(tercet_session *session, const uint32_t *prompt, float *logits,
                       uint32_t vocabulary, uint32_t tokens[STEPS]) {
    size_t kept = 0;
    CHECK_STATUS(tercet_session_reuse(session, prompt, TOKENS, &kept), TERCET_OK);
    CHECK_STATUS(prefill(session, prompt + kept, TOKENS - kept, NULL, vocabulary), TERCET_OK);
    const float *after = tercet_session_logits(session);
    REQUIRE(after != NULL);
    memcpy(logits, after, vocabulary * sizeof *logits);
    for (uint32_t i = 0; i < STEPS; i++) {
        tokens[i] = 0;
        if (tercet_session_step(session, &tokens[i], NULL) == TERCET_END_OF_TEXT)
            break;
    }
}

/* Loads `file`, opens it after its header, and computes the prompt as chunks come. */
static void arrive(const struct file *file, uint32_t threads, uint32_t slice, uint32_t kv,
                   const float *expected, const uint32_t *expected_tokens) {
    struct meter meter = {.now = 0};
    tercet_engine *engine = NULL;
    REQUIRE(open_engine(&meter, threads, &engine) == TERCET_OK);
    tercet_loader_options options;
    tercet_loader_options_init(&options);
    tercet_loader *loader = NULL;
    REQUIRE(tercet_loader_create(engine, &options, &loader, NULL) == TERCET_OK);
    tercet_model *model = NULL;
    tercet_session *session = NULL;
    uint32_t prompt[PROMPT];
    uint32_t vocabulary = 0;
    tercet_want want;
    while (tercet_loader_want(loader, &want, NULL) == TERCET_NEED_BYTES) {
        if (want.kind == TERCET_WANT_CHUNK && model == NULL) {
            REQUIRE(tercet_loader_open(loader, &model, NULL) == TERCET_OK);
            tercet_model_info info;
            tercet_model_get_info(model, &info);
            vocabulary = info.vocabulary;
            fill_prompt(prompt, vocabulary);
            session = open_session(model, slice, kv);
            size_t done = 0;
            uint32_t token = 0;
            CHECK_STATUS(tercet_session_prefill(session, prompt, TOKENS, &done, NULL, NULL),
                         TERCET_BAD_ARGUMENT);
            CHECK_STATUS(tercet_session_step(session, &token, NULL), TERCET_BAD_ARGUMENT);
            CHECK_STATUS(tercet_session_arrive(session, prompt, TOKENS, NULL), TERCET_OK);
            CHECK_STATUS(tercet_session_arrive(session, prompt, TOKENS, NULL), TERCET_BAD_ARGUMENT);
            int more = 1;
            CHECK_STATUS(tercet_session_arrive_more(session, &more, NULL), TERCET_OK);
            CHECK_EQ(more, 0); /* nothing is there yet */
        }
        memcpy(want.destination, file->bytes + want.offset, want.bytes);
        CHECK_STATUS(tercet_loader_give(loader, NULL), TERCET_OK);
        for (int more = session != NULL; more != 0;)
            CHECK_STATUS(tercet_session_arrive_more(session, &more, NULL), TERCET_OK);
    }
    tercet_model *again = NULL;
    CHECK_STATUS(tercet_loader_finish(loader, &again, NULL), TERCET_BAD_ARGUMENT);
    tercet_loader_destroy(loader);
    /* Of the whole prompt only the last token is left to do, for its logits. */
    size_t kept = 0;
    CHECK_STATUS(tercet_session_reuse(session, prompt, TOKENS, &kept), TERCET_OK);
    CHECK_EQ(kept, TOKENS - 1);
    float *logits = malloc(vocabulary * sizeof *logits);
    uint32_t tokens[STEPS] = {0};
    REQUIRE(logits != NULL);
    write_some(session, prompt, logits, vocabulary, tokens);
    CHECK_MEM(logits, expected, vocabulary * sizeof *logits);
    CHECK_MEM(tokens, expected_tokens, sizeof tokens);
    free(logits);
    tercet_session_destroy(session);
    tercet_model_destroy(model);
    tercet_engine_destroy(engine);
    CHECK_EQ(meter.now, 0);
}

static void check_model(const char *folder, enum pack_quantize quantize, enum pack_dense dense) {
    struct file file = pack_folder(folder, quantize, dense);
    static const uint32_t forms[] = {TERCET_KV_F32, TERCET_KV_F16, TERCET_KV_INT8, TERCET_KV_INT4};
    for (uint32_t form = 0; form < 4; form++) {
        struct setup whole;
        set_up(&whole, &file, 1);
        uint32_t prompt[PROMPT], tokens[STEPS] = {0};
        uint32_t vocabulary = whole.info.vocabulary;
        fill_prompt(prompt, vocabulary);
        float *logits = malloc(vocabulary * sizeof *logits);
        REQUIRE(logits != NULL);
        tercet_session *session = open_session(whole.model, 16, forms[form]);
        write_some(session, prompt, logits, vocabulary, tokens);
        tercet_session_destroy(session);
        tear_down(&whole);
        arrive(&file, 1, 16, forms[form], logits, tokens);
        arrive(&file, 3, 5, forms[form], logits, tokens);
        arrive(&file, 2, 64, forms[form], logits, tokens);
        free(logits);
    }
    free(file.bytes);
}

/* Stopped at every part of the work, memory gone at every allocation, ended in the middle. */
static void check_ends(const char *folder, enum pack_quantize quantize, enum pack_dense dense) {
    struct file file = pack_folder(folder, quantize, dense);
    struct setup setup;
    set_up(&setup, &file, 1);
    uint32_t prompt[PROMPT];
    fill_prompt(prompt, setup.info.vocabulary);
    tercet_session *session = open_session(setup.model, 8, TERCET_KV_INT8);
    CHECK_STATUS(tercet_session_arrive(session, prompt, model_context(setup.model) + 1, NULL),
                 TERCET_PROMPT_TOO_LONG);
    CHECK_STATUS(tercet_session_arrive(session, prompt, 0, NULL), TERCET_BAD_ARGUMENT);
    uint32_t wrong = setup.info.vocabulary;
    CHECK_STATUS(tercet_session_arrive(session, &wrong, 1, NULL), TERCET_BAD_TOKEN);
    setup.meter.fail_at = setup.meter.calls + 1;
    CHECK_STATUS(tercet_session_arrive(session, prompt, TOKENS, NULL), TERCET_OUT_OF_MEMORY);
    setup.meter.fail_at = 0;
    CHECK_STATUS(tercet_session_arrive(session, prompt, TOKENS, NULL), TERCET_OK);
    int more = 0;
    tercet_session_cancel(session);
    CHECK_STATUS(tercet_session_arrive_more(session, &more, NULL), TERCET_CANCELLED);
    CHECK_STATUS(tercet_session_arrive_more(session, &more, NULL), TERCET_OK);
    CHECK_EQ(more, 1);
    tercet_session_destroy(session); /* in the middle: nothing stays */
    tear_down(&setup);
    free(file.bytes);
}

/* Another text of the session ends the prompt: its tokens are checked, those that a restore brings are not yet. */
static void check_other_text(const char *folder, enum pack_quantize quantize,
                             enum pack_dense dense) {
    struct file file = pack_folder(folder, quantize, dense);
    struct setup setup;
    set_up(&setup, &file, 1);
    uint32_t prompt[PROMPT], vocabulary = setup.info.vocabulary;
    fill_prompt(prompt, vocabulary);
    tercet_session *session = open_session(setup.model, 8, TERCET_KV_INT8);
    CHECK_STATUS(prefill(session, prompt, TOKENS, NULL, vocabulary), TERCET_OK);
    uint8_t state[TERCET_STATE_HEADER_BYTES + TOKENS * sizeof(uint32_t)];
    size_t tokens_bytes = sizeof state - TERCET_STATE_HEADER_BYTES;
    CHECK_STATUS(tercet_session_save(session, 0, state, sizeof state, NULL), TERCET_OK);
    memset(state + TERCET_STATE_HEADER_BYTES, 0x7F, tokens_bytes);
    int more = 1;

    CHECK_STATUS(tercet_session_reset(session, 0), TERCET_OK);
    CHECK_STATUS(tercet_session_arrive(session, prompt, TOKENS, NULL), TERCET_OK);
    CHECK_STATUS(tercet_session_restore(session, 0, state, sizeof state, NULL), TERCET_OK);
    CHECK_STATUS(tercet_session_arrive_more(session, &more, NULL), TERCET_OK);
    CHECK_EQ(more, 0);

    CHECK_STATUS(tercet_session_restore(session, 0, state, TERCET_STATE_HEADER_BYTES, NULL),
                 TERCET_OK);
    CHECK_STATUS(tercet_session_arrive(session, prompt, TOKENS, NULL), TERCET_OK);
    CHECK_STATUS(tercet_session_restore(session, TERCET_STATE_HEADER_BYTES,
                                        state + TERCET_STATE_HEADER_BYTES, tokens_bytes, NULL),
                 TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_session_arrive_more(session, &more, NULL), TERCET_OK);
    CHECK_EQ(more, 1);

    CHECK_STATUS(tercet_session_reset(session, 0), TERCET_OK);
    CHECK_STATUS(tercet_session_arrive_more(session, &more, NULL), TERCET_OK);
    CHECK_EQ(more, 0);
    CHECK_STATUS(tercet_session_arrive(session, prompt, TOKENS, NULL), TERCET_OK);
    tercet_session_destroy(session);
    tear_down(&setup);
    free(file.bytes);
}

/* A slice of another text that is cancelled after its first layer has overwritten tokens and keys of the prompt: which must not go on
 * to its end then, or the session would take the other text's tokens for computed ones. */
static void check_cancelled_slice(const char *folder, enum pack_quantize quantize,
                                  enum pack_dense dense) {
    struct file file = pack_folder(folder, quantize, dense);
    struct setup setup;
    set_up(&setup, &file, 1);
    uint32_t prompt[PROMPT], other[PROMPT], vocabulary = setup.info.vocabulary;
    fill_prompt(prompt, vocabulary);
    for (uint32_t i = 0; i < PROMPT; i++)
        other[i] = (i * 11u + 3u) % vocabulary;
    size_t logits_bytes = vocabulary * sizeof(float);
    float *expected = malloc(logits_bytes), *logits = malloc(logits_bytes);
    uint32_t expected_tokens[STEPS] = {0}, tokens[STEPS] = {0};
    double *sums = calloc(setup.info.hidden, sizeof *sums);
    REQUIRE(expected != NULL && logits != NULL && sums != NULL);
    tercet_session *fresh = open_session(setup.model, 8, TERCET_KV_INT8);
    write_some(fresh, other, expected, vocabulary, expected_tokens);
    tercet_session_destroy(fresh);
    for (uint32_t parts = 0; parts < 6; parts++) {
        tercet_session *session = open_session(setup.model, 8, TERCET_KV_INT8);
        CHECK_STATUS(tercet_session_arrive(session, prompt, TOKENS, NULL), TERCET_OK);
        int more = 1;
        for (uint32_t i = 0; i < parts; i++)
            CHECK_STATUS(tercet_session_arrive_more(session, &more, NULL), TERCET_OK);
        CHECK_EQ(more, 1); /* on its way */
        /* The count of layers is the cancel: 0 until one has run. */
        atomic_int *cancel = session->forward.cancel;
        atomic_store(&session->layers_run, 0);
        session->forward.cancel = &session->layers_run;
        size_t done = 99;
        tercet_status status =
            parts % 2 == 0 ? tercet_session_prefill(session, other, TOKENS, &done, NULL, NULL)
                           : tercet_session_embed(session, other, TOKENS, &done, sums, NULL);
        session->forward.cancel = cancel;
        CHECK_STATUS(status, TERCET_CANCELLED);
        CHECK_EQ(done, 0);
        CHECK_EQ(atomic_load(&session->layers_run), 1);
        for (more = 1; more != 0;)
            CHECK_STATUS(tercet_session_arrive_more(session, &more, NULL), TERCET_OK);
        size_t kept = 99;
        CHECK_STATUS(tercet_session_reuse(session, other, TOKENS, &kept), TERCET_OK);
        CHECK_EQ(kept, 0); /* nothing of it is computed */
        write_some(session, other, logits, vocabulary, tokens);
        CHECK_MEM(logits, expected, logits_bytes);
        CHECK_MEM(tokens, expected_tokens, sizeof tokens);
        tercet_session_destroy(session);
    }
    free(sums);
    free(logits);
    free(expected);
    tear_down(&setup);
    free(file.bytes);
}

/* A caller of a module may give any place of its memory, the session's own history too: the tokens are those that lay there
 * when it was asked. With AddressSanitizer a copy that may not overlap is reported. */
static void check_own_memory(const char *folder, enum pack_quantize quantize,
                             enum pack_dense dense) {
    struct file file = pack_folder(folder, quantize, dense);
    struct setup setup;
    set_up(&setup, &file, 1);
    uint32_t prompt[PROMPT];
    fill_prompt(prompt, setup.info.vocabulary);
    tercet_session *session = open_session(setup.model, 32, TERCET_KV_INT8);
    CHECK_STATUS(prefill(session, prompt, 30, NULL, setup.info.vocabulary), TERCET_OK);
    CHECK_STATUS(tercet_session_reset(session, 4), TERCET_OK);
    size_t done = 0;
    CHECK_STATUS(tercet_session_prefill(session, session->history + 2, 20, &done, NULL, NULL),
                 TERCET_OK);
    CHECK_EQ(done, 20);
    CHECK_MEM(session->history + 4, prompt + 2, 20 * sizeof *prompt);
    CHECK_STATUS(tercet_session_reset(session, 0), TERCET_OK);
    memcpy(session->history, prompt, sizeof prompt);
    CHECK_STATUS(tercet_session_arrive(session, session->history + 3, 30, NULL), TERCET_OK);
    CHECK_MEM(session->history, prompt + 3, 30 * sizeof *prompt);
    tercet_session_destroy(session);
    tear_down(&setup);
    free(file.bytes);
}

/* What is computed from weights when a model opens needs them: it can be opened when it is whole. */
static void check_refused(const struct pack_options *packed, tercet_status when_whole) {
    struct file file = pack_with(*packed);
    struct setup setup;
    set_up(&setup, &file, 1);
    uint32_t token = 1;
    tercet_session *session = open_session(setup.model, 8, TERCET_KV_DEFAULT);
    CHECK_STATUS(tercet_session_arrive(session, &token, 1, NULL), when_whole);
    tercet_session_destroy(session);
    tercet_loader_options options;
    tercet_loader_options_init(&options);
    tercet_loader *loader = NULL;
    REQUIRE(tercet_loader_create(setup.engine, &options, &loader, NULL) == TERCET_OK);
    tercet_want want;
    tercet_model *model = NULL;
    while (tercet_loader_want(loader, &want, NULL) == TERCET_NEED_BYTES) {
        if (want.kind == TERCET_WANT_CHUNK)
            CHECK_STATUS(tercet_loader_open(loader, &model, NULL), TERCET_UNSUPPORTED);
        memcpy(want.destination, file.bytes + want.offset, want.bytes);
        CHECK_STATUS(tercet_loader_give(loader, NULL), TERCET_OK);
    }
    /* It went on as if nobody had asked. */
    CHECK_STATUS(tercet_loader_finish(loader, &model, NULL), TERCET_OK);
    tercet_model_destroy(model);
    tercet_loader_destroy(loader);
    tear_down(&setup);
    free(file.bytes);
}

int main(void) {
    check_model("golden/models/bitnet-packed-autobitlinear", PACK_QUANTIZE_NONE, PACK_DENSE_NO);
    check_model("golden/models/gpt2-odd-heads", PACK_QUANTIZE_NONE, PACK_DENSE_F16);
    check_model("golden/models/ternarylm-online-f32", PACK_QUANTIZE_ABSMEAN, PACK_DENSE_NO);
    /* Four chunks: layers are computed between them. */
    check_model("../models/gutenberg-6m-b158", PACK_QUANTIZE_NONE, PACK_DENSE_NO);
    check_ends("golden/models/gpt2-odd-heads", PACK_QUANTIZE_NONE, PACK_DENSE_F16);
    check_other_text("golden/models/gpt2-odd-heads", PACK_QUANTIZE_NONE, PACK_DENSE_F16);
    check_cancelled_slice("golden/models/gpt2-odd-heads", PACK_QUANTIZE_NONE, PACK_DENSE_F16);
    check_own_memory("golden/models/gpt2-odd-heads", PACK_QUANTIZE_NONE, PACK_DENSE_F16);
    struct pack_options options;
    pack_options_init(&options);
    options.source = "golden/models/bitmamba2-bin/model.bin";
    check_refused(&options, TERCET_UNSUPPORTED);
    options.source = "golden/models/ternarylm-online-f32";
    options.quantize = PACK_QUANTIZE_ABSMEAN;
    options.vectors = PACK_VECTORS_F16;
    check_refused(&options, TERCET_OK);
    return check_done();
}
