/* test_session_step.c - a step in parts is the step: the same tokens and logits, one part a layer and two more, for every kind of layer;
 * a part of a step, a request to stop, or another use of the session in the middle leaves it as it was; and what tercet.h says of the
 * memory of a model and a session adds up. */
#include "session_fixture.h"

static tercet_session *open_session(struct setup *setup, uint32_t speculation) {
    tercet_session_options options;
    tercet_session_options_init(setup->model, &options);
    options.context = setup->info.context < 96 ? setup->info.context : 96;
    options.speculation = speculation;
    options.sampling.temperature = 0.8f;
    options.sampling.seed = 3;
    tercet_session *session = NULL;
    REQUIRE(tercet_session_create(setup->model, &options, &session, NULL) == TERCET_OK);
    return session;
}

static tercet_status step_in_parts(tercet_session *session, uint32_t *token, uint32_t *parts) {
    int more = 0;
    tercet_status status;
    *parts = 0;
    do {
        status = tercet_session_step_part(session, token, &more, NULL);
        (*parts)++;
    } while (more != 0);
    return status;
}

static void parts_are_the_step(const struct file *file, uint32_t threads) {
    struct setup setup;
    set_up(&setup, file, threads);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT];
    fill_prompt(prompt, vocabulary);
    tercet_session *whole = open_session(&setup, 1), *parted = open_session(&setup, 1);
    CHECK_STATUS(prefill(whole, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
    CHECK_STATUS(prefill(parted, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
    uint64_t calls = setup.meter.calls;
    uint32_t steps = 0;
    for (tercet_status status = TERCET_OK; status == TERCET_OK; steps++) {
        uint32_t expected = 0, token = 0, parts;
        status = tercet_session_step(whole, &expected, NULL);
        CHECK_STATUS(step_in_parts(parted, &token, &parts), status);
        CHECK_EQ(token, expected);
        CHECK_EQ(parts, status == TERCET_OK ? setup.info.layers + 2 : 1);
        CHECK_MEM(tercet_session_logits(parted), tercet_session_logits(whole),
                  vocabulary * sizeof(float));
        const char *a, *b;
        size_t a_bytes, b_bytes;
        CHECK_STATUS(tercet_session_take_text(whole, 0, &a, &a_bytes), TERCET_OK);
        CHECK_STATUS(tercet_session_take_text(parted, 0, &b, &b_bytes), TERCET_OK);
        if (CHECK_EQ(b_bytes, a_bytes) && a_bytes > 0)
            CHECK_MEM(b, a, a_bytes);
    }
    CHECK(steps > 1);
    CHECK_EQ(setup.meter.calls, calls);
    tercet_session_destroy(whole);
    tercet_session_destroy(parted);
    tear_down(&setup);
}

/* At every part: stopped, reset, saved, or given other sampling. */
static void the_middle_leaves_no_trace(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT], token, expected;
    fill_prompt(prompt, vocabulary);
    tercet_session *plain = open_session(&setup, 1), *parted = open_session(&setup, 1);
    for (uint32_t round = 0; round < 4 * (setup.info.layers + 2); round++) {
        uint32_t stop_at = round / 4, parts = 0;
        int more = 1;
        uint8_t state[TERCET_STATE_HEADER_BYTES];
        CHECK_STATUS(tercet_session_reset(plain, 0), TERCET_OK);
        CHECK_STATUS(tercet_session_reset(parted, 0), TERCET_OK);
        CHECK_STATUS(prefill(plain, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
        CHECK_STATUS(prefill(parted, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
        for (; parts < stop_at && more != 0; parts++)
            CHECK_STATUS(tercet_session_step_part(parted, &token, &more, NULL), TERCET_OK);
        CHECK_EQ(more, 1);
        size_t kept;
        if (round % 4 == 0) {
            tercet_session_cancel(parted);
            CHECK_STATUS(tercet_session_step_part(parted, &token, &more, NULL), TERCET_CANCELLED);
            CHECK_EQ(more, 0);
        } else if (round % 4 == 1) {
            CHECK_STATUS(tercet_session_save(parted, 0, state, sizeof state, NULL), TERCET_OK);
        } else if (round % 4 == 2) {
            CHECK_STATUS(tercet_session_reuse(plain, prompt, PROMPT, &kept), TERCET_OK);
            CHECK_STATUS(tercet_session_reuse(parted, prompt, PROMPT, &kept), TERCET_OK);
            CHECK_EQ(kept, PROMPT);
        }
        for (int i = 0; i < 3; i++) {
            tercet_status status = tercet_session_step(plain, &expected, NULL);
            CHECK_STATUS(tercet_session_step(parted, &token, NULL), status);
            CHECK_EQ(token, expected);
            CHECK_MEM(tercet_session_logits(parted), tercet_session_logits(plain),
                      vocabulary * sizeof(float));
        }
    }
    int more;
    CHECK_STATUS(tercet_session_step_part(NULL, &token, &more, NULL), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_session_reset(parted, 0), TERCET_OK);
    CHECK_STATUS(tercet_session_step_part(parted, &token, &more, NULL), TERCET_BAD_ARGUMENT);
    CHECK_EQ(more, 0);
    tercet_session_destroy(plain);
    tercet_session_destroy(parted);
    tear_down(&setup);
}

/* What a session keeps of its text grows with the context, or never. */
static void memory_adds_up(const struct file *file, bool grows) {
    struct setup setup;
    set_up(&setup, file, 1);
    tercet_model_bytes bytes;
    tercet_model_get_bytes(setup.model, &bytes);
    CHECK_EQ(bytes.header_bytes + bytes.data_bytes, file->count);
    CHECK_MEM(bytes.header, file->bytes, bytes.header_bytes);
    CHECK_MEM(bytes.data, file->bytes + bytes.header_bytes, bytes.data_bytes);
    uint64_t kept[2];
    for (uint32_t i = 0; i < 2; i++) {
        tercet_session_options options;
        tercet_session_info info;
        tercet_session *session = NULL;
        tercet_session_options_init(setup.model, &options);
        options.context = 8u << i;
        options.kv = TERCET_KV_F32;
        CHECK_STATUS(tercet_session_create(setup.model, &options, &session, NULL), TERCET_OK);
        tercet_session_get_info(session, &info);
        kept[i] = info.kept_bytes;
        CHECK(info.kept_bytes < info.bytes);
        if (grows)
            CHECK_EQ(info.kept_bytes, 2ull * setup.info.layers * setup.info.kv_heads *
                                          setup.info.head_dim * sizeof(float) * options.context);
        tercet_session_destroy(session);
    }
    CHECK_EQ(kept[1], grows ? 2 * kept[0] : kept[0]);
    CHECK(kept[0] > 0);
    tear_down(&setup);
}

int main(void) {
    struct file bitnet = pack_folder("golden/models/bitnet-packed-autobitlinear",
                                     PACK_QUANTIZE_NONE, PACK_DENSE_NO),
                odd =
                    pack_folder("golden/models/gpt2-odd-heads", PACK_QUANTIZE_NONE, PACK_DENSE_F16),
                states = pack_folder("golden/models/bitmamba2-bin/model.bin", PACK_QUANTIZE_NONE,
                                     PACK_DENSE_NO);
    const struct file *files[] = {&bitnet, &odd, &states};
    for (uint32_t i = 0; i < 3; i++) {
        parts_are_the_step(files[i], 1);
        parts_are_the_step(files[i], 2);
        the_middle_leaves_no_trace(files[i]);
        memory_adds_up(files[i], i < 2);
    }
    free(bitnet.bytes);
    free(odd.bytes);
    free(states.bytes);
    return check_done();
}
