/*
 * test_container_writer.c: the writer writes the golden file byte for byte (which another program wrote from CONTAINER.md),
 * and whatever fails on the way (plan, disk, rename, another process) leaves the destination as it was and nothing beside
 * it.
 *
 * The calls to the system are interposed: each forwards to libc until a test asks its n-th call to fail.
 */
#define _GNU_SOURCE /* RTLD_NEXT, mkdtemp */
#include "failing_system.h"
#include "core/container/plan_fixture.h"
#include "partial_file.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------- a folder to write into */

static char folder[] = "/tmp/tercet-writer-XXXXXX";
static char destination[sizeof folder + 32];

static unsigned files_in_folder(void) {
    DIR *open_folder = opendir(folder);
    REQUIRE(open_folder != NULL);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(open_folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(open_folder);
    return count;
}

static void put_file(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL);
    REQUIRE(fwrite(text, 1, strlen(text), file) == strlen(text) && fclose(file) == 0);
}

static bool holds(const char *path, const char *text) {
    struct golden_file file = golden_read(path);
    bool same = file.count == strlen(text) && memcmp(file.bytes, text, file.count) == 0;
    free(file.bytes);
    return same;
}

static void put_old_file(void) {
    put_file(destination, "the old file");
}

/* The destination is as it was, and nothing lies beside it. */
static void check_untouched(void) {
    memset(&fault, 0, sizeof fault);
    CHECK(holds(destination, "the old file"));
    CHECK_EQ(files_in_folder(), 1);
}

/* ---------------------------------------------------------------- writing */

/* Data of the golden file, or by formula behind its end. */
static uint8_t data_byte(const struct plan_fixture *fixture, uint64_t offset) {
    size_t header_bytes = golden_header_bytes(fixture->golden.bytes);
    bool golden = fixture->plan.config.vocabulary == 12;
    return golden ? fixture->golden.bytes[header_bytes + offset] : fixture_byte(offset);
}

/* Appends all data in pieces of `step` bytes. */
static tercet_status append_all(struct container_writer *writer, const struct plan_fixture *fixture,
                                size_t step, tercet_error *error) {
    uint64_t data_bytes = fixture_data_bytes(fixture), at = 0;
    uint8_t *piece = malloc(step);
    tercet_status status = TERCET_OK;
    while (status == TERCET_OK && at < data_bytes) {
        size_t count = data_bytes - at < step ? (size_t)(data_bytes - at) : step;
        for (size_t i = 0; i < count; i++)
            piece[i] = data_byte(fixture, at + i);
        status = container_writer_append(writer, piece, count, error);
        at += count;
    }
    free(piece);
    return status;
}

static tercet_status write_file(const char *path, const struct plan_fixture *fixture, size_t step,
                                uint8_t id[32], tercet_error *error) {
    struct container_writer *writer;
    uint64_t file_bytes;
    tercet_status status = container_writer_open(path, &fixture->plan, &writer, error);
    if (status != TERCET_OK) {
        CHECK(writer == NULL);
        return status;
    }
    status = append_all(writer, fixture, step, error);
    if (status != TERCET_OK) {
        CHECK_STATUS(container_writer_append(writer, "x", 1, NULL), TERCET_DISABLED);
        container_writer_abort(writer);
        return status;
    }
    return container_writer_commit(writer, id, &file_bytes, error);
}

static void check_golden_bytes(const struct plan_fixture *fixture) {
    static const size_t steps[] = {1, 7, 64, 1000, 1u << 20};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        uint8_t id[32];
        CHECK_STATUS(write_file(destination, fixture, steps[i], id, NULL), TERCET_OK);
        struct golden_file written = golden_read(destination);
        CHECK_EQ(written.count, fixture->golden.count);
        CHECK_MEM(written.bytes, fixture->golden.bytes, fixture->golden.count);
        CHECK_MEM(id, written.bytes + 32, 32);
        free(written.bytes);
        CHECK_EQ(files_in_folder(), 1);
    }
    put_old_file();
}

/* Without texts there is no ABOUT section; three chunks each have their hash; all can be read back at any time. */
static void check_large_file(void) {
    struct plan_fixture fixture;
    fixture_open(&fixture);
    fixture_enlarge(&fixture);
    uint64_t data_bytes = fixture_data_bytes(&fixture), file_bytes = 0;
    struct container_writer *writer;
    tercet_error error;
    uint8_t id[32];
    REQUIRE(container_writer_open(destination, &fixture.plan, &writer, &error) == TERCET_OK);
    CHECK_STATUS(append_all(writer, &fixture, 300007, &error), TERCET_OK);
    uint8_t *back = malloc((size_t)data_bytes);
    for (int round = 0; round < 2;
         round++) { /* the second with calls that do half of what they are asked */
        if (round == 1)
            inject(PREAD, 1, 0);
        memset(back, 0xEE, (size_t)data_bytes);
        CHECK_STATUS(container_writer_read_back(writer, 0, back, (size_t)data_bytes, &error),
                     TERCET_OK);
        uint64_t at = 0;
        while (at < data_bytes && back[at] == fixture_byte(at))
            at++;
        CHECK_EQ(at, data_bytes);
    }
    CHECK_STATUS(container_writer_read_back(writer, (2u << 20) - 3, back, 6, &error), TERCET_OK);
    CHECK(back[0] == fixture_byte((2u << 20) - 3) && back[5] == fixture_byte((2u << 20) + 2));
    CHECK_STATUS(container_writer_read_back(writer, data_bytes, back, 0, &error), TERCET_OK);
    CHECK_STATUS(container_writer_read_back(writer, data_bytes, back, 1, &error),
                 TERCET_BAD_ARGUMENT);
    CHECK_STATUS(container_writer_read_back(writer, UINT64_MAX, back, 1, &error),
                 TERCET_BAD_ARGUMENT);
    inject(PREAD, 1, EIO);
    CHECK_STATUS(container_writer_read_back(writer, 0, back, 1, &error), TERCET_FILE_READ_FAILED);
    inject(PREAD, 1, EINTR);
    CHECK_STATUS(container_writer_read_back(writer, 0, back, 1, &error), TERCET_OK);
    free(back);
    inject(NOTHING, 0, 0);
    CHECK_STATUS(container_writer_commit(writer, id, &file_bytes, &error), TERCET_OK);

    struct golden_file written = golden_read(destination);
    struct container container;
    size_t header_bytes = golden_header_bytes(written.bytes);
    CHECK_EQ(written.count, file_bytes);
    REQUIRE(container_read_header((untrusted_bytes){written.bytes, header_bytes}, written.count,
                                  &container, &error) == TERCET_OK);
    CHECK_EQ(container.prefix.section_count, 5);
    CHECK_EQ(container.chunk_count, 3);
    uint8_t hash[32];
    golden_model_id(written.bytes, header_bytes, hash);
    CHECK_MEM(hash, id, 32);
    for (uint32_t chunk = 0; chunk < 3; chunk++) {
        size_t at = header_bytes + (size_t)chunk * CONTAINER_CHUNK_BYTES, left = written.count - at;
        golden_sha256(written.bytes + at,
                      left < CONTAINER_CHUNK_BYTES ? left : CONTAINER_CHUNK_BYTES, hash);
        CHECK_MEM(container.chunk_sha256 + chunk * CHUNK_HASH_BYTES, hash, 32);
    }
    free(written.bytes);
    fixture_close(&fixture);
    put_old_file();
}

static void check_wrong_amounts(const struct plan_fixture *fixture) {
    struct container_writer *writer;
    tercet_error error;
    uint8_t id[32];
    uint64_t file_bytes;
    REQUIRE(container_writer_open(destination, &fixture->plan, &writer, &error) == TERCET_OK);
    CHECK_STATUS(append_all(writer, fixture, 4096, &error), TERCET_OK);
    CHECK_STATUS(container_writer_append(writer, "x", 1, &error), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(container_writer_commit(writer, id, &file_bytes, &error), TERCET_DISABLED);
    check_untouched();
    REQUIRE(container_writer_open(destination, &fixture->plan, &writer, &error) == TERCET_OK);
    CHECK_STATUS(container_writer_append(writer, "x", 1, &error), TERCET_OK);
    CHECK_STATUS(container_writer_commit(writer, id, &file_bytes, &error), TERCET_BAD_ARGUMENT);
    check_untouched();
    REQUIRE(container_writer_open(destination, &fixture->plan, &writer, &error) == TERCET_OK);
    CHECK_EQ(files_in_folder(), 2);
    container_writer_abort(writer);
    check_untouched();
    container_writer_abort(NULL);
}

/* ---------------------------------------------------------------- plans that make no sense */

static void refuse_plan(const struct plan_fixture *fixture, tercet_status expected) {
    struct container_writer *writer;
    tercet_error error = {0};
    CHECK_STATUS(container_writer_open(destination, &fixture->plan, &writer, &error), expected);
    CHECK(writer == NULL && error.status == expected && error.detail[0] != '\0');
    check_untouched();
}

static void check_bad_plans(void) {
    struct plan_fixture fixture;
    char *long_text = malloc(5000);
    memset(long_text, 'x', 4999);
    long_text[4999] = '\0';
#define WITH(change, status)                                                                       \
    do {                                                                                           \
        fixture_open(&fixture);                                                                    \
        change;                                                                                    \
        refuse_plan(&fixture, status);                                                             \
        fixture_close(&fixture);                                                                   \
    } while (0)
    WITH(fixture.plan.config.kv_heads = 3, TERCET_BAD_SOURCE);
    WITH(fixture.plan.config.stop_tokens[0] = 12, TERCET_BAD_SOURCE);
    WITH(fixture.plan.config.stop_count = 9, TERCET_LIMIT_EXCEEDED);
    WITH(fixture.plan.config.layers = 257, TERCET_LIMIT_EXCEEDED);
    WITH(fixture.plan.config.head_dim = 1026, TERCET_LIMIT_EXCEEDED);
    WITH(fixture.plan.config.family = 9, TERCET_UNSUPPORTED);
    WITH(fixture.plan.rope_scale = 0, TERCET_BAD_SOURCE);
    WITH(fixture.plan.name = "two\nlines", TERCET_BAD_SOURCE);
    WITH(fixture.plan.source = "\xFF", TERCET_BAD_SOURCE);
    WITH(fixture.plan.licence = long_text, TERCET_LIMIT_EXCEEDED);
    WITH(fixture.plan.tokenizer_bytes = 0, TERCET_BAD_SOURCE);
    WITH(fixture.plan.tokenizer_bytes = (64u << 20) + 1, TERCET_LIMIT_EXCEEDED);
    WITH(fixture.plan.tensor_count = 0, TERCET_BAD_SOURCE);
    WITH(fixture.plan.tensor_count = 16385, TERCET_LIMIT_EXCEEDED);
    WITH(fixture.tensors[1].stage = 0, TERCET_BAD_SOURCE);
    WITH(fixture.tensors[2].role = ROLE_K, TERCET_BAD_SOURCE);
    WITH(fixture.tensors[2].role = 99, TERCET_UNSUPPORTED);
    WITH(fixture.tensors[2].scale = SCALE_NONE, TERCET_UNSUPPORTED);
    WITH(fixture.tensors[2].rows = 0, TERCET_UNSUPPORTED);
    WITH(fixture.tensors[0].rows = fixture.tensors[0].columns = 0xFFFFFFFFu, TERCET_UNSUPPORTED);
    WITH(fixture.tensors[0].rows = fixture.tensors[0].columns = 1u << 19, TERCET_LIMIT_EXCEEDED);
#undef WITH
    free(long_text);
}

/* ---------------------------------------------------------------- the disk */

/* The n-th call of each kind fails with each number; n rises until the file is written. */
static void check_failing_calls(void) {
    static const struct {
        enum call call;
        int number;
        unsigned calls; /* how often a whole write makes it */
        tercet_status status;
    } cases[] = {
        {PWRITE, ENOSPC, 4, TERCET_DISK_FULL}, /* three chunks and the header */
        {PWRITE, EDQUOT, 4, TERCET_DISK_FULL},      {PWRITE, EFBIG, 4, TERCET_FILE_WRITE_FAILED},
        {PWRITE, EIO, 4, TERCET_FILE_WRITE_FAILED}, {FSYNC, EIO, 1, TERCET_FILE_WRITE_FAILED},
        {FSYNC, ENOSPC, 1, TERCET_DISK_FULL},       {RENAME, EXDEV, 1, TERCET_FILE_WRITE_FAILED},
        {CLOSE, EDQUOT, 1, TERCET_DISK_FULL}, /* as network file systems do */
    };
    struct plan_fixture fixture;
    fixture_open(&fixture);
    fixture_enlarge(&fixture);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned at = 1; at <= 2 * cases[i].calls; at++) {
            uint8_t id[32];
            tercet_error error = {0};
            unsigned call = (at + 1) / 2; /* once, and from then on */
            inject(cases[i].call, call, cases[i].number);
            fault.from_then_on = at % 2 == 0;
            CHECK_STATUS(write_file(destination, &fixture, 1u << 19, id, &error), cases[i].status);
            CHECK_EQ(error.status, cases[i].status);
            CHECK_EQ(fault.made >= call, 1);
            check_untouched();
        }
    /* Calls that do part of the work, or were interrupted, are no failures. */
    for (unsigned at = 1; at <= 4; at++)
        for (int number = 0; number <= EINTR; number += EINTR) {
            uint8_t id[32], again[32];
            inject(PWRITE, at, number);
            CHECK_STATUS(write_file(destination, &fixture, 1u << 19, id, NULL), TERCET_OK);
            inject(NOTHING, 0, 0);
            CHECK_STATUS(write_file(destination, &fixture, 1u << 18, again, NULL), TERCET_OK);
            CHECK_MEM(id, again, 32);
        }
    /* The folder cannot be synced, after the rename: the file is there, and the caller is told that it may not last. */
    uint8_t id[32];
    inject(FSYNC, 2, EIO);
    CHECK_STATUS(write_file(destination, &fixture, 1u << 19, id, NULL), TERCET_FILE_WRITE_FAILED);
    inject(FSYNC, 2, EINVAL); /* a file system that cannot sync folders */
    CHECK_STATUS(write_file(destination, &fixture, 1u << 19, id, NULL), TERCET_OK);
    inject(NOTHING, 0, 0);
    CHECK_EQ(files_in_folder(), 1);
    put_old_file();
    fixture_close(&fixture);
}

/* Every allocation of a whole write fails in turn, alone or with all that follow it. */
static void check_no_memory(const struct plan_fixture *fixture, bool from_then_on) {
#if MEMORY_CAN_FAIL
    static uint8_t data[1u << 16]; /* no allocation of the test's own in between */
    uint64_t data_bytes = fixture_data_bytes(fixture), file_bytes;
    uint8_t id[32];
    tercet_status status = TERCET_OUT_OF_MEMORY;
    REQUIRE(data_bytes <= sizeof data);
    unsigned failures = 0;
    fail_from_then_on = from_then_on;
    for (unsigned at = 1; status != TERCET_OK && at < 100; at++) {
        struct container_writer *writer = NULL;
        tercet_error error = {0};
        allocations = 0;
        fail_allocation = at;
        status = container_writer_open(destination, &fixture->plan, &writer, &error);
        if (status == TERCET_OK)
            status = container_writer_append(writer, data, (size_t)data_bytes, &error);
        if (status == TERCET_OK)
            status = container_writer_commit(writer, id, &file_bytes, &error);
        else
            container_writer_abort(writer);
        fail_allocation = 0;
        if (status == TERCET_OK)
            break;
        failures++;
        if (!CHECK_STATUS(status, TERCET_OUT_OF_MEMORY))
            fprintf(stderr, "    allocation %u: %s\n", at, error.detail);
        check_untouched();
    }
    CHECK_STATUS(status, TERCET_OK);
    fail_from_then_on = false;
    CHECK(failures >= 6); /* writer, chunk, header, three paths */
    put_old_file();
#else
    (void)fixture;
    (void)from_then_on;
#endif
}

static void check_free_space(const struct plan_fixture *fixture) {
    uint8_t id[32];
    tercet_error error = {0};
    fault.free_blocks = 1;
    CHECK_STATUS(write_file(destination, fixture, 4096, id, &error), TERCET_DISK_FULL);
    CHECK(strstr(error.detail, "are needed") != NULL);
    check_untouched();
}

/* A real limit instead of an injected one: the system refuses to let the file grow. */
static void check_file_size_limit(void) {
    struct plan_fixture fixture;
    struct rlimit before, limit;
    uint8_t id[32];
    fixture_open(&fixture);
    fixture_enlarge(&fixture);
    REQUIRE(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && getrlimit(RLIMIT_FSIZE, &before) == 0);
    limit = before;
    limit.rlim_cur = 1500000;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK_STATUS(write_file(destination, &fixture, 1u << 20, id, NULL), TERCET_FILE_WRITE_FAILED);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    check_untouched();
    fixture_close(&fixture);
}

static void refuse_path(const struct plan_fixture *fixture, const char *path) {
    struct container_writer *writer;
    tercet_error error = {0};
    CHECK_STATUS(container_writer_open(path, &fixture->plan, &writer, &error),
                 TERCET_FILE_WRITE_FAILED);
    CHECK(writer == NULL && error.detail[0] != '\0');
    check_untouched();
}

static void check_bad_paths(const struct plan_fixture *fixture) {
    char path[sizeof destination + 600];
    struct stat device;
    refuse_path(fixture, folder); /* a folder */
    refuse_path(fixture, "/dev/full");
    CHECK(stat("/dev/full", &device) == 0 && S_ISCHR(device.st_mode));
    refuse_path(fixture, "");
    snprintf(path, sizeof path, "%s/missing/file", folder);
    refuse_path(fixture, path);
    snprintf(path, sizeof path, "%s/file", destination); /* below a file */
    refuse_path(fixture, path);
    snprintf(path, sizeof path, "%s/%0400d", folder, 0); /* a name that is too long */
    refuse_path(fixture, path);
}

/* A link at the destination stays; what it names is replaced. */
static void check_link(const struct plan_fixture *fixture) {
    char link[sizeof destination + 8];
    struct stat state;
    uint8_t id[32];
    snprintf(link, sizeof link, "%s/link", folder);
    REQUIRE(symlink(destination, link) == 0);
    CHECK_STATUS(write_file(link, fixture, 4096, id, NULL), TERCET_OK);
    CHECK(lstat(link, &state) == 0 && S_ISLNK(state.st_mode));
    CHECK(lstat(destination, &state) == 0 && S_ISREG(state.st_mode) &&
          (size_t)state.st_size == fixture->golden.count);
    REQUIRE(unlink(link) == 0);
    put_old_file();
}

/* A relative path without a folder: the folder to sync is the current one. */
static void check_relative_path(const struct plan_fixture *fixture) {
    char before[4096];
    uint8_t id[32];
    REQUIRE(getcwd(before, sizeof before) != NULL && chdir(folder) == 0);
    CHECK_STATUS(write_file("new", fixture, 4096, id, NULL), TERCET_OK);
    REQUIRE(unlink("new") == 0 && chdir(before) == 0);
    check_untouched();
}

static void partial_path(char *path, size_t room) {
    snprintf(path, room, "%s.partial-%ld", destination, (long)getpid());
}

/* What a process that was killed left behind under our name is replaced; what another process puts there while we write is
 * not ours to rename or to remove. */
static void check_other_processes(const struct plan_fixture *fixture) {
    char partial[sizeof destination + 40];
    uint8_t id[32];
    uint64_t file_bytes;
    struct container_writer *writer;
    partial_path(partial, sizeof partial);
    put_file(partial, "left behind");
    CHECK_STATUS(write_file(destination, fixture, 4096, id, NULL), TERCET_OK);
    CHECK_EQ(files_in_folder(), 1);
    put_old_file();

    REQUIRE(container_writer_open(destination, &fixture->plan, &writer, NULL) == TERCET_OK);
    CHECK_STATUS(append_all(writer, fixture, 4096, NULL), TERCET_OK);
    REQUIRE(unlink(partial) == 0);
    put_file(partial, "another's");
    CHECK_STATUS(container_writer_commit(writer, id, &file_bytes, NULL), TERCET_FILE_WRITE_FAILED);
    CHECK(holds(partial, "another's"));
    REQUIRE(unlink(partial) == 0);
    check_untouched();
}

int main(void) {
    struct plan_fixture fixture;
    fixture_open(&fixture);
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(destination, sizeof destination, "%s/model.tercet", folder);
    check_golden_bytes(&fixture);
    check_large_file();
    check_wrong_amounts(&fixture);
    check_bad_plans();
    check_failing_calls();
    check_no_memory(&fixture, false);
    check_no_memory(&fixture, true);
    check_free_space(&fixture);
    check_file_size_limit();
    check_bad_paths(&fixture);
    check_link(&fixture);
    check_relative_path(&fixture);
    check_other_processes(&fixture);
    fixture_close(&fixture);
    CHECK(unlink(destination) == 0 && rmdir(folder) == 0);
    return check_done();
}
