/*
 * fuzz_session_state.c: any bytes as the saved state of a session, in parts of any size, out of turn as well. The first byte chooses
 * model and form of the cache, the second the parts and whether the header is put right (a fuzzer does not guess a model id),
 * the third how many tokens that header says; the rest is the state, repeated where it is too short. Whatever comes in, the
 * session is empty, or as it was, or holds a text that it can go on with.
 */
#include "../core/generate/session_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SESSIONS 5u
#define TOKENS_MAX 24u
#define FILE_MOST 16384u

static struct file files[2];
static struct setup setups[2];
static tercet_session *sessions[SESSIONS];
static uint8_t headers[SESSIONS][TERCET_STATE_HEADER_BYTES];
static uint64_t sizes[SESSIONS][TOKENS_MAX + 1]; /* of a state of so many tokens */

static void must(bool holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "this does not hold: %s\n", what);
    abort();
}

static struct setup *setup_of(uint32_t which) {
    return &setups[which == SESSIONS - 1 ? 1 : 0];
}

static struct file read_container(const char *path) {
    FILE *stream = fopen(path, "rb");
    must(stream != NULL, "the golden container is there");
    struct file file = {.bytes = malloc(FILE_MOST)};
    must(file.bytes != NULL, "out of memory");
    file.count = fread(file.bytes, 1, FILE_MOST, stream);
    must(file.count > 0 && file.count < FILE_MOST, "the golden container is small");
    fclose(stream);
    return file;
}

static void open_sessions(void) {
    /* Three thousand weights: most of an execution is the state, not the model. */
    files[0] = read_container(TERCET_TESTS_FOLDER "/golden/container/well_formed.tercet");
    files[1] = pack_folder(TERCET_TESTS_FOLDER "/golden/models/bitmamba2-bin/model.bin",
                           PACK_QUANTIZE_NONE, PACK_DENSE_NO);
    for (uint32_t i = 0; i < 2; i++)
        set_up(&setups[i], &files[i], 1);
    for (uint32_t which = 0; which < SESSIONS; which++) {
        tercet_session_options options;
        tercet_session_options_init(setup_of(which)->model, &options);
        options.context = 40;
        options.kv = which == SESSIONS - 1 ? TERCET_KV_DEFAULT : TERCET_KV_F32 + which;
        options.sampling.temperature = 1.0f;
        must(tercet_session_create(setup_of(which)->model, &options, &sessions[which], NULL) ==
                 TERCET_OK,
             "a session can be made");
        for (uint32_t n = 0; n <= TOKENS_MAX; n++) {
            uint32_t token = n % setup_of(which)->info.vocabulary;
            size_t done;
            sizes[which][n] = tercet_session_state_bytes(sessions[which]);
            must(tercet_session_prefill(sessions[which], &token, 1, &done, NULL, NULL) == TERCET_OK,
                 "a token can be computed");
        }
        must(tercet_session_save(sessions[which], 0, headers[which], TERCET_STATE_HEADER_BYTES,
                                 NULL) == TERCET_OK,
             "a header can be saved");
    }
}

static uint32_t tokens_of(const tercet_session *session) {
    tercet_session_info info;
    tercet_session_get_info(session, &info);
    return info.tokens;
}

/* A few tokens behind whatever text there is. */
static void go_on(tercet_session *session) {
    uint32_t token = 1, before = tokens_of(session);
    size_t done = 0;
    if (tercet_session_prefill(session, &token, 1, &done, NULL, NULL) != TERCET_OK)
        return; /* the context is full */
    must(done == 1 && tokens_of(session) == before + 1, "a text goes on");
    for (int i = 0; i < 2; i++) {
        tercet_status status = tercet_session_step(session, &token, NULL);
        must(!tercet_status_is_error(status), "a text that was taken over goes on");
    }
}

static void give(tercet_session *session, const uint8_t *state, size_t bytes, uint8_t how) {
    const size_t parts[] = {bytes, 64, 65, 1000};
    size_t part = parts[how & 3];
    tercet_status status = TERCET_OK;
    size_t at = 0;
    uint32_t before = tokens_of(session);
    for (unsigned round = 0; at < bytes && status == TERCET_OK; round++) {
        size_t count = bytes - at < part ? bytes - at : part;
        uint8_t *copy = malloc(count); /* so that reading past it shows */
        must(copy != NULL, "out of memory");
        memcpy(copy, state + at, count);
        if (round == 2 && (how & 4) != 0)
            go_on(session); /* out of turn: ends the restoring */
        status = tercet_session_restore(session, at, copy, count, NULL);
        free(copy);
        at += count;
        if (round == 0 && status != TERCET_OK && part >= bytes)
            must(tokens_of(session) == before || tokens_of(session) == 0,
                 "what is refused is refused whole");
    }
    if ((how & 4) == 0 && status == TERCET_OK)
        must(tokens_of(session) <= 40, "no more than the context");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (sessions[0] == NULL)
        open_sessions();
    if (size < 4)
        return 0;
    uint32_t which = data[0] % SESSIONS, tokens = data[2] % (TOKENS_MAX + 1);
    tercet_session *session = sessions[which];
    (void)tercet_session_reset(session, 0);
    if ((data[0] & 0x80) != 0)
        go_on(session);
    if ((data[1] & 8) != 0) {
        size_t bytes = sizes[which][tokens];
        uint8_t *state = malloc(bytes);
        must(state != NULL, "out of memory");
        memcpy(state, headers[which], TERCET_STATE_HEADER_BYTES);
        memcpy(state + 16, &tokens, sizeof tokens);
        memcpy(state + 24, &sizes[which][tokens], sizeof sizes[which][tokens]);
        for (size_t i = TERCET_STATE_HEADER_BYTES; i < bytes; i++)
            state[i] = data[3 + (i - TERCET_STATE_HEADER_BYTES) % (size - 3)];
        give(session, state, bytes, data[1]);
        free(state);
    } else {
        give(session, data + 3, size - 3, data[1]);
    }
    go_on(session);
    return 0;
}
