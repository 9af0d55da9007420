/*
 * damage_files.c: damages a container in numbered ways and loads each. A host that compares hashes must be told every time, with
 * a code; a host that does not may get a model, and then nothing that it does with it may read or write outside, take more than
 * its session announced, or be slow. Cases are numbers, so that a run of hours can be cut into parts and a finding seen again.
 *
 *   damage_files WAY FILE FROM COUNT [STRIDE [SEED]]     one line of JSON; ends with 1 after a finding
 */
#define _DEFAULT_SOURCE
#include "torture_host.h"

#include <inttypes.h>
#include <time.h>

#define CASE_MS_MOST 100.0 /* of the processor's time; a sanitizer's is not counted */
#define VALUES 13u         /* for each field */
#define STATUS_MOST 256u
/* What a load takes beside the file that it announces: loader and model, and the table of a model's layers, which are at most 256. */
#define HEADER_BYTES_MOST ((uint64_t)64 << 20) /* CONTAINER.md */
#define LOADER_BYTES_MOST ((uint64_t)32 << 10)
#define LAYER_BYTES_MOST ((uint64_t)1 << 10)
/* To tokenize a text of a few words, and a message with what its format puts around it. */
#define TEXT_BYTES_MOST ((uint64_t)64 << 10)
/* A session of at most 64 tokens has no more numbers than some for each weight that was there: bits of the file, but for these. */
#define SESSION_TIMES_MOST 64u
#define SESSION_BYTES_MOST ((uint64_t)1 << 20)

#if defined(__SANITIZE_ADDRESS__)
#define IS_MEASURED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_MEASURED 0
#endif
#endif
#ifndef IS_MEASURED
#define IS_MEASURED 1
#endif

enum way { CUT, FLIP, FIELD, RANDOM, WAYS };
static const char *const way_names[WAYS] = {"cut", "flip", "field", "random"};

struct torture {
    struct bytes file;
    enum way way;
    uint64_t seed, header_bytes;
    struct meter meter;
    tercet_engine *engine;
    /* What came of it. */
    uint64_t cases, accepted, findings, slowest_case, memory_most, refused[STATUS_MOST];
    double slowest_ms;
};

static double processor_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void find(struct torture *t, uint64_t number, const char *what) {
    t->findings++;
    if (t->findings <= 20)
        fprintf(stderr, "%s case %" PRIu64 ": %s\n", way_names[t->way], number, what);
}

/* ---------------------------------------------------------------- ways of damage */

/* Boundaries of 32 and of 64 bits, and the neighbours of what is there. */
static uint64_t boundary(uint64_t old, uint32_t index, bool wide) {
    const uint64_t narrow_values[VALUES] = {0,
                                            1,
                                            old - 1,
                                            old + 1,
                                            old * 2,
                                            UINT16_MAX,
                                            1u << 16,
                                            INT32_MAX,
                                            (uint64_t)INT32_MAX + 1,
                                            UINT32_MAX - 63,
                                            UINT32_MAX - 1,
                                            UINT32_MAX,
                                            0x7FC00000u /* as a float not a number */};
    const uint64_t wide_values[VALUES] = {0,
                                          old - 1,
                                          old + 64,
                                          old - 64,
                                          old * 2,
                                          UINT32_MAX,
                                          (uint64_t)1 << 32,
                                          (uint64_t)1 << 40,
                                          INT64_MAX,
                                          (uint64_t)1 << 63,
                                          UINT64_MAX - 63,
                                          UINT64_MAX,
                                          (uint64_t)0x7FF8 << 48};
    return wide ? wide_values[index] : narrow_values[index];
}

/* Every word of the header, also where no field begins: first those of 32 bits, then those of 64. False: no such field, or the
 * value is the one that is there. */
static bool set_field(const struct torture *t, uint64_t number, uint8_t *bytes) {
    uint64_t word = number / VALUES, narrow = t->header_bytes / 4, old = 0;
    bool wide = word >= narrow;
    size_t width = wide ? 8 : 4, at = (size_t)(wide ? (word - narrow) * 8 : word * 4);
    if (at + width > t->header_bytes)
        return false;
    memcpy(&old, bytes + at, width);
    uint64_t value = boundary(old, (uint32_t)(number % VALUES), wide);
    memcpy(bytes + at, &value, width);
    return memcmp(bytes + at, t->file.bytes + at, width) != 0;
}

/* A cut, some bits, a run of bytes that are others, or a piece put elsewhere. */
static bool damage_by_chance(const struct torture *t, uint64_t number, uint8_t *bytes,
                             size_t *count) {
    uint64_t state = (t->seed + 1) * 0x9E3779B97F4A7C15u ^ (number + 1) * 0xD1B54A32D192ED03u;
    for (int i = 0; i < 4; i++)
        (void)next_random(&state);
    uint64_t kind = next_random(&state) >> 33;
    if (kind % 4 == 0) {
        *count = (size_t)(next_random(&state) % t->file.count);
        return true;
    }
    /* Half of it in the header, which is a small part of the file. */
    uint64_t room = kind % 8 < 4 ? t->header_bytes : t->file.count;
    uint64_t length = 1 + next_random(&state) % 8;
    uint64_t at = next_random(&state) % (room - 64);
    if (kind % 4 == 1) {
        for (uint64_t i = 0; i < length; i++)
            bytes[next_random(&state) % room] ^= (uint8_t)(1u << (next_random(&state) >> 61));
    } else if (kind % 4 == 2) {
        for (uint64_t i = 0; i < length * 8; i++)
            bytes[at + i] = (uint8_t)(next_random(&state) >> 56);
    } else {
        memmove(bytes + at, bytes + next_random(&state) % (room - 64), (size_t)length * 8);
    }
    return memcmp(bytes, t->file.bytes, t->file.count) != 0;
}

/* False: this case is no damage. */
static bool damage(const struct torture *t, uint64_t number, uint8_t *bytes, size_t *count) {
    switch (t->way) {
    case CUT:
        *count = (size_t)number;
        return number < t->file.count;
    case FLIP:
        if (number / 8 >= t->file.count)
            return false;
        bytes[number / 8] ^= (uint8_t)(1u << (number % 8));
        return true;
    case FIELD:
        return set_field(t, number, bytes);
    default:
        return damage_by_chance(t, number, bytes, count);
    }
}

/* ---------------------------------------------------------------- one case */

static void note_refusal(struct torture *t, uint64_t number, tercet_status status,
                         const tercet_error *error) {
    if ((unsigned)status < 64 || (unsigned)status >= STATUS_MOST || error->status != status) {
        find(t, number, "refused without a code");
        return;
    }
    t->refused[status]++;
}

/* What the prefix says that the header has, if that is a size that a header may have. */
static uint64_t announced_header(struct bytes file) {
    uint64_t bytes = 0;
    if (file.count >= 24)
        memcpy(&bytes, file.bytes + 16, sizeof bytes);
    return bytes <= HEADER_BYTES_MOST ? bytes : 0;
}

/* `most` more than `from` is too much; the next part is measured anew. */
static void check_memory(struct torture *t, uint64_t number, uint64_t from, uint64_t most,
                         const char *what) {
    if (t->meter.most > t->memory_most)
        t->memory_most = t->meter.most;
    if (t->meter.most - from > most)
        find(t, number, what);
    t->meter.most = t->meter.now;
}

/* A load takes the size of the header that its file announces; after that was read and is right, no damage makes the file larger
 * than it is; and a little for each layer. */
static tercet_status load_bounded(struct torture *t, uint64_t number, struct bytes damaged,
                                  struct manner manner, tercet_model **model, tercet_error *error) {
    uint64_t from = t->meter.most = t->meter.now;
    uint64_t most = announced_header(damaged) + t->file.count + LOADER_BYTES_MOST;
    tercet_status status = load(t->engine, damaged, manner, model, error);
    tercet_model_info info = {.layers = 0};
    if (status == TERCET_OK)
        tercet_model_get_info(*model, &info);
    check_memory(t, number, from, most + info.layers * LAYER_BYTES_MOST,
                 "loading took more memory than the file announces");
    return status;
}

/* A use of it what a session says before, which has its measure in the file, or what a text takes. */
static tercet_status use_bounded(struct torture *t, uint64_t number, struct bytes damaged,
                                 tercet_model *model) {
    tercet_session_options options;
    choose_session(model, &options);
    uint64_t session = tercet_session_bytes(model, &options), from = t->meter.now;
    if (session > SESSION_BYTES_MOST + SESSION_TIMES_MOST * damaged.count)
        find(t, number, "a session announces more than such a file can need");
    tercet_status used = use_model(model);
    check_memory(t, number, from, session > TEXT_BYTES_MOST ? session : TEXT_BYTES_MOST,
                 "a use took more memory than its session announces");
    return used;
}

static void try_case(struct torture *t, uint64_t number, struct bytes damaged) {
    /* Every second time the host does not know the size of the file. */
    const struct manner honest = {true, number % 2 == 0}, careless = {false, number % 2 == 0};
    const uint64_t before = t->meter.now;
    tercet_model *model;
    tercet_error error = {TERCET_OK, 0, ""};
    double begin = processor_ms();
    tercet_status status = load_bounded(t, number, damaged, honest, &model, &error);
    if (status == TERCET_OK) {
        find(t, number, "loaded by a host that compares hashes");
        tercet_model_destroy(model);
    } else {
        note_refusal(t, number, status, &error);
    }
    error = (tercet_error){TERCET_OK, 0, ""};
    status = load_bounded(t, number, damaged, careless, &model, &error);
    if (status == TERCET_OK) {
        t->accepted++;
        tercet_status used = use_bounded(t, number, damaged, model);
        if (used != TERCET_OK && !tercet_status_is_error(used))
            find(t, number, "a note in place of an error");
        tercet_model_destroy(model);
    } else if (!tercet_status_is_error(status) || error.status != status) {
        find(t, number, "refused without a code by a host that compares no hashes");
    }
    double ms = processor_ms() - begin;
    if (ms > t->slowest_ms) {
        t->slowest_ms = ms;
        t->slowest_case = number;
    }
    /* By chance and by a flip a real model is loaded and used: that has the time it takes. */
    if (IS_MEASURED && t->way == FIELD && ms > CASE_MS_MOST)
        find(t, number, "took more than 100 ms");
    if (t->meter.now != before)
        find(t, number, "memory was lost");
}

static void run_case(struct torture *t, uint64_t number) {
    /* A block of the file's size: the sanitizer sees one byte too many. */
    uint8_t *bytes = malloc(t->file.count);
    size_t count = t->file.count;
    REQUIRE(bytes != NULL);
    memcpy(bytes, t->file.bytes, t->file.count);
    if (damage(t, number, bytes, &count)) {
        uint8_t *exact = count < t->file.count ? malloc(count + (count == 0)) : bytes;
        REQUIRE(exact != NULL);
        if (exact != bytes)
            memcpy(exact, bytes, count);
        try_case(t, number, (struct bytes){exact, count});
        t->cases++;
        if (exact != bytes)
            free(exact);
    }
    free(bytes);
}

/* ---------------------------------------------------------------- all cases */

static void check_whole_file(struct torture *t) {
    const struct manner honest = {true, true};
    tercet_model *model;
    tercet_error error = {TERCET_OK, 0, ""};
    tercet_status status = load(t->engine, t->file, honest, &model, &error);
    if (status != TERCET_OK)
        fprintf(stderr, "the file that is to be damaged does not load: %s\n", error.detail);
    REQUIRE(status == TERCET_OK && use_model(model) == TERCET_OK);
    tercet_model_destroy(model);
}

static void print_result(const struct torture *t) {
    printf("{\"cases\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"findings\":%" PRIu64
           ",\"slowest_ms\":%.3f,\"slowest_case\":%" PRIu64 ",\"memory_most\":%" PRIu64
           ",\"refused\":{",
           t->cases, t->accepted, t->findings, t->slowest_ms, t->slowest_case, t->memory_most);
    const char *comma = "";
    for (uint32_t i = 0; i < STATUS_MOST; i++) {
        if (t->refused[i] > 0) {
            printf("%s\"%s\":%" PRIu64, comma, tercet_status_name((tercet_status)i), t->refused[i]);
            comma = ",";
        }
    }
    puts("}}");
}

int main(int count, char **arguments) {
    struct torture t = {.way = WAYS};
    for (int i = 0; count >= 5 && i < WAYS; i++)
        if (strcmp(arguments[1], way_names[i]) == 0)
            t.way = (enum way)i;
    if (t.way == WAYS || count > 7) {
        fprintf(stderr,
                "usage: damage_files cut|flip|field|random FILE FROM COUNT [STRIDE [SEED]]\n");
        return 2;
    }
    t.file = read_whole(arguments[2]);
    memcpy(&t.header_bytes, t.file.bytes + 16, sizeof t.header_bytes);
    uint64_t from = read_number(arguments[3]), cases = read_number(arguments[4]);
    uint64_t stride = count > 5 ? read_number(arguments[5]) : 1;
    t.seed = count > 6 ? read_number(arguments[6]) : 1;
    REQUIRE(open_engine(&t.meter, 1, &t.engine) == TERCET_OK);
    check_whole_file(&t);
    for (uint64_t i = 0; i < cases; i++)
        run_case(&t, from + i * stride);
    check_whole_file(&t); /* the engine is as good as before */
    tercet_engine_destroy(t.engine);
    if (t.meter.now != 0)
        find(&t, 0, "memory was lost");
    print_result(&t);
    free((void *)(uintptr_t)t.file.bytes);
    return t.findings > 0 || check_done() != 0;
}
