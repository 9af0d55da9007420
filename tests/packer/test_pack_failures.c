/*
 * test_pack_failures.c: what goes wrong while packing leaves no file behind and the old destination as it was: bad weights, a
 * source that ends too early, a full disk, a cancelled run, options that make no sense.
 */
#define _GNU_SOURCE 1
#include "failing_system.h"

#include "pack.h"
#include "source_copy.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#define Q "model.layers.1.self_attn.q_proj.weight"
static const char old_content[] = "what was there before";

static char folder[COPY_PATH_BYTES], destination[COPY_PATH_BYTES];

static void options_for(struct pack_options *options, const char *source) {
    pack_options_init(options);
    options->source = source;
    options->destination = destination;
}

/* Packing must fail with `want` and name `named`; without and with an old file at the destination. */
static void expect(const struct pack_options *options, tercet_status want, const char *named) {
    for (int old = 0; old < 2; old++) {
        struct pack_report report;
        tercet_error error = {0};
        if (old) {
            folder_write_text(folder, "model.tercet", old_content);
        }
        CHECK_STATUS(pack(options, &report, &error), want);
        CHECK_EQ(error.status, want);
        if (!CHECK(strstr(error.detail, named) != NULL)) {
            fprintf(stderr, "    expected \"%s\" in \"%s\"\n", named, error.detail);
        }
        CHECK(report.layer == NULL);
        CHECK_EQ(folder_count(folder, ""), old);
        if (old) {
            uint8_t *bytes;
            size_t count;
            REQUIRE(source_file_read(folder, "model.tercet", 1u << 20, &bytes, &count, NULL) ==
                    TERCET_OK);
            CHECK_EQ(count, sizeof old_content - 1);
            CHECK_MEM(bytes, old_content, count);
            free(bytes);
            REQUIRE(unlink(destination) == 0);
        }
        CHECK_STATUS(pack(options, &report, NULL), want); /* nobody asks why */
    }
}

static void expect_copy(struct source_copy *copy, tercet_status want, const char *named) {
    struct pack_options options;
    copy_write(copy);
    options_for(&options, copy->folder);
    expect(&options, want, named);
    source_copy_close(copy);
}

static void test_weights(void) {
    struct pack_options options;
    struct source_copy copy;
    options_for(&options, "golden/models/bitnet-online-bf16");
    expect(&options, TERCET_NOT_TERNARY, "online");
    options_for(&options, "golden/models/llama-dense-f32");
    expect(&options, TERCET_NOT_TERNARY, "model.layers.0.self_attn.q_proj.weight");

    source_copy_open(&copy, "llama-packed-bitlinear");
    copy_find(&copy, Q)->bytes[5 * 48 + 7] |=
        0x0C; /* rows 5, 21, 37, 53 of 64: the second field is row 21 */
    expect_copy(&copy, TERCET_BAD_SOURCE, Q);
    source_copy_open(&copy, "llama-packed-bitlinear");
    memset(copy_find(&copy, Q "_scale")->bytes, 0, 2);
    expect_copy(&copy, TERCET_BAD_SOURCE, Q "_scale");
    source_copy_open(&copy, "llama-packed-bitlinear");
    memset(copy_find(&copy, "model.embed_tokens.weight")->bytes + 100, 0xFF, 2); /* a NaN */
    expect_copy(&copy, TERCET_BAD_SOURCE, "row 1, column 2");
    source_copy_open(&copy, "llama-dense-f32");
    copy_set_f32(copy_find(&copy, "model.norm.weight"), 3, INFINITY);
    copy_write(&copy);
    options_for(&options, copy.folder);
    options.dense = PACK_DENSE_F32;
    expect(&options, TERCET_BAD_SOURCE, "model.norm.weight");
    copy_set_f32(copy_find(&copy, "model.norm.weight"), 3, 1.0f);
    copy_set_f32(copy_find(&copy, "model.layers.0.mlp.up_proj.weight"), 0, 1e6f);
    copy_write(&copy);
    options.dense = PACK_DENSE_F16;
    expect(&options, TERCET_UNSUPPORTED_SOURCE, "model.layers.0.mlp.up_proj.weight");
    source_copy_close(&copy);
}

static void test_files(void) {
    struct pack_options options;
    struct source_copy copy;
    char path[COPY_PATH_BYTES];
    options_for(&options, "golden/no-such-model");
    expect(&options, TERCET_FILE_NOT_FOUND, "no-such-model");
    source_copy_open(&copy, "llama-packed-bitlinear");
    copy_write(&copy);
    REQUIRE(unlink(folder_path(copy.folder, "tokenizer.json", path)) == 0);
    options_for(&options, copy.folder);
    expect(&options, TERCET_FILE_NOT_FOUND, "tokenizer");
    REQUIRE(truncate(folder_path(copy.folder, "model.safetensors", path), 20000) == 0);
    expect(&options, TERCET_BAD_SOURCE, "model.safetensors is cut short");
    source_copy_close(&copy);
}

static void test_destination(void) {
    struct pack_options options;
    struct pack_report report;
    struct source_copy copy;
    static const char *const own_files[] = {"model.safetensors", "config.json", "tokenizer.json"};
    struct stat before, after;
    tercet_error error;
    char path[COPY_PATH_BYTES];
    source_copy_open(&copy, "llama-packed-bitlinear");
    copy_write(&copy);
    options_for(&options, copy.folder);
    for (size_t i = 0; i < sizeof own_files / sizeof *own_files; i++) {
        options.destination = folder_path(copy.folder, own_files[i], path);
        REQUIRE(stat(path, &before) == 0);
        CHECK_STATUS(pack(&options, &report, &error), TERCET_BAD_ARGUMENT);
        CHECK(strstr(error.detail, own_files[i]) != NULL);
        CHECK(stat(path, &after) == 0 && after.st_ino == before.st_ino &&
              after.st_size == before.st_size);
    }
    options.destination = folder_path(copy.folder, "packed.tercet", path);
    for (int again = 0; again < 2; again++) { /* beside its source, and there already */
        CHECK_STATUS(pack(&options, &report, &error), TERCET_OK);
        pack_report_free(&report);
    }
    options.destination = copy.folder;
    CHECK_STATUS(pack(&options, &report, &error), TERCET_FILE_WRITE_FAILED);
    options.destination = folder_path(copy.folder, "no/such/place.tercet", path);
    CHECK_STATUS(pack(&options, &report, &error), TERCET_FILE_WRITE_FAILED);
    options.destination = "/dev/full";
    CHECK_STATUS(pack(&options, &report, &error), TERCET_FILE_WRITE_FAILED);
    CHECK_EQ(folder_count(copy.folder, "model"), 1);
    CHECK_EQ(folder_count("/dev", "full.partial"), 0);
    source_copy_close(&copy);
}

/* Writing stops after `limit` bytes: a limit on the size of files, which every machine can enforce (a full disk needs root to
 * make one; it takes the same way with another number in errno). */
static void test_write_stops(void) {
    static const rlim_t limits[] = {0, 1, 63, 4096, 20000, 40000, 80000};
    struct rlimit unlimited, limit;
    REQUIRE(getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    (void)signal(SIGXFSZ, SIG_IGN); /* as the command does: the write fails instead */
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct pack_options options;
        struct pack_report report;
        tercet_error error = {0};
        options_for(&options, "golden/models/llama-packed-bitlinear");
        folder_write_text(folder, "model.tercet", old_content);
        limit = unlimited;
        limit.rlim_cur = limits[i];
        REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        tercet_status status = pack(&options, &report, &error);
        REQUIRE(setrlimit(RLIMIT_FSIZE, &unlimited) == 0);
        CHECK_EQ(status, TERCET_FILE_WRITE_FAILED);
        CHECK(strstr(error.detail, "model.tercet") != NULL);
        CHECK_EQ(folder_count(folder, ""), 1);
        uint8_t *bytes;
        size_t count;
        REQUIRE(source_file_read(folder, "model.tercet", 1u << 20, &bytes, &count, NULL) ==
                TERCET_OK);
        CHECK(count == sizeof old_content - 1 && memcmp(bytes, old_content, count) == 0);
        free(bytes);
        REQUIRE(unlink(destination) == 0);
    }
}

static void read_packed(uint8_t **bytes, size_t *count) {
    REQUIRE(source_file_read(folder, "model.tercet", 1u << 20, bytes, count, NULL) == TERCET_OK);
}

/* The n-th read of the source, or of what was written, and the n-th write fails, once and from then on: for every n, and of other
 * forms of sources for each eighth. */
static void test_failing_calls(void) {
    static const char *const sources[] = {
        "golden/models/llama-packed-bitlinear", "golden/models/llama-npz",
        "golden/models/gguf-bitnet-tq1_0/model.gguf", "golden/models/bitmamba2-bin/model.bin"};
    static const struct {
        enum call call;
        int number;
        tercet_status status;
    } kinds[] = {{PREAD, EIO, TERCET_FILE_READ_FAILED},
                 {PWRITE, ENOSPC, TERCET_DISK_FULL},
                 {PWRITE, EIO, TERCET_FILE_WRITE_FAILED}};
    uint8_t *whole = NULL;
    size_t whole_count = 0;
    for (size_t kind = 0; kind < 2 * 3 * sizeof sources / sizeof *sources; kind++) {
        const char *source = sources[kind / 6];
        if (kind % 6 == 0) {
            struct pack_options options;
            struct pack_report report;
            free(whole);
            options_for(&options, source);
            REQUIRE(pack(&options, &report, NULL) == TERCET_OK);
            pack_report_free(&report);
            read_packed(&whole, &whole_count);
            REQUIRE(unlink(destination) == 0);
        }
        const unsigned step = kind < 6 || kinds[kind / 2 % 3].call == PWRITE ? 1 : 8;
        unsigned as_expected = 0, tried = 0, at = 0;
        for (bool reached = true; reached;) {
            struct pack_options options;
            struct pack_report report;
            tercet_error error = {0};
            options_for(&options, source);
            folder_write_text(folder, "model.tercet", old_content);
            at += at == 0 ? 1 : step;
            inject(kinds[kind / 2 % 3].call, at, kinds[kind / 2 % 3].number);
            fault.from_then_on = kind % 2 == 1;
            tercet_status status = pack(&options, &report, &error);
            reached = fault.made >= at;
            inject(NOTHING, 0, 0);
            CHECK_EQ(folder_count(folder, ""), 1);
            uint8_t *bytes;
            size_t count;
            read_packed(&bytes, &count);
            if (status ==
                TERCET_OK) { /* not reached; or what kind of file it is was asked in vain */
                CHECK(count == whole_count && memcmp(bytes, whole, count) == 0);
                pack_report_free(&report);
            } else {
                CHECK(reached && error.status == status && error.detail[0] != '\0');
                CHECK(report.layer == NULL);
                CHECK(count == sizeof old_content - 1 && memcmp(bytes, old_content, count) == 0);
            }
            free(bytes);
            tried += reached;
            as_expected += status == kinds[kind / 2 % 3].status;
            REQUIRE(unlink(destination) == 0);
        }
        /* One read asks what kind of file it is: if it fails the file may be taken for another. */
        CHECK(tried >= 2 && as_expected + 1 >= tried);
    }
    free(whole);
}

struct watch {
    uint64_t calls, stop_at, done, total;
    int rising;
};

static int watch_progress(void *context, const char *tensor, uint64_t done_bytes,
                          uint64_t total_bytes) {
    struct watch *watch = context;
    watch->rising =
        watch->rising && done_bytes > watch->done && done_bytes <= total_bytes && tensor[0] != '\0';
    watch->done = done_bytes;
    watch->total = total_bytes;
    return ++watch->calls == watch->stop_at;
}

static void test_cancel(void) {
    struct pack_options options;
    struct pack_report report;
    struct watch watch = {.rising = 1};
    options_for(&options, "golden/models/bitnet-packed-autobitlinear");
    options.progress = watch_progress;
    options.progress_context = &watch;
    CHECK_STATUS(pack(&options, &report, NULL), TERCET_OK);
    pack_report_free(&report);
    CHECK(watch.rising);
    CHECK_EQ(watch.done, watch.total);
    uint64_t calls = watch.calls;
    CHECK_EQ(calls, 3 * 24);
    REQUIRE(unlink(destination) == 0);
    for (uint64_t stop = 1; stop <= calls; stop += 7) {
        watch = (struct watch){.rising = 1, .stop_at = stop};
        CHECK_STATUS(pack(&options, &report, NULL), TERCET_CANCELLED);
        CHECK_EQ(watch.calls, stop);
        CHECK_EQ(folder_count(folder, ""), 0);
    }
}

static void test_options(void) {
    struct pack_options options;
    const char *source = "golden/models/llama-packed-bitlinear";
    options_for(&options, source);
    options.group = 32;
    expect(&options, TERCET_BAD_ARGUMENT, "group");
    options_for(&options, source);
    options.temperature = NAN;
    expect(&options, TERCET_BAD_ARGUMENT, "temperature");
    options.temperature = 101;
    expect(&options, TERCET_BAD_ARGUMENT, "temperature");
    options_for(&options, source);
    options.top_p = 1.5f;
    expect(&options, TERCET_BAD_ARGUMENT, "top-p");
    options.top_p = 0;
    expect(&options, TERCET_BAD_ARGUMENT, "top-p");
    options_for(&options, source);
    options.min_p = 2;
    expect(&options, TERCET_BAD_ARGUMENT, "min-p");
    options_for(&options, source);
    options.dense = PACK_DENSE_F16;
    options.quantize = PACK_QUANTIZE_ABSMEAN;
    expect(&options, TERCET_BAD_ARGUMENT, "dense");
    /* A module's caller gives them as numbers. */
    options_for(&options, source);
    options.quantize = (enum pack_quantize)PACK_QUANTIZES;
    expect(&options, TERCET_BAD_ARGUMENT, "form of weights");
    options_for(&options, source);
    options.dense = (enum pack_dense)PACK_DENSES;
    expect(&options, TERCET_BAD_ARGUMENT, "form of weights");
    options_for(&options, source);
    options.embedding = (enum pack_table)UINT32_MAX;
    expect(&options, TERCET_BAD_ARGUMENT, "form of weights");
    options_for(&options, source);
    options.vectors = (enum pack_vectors)PACK_VECTOR_FORMS;
    expect(&options, TERCET_BAD_ARGUMENT, "form of weights");
    options_for(&options, NULL);
    expect(&options, TERCET_BAD_ARGUMENT, "source");
}

/* A name from a hostile source must not reach a terminal as it is. */
static void test_printable(void) {
    struct source_copy copy;
    struct pack_options options;
    struct pack_report report;
    tercet_error error;
    source_copy_open(&copy, "llama-packed-bitlinear");
    copy_config(&copy, "\"silu\"", "\"\\u001b[2J\"");
    copy_write(&copy);
    options_for(&options, copy.folder);
    CHECK_STATUS(pack(&options, &report, &error), TERCET_UNSUPPORTED_SOURCE);
    CHECK(strchr(error.detail, 0x1B) == NULL && strstr(error.detail, "?[2J") != NULL);
    source_copy_close(&copy);
}

int main(void) {
    folder_make(folder);
    (void)folder_path(folder, "model.tercet", destination);
    test_weights();
    test_files();
    test_destination();
    test_write_stops();
    test_failing_calls();
    test_cancel();
    test_options();
    test_printable();
    folder_remove(folder);
    return check_done();
}
