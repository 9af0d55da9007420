/* test_logprobs.c - probabilities against libm, the likeliest tokens against a sort, the same tokens whether they are noted or not, and
 * hidden states: the same sums for any slices and threads, and such that the head makes the logits of them. */
#include "session_fixture.h"

#include <math.h>

static tercet_session *open_session(struct setup *setup, uint32_t slice, float temperature) {
    tercet_session_options options;
    tercet_session_options_init(setup->model, &options);
    options.slice = slice;
    options.sampling.temperature = temperature;
    options.sampling.repetition_penalty = 1.3f;
    options.sampling.seed = 11;
    tercet_session *session = NULL;
    REQUIRE(tercet_session_create(setup->model, &options, &session, NULL) == TERCET_OK);
    return session;
}

static double reference(const float *logits, uint32_t vocabulary, uint32_t token) {
    double most = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < vocabulary; i++)
        most = logits[i] > most ? logits[i] : most;
    for (uint32_t i = 0; i < vocabulary; i++)
        sum += exp(logits[i] - most);
    return logits[token] - most - log(sum);
}

static void probabilities_are_right(void) {
    float logits[1000];
    uint32_t state = 1;
    for (int round = 0; round < 50; round++) {
        double sum = 0;
        for (uint32_t i = 0; i < 1000; i++) {
            state = state * 1664525u + 1013904223u;
            logits[i] = ((float)(state >> 8) / (float)(1 << 24) - 0.5f) * (float)(round * 2 + 1);
        }
        for (uint32_t i = 0; i < 1000; i++) {
            double got = tercet_log_probability(logits, 1000, i);
            CHECK_NEAR(got, reference(logits, 1000, i), 1e-6);
            sum += exp(got);
        }
        CHECK_NEAR(sum, 1.0, 1e-6);
    }
    logits[7] = 1e30f; /* nothing overflows */
    CHECK_NEAR(tercet_log_probability(logits, 1000, 7), 0.0, 1e-6);
    CHECK(tercet_log_probability(logits, 1000, 8) < -1e29);
}

/* What a step notes is of the logits that stood there before it. */
static void steps_note_them(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT];
    fill_prompt(prompt, vocabulary);
    tercet_session *noting = open_session(&setup, 0, 0.9f), *plain = open_session(&setup, 0, 0.9f);
    CHECK_STATUS(prefill(noting, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
    CHECK_STATUS(prefill(plain, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
    CHECK(tercet_session_logprobs(noting) == NULL);
    CHECK_STATUS(tercet_session_set_logprobs(noting, 1, 21, NULL), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_session_set_logprobs(NULL, 1, 2, NULL), TERCET_BAD_ARGUMENT);
    float *before = malloc(vocabulary * sizeof *before);
    REQUIRE(before != NULL);
    for (uint32_t i = 0; i < 21; i++) {
        uint32_t token = 0, same = 0, top = i;
        CHECK_STATUS(tercet_session_set_logprobs(noting, 1, top, NULL),
                     top > 20 ? TERCET_BAD_ARGUMENT : TERCET_OK);
        memcpy(before, tercet_session_logits(noting), vocabulary * sizeof *before);
        tercet_status status = tercet_session_step(noting, &token, NULL);
        CHECK_STATUS(tercet_session_step(plain, &same, NULL), status);
        CHECK_EQ(token, same);
        const tercet_logprobs *noted = tercet_session_logprobs(noting);
        REQUIRE(noted != NULL);
        CHECK_NEAR(noted->chosen, reference(before, vocabulary, token), 2e-6);
        CHECK_EQ(noted->count, top < vocabulary ? top : vocabulary);
        for (uint32_t k = 0; k < noted->count; k++) {
            uint32_t better = 0; /* tokens in front of this one: exactly k */
            float value = before[noted->tokens[k]];
            for (uint32_t t = 0; t < vocabulary; t++)
                better += before[t] > value || (before[t] == value && t < noted->tokens[k]);
            CHECK_EQ(better, k);
            CHECK_NEAR(noted->values[k], reference(before, vocabulary, noted->tokens[k]), 2e-6);
        }
        if (status == TERCET_END_OF_TEXT) {
            size_t done;
            CHECK_STATUS(tercet_session_prefill(noting, &token, 1, &done, NULL, NULL), TERCET_OK);
            CHECK_STATUS(tercet_session_prefill(plain, &token, 1, &done, NULL, NULL), TERCET_OK);
        }
    }
    CHECK_STATUS(tercet_session_set_logprobs(noting, 0, 0, NULL), TERCET_OK);
    CHECK(tercet_session_logprobs(noting) == NULL);
    free(before);
    tercet_session_destroy(noting);
    tercet_session_destroy(plain);
    tear_down(&setup);
}

static double *embed(struct setup *setup, uint32_t slice, uint32_t count) {
    uint32_t prompt[PROMPT], at = 0;
    fill_prompt(prompt, setup->info.vocabulary);
    double *sums = calloc(setup->info.hidden, sizeof *sums);
    REQUIRE(sums != NULL);
    tercet_session *session = open_session(setup, slice, 0.0f);
    uint64_t calls = setup->meter.calls;
    while (at < count) {
        size_t done = 0;
        CHECK_STATUS(tercet_session_embed(session, prompt + at, count - at, &done, sums, NULL),
                     TERCET_OK);
        REQUIRE(done > 0);
        at += (uint32_t)done;
    }
    CHECK_EQ(setup->meter.calls, calls);
    CHECK(tercet_session_logits(session) == NULL);
    /* The text goes on behind it like any other. */
    size_t done = 0;
    uint32_t next = 3;
    CHECK_STATUS(tercet_session_prefill(session, &next, 1, &done, NULL, NULL), TERCET_OK);
    tercet_session *plain = open_session(setup, slice, 0.0f);
    CHECK_STATUS(prefill(plain, prompt, count, NULL, setup->info.vocabulary), TERCET_OK);
    CHECK_STATUS(tercet_session_prefill(plain, &next, 1, &done, NULL, NULL), TERCET_OK);
    CHECK_MEM(tercet_session_logits(session), tercet_session_logits(plain),
              setup->info.vocabulary * sizeof(float));
    tercet_session_destroy(plain);
    tercet_session_destroy(session);
    return sums;
}

static void embeddings_do_not_know_slices(const struct file *file) {
    struct setup one, three;
    set_up(&one, file, 1);
    set_up(&three, file, 3);
    size_t bytes = one.info.hidden * sizeof(double);
    double *whole = embed(&one, 64, PROMPT), *slices = embed(&one, 7, PROMPT),
           *threads = embed(&three, 16, PROMPT), *part = embed(&one, 8, PROMPT - 1);
    double size = 0, difference = 0;
    for (uint32_t i = 0; i < one.info.hidden; i++) {
        size += fabs(whole[i]);
        difference += fabs(whole[i] - part[i]);
    }
    CHECK(isfinite(size) && size > 0 && difference > 0);
    CHECK_MEM(slices, whole, bytes);
    CHECK_MEM(threads, whole, bytes);
    free(whole);
    free(slices);
    free(threads);
    free(part);
    tear_down(&one);
    tear_down(&three);
}

/* With one token in a dense f32 model the sums are the hidden state, and the head's product of it the logits. */
static void head_of_an_embedding_is_the_logits(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t token = 5;
    size_t done = 0;
    double *sums = calloc(setup.info.hidden, sizeof *sums);
    float *rows = malloc(setup.info.vocabulary * sizeof *rows);
    REQUIRE(sums != NULL && rows != NULL);
    tercet_session *session = open_session(&setup, 0, 0.0f);
    CHECK_STATUS(tercet_session_embed(session, &token, 1, &done, sums, NULL), TERCET_OK);
    CHECK_STATUS(tercet_session_reset(session, 0), TERCET_OK);
    CHECK_STATUS(tercet_session_prefill(session, &token, 1, &done, rows, NULL), TERCET_OK);
    tercet_tensor_info tensor = {.rows = 0};
    for (uint32_t i = 0; i < setup.info.tensors; i++) {
        CHECK_STATUS(tercet_model_get_tensor(setup.model, i, &tensor), TERCET_OK);
        if (strcmp(tensor.name, setup.info.tied_head ? "embedding" : "head") == 0)
            break;
    }
    REQUIRE(tensor.rows == setup.info.vocabulary && strcmp(tensor.type, "f32") == 0);
    const float *head = (const float *)(const void *)(file->bytes + tensor.offset);
    for (uint32_t row = 0; row < setup.info.vocabulary; row += 17) {
        double logit = 0;
        for (uint32_t i = 0; i < setup.info.hidden; i++)
            logit += sums[i] * (double)head[row * tensor.columns + i];
        CHECK_NEAR(logit, rows[row], 1e-4);
    }
    free(rows);
    free(sums);
    tercet_session_destroy(session);
    tear_down(&setup);
}

int main(void) {
    probabilities_are_right();
    struct file bitnet = pack_folder("golden/models/bitnet-packed-autobitlinear",
                                     PACK_QUANTIZE_NONE, PACK_DENSE_NO),
                dense = pack_folder("golden/models/llama-dense-f32", PACK_QUANTIZE_NONE,
                                    PACK_DENSE_F16),
                gpt2 =
                    pack_folder("golden/models/gpt2-odd-heads", PACK_QUANTIZE_NONE, PACK_DENSE_F16),
                states = pack_folder("golden/models/bitmamba2-bin/model.bin", PACK_QUANTIZE_NONE,
                                     PACK_DENSE_NO);
    steps_note_them(&bitnet);
    steps_note_them(&states);
    embeddings_do_not_know_slices(&bitnet);
    embeddings_do_not_know_slices(&gpt2);
    embeddings_do_not_know_slices(&states);
    head_of_an_embedding_is_the_logits(&dense);
    free(bitnet.bytes);
    free(dense.bytes);
    free(gpt2.bytes);
    free(states.bytes);
    return check_done();
}
