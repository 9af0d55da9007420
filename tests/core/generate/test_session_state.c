/* test_session_state.c - a text saved in one session goes on in another as if it had never been away: every form of the cache,
 * states, any part sizes, other slices, contexts and threads; and whatever is not such a state is refused, with the session
 * as it was or empty, never half of each. */
#include "session_fixture.h"

#define BEGIN 20u /* tokens of the prompt */
#define MORE 9u   /* tokens of the turn that follows */
#define STEPS 6u

struct shape {
    uint32_t context, slice, speculation;
};

static tercet_session *open_session(struct setup *setup, struct shape shape) {
    tercet_session_options options;
    tercet_session_options_init(setup->model, &options);
    options.context = shape.context;
    options.slice = shape.slice;
    options.speculation = shape.speculation;
    options.kv = setup->kv;
    options.sampling.temperature = 0.0f;
    tercet_session *session = NULL;
    REQUIRE(tercet_session_create(setup->model, &options, &session, NULL) == TERCET_OK);
    return session;
}

/* Tokens that come out; those of the prompt too, in front. */
struct text {
    uint32_t tokens[PROMPT + STEPS];
    uint32_t count;
};

static void step_some(tercet_session *session, struct text *text) {
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t token = 0;
        size_t done;
        tercet_status status = tercet_session_step(session, &token, NULL);
        if (status == TERCET_END_OF_TEXT)
            status = tercet_session_prefill(session, &token, 1, &done, NULL, NULL);
        CHECK_STATUS(status, TERCET_OK);
        text->tokens[text->count++] = token;
    }
}

static struct text begin_text(tercet_session *session, uint32_t vocabulary) {
    struct text text = {.count = BEGIN};
    fill_prompt(text.tokens, vocabulary);
    CHECK_STATUS(prefill(session, text.tokens, BEGIN, NULL, vocabulary), TERCET_OK);
    step_some(session, &text);
    return text;
}

/* The next turn: what the session has, and MORE tokens behind it; the logits after the last. How much was reused is `kept`. */
static float *next_turn(tercet_session *session, const struct text *text, uint32_t vocabulary,
                        size_t *kept) {
    uint32_t prompt[PROMPT + STEPS + MORE];
    memcpy(prompt, text->tokens, text->count * sizeof *prompt);
    for (uint32_t i = 0; i < MORE; i++)
        prompt[text->count + i] = (i * 11u + 3u) % vocabulary;
    size_t count = text->count + MORE;
    CHECK_STATUS(tercet_session_reuse(session, prompt, count, kept), TERCET_OK);
    CHECK_STATUS(prefill(session, prompt + *kept, count - *kept, NULL, vocabulary), TERCET_OK);
    struct text answer = {0};
    step_some(session, &answer);
    float *logits = malloc(vocabulary * sizeof *logits);
    REQUIRE(logits != NULL);
    memcpy(logits, tercet_session_logits(session), vocabulary * sizeof *logits);
    return logits;
}

static uint8_t *save(tercet_session *session, size_t part, size_t *bytes) {
    *bytes = tercet_session_state_bytes(session);
    uint8_t *state = malloc(*bytes);
    REQUIRE(state != NULL);
    for (size_t at = 0; at < *bytes; at += part) {
        size_t count = *bytes - at < part ? *bytes - at : part;
        CHECK_STATUS(tercet_session_save(session, at, state + at, count, NULL), TERCET_OK);
    }
    return state;
}

static tercet_status restore(tercet_session *session, const uint8_t *state, size_t bytes,
                             size_t part) {
    tercet_status status = TERCET_OK;
    for (size_t at = 0; at < bytes && status == TERCET_OK;) {
        size_t count = at == 0 && part < TERCET_STATE_HEADER_BYTES ? TERCET_STATE_HEADER_BYTES
                       : bytes - at < part                         ? bytes - at
                                                                   : part;
        count = count < bytes - at ? count : bytes - at;
        status = tercet_session_restore(session, at, state + at, count, NULL);
        at += count;
    }
    return status;
}

static uint32_t tokens_of(const tercet_session *session) {
    tercet_session_info info;
    tercet_session_get_info(session, &info);
    return info.tokens;
}

/* Saved here with one shape and any parts, restored there with another: no bit differs. */
static void text_goes_on(const struct file *file, uint32_t kv) {
    struct setup here, there;
    set_up(&here, file, 1);
    set_up(&there, file, 3);
    here.kv = there.kv = kv;
    uint32_t vocabulary = here.info.vocabulary, context = here.info.context;
    tercet_session *first = open_session(&here, (struct shape){.slice = 8});
    struct text text = begin_text(first, vocabulary);
    size_t bytes, kept = 0;
    uint8_t *state = save(first, 1u << 20, &bytes);

    const size_t parts[] = {1, 7, 4096, 1u << 20};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct shape shape = {context - 3 * (uint32_t)(i % 2), 5 + 9 * (uint32_t)i, i % 2 ? 1 : 0};
        tercet_session *second = open_session(&there, shape);
        CHECK_STATUS(restore(second, state, bytes, parts[i]), TERCET_OK);
        CHECK_EQ(tokens_of(second), text.count);
        CHECK(tercet_session_logits(second) == NULL);
        size_t again_bytes;
        uint8_t *again = save(second, parts[3 - i], &again_bytes);
        CHECK_EQ(again_bytes, bytes);
        CHECK_MEM(again, state, bytes);
        free(again);
        float *there_logits = next_turn(second, &text, vocabulary, &kept);
        CHECK_EQ(kept, text.count);
        tercet_session *fresh = open_session(&there, shape);
        struct text same = begin_text(fresh, vocabulary);
        CHECK_MEM(same.tokens, text.tokens, text.count * sizeof *text.tokens);
        float *logits = next_turn(fresh, &text, vocabulary, &kept);
        CHECK_MEM(there_logits, logits, vocabulary * sizeof *logits);
        free(logits);
        free(there_logits);
        tercet_session_destroy(fresh);
        tercet_session_destroy(second);
    }
    /* To have been saved changes nothing. */
    float *here_logits = next_turn(first, &text, vocabulary, &kept);
    tercet_session *never = open_session(&here, (struct shape){.slice = 8});
    (void)begin_text(never, vocabulary);
    float *logits = next_turn(never, &text, vocabulary, &kept);
    CHECK_MEM(here_logits, logits, vocabulary * sizeof *logits);
    free(logits);
    free(here_logits);
    tercet_session_destroy(never);
    tercet_session_destroy(first);
    free(state);
    tear_down(&here);
    tear_down(&there);
}

/* Nothing to save is a state, too. */
static void empty_session_is_saved(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    tercet_session *session = open_session(&setup, (struct shape){0});
    size_t bytes;
    uint8_t *state = save(session, 4096, &bytes);
    CHECK_EQ(bytes, TERCET_STATE_HEADER_BYTES);
    (void)begin_text(session, setup.info.vocabulary);
    CHECK_STATUS(restore(session, state, bytes, 4096), TERCET_OK);
    CHECK_EQ(tokens_of(session), 0);
    free(state);
    tercet_session_destroy(session);
    tear_down(&setup);
}

static void expect_refused(tercet_session *session, const uint8_t *state, size_t bytes,
                           tercet_status want, uint32_t tokens_after) {
    tercet_error error = {TERCET_OK, 0, ""};
    CHECK_STATUS(tercet_session_restore(session, 0, state, bytes, &error), want);
    CHECK(error.status == want && error.detail[0] != '\0');
    CHECK_EQ(tokens_of(session), tokens_after);
}

/* A wrong header: nothing has happened. */
static void headers_are_checked(const struct file *file, const struct file *other) {
    struct setup setup, elsewhere;
    set_up(&setup, file, 1);
    set_up(&elsewhere, other, 1);
    uint32_t vocabulary = setup.info.vocabulary;
    tercet_session *session = open_session(&setup, (struct shape){0});
    struct text text = begin_text(session, vocabulary);
    size_t bytes;
    uint8_t *state = save(session, 4096, &bytes);
    uint32_t tokens = text.count;
    for (size_t at = 0; at < TERCET_STATE_HEADER_BYTES; at++) {
        state[at] ^= 1;
        tercet_status status = tercet_session_restore(session, 0, state, bytes, NULL);
        CHECK(status == TERCET_BAD_STATE || status == TERCET_PROMPT_TOO_LONG);
        CHECK_EQ(tokens_of(session), tokens);
        state[at] ^= 1;
    }
    expect_refused(session, state, TERCET_STATE_HEADER_BYTES - 1, TERCET_BAD_STATE, tokens);
    expect_refused(session, state, 0, TERCET_BAD_STATE, tokens);
    CHECK_STATUS(tercet_session_restore(session, 0, NULL, 64, NULL), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_session_restore(NULL, 0, state, bytes, NULL), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_session_save(session, bytes - 3, state, 4, NULL), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_session_save(session, bytes + 1, state, 0, NULL), TERCET_BAD_ARGUMENT);
    CHECK_EQ(tercet_session_state_bytes(NULL), 0);

    CHECK(tercet_session_logits(session) != NULL);

    tercet_session *short_one = open_session(&setup, (struct shape){.context = tokens - 1});
    expect_refused(short_one, state, bytes, TERCET_PROMPT_TOO_LONG, 0);
    tercet_session_destroy(short_one);
    setup.kv = TERCET_KV_F16;
    tercet_session *halves = open_session(&setup, (struct shape){0});
    expect_refused(halves, state, bytes, TERCET_BAD_STATE, 0);
    tercet_session_destroy(halves);
    tercet_session *foreign = open_session(&elsewhere, (struct shape){0});
    expect_refused(foreign, state, bytes, TERCET_BAD_STATE, 0);
    tercet_session_destroy(foreign);
    free(state);
    tercet_session_destroy(session);
    tear_down(&setup);
    tear_down(&elsewhere);
}

/* Numbers at which a product or a sum comes round, in every field of the header, alone and with a size that would fit them:
 * none is believed, nothing is written (CVE-2026-43629 is a state whose number of cells times their size did come round). */
static void counts_are_checked(const struct file *file) {
    static const uint64_t wrapping[] = {
        INT32_MAX, (uint64_t)INT32_MAX + 1, UINT32_MAX,      (uint64_t)1 << 32,
        INT64_MAX, (uint64_t)1 << 63,       UINT64_MAX - 63, UINT64_MAX};
    struct setup setup;
    set_up(&setup, file, 1);
    tercet_session *session = open_session(&setup, (struct shape){0});
    uint32_t tokens = begin_text(session, setup.info.vocabulary).count;
    size_t bytes;
    uint8_t *state = save(session, 4096, &bytes);
    const size_t tokens_at = 16, bytes_at = 24;
    for (size_t i = 0; i < sizeof wrapping / sizeof *wrapping; i++) {
        for (size_t at = 0; at + 4 <= TERCET_STATE_HEADER_BYTES; at += 4) {
            size_t count = at % 8 == 0 ? 8 : 4;
            uint8_t before[8];
            memcpy(before, state + at, count);
            memcpy(state + at, &wrapping[i], count);
            if (memcmp(before, state + at, count) != 0) {
                tercet_status status = tercet_session_restore(session, 0, state, bytes, NULL);
                CHECK(status == TERCET_BAD_STATE || status == TERCET_PROMPT_TOO_LONG);
                CHECK_EQ(tokens_of(session), tokens);
            }
            memcpy(state + at, before, count);
        }
        for (uint32_t more = 0; more < 64; more++) {
            uint32_t many = (uint32_t)wrapping[i] - more;
            uint64_t size = bytes + (uint64_t)(many - tokens) * ((bytes - 64) / tokens);
            uint8_t header[TERCET_STATE_HEADER_BYTES];
            memcpy(header, state, sizeof header);
            memcpy(state + tokens_at, &many, sizeof many);
            memcpy(state + bytes_at, &size, sizeof size);
            if (many > setup.info.context)
                expect_refused(session, state, bytes, TERCET_PROMPT_TOO_LONG, tokens);
            memcpy(state, header, sizeof header);
        }
    }
    free(state);
    tercet_session_destroy(session);
    tear_down(&setup);
}

/* Parts in order, no more and no less, and nothing in between. */
static void parts_come_in_order(const struct file *file) {
    struct setup setup;
    set_up(&setup, file, 1);
    uint32_t vocabulary = setup.info.vocabulary;
    tercet_session *session = open_session(&setup, (struct shape){0});
    struct text text = begin_text(session, vocabulary);
    size_t bytes, done;
    uint8_t *state = save(session, 4096, &bytes);
    CHECK_STATUS(tercet_session_restore(session, 64, state + 64, 8, NULL), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_session_restore(session, 0, state, 80, NULL), TERCET_OK);
    CHECK_EQ(tokens_of(session), 0);
    CHECK_STATUS(tercet_session_restore(session, 88, state + 88, 8, NULL), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_session_restore(session, 80, state + 80, 8, NULL), TERCET_OK);
    uint32_t token = 0;
    CHECK_STATUS(tercet_session_step(session, &token, NULL), TERCET_BAD_ARGUMENT);
    /* A text in between: what was restored so far is gone, and the text is sound. */
    CHECK_STATUS(tercet_session_prefill(session, text.tokens, 3, &done, NULL, NULL), TERCET_OK);
    CHECK_STATUS(tercet_session_restore(session, 88, state + 88, 8, NULL), TERCET_BAD_ARGUMENT);
    CHECK_EQ(tokens_of(session), 3);
    CHECK_STATUS(restore(session, state, bytes, 100), TERCET_OK);
    CHECK_EQ(tokens_of(session), text.count);
    uint8_t *longer = malloc(bytes + 1);
    REQUIRE(longer != NULL);
    memcpy(longer, state, bytes);
    longer[bytes] = 0;
    expect_refused(session, longer, bytes + 1, TERCET_BAD_STATE, 0);
    free(longer);
    free(state);
    tercet_session_destroy(session);
    tear_down(&setup);
}

/* What no text can give is found at the last part; the session is then empty and works. */
static void values_are_checked(const struct file *file, uint32_t kv, bool states) {
    struct setup setup;
    set_up(&setup, file, 1);
    setup.kv = kv;
    uint32_t vocabulary = setup.info.vocabulary;
    tercet_session *session = open_session(&setup, (struct shape){0});
    struct text text = begin_text(session, vocabulary);
    size_t bytes;
    uint8_t *state = save(session, 4096, &bytes);
    const size_t values = TERCET_STATE_HEADER_BYTES + 4u * text.count;
    const struct {
        size_t at;
        uint8_t bytes[4];
        size_t count;
        bool applies;
    } faults[] = {
        {TERCET_STATE_HEADER_BYTES, {0xFF, 0xFF, 0xFF, 0x7F}, 4, true}, /* a token */
        {values - 4, {0xFF, 0xFF, 0xFF, 0xFF}, 4, true},
        {values, {0, 0, 0xC0, 0x7F}, 4, states || kv == TERCET_KV_F32}, /* not a number */
        {bytes - 4, {0, 0, 0x80, 0xFF}, 4, kv != TERCET_KV_F16 && kv != TERCET_KV_INT4},
        {values, {0, 0x7C}, 2, !states && kv == TERCET_KV_F16}, /* infinity */
        {bytes - 2, {1, 0x7C}, 2, !states && kv == TERCET_KV_F16},
        {values, {0x80}, 1, !states && kv == TERCET_KV_INT8},                /* no code */
        {bytes - 4, {0, 0, 0x80, 0xBF}, 4, !states && kv == TERCET_KV_INT8}, /* a step below 0 */
        {bytes - 2, {0x80, 0x7F}, 2, !states && kv == TERCET_KV_INT4},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (!faults[i].applies)
            continue;
        uint8_t before[4];
        memcpy(before, state + faults[i].at, 4 < bytes - faults[i].at ? 4 : bytes - faults[i].at);
        memcpy(state + faults[i].at, faults[i].bytes, faults[i].count);
        CHECK_STATUS(restore(session, state, bytes, 1000), TERCET_BAD_STATE);
        CHECK_EQ(tokens_of(session), 0);
        CHECK(tercet_session_logits(session) == NULL);
        memcpy(state + faults[i].at, before, faults[i].count);
    }
    /* Refused, and as good as new. */
    tercet_session *fresh = open_session(&setup, (struct shape){0});
    struct text again = begin_text(session, vocabulary), same = begin_text(fresh, vocabulary);
    CHECK_MEM(again.tokens, same.tokens, same.count * sizeof *same.tokens);
    CHECK_MEM(tercet_session_logits(session), tercet_session_logits(fresh),
              vocabulary * sizeof(float));
    tercet_session_destroy(fresh);
    free(state);
    tercet_session_destroy(session);
    tear_down(&setup);
}

int main(void) {
    struct file bitnet = pack_folder("golden/models/bitnet-packed-autobitlinear",
                                     PACK_QUANTIZE_NONE, PACK_DENSE_NO),
                odd =
                    pack_folder("golden/models/gpt2-odd-heads", PACK_QUANTIZE_NONE, PACK_DENSE_F16),
                states = pack_folder("golden/models/bitmamba2-bin/model.bin", PACK_QUANTIZE_NONE,
                                     PACK_DENSE_NO);
    for (uint32_t kv = TERCET_KV_F32; kv <= TERCET_KV_INT4; kv++) {
        text_goes_on(&bitnet, kv);
        text_goes_on(&odd, kv);
        values_are_checked(&bitnet, kv, false);
        values_are_checked(&odd, kv, false);
    }
    text_goes_on(&states, TERCET_KV_DEFAULT);
    values_are_checked(&states, TERCET_KV_DEFAULT, true);
    empty_session_is_saved(&bitnet);
    empty_session_is_saved(&states);
    headers_are_checked(&bitnet, &odd);
    headers_are_checked(&states, &bitnet);
    counts_are_checked(&bitnet);
    counts_are_checked(&odd);
    counts_are_checked(&states);
    parts_come_in_order(&bitnet);
    parts_come_in_order(&states);
    free(bitnet.bytes);
    free(odd.bytes);
    free(states.bytes);
    return check_done();
}
