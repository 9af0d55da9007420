/*
 * fuzz_abi.c: any program of calls to the exported functions of the WebAssembly modules (wasm/exports.txt), which run natively over
 * a window of memory (abi_window.h). The first two bytes limit the memory, the rest are operations: a call with its arguments, bytes
 * that the host writes into the window, or the answers to what a loader wants. An engine, a plan and a model are open at the
 * beginning. Whatever comes: a status of tercet.h with a sentence, addresses that hold what the values say, nothing touched that was
 * not asked about; and when all that was opened is destroyed, all memory is back. With TERCET_TRACE_CALLS in its environment it has all memory that it likes, and
 * prints each call and its status: what the modules themselves must give as well (tests/wasm/abi_programs.test.mjs).
 */
#include "abi_program.h"
#include "promise.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---------------------------------------------------------------- functions */

#define U(i) ((uint32_t)a[i])
#define F(i) as_float(a[i])
#define D(i) as_double(a[i])

/* X(name, kinds of its arguments, which values are an address with the bytes behind it, parameters, arguments). Kinds: h handle,
 * a address, n count or option, t threads, w 64 bits, f float, d double. */
#define FUNCTIONS(X)                                                                               \
    X(destroy, "h", "", (uint32_t), (U(0)))                                                        \
    X(buffer_create, "n", "", (uint32_t), (U(0)))                                                  \
    X(engine_create, "tan", "", (uint32_t, uint32_t, uint32_t), (U(0), U(1), U(2)))                \
    X(engine_info, "h", "13", (uint32_t), (U(0)))                                                  \
    X(loader_create, "hwn", "", (uint32_t, uint64_t, uint32_t), (U(0), a[1], U(2)))                \
    X(loader_want, "h", "", (uint32_t), (U(0)))                                                    \
    X(loader_give, "h", "", (uint32_t), (U(0)))                                                    \
    X(loader_info, "h", "", (uint32_t), (U(0)))                                                    \
    X(loader_finish, "h", "", (uint32_t), (U(0)))                                                  \
    X(loader_open, "h", "", (uint32_t), (U(0)))                                                    \
    X(plan_create, "h", "", (uint32_t), (U(0)))                                                    \
    X(plan_bytes, "hnnnnn", "", (uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t),      \
      (U(0), U(1), U(2), U(3), U(4), U(5)))                                                        \
    X(model_info, "h", "0246", (uint32_t), (U(0)))                                                 \
    X(model_bytes, "h", "02", (uint32_t), (U(0)))                                                  \
    X(tokenize, "hannan", "", (uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t),        \
      (U(0), U(1), U(2), U(3), U(4), U(5)))                                                        \
    X(token, "hn", "0", (uint32_t, uint32_t), (U(0), U(1)))                                        \
    X(detokenize, "hanan", "", (uint32_t, uint32_t, uint32_t, uint32_t, uint32_t),                 \
      (U(0), U(1), U(2), U(3), U(4)))                                                              \
    X(chat_info, "han", "035", (uint32_t, uint32_t, uint32_t), (U(0), U(1), U(2)))                 \
    X(chat_tokenize, "hananaan", "",                                                               \
      (uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t),            \
      (U(0), U(1), U(2), U(3), U(4), U(5), U(6), U(7)))                                            \
    X(session_create, "hnnn", "", (uint32_t, uint32_t, uint32_t, uint32_t),                        \
      (U(0), U(1), U(2), U(3)))                                                                    \
    X(session_bytes, "hnnn", "", (uint32_t, uint32_t, uint32_t, uint32_t),                         \
      (U(0), U(1), U(2), U(3)))                                                                    \
    X(session_sampling, "hfnfffnw", "",                                                            \
      (uint32_t, float, uint32_t, float, float, float, uint32_t, uint64_t),                        \
      (U(0), F(1), U(2), F(3), F(4), F(5), U(6), a[7]))                                            \
    X(session_arrive, "han", "", (uint32_t, uint32_t, uint32_t), (U(0), U(1), U(2)))               \
    X(session_arrive_more, "h", "", (uint32_t), (U(0)))                                            \
    X(session_prefill, "hanan", "", (uint32_t, uint32_t, uint32_t, uint32_t, uint32_t),            \
      (U(0), U(1), U(2), U(3), U(4)))                                                              \
    X(session_step, "h", "", (uint32_t), (U(0)))                                                   \
    X(session_step_part, "h", "", (uint32_t), (U(0)))                                              \
    X(session_text, "hn", "0", (uint32_t, uint32_t), (U(0), U(1)))                                 \
    X(session_logits, "h", "", (uint32_t), (U(0)))                                                 \
    X(session_reset, "hn", "", (uint32_t, uint32_t), (U(0), U(1)))                                 \
    X(session_reuse, "han", "", (uint32_t, uint32_t, uint32_t), (U(0), U(1), U(2)))                \
    X(session_slice, "hn", "", (uint32_t, uint32_t), (U(0), U(1)))                                 \
    X(session_speculation, "hn", "", (uint32_t, uint32_t), (U(0), U(1)))                           \
    X(session_stop_tokens, "han", "", (uint32_t, uint32_t, uint32_t), (U(0), U(1), U(2)))          \
    X(session_mask, "han", "", (uint32_t, uint32_t, uint32_t), (U(0), U(1), U(2)))                 \
    X(session_info, "h", "", (uint32_t), (U(0)))                                                   \
    X(session_cancel_flag, "h", "", (uint32_t), (U(0)))                                            \
    X(session_set_logprobs, "hnn", "", (uint32_t, uint32_t, uint32_t), (U(0), U(1), U(2)))         \
    X(session_logprobs, "h", "", (uint32_t), (U(0)))                                               \
    X(session_embed, "hana", "", (uint32_t, uint32_t, uint32_t, uint32_t),                         \
      (U(0), U(1), U(2), U(3)))                                                                    \
    X(session_score, "hanand", "", (uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, double),     \
      (U(0), U(1), U(2), U(3), U(4), D(5)))                                                        \
    X(session_state_bytes, "h", "", (uint32_t), (U(0)))                                            \
    X(session_save, "hwan", "", (uint32_t, uint64_t, uint32_t, uint32_t),                          \
      (U(0), a[1], U(2), U(3)))                                                                    \
    X(session_restore, "hwan", "", (uint32_t, uint64_t, uint32_t, uint32_t),                       \
      (U(0), a[1], U(2), U(3)))

#define DECLARE(name, kinds, texts, parameters, arguments) int32_t tercet_abi_##name parameters;
#define NAME_CALL(name, kinds, texts, parameters, arguments) CALL_##name,
#define DESCRIBE(name, kinds, texts, parameters, arguments) {#name, kinds, texts},
#define CALL(name, kinds, texts, parameters, arguments)                                            \
    case CALL_##name:                                                                              \
        return tercet_abi_##name arguments;

FUNCTIONS(DECLARE)
/* These two take nothing and cannot fail. */
uint32_t tercet_abi_version(void);
uint32_t tercet_abi_result(void);

enum { FUNCTIONS(NAME_CALL) CALLS };

#define ARGUMENTS_MOST 8u

static const struct { const char *name, *kinds, *texts; } functions[] = {FUNCTIONS(DESCRIBE)};

static float as_float(uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

static double as_double(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int32_t call(uint32_t which, const uint64_t a[ARGUMENTS_MOST]) {
    switch (which) {
        FUNCTIONS(CALL)
    default:
        return TERCET_OK;
    }
}

/* ---------------------------------------------------------------- input */

/* Handles of this run, open or not; the first are the base's. */
#define HANDLES_MOST 64u
static uint32_t handles[HANDLES_MOST], handle_count;

static void note_handle(uint64_t handle) {
    if (handle_count < HANDLES_MOST)
        handles[handle_count++] = (uint32_t)handle;
}

/* Mostly something sensible, else anything. */
static uint64_t take_argument(struct program *program, char kind) {
    static const float floats[] = {0.0f, 1.0f, 0.5f, 0.9f, 1.3f, 100.0f, -1.0f, 1e-30f};
    if (kind == 'a')
        return take_address(program);
    if (kind == 'n')
        return take_number(program);
    uint64_t choice = take(program, 1);
    switch (kind) {
    case 'h':
        return choice < 0xE0 ? handles[choice % handle_count] : take(program, 4);
    case 't':
        return choice % 4 < 3 ? choice % 4 : 65 + take(program, 4) % 0xFFFF0000u;
    case 'f':
        return choice < 0x80 ? take(program, 4)
                             : ((union {
                                   float value;
                                   uint32_t bits;
                               }){floats[choice % 8]})
                                   .bits;
    default: /* 'w', 'd' */
        return choice < 0xF0 ? choice : take(program, 8);
    }
}

/* ---------------------------------------------------------------- base */

#define FILE_MOST 16384u
static uint8_t file[FILE_MOST];
static size_t file_bytes;
static uint8_t contents[WINDOW_BYTES]; /* of the window at the beginning of a run */

static void read_file(void) {
    FILE *stream = fopen(TERCET_TESTS_FOLDER "/golden/container/well_formed_chat.tercet", "rb");
    PROMISE(stream != NULL);
    file_bytes = fread(file, 1, sizeof file, stream);
    PROMISE(file_bytes > 0 && file_bytes < sizeof file);
    (void)fclose(stream);
}

#define VOCABULARY 264u

/* A quarter each: tokens; text; messages, which point to text; names of formats and kernels, and masks of all tokens. */
static void fill_contents(void) {
    static const char names[][16] = {"chatml", "portable", "zephyr", "golden-1.0"};
    const uint32_t quarter = WINDOW_BYTES / 4;
    for (uint32_t i = 0; i < quarter / 4; i++) {
        uint32_t token = (i * 7 + 5) % VOCABULARY;
        memcpy(contents + 4 * i, &token, sizeof token);
    }
    for (uint32_t i = 0; i < quarter; i++)
        contents[quarter + i] = (uint8_t) "A word, two words; ein W\303\266rt.\n"[i % 30];
    for (uint32_t i = 0; i < quarter / 12; i++) {
        const uint32_t message[] = {i % 3, quarter + i * 30, 24};
        memcpy(contents + 2 * quarter + 12 * i, message, sizeof message);
    }
    memset(contents + 3 * quarter, 0xFF, quarter);
    for (uint32_t i = 0; i < 16; i++)
        memcpy(contents + 3 * quarter + i * (WINDOW_BYTES / 128), names[i % 4], sizeof names[0]);
}

/* Answers up to `most` wants; bytes at these places of the file are other ones. */
static int32_t serve(uint32_t loader, uint64_t most, uint64_t damage) {
    for (uint64_t i = 0; i < most; i++) {
        int32_t status = tercet_abi_loader_want(loader);
        if (status != TERCET_NEED_BYTES)
            return status;
        uint64_t offset = abi_result.values[2], bytes = abi_result.values[3];
        if (offset > file_bytes || bytes > file_bytes - offset)
            return TERCET_TRUNCATED;
        uint8_t *destination = (uint8_t *)(uintptr_t)abi_result.values[4];
        memcpy(destination, file + offset, (size_t)bytes);
        if (damage != 0 && damage - 1 >= offset && damage - 1 - offset < bytes)
            destination[damage - 1 - offset] ^= (uint8_t)(1u << damage % 8);
        status = tercet_abi_loader_give(loader);
        if (status != TERCET_OK)
            return status;
    }
    return TERCET_NEED_BYTES;
}

enum { BASE_ENGINE, BASE_PLAN, BASE_MODEL, BASE };
static uint64_t base_bytes;

static uint32_t must(int32_t status) {
    PROMISE(status == TERCET_OK);
    return (uint32_t)abi_result.values[0];
}

static void open_base(void) {
    handles[BASE_ENGINE] = must(tercet_abi_engine_create(1, 0, 0));
    uint32_t loader = must(tercet_abi_loader_create(handles[BASE_ENGINE], file_bytes, 1));
    PROMISE(serve(loader, UINT64_MAX, 0) == TERCET_OK);
    handles[BASE_PLAN] = must(tercet_abi_plan_create(loader));
    must(tercet_abi_destroy(loader));
    loader = must(tercet_abi_loader_create(handles[BASE_ENGINE], file_bytes, 0));
    PROMISE(serve(loader, UINT64_MAX, 0) == TERCET_OK);
    handles[BASE_MODEL] = must(tercet_abi_loader_finish(loader));
    must(tercet_abi_destroy(loader));
    base_bytes = abi_taken_bytes();
}

/* All of these, children first. */
static void destroy_from(uint32_t first) {
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = first; i < handle_count; i++)
            more = tercet_abi_destroy(handles[i]) == TERCET_OK || more;
    }
}

/* ---------------------------------------------------------------- a run */

static void touch(uint64_t address, uint64_t bytes) {
    const volatile uint8_t *at = (const uint8_t *)(uintptr_t)address;
    for (uint64_t i = 0; i < bytes; i++)
        (void)at[i];
}

static void check_result(int32_t status, uint32_t which) {
    const uint64_t *values = abi_result.values;
    PROMISE(strcmp(tercet_status_name((tercet_status)status), "UNKNOWN") != 0);
    PROMISE(abi_result.detail_bytes < sizeof abi_result.detail);
    PROMISE(abi_result.detail_bytes == strlen(abi_result.detail));
    if (tercet_status_is_error((tercet_status)status)) {
        PROMISE(status != TERCET_BAD_ARGUMENT || abi_result.detail_bytes > 0);
        return;
    }
    for (const char *text = functions[which].texts; *text != '\0'; text++)
        touch(values[*text - '0'], values[*text - '0' + 1]);
    switch (which) {
    case CALL_session_logits:
        touch(values[0], values[0] == 0 ? 0 : VOCABULARY * sizeof(float));
        break;
    case CALL_loader_info:
        touch(values[5], values[4] * 32);
        break;
    case CALL_session_info:
        PROMISE(values[0] <= values[1]);
        break;
    case CALL_session_logprobs:
        touch(values[2], values[1] * sizeof(uint32_t));
        touch(values[3], values[1] * sizeof(float));
        break;
    case CALL_session_step:
        PROMISE(status != TERCET_OK || values[0] < VOCABULARY);
        break;
    case CALL_session_cancel_flag:
        *(volatile uint32_t *)(uintptr_t)values[0] = 1;
        break;
    default:
        break;
    }
}

static bool opens(uint32_t which) {
    return which == CALL_buffer_create || which == CALL_engine_create ||
           which == CALL_loader_create || which == CALL_loader_finish ||
           which == CALL_loader_open || which == CALL_plan_create || which == CALL_session_create;
}

static bool trace;

static void do_call(struct program *program, uint32_t which) {
    uint64_t arguments[ARGUMENTS_MOST] = {0};
    for (uint32_t i = 0; functions[which].kinds[i] != '\0'; i++)
        arguments[i] = take_argument(program, functions[which].kinds[i]);
    int32_t status = call(which, arguments);
    if (trace)
        printf("%s %d\n", functions[which].name, (int)status);
    check_result(status, which);
    if (opens(which) && !tercet_status_is_error((tercet_status)status))
        note_handle(abi_result.values[0]);
    window_close();
}

static void answer_loader(struct program *program) {
    uint32_t loader = (uint32_t)take_argument(program, 'h');
    uint64_t most = take(program, 1), damage = take(program, 2);
    (void)serve(loader, most, damage);
}

#define OPERATIONS_MOST 48u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (file_bytes == 0) {
        read_file();
        fill_contents();
        trace = getenv("TERCET_TRACE_CALLS") != NULL;
        PROMISE(tercet_abi_version() == ABI_VERSION);
        PROMISE(tercet_abi_result() == (uint32_t)(uintptr_t)&abi_result);
    }
    window_limit_memory(UINT64_MAX, 0);
    if (base_bytes == 0)
        open_base();
    handle_count = BASE;
    memcpy(window_open(), contents, WINDOW_BYTES);
    window_close();

    struct program program = {data, size};
    uint64_t room = take(&program, 1), fail_at = take(&program, 1);
    if (trace)
        printf("program\n");
    else
        window_limit_memory(base_bytes + ((room + 1) << 13), fail_at);
    for (uint32_t i = 0; i < OPERATIONS_MOST && program.left > 0; i++) {
        uint32_t operation = (uint32_t)take(&program, 1) % (CALLS + 4);
        if (operation < CALLS)
            do_call(&program, operation);
        else if (operation == CALLS)
            write_window(&program);
        else
            answer_loader(&program);
    }
    destroy_from(BASE);
    if (tercet_abi_engine_info(handles[BASE_ENGINE]) == TERCET_OK &&
        tercet_abi_model_info(handles[BASE_PLAN]) == TERCET_OK &&
        tercet_abi_model_info(handles[BASE_MODEL]) == TERCET_OK) {
        PROMISE(abi_taken_bytes() == base_bytes);
        return 0;
    }
    destroy_from(0); /* the program has destroyed some of it */
    PROMISE(abi_taken_bytes() == 0);
    base_bytes = 0;
    return 0;
}
