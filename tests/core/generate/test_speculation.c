/* test_speculation.c - a session that drafts tokens is, from outside, one that does not: the same tokens, logits, random
 * stream, texts and refusals, bit for bit, whatever is done to it in between. Each test drives two sessions alike, one
 * with speculation off; and what a session keeps of an earlier text equals a fresh one. */
#include "session_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

static tercet_session *open_session(struct setup *setup, uint32_t context, uint32_t speculation,
                                    const tercet_sampling *sampling) {
    tercet_session_options options;
    tercet_session_options_init(setup->model, &options);
    options.context = context;
    options.slice = 5;
    options.speculation = speculation;
    options.sampling = *sampling;
    tercet_session *session = NULL;
    REQUIRE(tercet_session_create(setup->model, &options, &session, NULL) == TERCET_OK);
    return session;
}

static uint64_t state; /* of the tests' own random numbers */

/* Of all drafting sessions together: a model with random weights never repeats itself, a trained one does. */
static tercet_session_info all;

static void add_up(const tercet_session_info *info) {
    all.passes += info->passes;
    all.drafted += info->drafted;
    all.accepted += info->accepted;
}

static uint32_t random_below(uint32_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % limit;
}

/* Greedy; everything on; hot; only the penalty. */
static tercet_sampling sampling_mode(uint32_t mode) {
    static const tercet_sampling modes[] = {
        {.temperature = 0.0f, .top_p = 1.0f, .repetition_penalty = 1.0f},
        {.temperature = 0.8f,
         .top_k = 40,
         .top_p = 0.95f,
         .min_p = 0.02f,
         .repetition_penalty = 1.1f,
         .repetition_window = 20},
        {.temperature = 3.0f, .top_p = 1.0f, .repetition_penalty = 1.0f},
        {.temperature = 0.0f, .top_p = 1.0f, .repetition_penalty = 1.3f, .repetition_window = 64},
    };
    tercet_sampling sampling = modes[mode % 4];
    sampling.struct_bytes = sizeof sampling;
    sampling.seed = 77 + mode;
    return sampling;
}

/* A prompt that repeats itself, so that there is something to draft. */
static void fill_repeating(uint32_t *tokens, uint32_t count, uint32_t period, uint32_t vocabulary) {
    for (uint32_t i = 0; i < count; i++)
        tokens[i] = (i % period * 7u + 5u) % vocabulary;
}

static void check_same_logits(const tercet_session *plain, const tercet_session *drafting,
                              uint32_t vocabulary) {
    const float *a = tercet_session_logits(plain), *b = tercet_session_logits(drafting);
    CHECK((a == NULL) == (b == NULL));
    if (a != NULL && b != NULL)
        CHECK_MEM(b, a, vocabulary * sizeof(float));
}

/* One step of both; what a model ends is gone on with, as a prompt. */
static tercet_status step_both(tercet_session *plain, tercet_session *drafting,
                               uint32_t vocabulary) {
    uint32_t expected = 0, token = 0;
    size_t done;
    tercet_status status = tercet_session_step(plain, &expected, NULL);
    CHECK_STATUS(tercet_session_step(drafting, &token, NULL), status);
    CHECK_EQ(token, expected);
    const char *a, *b;
    size_t a_bytes, b_bytes;
    CHECK_STATUS(tercet_session_take_text(plain, 0, &a, &a_bytes), TERCET_OK);
    CHECK_STATUS(tercet_session_take_text(drafting, 0, &b, &b_bytes), TERCET_OK);
    if (CHECK_EQ(b_bytes, a_bytes) && a_bytes > 0)
        CHECK_MEM(b, a, a_bytes);
    if (status == TERCET_END_OF_TEXT) {
        CHECK_STATUS(tercet_session_prefill(plain, &token, 1, &done, NULL, NULL), TERCET_OK);
        CHECK_STATUS(tercet_session_prefill(drafting, &token, 1, &done, NULL, NULL), TERCET_OK);
    }
    check_same_logits(plain, drafting, vocabulary);
    return status;
}

static const uint32_t speculations[] = {0, 2, 3, 8, 16};
#define SPECULATIONS (sizeof speculations / sizeof *speculations)

/* To the very end of the context, where a draft has less and less room. */
static void a_whole_context_is_the_same(const struct file *file, uint32_t threads) {
    struct setup setup;
    set_up(&setup, file, threads);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT];
    fill_repeating(prompt, PROMPT, 9, vocabulary);
    for (uint32_t mode = 0; mode < 4; mode++) {
        tercet_sampling sampling = sampling_mode(mode);
        for (size_t i = 0; i < SPECULATIONS; i++) {
            tercet_session *plain = open_session(&setup, PROMPT + 60, 1, &sampling);
            tercet_session *drafting =
                open_session(&setup, PROMPT + 60, speculations[i], &sampling);
            CHECK_STATUS(prefill(plain, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
            CHECK_STATUS(prefill(drafting, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
            uint64_t calls = setup.meter.calls;
            tercet_status status;
            uint64_t here = 0;
            while ((status = step_both(plain, drafting, vocabulary)) != TERCET_CONTEXT_FULL) {
                REQUIRE(status == TERCET_OK || status == TERCET_END_OF_TEXT);
                here += status == TERCET_OK;
            }
            CHECK_EQ(setup.meter.calls, calls); /* no allocation in the token loop */
            tercet_session_info off, info;
            tercet_session_get_info(plain, &off);
            tercet_session_get_info(drafting, &info);
            CHECK_EQ(off.passes, here);
            CHECK_EQ(off.drafted, 0);
            CHECK_EQ(info.tokens, PROMPT + 60);
            CHECK_EQ(info.passes + info.accepted, here);
            CHECK(info.accepted <= info.drafted);
            add_up(&info);
            tercet_session_destroy(plain);
            tercet_session_destroy(drafting);
        }
    }
    tear_down(&setup);
}

/* A step that is begun, and left alone or ended by what follows. One that is done already is done in `plain` too. */
static void begin_a_step(tercet_session *plain, tercet_session *drafting, uint32_t parts) {
    if (tercet_session_logits(drafting) == NULL)
        return;
    for (int more = 1; more != 0 && parts > 0; parts--) {
        uint32_t expected = 0, token = 0;
        tercet_status status = tercet_session_step_part(drafting, &token, &more, NULL);
        if (more == 0) {
            CHECK_STATUS(tercet_session_step(plain, &expected, NULL), status);
            CHECK_EQ(token, expected);
        }
    }
}

/* Prompts, resets, other sampling, other speculation, cancels, in any order. */
static void nothing_in_between_shows(const struct file *file, uint64_t seed) {
    struct setup setup;
    set_up(&setup, file, 2);
    state = seed;
    uint32_t vocabulary = setup.info.vocabulary, tokens[PROMPT], token;
    uint32_t context = setup.info.context < 128 ? setup.info.context : 128;
    tercet_sampling sampling = sampling_mode(0);
    tercet_session *plain = open_session(&setup, context, 1, &sampling);
    tercet_session *drafting = open_session(&setup, context, 8, &sampling);
    for (uint32_t round = 0; round < 400; round++) {
        begin_a_step(plain, drafting, random_below(setup.info.layers + 4));
        tercet_session_info info;
        tercet_session_get_info(plain, &info);
        uint32_t room = info.context - info.tokens, operation = random_below(16);
        size_t kept = 0, kept_drafting = 0;
        if (operation == 0 || info.tokens == 0) {
            uint32_t count = 1 + random_below(PROMPT);
            count = count < room ? count : room;
            fill_repeating(tokens, count, 1 + random_below(12), vocabulary);
            CHECK_STATUS(prefill(plain, tokens, count, NULL, vocabulary), TERCET_OK);
            CHECK_STATUS(prefill(drafting, tokens, count, NULL, vocabulary), TERCET_OK);
        } else if (operation == 1) {
            sampling = sampling_mode(random_below(8));
            CHECK_STATUS(tercet_session_set_sampling(plain, &sampling, NULL), TERCET_OK);
            CHECK_STATUS(tercet_session_set_sampling(drafting, &sampling, NULL), TERCET_OK);
        } else if (operation == 2) {
            uint32_t keep = random_below(info.tokens + 1);
            CHECK_STATUS(tercet_session_reset(plain, keep), TERCET_OK);
            CHECK_STATUS(tercet_session_reset(drafting, keep), TERCET_OK);
        } else if (operation == 3) {
            CHECK_STATUS(tercet_session_set_speculation(drafting, 1 + random_below(8), NULL),
                         TERCET_OK);
        } else if (operation == 4) {
            tercet_session_cancel(drafting);
            CHECK_STATUS(tercet_session_step(drafting, &token, NULL), TERCET_CANCELLED);
        } else if (operation == 5) {
            fill_repeating(tokens, PROMPT, 1 + random_below(12), vocabulary);
            CHECK_STATUS(tercet_session_reuse(plain, tokens, PROMPT, &kept), TERCET_OK);
            CHECK_STATUS(tercet_session_reuse(drafting, tokens, PROMPT, &kept_drafting), TERCET_OK);
            CHECK_EQ(kept_drafting, kept);
            CHECK_STATUS(prefill(plain, tokens + kept, PROMPT - kept, NULL, vocabulary), TERCET_OK);
            CHECK_STATUS(prefill(drafting, tokens + kept, PROMPT - kept, NULL, vocabulary),
                         TERCET_OK);
        } else if (tercet_session_logits(plain) == NULL) {
            CHECK_STATUS(tercet_session_step(drafting, &token, NULL), TERCET_BAD_ARGUMENT);
        } else if (room > 1) {
            (void)step_both(plain, drafting, vocabulary);
        } else {
            CHECK_STATUS(tercet_session_reset(plain, 3), TERCET_OK);
            CHECK_STATUS(tercet_session_reset(drafting, 3), TERCET_OK);
        }
        check_same_logits(plain, drafting, vocabulary);
    }
    tercet_session_info info;
    tercet_session_get_info(drafting, &info);
    add_up(&info);
    tercet_session_destroy(plain);
    tercet_session_destroy(drafting);
    tear_down(&setup);
}

struct canceller {
    tercet_session *session;
    atomic_int stop;
};

static void *cancel_often(void *context) {
    struct canceller *canceller = context;
    while (atomic_load(&canceller->stop) == 0) {
        tercet_session_cancel(canceller->session);
        for (volatile int i = 0; i < 2000; i++)
            ;
    }
    return NULL;
}

/* Between two layers, in a pass with a draft: at whatever moment it comes, the next try goes on as if nothing had been. */
static void a_cancel_in_the_middle_leaves_no_trace(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT];
    fill_repeating(prompt, PROMPT, 6, vocabulary);
    tercet_sampling sampling = sampling_mode(1);
    tercet_session *plain = open_session(&setup, 0, 1, &sampling);
    tercet_session *stopped = open_session(&setup, 0, 8, &sampling);
    CHECK_STATUS(prefill(plain, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
    CHECK_STATUS(prefill(stopped, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
    struct canceller canceller = {.session = stopped};
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, cancel_often, &canceller) == 0);
    for (int i = 0; i < 40; i++) {
        uint32_t expected = 0, token = 0;
        tercet_status status, status_stopped;
        status = tercet_session_step(plain, &expected, NULL);
        do
            status_stopped = tercet_session_step(stopped, &token, NULL);
        while (status_stopped == TERCET_CANCELLED);
        CHECK_STATUS(status_stopped, status);
        CHECK_EQ(token, expected);
        check_same_logits(plain, stopped, vocabulary);
        if (status != TERCET_OK)
            break;
    }
    atomic_store(&canceller.stop, 1);
    pthread_join(thread, NULL);
    tercet_session_destroy(plain);
    tercet_session_destroy(stopped);
    tear_down(&setup);
}

/* What is kept is the longest common beginning, and what follows is what a fresh session gives. */
static void reuse_equals_a_fresh_session(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 2);
    uint32_t vocabulary = setup.info.vocabulary, first[PROMPT], second[PROMPT];
    tercet_sampling sampling = sampling_mode(1);
    fill_prompt(first, vocabulary);
    const struct {
        uint32_t same, count; /* of the second prompt: tokens that are the first's, and all */
        uint32_t steps;       /* behind the first prompt */
        uint32_t kept;
    } cases[] = {
        {0, 12, 3, 0},
        {1, 12, 3, 1},
        {17, 30, 0, 17},
        {17, 17, 4, 16},
        {PROMPT, PROMPT, 2, PROMPT - 1},
        {PROMPT, PROMPT, 0, PROMPT},
        {0, 1, 1, 0},
        {1, 1, 1, 0},
        {0, 0, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (uint32_t speculation = 0; speculation < 2; speculation++) {
            tercet_session *used = open_session(&setup, 0, speculation, &sampling);
            tercet_session *fresh = open_session(&setup, 0, 1, &sampling);
            CHECK_STATUS(prefill(used, first, PROMPT, NULL, vocabulary), TERCET_OK);
            uint32_t token;
            for (uint32_t step = 0; step < cases[i].steps; step++)
                CHECK_STATUS(tercet_session_step(used, &token, NULL), TERCET_OK);
            memcpy(second, first, sizeof second);
            for (uint32_t t = cases[i].same; t < PROMPT; t++)
                second[t] = (first[t] + 1) % vocabulary;
            size_t kept = 99, count = cases[i].count;
            tercet_session_cancel(used); /* an old request means nothing to a new text */
            CHECK_STATUS(tercet_session_reuse(used, second, count, &kept), TERCET_OK);
            CHECK_EQ(kept, cases[i].kept);
            tercet_session_info info;
            tercet_session_get_info(used, &info);
            CHECK_EQ(info.tokens, kept);
            CHECK((tercet_session_logits(used) != NULL) == (kept == count && count > 0));
            CHECK_STATUS(prefill(used, second + kept, count - kept, NULL, vocabulary), TERCET_OK);
            CHECK_STATUS(prefill(fresh, second, count, NULL, vocabulary), TERCET_OK);
            check_same_logits(fresh, used, vocabulary);
            for (uint32_t step = 0; count > 0 && step < 12; step++)
                if (step_both(fresh, used, vocabulary) != TERCET_OK)
                    break;
            tercet_session_destroy(used);
            tercet_session_destroy(fresh);
        }
    }
    size_t kept;
    CHECK_STATUS(tercet_session_reuse(NULL, first, 1, &kept), TERCET_BAD_ARGUMENT);
    tear_down(&setup);
}

/* The head is not computed for what is not the end of a prompt, and nobody can mistake old logits for new ones. */
static void half_a_prompt_has_no_logits(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT], token;
    fill_prompt(prompt, vocabulary);
    tercet_sampling sampling = sampling_mode(0);
    tercet_session *session = open_session(&setup, 0, 0, &sampling);
    size_t done = 0;
    CHECK_STATUS(tercet_session_prefill(session, prompt, 5, &done, NULL, NULL), TERCET_OK);
    CHECK(tercet_session_logits(session) != NULL);
    CHECK_STATUS(tercet_session_prefill(session, prompt, 6, &done, NULL, NULL), TERCET_OK);
    CHECK_EQ(done, 5);
    CHECK(tercet_session_logits(session) == NULL);
    CHECK_STATUS(tercet_session_step(session, &token, NULL), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_session_set_slice(session, 2, NULL), TERCET_OK);
    CHECK_STATUS(tercet_session_prefill(session, prompt, 3, &done, NULL, NULL), TERCET_OK);
    CHECK_EQ(done, 2);
    CHECK_STATUS(tercet_session_prefill(session, prompt + 2, 1, &done, NULL, NULL), TERCET_OK);
    CHECK(tercet_session_logits(session) != NULL);
    tercet_error error;
    CHECK_STATUS(tercet_session_set_slice(session, 6, &error), TERCET_BAD_ARGUMENT);
    CHECK_STR(error.detail, "a slice of 6 tokens, but the session was made for at most 5");
    CHECK_STATUS(tercet_session_set_slice(session, 0, NULL), TERCET_OK);
    tercet_session_info info;
    tercet_session_get_info(session, &info);
    CHECK_EQ(info.slice, 5);
    CHECK_STATUS(tercet_session_set_speculation(session, 9, &error), TERCET_BAD_ARGUMENT);
    CHECK_EQ(error.where, 9);
    tercet_session_destroy(session);

    tercet_session_options options;
    tercet_session_options_init(setup.model, &options);
    options.speculation = 17;
    CHECK_STATUS(tercet_session_create(setup.model, &options, &session, &error),
                 TERCET_BAD_ARGUMENT);
    CHECK_EQ(tercet_session_bytes(setup.model, &options), 0);
    tear_down(&setup);
}

/* A mask of its own for each step, as a grammar has: what was drafted counts only where the mask has it. */
static void masks_are_the_same(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t vocabulary = setup.info.vocabulary, prompt[PROMPT], count = (vocabulary + 31) / 32;
    uint32_t *words = calloc(count, sizeof *words);
    REQUIRE(words != NULL);
    fill_repeating(prompt, PROMPT, 5, vocabulary);
    state = 5;
    for (uint32_t mode = 0; mode < 4; mode++) {
        tercet_sampling sampling = sampling_mode(mode);
        tercet_session *plain = open_session(&setup, PROMPT + 60, 1, &sampling);
        tercet_session *drafting = open_session(&setup, PROMPT + 60, 8, &sampling);
        tercet_error error;
        CHECK_STATUS(prefill(plain, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
        CHECK_STATUS(prefill(drafting, prompt, PROMPT, NULL, vocabulary), TERCET_OK);
        CHECK_STATUS(tercet_session_set_mask(plain, words, count + 1, &error), TERCET_BAD_ARGUMENT);
        CHECK_STATUS(tercet_session_set_mask(plain, words, count - 1, &error), TERCET_BAD_ARGUMENT);
        CHECK_STATUS(tercet_session_set_mask(plain, NULL, 1, &error), TERCET_BAD_ARGUMENT);
        uint64_t calls = setup.meter.calls;
        for (uint32_t i = 0; i < 60; i++) {
            for (uint32_t w = 0; w < count; w++)
                words[w] = random_below(3) == 0 ? (uint32_t)(state >> 32) : UINT32_MAX;
            CHECK_STATUS(tercet_session_set_mask(plain, words, count, NULL), TERCET_OK);
            CHECK_STATUS(tercet_session_set_mask(drafting, words, count, NULL), TERCET_OK);
            tercet_status status = step_both(plain, drafting, vocabulary);
            REQUIRE(status == TERCET_OK || status == TERCET_END_OF_TEXT);
        }
        memset(words, 0, count * sizeof *words);
        CHECK_STATUS(tercet_session_reset(plain, 1), TERCET_OK);
        size_t done;
        CHECK_STATUS(tercet_session_prefill(plain, prompt, 1, &done, NULL, NULL), TERCET_OK);
        CHECK_STATUS(tercet_session_set_mask(plain, words, count, NULL), TERCET_OK);
        uint32_t token;
        CHECK_STATUS(tercet_session_step(plain, &token, &error), TERCET_BAD_ARGUMENT);
        CHECK(strstr(error.detail, "no token") != NULL);
        CHECK_STATUS(tercet_session_set_mask(plain, NULL, 0, NULL), TERCET_OK);
        CHECK_STATUS(tercet_session_step(plain, &token, &error), TERCET_OK);
        CHECK_EQ(setup.meter.calls, calls); /* masks allocate nothing */
        tercet_session_info info;
        tercet_session_get_info(drafting, &info);
        add_up(&info);
        tercet_session_destroy(plain);
        tercet_session_destroy(drafting);
    }
    free(words);
    tear_down(&setup);
}

static void check_model(const char *folder, enum pack_quantize quantize, enum pack_dense dense) {
    struct file file = pack_folder(folder, quantize, dense);
    for (uint32_t threads = 1; threads <= 3; threads += 2)
        a_whole_context_is_the_same(&file, threads);
    for (uint64_t seed = 1; seed <= 4; seed++)
        nothing_in_between_shows(&file, seed);
    a_cancel_in_the_middle_leaves_no_trace(&file);
    reuse_equals_a_fresh_session(&file);
    half_a_prompt_has_no_logits(&file);
    masks_are_the_same(&file);
    free(file.bytes);
}

int main(void) {
    check_model("golden/models/bitnet-packed-autobitlinear", PACK_QUANTIZE_NONE, PACK_DENSE_NO);
    check_model("golden/models/stories260K", PACK_QUANTIZE_NONE, PACK_DENSE_Q8);
    /* Nothing would be proved by sessions that never drafted, or whose drafts all came true. */
    CHECK(all.accepted > 100 && all.drafted - all.accepted > 100);
    return check_done();
}
