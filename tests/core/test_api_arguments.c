/*
 * test_api_arguments.c: the public functions with arguments that are missing or of another version: each is refused as such, before
 * anything is touched, and what was open goes on as if nobody had asked. Where nothing is counted, no address is needed.
 */
#include "core/generate/session_fixture.h"

#define REFUSED(call) CHECK_STATUS(call, TERCET_BAD_ARGUMENT)

/* With a place for the error: it has a sentence then. */
#define REFUSED_WITH(call)                                                                         \
    do {                                                                                           \
        error.detail[0] = '\0';                                                                    \
        REFUSED(call);                                                                             \
        CHECK(error.detail[0] != '\0');                                                            \
    } while (0)

static void engines(void) {
    tercet_engine_options options;
    tercet_engine *engine = NULL;
    tercet_error error;
    REFUSED_WITH(tercet_engine_create(NULL, &engine, &error));
    tercet_engine_options_init(&options);
    REFUSED_WITH(tercet_engine_create(&options, NULL, &error));
    options.struct_bytes--;
    REFUSED_WITH(tercet_engine_create(&options, &engine, &error));
    tercet_engine_options_init(&options);
    options.api_version++;
    REFUSED_WITH(tercet_engine_create(&options, &engine, &error));
    CHECK_EQ(error.where, options.api_version);
    tercet_engine_options_init(&options);
    options.threads = 65;
    REFUSED_WITH(tercet_engine_create(&options, &engine, &error));
    tercet_engine_options_init(&options);
    options.allocator.alloc = metered_alloc;
    REFUSED_WITH(tercet_engine_create(&options, &engine, &error));
    options.allocator = (tercet_allocator){.free = metered_free};
    REFUSED_WITH(tercet_engine_create(&options, &engine, &error));
    CHECK(engine == NULL);

    /* Without an allocator there is one. */
    tercet_engine_options_init(&options);
    CHECK_STATUS(tercet_engine_create(&options, &engine, &error), TERCET_OK);
    tercet_engine_destroy(engine);
    tercet_engine_destroy(NULL);

    uint32_t sets = 0;
    while (tercet_kernels_name(sets) != NULL)
        sets++;
    CHECK(sets > 0 && tercet_kernels_usable(0));
    CHECK(!tercet_kernels_usable(sets));
}

static void loaders(struct setup *setup) {
    tercet_loader_options options;
    tercet_loader *loader = NULL;
    tercet_model *model = NULL;
    tercet_want want;
    tercet_file_info info;
    tercet_error error;
    tercet_loader_options_init(&options);
    REFUSED_WITH(tercet_loader_create(NULL, &options, &loader, &error));
    REFUSED_WITH(tercet_loader_create(setup->engine, NULL, &loader, &error));
    REFUSED_WITH(tercet_loader_create(setup->engine, &options, NULL, &error));
    options.struct_bytes++;
    REFUSED_WITH(tercet_loader_create(setup->engine, &options, &loader, &error));
    CHECK(loader == NULL);
    tercet_loader_options_init(&options);
    REQUIRE(tercet_loader_create(setup->engine, &options, &loader, &error) == TERCET_OK);
    REFUSED_WITH(tercet_loader_want(NULL, &want, &error));
    REFUSED_WITH(tercet_loader_want(loader, NULL, &error));
    REFUSED_WITH(tercet_loader_give(NULL, &error));
    REFUSED_WITH(tercet_loader_place(NULL, "", 0, &error));
    REFUSED(tercet_loader_get_file_info(NULL, &info));
    REFUSED(tercet_loader_get_file_info(loader, NULL));
    REFUSED_WITH(tercet_loader_finish(NULL, &model, &error));
    REFUSED_WITH(tercet_loader_finish(loader, NULL, &error));
    REFUSED_WITH(tercet_loader_open(NULL, &model, &error));
    REFUSED_WITH(tercet_loader_open(loader, NULL, &error));
    CHECK(model == NULL);
    CHECK_STATUS(tercet_loader_want(loader, &want, &error), TERCET_NEED_BYTES);
    CHECK_EQ(want.offset, 0);
    tercet_loader_destroy(loader);
    tercet_loader_destroy(NULL);
}

static void texts(struct setup *setup) {
    tercet_model *model = setup->model;
    tercet_tensor_info tensor;
    const uint8_t *bytes;
    uint32_t tokens[16];
    char text[64];
    size_t count;
    tercet_error error;
    REFUSED(tercet_model_get_tensor(NULL, 0, &tensor));
    REFUSED(tercet_model_get_tensor(model, 0, NULL));
    CHECK_STATUS(tercet_model_get_tensor(model, UINT32_MAX, &tensor), TERCET_BAD_ARGUMENT);
    REFUSED_WITH(tercet_tokenize(NULL, "a", 1, 0, tokens, 16, &count, &error));
    REFUSED_WITH(tercet_tokenize(model, NULL, 1, 0, tokens, 16, &count, &error));
    REFUSED_WITH(tercet_tokenize(model, "a", 1, 0, NULL, 16, &count, &error));
    REFUSED_WITH(tercet_tokenize(model, "a", 1, 0, tokens, 16, NULL, &error));
    CHECK_STATUS(tercet_tokenize(model, NULL, 0, 0, NULL, 0, &count, &error), TERCET_OK);
    CHECK_EQ(count, 0);
    REFUSED(tercet_token_bytes(NULL, 0, &bytes, &count));
    REFUSED(tercet_token_bytes(model, 0, NULL, &count));
    REFUSED(tercet_token_bytes(model, 0, &bytes, NULL));
    CHECK_STATUS(tercet_token_bytes(model, setup->info.vocabulary, &bytes, &count),
                 TERCET_BAD_TOKEN);
    CHECK_EQ(tercet_token_is_stop(NULL, 0), 0);
    tokens[0] = 0;
    REFUSED_WITH(tercet_detokenize(NULL, tokens, 1, text, sizeof text, &count, &error));
    REFUSED_WITH(tercet_detokenize(model, NULL, 1, text, sizeof text, &count, &error));
    REFUSED_WITH(tercet_detokenize(model, tokens, 1, NULL, sizeof text, &count, &error));
    REFUSED_WITH(tercet_detokenize(model, tokens, 1, text, sizeof text, NULL, &error));
    CHECK_STATUS(tercet_detokenize(model, NULL, 0, NULL, 0, &count, &error), TERCET_OK);
    CHECK_EQ(count, 0);
}

static void new_sessions(struct setup *setup) {
    tercet_session_options options;
    tercet_session *session = NULL;
    tercet_error error;
    tercet_session_options_init(setup->model, &options);
    REFUSED_WITH(tercet_session_create(NULL, &options, &session, &error));
    REFUSED_WITH(tercet_session_create(setup->model, NULL, &session, &error));
    REFUSED_WITH(tercet_session_create(setup->model, &options, NULL, &error));
    CHECK(tercet_session_bytes(setup->model, &options) > 0);
    CHECK(tercet_session_thread_bytes(setup->model, &options) > 0);
    CHECK_EQ(tercet_session_bytes(NULL, &options), 0);
    CHECK_EQ(tercet_session_thread_bytes(NULL, &options), 0);
    CHECK_EQ(tercet_session_arriving_bytes(NULL, 4), 0);
    CHECK_EQ(tercet_session_state_bytes(NULL), 0);
    options.struct_bytes--;
    REFUSED_WITH(tercet_session_create(setup->model, &options, &session, &error));
    CHECK_EQ(tercet_session_bytes(setup->model, &options), 0);
    CHECK_EQ(tercet_session_thread_bytes(setup->model, &options), 0);
    CHECK(session == NULL);
}

/* What a session is asked with what is missing. */
static void ask_wrongly(tercet_session *session, uint32_t *tokens) {
    tercet_sampling sampling = {.struct_bytes = sizeof sampling};
    tercet_error error;
    const char *text;
    uint32_t token;
    size_t count;
    double sums[1];
    int more;
    REFUSED_WITH(tercet_session_set_sampling(NULL, &sampling, &error));
    REFUSED_WITH(tercet_session_set_sampling(session, NULL, &error));
    REFUSED_WITH(tercet_session_arrive(NULL, tokens, 1, &error));
    REFUSED_WITH(tercet_session_arrive(session, NULL, 1, &error));
    REFUSED_WITH(tercet_session_arrive_more(NULL, &more, &error));
    REFUSED_WITH(tercet_session_arrive_more(session, NULL, &error));
    REFUSED_WITH(tercet_session_prefill(NULL, tokens, 1, &count, NULL, &error));
    REFUSED_WITH(tercet_session_prefill(session, NULL, 1, &count, NULL, &error));
    REFUSED_WITH(tercet_session_prefill(session, tokens, 1, NULL, NULL, &error));
    REFUSED_WITH(tercet_session_step(NULL, &token, &error));
    REFUSED_WITH(tercet_session_step(session, NULL, &error));
    REFUSED_WITH(tercet_session_step_part(NULL, &token, &more, &error));
    REFUSED_WITH(tercet_session_step_part(session, NULL, &more, &error));
    REFUSED_WITH(tercet_session_step_part(session, &token, NULL, &error));
    REFUSED(tercet_session_take_text(NULL, 0, &text, &count));
    REFUSED(tercet_session_take_text(session, 0, NULL, &count));
    REFUSED(tercet_session_take_text(session, 0, &text, NULL));
    REFUSED(tercet_session_reset(NULL, 0));
    REFUSED(tercet_session_reuse(NULL, tokens, 1, &count));
    REFUSED(tercet_session_reuse(session, NULL, 1, &count));
    REFUSED(tercet_session_reuse(session, tokens, 1, NULL));
    REFUSED_WITH(tercet_session_set_slice(NULL, 4, &error));
    REFUSED_WITH(tercet_session_set_speculation(NULL, 4, &error));
    REFUSED_WITH(tercet_session_set_stop_tokens(NULL, tokens, 1, &error));
    REFUSED_WITH(tercet_session_set_stop_tokens(session, NULL, 1, &error));
    REFUSED_WITH(tercet_session_set_logprobs(NULL, 1, 1, &error));
    REFUSED_WITH(tercet_session_set_logprobs(session, 1, TERCET_LOGPROBS_TOP_MAX + 1, &error));
    REFUSED_WITH(tercet_session_embed(NULL, tokens, 1, &count, sums, &error));
    REFUSED_WITH(tercet_session_embed(session, NULL, 1, &count, sums, &error));
    REFUSED_WITH(tercet_session_embed(session, tokens, 1, NULL, sums, &error));
    REFUSED_WITH(tercet_session_embed(session, tokens, 1, &count, NULL, &error));
    REFUSED_WITH(tercet_session_save(NULL, 0, tokens, 1, &error));
    REFUSED_WITH(tercet_session_save(session, 0, NULL, 1, &error));
    REFUSED_WITH(tercet_session_restore(NULL, 0, tokens, 1, &error));
    REFUSED_WITH(tercet_session_restore(session, 0, NULL, 1, &error));
    REFUSED_WITH(tercet_session_set_mask(NULL, tokens, 1, &error));
    REFUSED_WITH(tercet_session_set_mask(session, NULL, 1, &error));
}

static tercet_session *begin_text(struct setup *setup, uint32_t *prompt) {
    tercet_session_options options;
    tercet_session *session = NULL;
    tercet_session_options_init(setup->model, &options);
    options.sampling.temperature = 0.0f;
    REQUIRE(tercet_session_create(setup->model, &options, &session, NULL) == TERCET_OK);
    CHECK_STATUS(prefill(session, prompt, PROMPT, NULL, setup->info.vocabulary), TERCET_OK);
    return session;
}

static void sessions(struct setup *setup) {
    uint32_t prompt[PROMPT];
    fill_prompt(prompt, setup->info.vocabulary);
    tercet_session *asked = begin_text(setup, prompt), *other = begin_text(setup, prompt);
    for (size_t i = 0; i < 4; i++) {
        uint32_t tokens[2] = {0, 1};
        ask_wrongly(asked, prompt);
        (void)tercet_session_step(asked, &tokens[0], NULL);
        (void)tercet_session_step(other, &tokens[1], NULL);
        CHECK_EQ(tokens[0], tokens[1]);
        CHECK_MEM(tercet_session_logits(asked), tercet_session_logits(other),
                  setup->info.vocabulary * sizeof(float));
    }
    tercet_session_destroy(asked);
    tercet_session_destroy(other);
    tercet_session_destroy(NULL);
}

/* A count of nothing needs no address. */
static void nothing_to_read(struct setup *setup) {
    uint32_t prompt[PROMPT], token;
    fill_prompt(prompt, setup->info.vocabulary);
    tercet_session *session = begin_text(setup, prompt);
    size_t count = 9;
    CHECK_STATUS(tercet_session_prefill(session, NULL, 0, &count, NULL, NULL), TERCET_OK);
    CHECK_EQ(count, 0);
    CHECK_STATUS(tercet_session_set_stop_tokens(session, NULL, 0, NULL), TERCET_OK);
    CHECK_STATUS(tercet_session_set_mask(session, NULL, 0, NULL), TERCET_OK);
    CHECK_STATUS(tercet_session_step(session, &token, NULL), TERCET_OK);
    CHECK_STATUS(tercet_session_reuse(session, NULL, 0, &count), TERCET_OK);
    CHECK_EQ(count, 0);
    tercet_session_destroy(session);
}

int main(void) {
    struct file file =
        pack_folder("golden/models/qwen3-grid-bf16", PACK_QUANTIZE_NONE, PACK_DENSE_NO);
    struct setup setup;
    set_up(&setup, &file, 1);
    engines();
    loaders(&setup);
    texts(&setup);
    new_sessions(&setup);
    sessions(&setup);
    nothing_to_read(&setup);
    tear_down(&setup);
    free(file.bytes);
    return check_done();
}
