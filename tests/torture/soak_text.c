/*
 * soak_text.c: text after text in one session, tokens by the hundred thousand, and what memory does meanwhile: the core's own must
 * not change by a byte after the session was made, that of the process must not grow once it is warm.
 *
 *   soak_text FILE TOKENS [THREADS]     one line of JSON; ends with 1 after a finding
 */
#define _DEFAULT_SOURCE
#include "torture_host.h"

#include <inttypes.h>
#include <unistd.h>

enum { PARTS = 10, WARM_PARTS = 3, TEXT_TOKENS = 200 };
/* The C library's own: stdio, arenas of threads. Nothing that grows with tokens stays below this in 70,000 of them. */
#define GROWTH_BYTES_MOST (256u << 10)

static uint64_t resident_bytes(void) {
    unsigned long pages = 0, resident = 0;
    FILE *stream = fopen("/proc/self/statm", "r");
    REQUIRE(stream != NULL && fscanf(stream, "%lu %lu", &pages, &resident) == 2);
    fclose(stream);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* One text with a seed and sampling of its own; how many tokens came. */
static uint64_t write_text(tercet_session *session, const tercet_model_info *info,
                           uint64_t number) {
    uint64_t state = (number + 1) * 0x9E3779B97F4A7C15u, tokens = 0;
    uint32_t prompt[8], token;
    size_t done;
    const char *text;
    size_t bytes;
    tercet_sampling sampling = {.struct_bytes = sizeof sampling,
                                .temperature = (float)(number % 4) * 0.4f,
                                .top_k = number % 3 == 0 ? 40 : 0,
                                .top_p = number % 5 == 0 ? 0.9f : 1.0f,
                                .repetition_penalty = number % 2 == 0 ? 1.1f : 1.0f,
                                .repetition_window = 64,
                                .seed = number};
    REQUIRE(tercet_session_set_sampling(session, &sampling, NULL) == TERCET_OK);
    REQUIRE(tercet_session_reset(session, 0) == TERCET_OK);
    for (size_t i = 0; i < 8; i++)
        prompt[i] = (uint32_t)((next_random(&state) >> 32) % info->token_count);
    for (size_t at = 0; at < 8; at += done)
        REQUIRE(tercet_session_prefill(session, prompt + at, 8 - at, &done, NULL, NULL) ==
                TERCET_OK);
    while (tokens < TEXT_TOKENS) {
        tercet_status status = tercet_session_step(session, &token, NULL);
        if (status != TERCET_OK) {
            REQUIRE(status == TERCET_END_OF_TEXT || status == TERCET_CONTEXT_FULL);
            break;
        }
        tokens++;
        REQUIRE(tercet_session_take_text(session, 0, &text, &bytes) == TERCET_OK);
    }
    return tokens + 8;
}

int main(int count, char **arguments) {
    if (count < 3 || count > 4) {
        fprintf(stderr, "usage: soak_text FILE TOKENS [THREADS]\n");
        return 2;
    }
    struct bytes file = read_whole(arguments[1]);
    uint64_t wanted = read_number(arguments[2]), tokens = 0, texts = 0, warm = 0, last = 0;
    uint32_t threads = count > 3 ? (uint32_t)read_number(arguments[3]) : 1;
    struct meter meter = {0};
    tercet_engine *engine = NULL;
    tercet_model *model;
    tercet_session *session = NULL;
    tercet_session_options options;
    tercet_model_info info;
    tercet_error error;
    const struct manner manner = {true, true};
    REQUIRE(open_engine(&meter, threads, &engine) == TERCET_OK);
    REQUIRE(load(engine, file, manner, &model, &error) == TERCET_OK);
    tercet_model_get_info(model, &info);
    tercet_session_options_init(model, &options);
    REQUIRE(tercet_session_create(model, &options, &session, NULL) == TERCET_OK);
    const uint64_t held = meter.now, calls = meter.calls;
    for (uint64_t part = 1; part <= PARTS; part++) {
        while (tokens < wanted * part / PARTS)
            tokens += write_text(session, &info, texts++);
        last = resident_bytes();
        warm = part == WARM_PARTS ? last : warm;
        CHECK_EQ(meter.now, held);
        CHECK_EQ(meter.calls, calls);
    }
    uint64_t growth = last > warm ? last - warm : 0;
    CHECK(growth <= GROWTH_BYTES_MOST);
    tercet_session_destroy(session);
    tercet_model_destroy(model);
    tercet_engine_destroy(engine);
    CHECK_EQ(meter.now, 0);
    free((void *)(uintptr_t)file.bytes);
    printf("{\"tokens\":%" PRIu64 ",\"texts\":%" PRIu64 ",\"resident\":%" PRIu64
           ",\"growth\":%" PRIu64 "}\n",
           tokens, texts, last, growth);
    return check_done();
}
