/*
 * test_loader.c: the loader's state machine from memory: copied, mapped, with every allocation failing in turn, with every
 * call out of turn, and with files that end early, go on too long or change while they are read.
 */
#define _POSIX_C_SOURCE 200809L /* posix_memalign */
#include "container/loader.h"
#include "container_header.h"
#include "plan_fixture.h"

/* An allocator that counts, and fails at the call number `fail_at` (from 1). */
struct counting {
    unsigned calls, fail_at, blocks;
    uint64_t bytes;
};

static void *counting_alloc(void *opaque, size_t bytes) {
    struct counting *counting = opaque;
    if (++counting->calls == counting->fail_at)
        return NULL;
    counting->blocks++;
    counting->bytes += bytes;
    return aligned_block(bytes);
}

static void counting_free(void *opaque, void *pointer, size_t bytes) {
    struct counting *counting = opaque;
    counting->blocks--;
    counting->bytes -= bytes;
    free(pointer);
}

static struct tercet_loader begin(struct counting *counting, uint32_t map, uint64_t file_bytes) {
    tercet_allocator allocator = {counting_alloc, counting_free, counting};
    tercet_loader_options options = {sizeof options, map, file_bytes};
    struct tercet_loader loader;
    loader_init(&loader, &allocator, &options);
    return loader;
}

/* One want served from memory. */
static tercet_status serve(struct tercet_loader *loader, const struct golden_file *file,
                           tercet_error *error) {
    tercet_want want;
    tercet_status status = loader_want(loader, &want, error);
    if (status != TERCET_NEED_BYTES)
        return status;
    if (want.offset > file->count || file->count - want.offset < want.bytes)
        return TERCET_TRUNCATED;
    memcpy(want.destination, file->bytes + want.offset, (size_t)want.bytes);
    status = loader_give(loader, error);
    return status == TERCET_OK ? TERCET_NEED_BYTES : status;
}

static tercet_status serve_all(struct tercet_loader *loader, const struct golden_file *file,
                               tercet_error *error) {
    tercet_status status;
    do
        status = serve(loader, file, error);
    while (status == TERCET_NEED_BYTES);
    return status;
}

/* Every further call of a loader that failed answers DISABLED. */
static void check_disabled(struct tercet_loader *loader) {
    tercet_want want;
    tercet_file_info info;
    struct loaded_file file;
    CHECK_STATUS(loader_want(loader, &want, NULL), TERCET_DISABLED);
    CHECK(want.destination == NULL && want.bytes == 0);
    CHECK_STATUS(loader_give(loader, NULL), TERCET_DISABLED);
    CHECK_STATUS(loader_place(loader, loader, 64, NULL), TERCET_DISABLED);
    CHECK_STATUS(loader_take(loader, &file, NULL), TERCET_DISABLED);
    CHECK(file.header == NULL && file.data == NULL);
    CHECK_STATUS(loader_file_info(loader, &info), TERCET_BAD_ARGUMENT);
}

static void end(struct tercet_loader *loader, const struct counting *counting) {
    loader_release(loader);
    CHECK_EQ(counting->blocks, 0);
    CHECK_EQ(counting->bytes, 0);
    loader_release(loader); /* twice is harmless */
    CHECK_EQ(counting->blocks, 0);
}

/* Three chunks: every want in order, each with the hash of its bytes. */
static void check_copied_load(const struct golden_file *file) {
    struct counting counting = {0};
    struct tercet_loader loader = begin(&counting, 0, file->count);
    size_t header_bytes = golden_header_bytes(file->bytes);
    uint64_t data_bytes = file->count - header_bytes;
    tercet_file_info info;
    uint64_t next = 0;
    uint32_t chunks = 0;
    CHECK_STATUS(loader_file_info(&loader, &info), TERCET_BAD_ARGUMENT);
    for (;;) {
        tercet_want want, again;
        tercet_status status = loader_want(&loader, &want, NULL);
        if (status != TERCET_NEED_BYTES) {
            CHECK_STATUS(status, TERCET_OK);
            break;
        }
        CHECK_STATUS(loader_want(&loader, &again, NULL), TERCET_NEED_BYTES);
        CHECK(again.destination == want.destination && again.offset == want.offset &&
              again.bytes == want.bytes);
        REQUIRE(want.offset + want.bytes <= file->count);
        memcpy(want.destination, file->bytes + want.offset, (size_t)want.bytes);
        uint8_t hash[32];
        if (want.kind == TERCET_WANT_PREFIX) {
            CHECK(want.offset == 0 && want.bytes == 64 && want.sha256 == NULL &&
                  counting.calls == 0);
        } else if (want.kind == TERCET_WANT_HEADER) {
            CHECK(want.offset == 0 && want.bytes == header_bytes && counting.calls == 1);
            golden_model_id(want.destination, header_bytes, hash);
            CHECK_MEM(want.sha256, hash, 32);
            CHECK_STATUS(loader_file_info(&loader, &info), TERCET_BAD_ARGUMENT);
        } else {
            CHECK_EQ(want.kind, TERCET_WANT_CHUNK);
            CHECK_EQ(want.chunk_index, chunks++);
            CHECK_EQ(want.offset, header_bytes + next);
            CHECK((uintptr_t)want.destination % 64 == 0);
            golden_sha256(want.destination, (size_t)want.bytes, hash);
            CHECK_MEM(want.sha256, hash, 32);
            next += want.bytes;
        }
        CHECK_STATUS(loader_give(&loader, NULL), TERCET_OK);
    }
    CHECK_EQ(next, data_bytes);
    CHECK_EQ(chunks, 3);
    CHECK_STATUS(loader_file_info(&loader, &info), TERCET_OK);
    CHECK(info.file_bytes == file->count && info.header_bytes == header_bytes &&
          info.data_bytes == data_bytes);
    CHECK(info.chunk_bytes == 1u << 20 && info.chunks == 3);
    CHECK_MEM(info.model_id, file->bytes + 32, 32);
    struct loaded_file loaded;
    CHECK_STATUS(loader_take(&loader, &loaded, NULL), TERCET_OK);
    CHECK(loaded.data_bytes == data_bytes && (uintptr_t)loaded.data % 64 == 0 &&
          loaded.data == loaded.owned_data);
    CHECK_MEM(loaded.data, file->bytes + header_bytes, data_bytes);
    CHECK_EQ(loaded.container.tensor_count, 14);
    CHECK_EQ(counting.bytes, file->count);
    loader_release(&loader); /* what was taken is not the loader's any more */
    CHECK_EQ(counting.blocks, 2);
    CHECK_MEM(loaded.data, file->bytes + header_bytes, data_bytes);
    loaded_file_release(&loaded);
    CHECK_EQ(counting.blocks, 0);
}

static void check_mapped_load(const struct golden_file *file) {
    size_t header_bytes = golden_header_bytes(file->bytes);
    const uint8_t *data = file->bytes + header_bytes; /* 64-aligned, as in a mapping */
    uint64_t data_bytes = file->count - header_bytes;
    struct counting counting = {0};
    struct tercet_loader loader = begin(&counting, 1, 0);
    CHECK_STATUS(serve_all(&loader, file, NULL), TERCET_OK);
    CHECK_EQ(counting.calls, 1); /* the header; no data block */
    tercet_file_info info;
    CHECK_STATUS(loader_file_info(&loader, &info), TERCET_OK);
    CHECK_EQ(info.data_bytes, data_bytes);
    CHECK_STATUS(loader_place(&loader, data, data_bytes, NULL), TERCET_OK);
    tercet_want want;
    CHECK_STATUS(loader_want(&loader, &want, NULL), TERCET_OK);
    struct loaded_file loaded;
    CHECK_STATUS(loader_take(&loader, &loaded, NULL), TERCET_OK);
    CHECK(loaded.data == data && loaded.owned_data == NULL && loaded.data_bytes == data_bytes);
    loaded_file_release(&loaded);
    end(&loader, &counting);
}

static void check_bad_places(const struct golden_file *file) {
    size_t header_bytes = golden_header_bytes(file->bytes);
    const uint8_t *data = file->bytes + header_bytes;
    uint64_t data_bytes = file->count - header_bytes;
    const struct {
        const uint8_t *data;
        uint64_t bytes;
    } places[] = {{data, data_bytes - 1},
                  {data, data_bytes + 64},
                  {data, 0},
                  {data + 32, data_bytes},
                  {NULL, data_bytes - 1}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct counting counting = {0};
        struct tercet_loader loader = begin(&counting, 1, file->count);
        CHECK_STATUS(serve_all(&loader, file, NULL), TERCET_OK);
        tercet_error error = {0};
        CHECK_STATUS(loader_place(&loader, places[i].data, places[i].bytes, &error),
                     TERCET_BAD_ARGUMENT);
        CHECK(error.detail[0] != '\0');
        check_disabled(&loader);
        end(&loader, &counting);
    }
}

/* Each allocation refused in turn: one error, nothing lost. */
static void check_no_memory(const struct golden_file *file) {
    for (unsigned fail_at = 1; fail_at <= 3; fail_at++) {
        struct counting counting = {.fail_at = fail_at};
        struct tercet_loader loader = begin(&counting, 0, file->count);
        tercet_error error = {0};
        tercet_status status = serve_all(&loader, file, &error);
        if (fail_at == 3) { /* there are only two */
            CHECK_STATUS(status, TERCET_OK);
        } else {
            CHECK_STATUS(status, TERCET_OUT_OF_MEMORY);
            uint64_t header_bytes = golden_header_bytes(file->bytes);
            CHECK_EQ(error.where, fail_at == 1 ? header_bytes : file->count - header_bytes);
            check_disabled(&loader);
        }
        end(&loader, &counting);
    }
}

/* Known from the header on, while chunks still come and when they are all there. */
static void check_file_info(const struct golden_file *file) {
    struct counting counting = {0};
    struct tercet_loader loader = begin(&counting, 0, file->count);
    tercet_file_info info;
    CHECK_STATUS(serve(&loader, file, NULL), TERCET_NEED_BYTES);
    CHECK_STATUS(loader_file_info(&loader, &info), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(serve(&loader, file, NULL), TERCET_NEED_BYTES);
    CHECK_STATUS(loader_file_info(&loader, &info), TERCET_OK);
    CHECK_EQ(info.file_bytes, file->count);
    CHECK(info.chunks > 1);
    CHECK_STATUS(serve_all(&loader, file, NULL), TERCET_OK);
    CHECK_STATUS(loader_file_info(&loader, &info), TERCET_OK);
    CHECK_EQ(info.file_bytes, file->count);
    end(&loader, &counting);
}

enum call { WANT, GIVE, PLACE, TAKE, LEND, SERVE };

/* The calls before the last must work; the last must be refused. */
static void check_out_of_turn(const struct golden_file *file) {
    static const struct {
        uint32_t map;
        enum call calls[8];
        size_t count;
    } sequences[] = {
        {0, {GIVE}, 1},
        {0, {TAKE}, 1},
        {0, {PLACE}, 1},
        {1, {PLACE}, 1},
        {0, {SERVE, GIVE}, 2},
        {0, {SERVE, WANT, TAKE}, 3},
        {0, {SERVE, SERVE, GIVE}, 3},
        {0, {SERVE, SERVE, PLACE}, 3},
        {0, {SERVE, SERVE, SERVE, TAKE}, 4},
        {0, {SERVE, SERVE, SERVE, GIVE}, 4},
        {0, {SERVE, SERVE, SERVE, SERVE, SERVE, GIVE}, 6},
        {0, {SERVE, SERVE, SERVE, SERVE, SERVE, PLACE}, 6},
        {0, {SERVE, SERVE, SERVE, SERVE, SERVE, TAKE, TAKE}, 7},
        {0, {SERVE, SERVE, SERVE, SERVE, SERVE, TAKE, WANT}, 7},
        {0, {SERVE, SERVE, SERVE, SERVE, SERVE, TAKE, GIVE}, 7},
        {0, {SERVE, LEND}, 2},
        {0, {SERVE, SERVE, LEND, LEND}, 4},
        {1, {SERVE, SERVE, LEND}, 3},
        {1, {SERVE, SERVE, GIVE}, 3},
        {1, {SERVE, SERVE, TAKE}, 3},
        {1, {SERVE, SERVE, PLACE, PLACE}, 4},
    };
    size_t header_bytes = golden_header_bytes(file->bytes);
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        struct counting counting = {0};
        struct tercet_loader loader = begin(&counting, sequences[i].map, file->count);
        struct loaded_file loaded = {0}, rest;
        for (size_t at = 0; at < sequences[i].count; at++) {
            bool last = at + 1 == sequences[i].count;
            tercet_want want;
            tercet_status status = TERCET_OK;
            switch (sequences[i].calls[at]) {
            case WANT:
                status = loader_want(&loader, &want, NULL);
                break;
            case GIVE:
                status = loader_give(&loader, NULL);
                break;
            case PLACE:
                status = loader_place(&loader, file->bytes + header_bytes,
                                      file->count - header_bytes, NULL);
                break;
            case TAKE:
                status = loader_take(&loader, last ? &rest : &loaded, NULL);
                break;
            case LEND:
                status = loader_lend(&loader, last ? &rest : &loaded, NULL);
                break;
            case SERVE:
                status = serve(&loader, file, NULL);
                break;
            }
            if (!CHECK(last ? status == TERCET_BAD_ARGUMENT : !tercet_status_is_error(status)))
                fprintf(stderr, "    sequence %zu, call %zu: %s\n", i, at,
                        tercet_status_name(status));
        }
        check_disabled(&loader);
        loaded_file_release(&loaded);
        end(&loader, &counting);
    }
}

/* What the host knows about the size decides before anything is read or taken. */
static void check_wrong_sizes(const struct golden_file *file) {
    const struct {
        uint64_t known;
        tercet_status status;
    } cases[] = {{file->count - 1, TERCET_TRUNCATED},
                 {100, TERCET_TRUNCATED},
                 {10, TERCET_TRUNCATED},
                 {file->count + 1, TERCET_TRAILING_BYTES}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct counting counting = {0};
        struct tercet_loader loader = begin(&counting, 0, cases[i].known);
        CHECK_STATUS(serve_all(&loader, file, NULL), cases[i].status);
        CHECK_EQ(counting.calls, 0);
        check_disabled(&loader);
        end(&loader, &counting);
    }
    /* Ten bytes of something else: not ours, rather than cut short. */
    uint8_t text[10] = "some text";
    struct golden_file other = {text, sizeof text};
    struct counting counting = {0};
    struct tercet_loader loader = begin(&counting, 0, sizeof text);
    CHECK_STATUS(serve_all(&loader, &other, NULL), TERCET_BAD_MAGIC);
    end(&loader, &counting);
}

/* A header that is refused costs the header's memory and no more. */
static void check_bad_header(const struct golden_file *file) {
    struct golden_file damaged = {aligned_copy(file->bytes, file->count), file->count};
    uint32_t config;
    memcpy(&config, file->bytes + PREFIX_BYTES + SECTION_AT_OFFSET, sizeof config);
    damaged.bytes[config + CONFIG_AT_HEADS] = 3;
    struct counting counting = {0};
    struct tercet_loader loader = begin(&counting, 0, file->count);
    CHECK_STATUS(serve_all(&loader, &damaged, NULL), TERCET_BAD_HEADER);
    CHECK_EQ(counting.calls, 1);
    check_disabled(&loader);
    end(&loader, &counting);
    free(damaged.bytes);
}

/* The first 64 bytes are read twice. Sizes that were checked the first time must not be replaced the second time. */
static void check_changing_file(const struct golden_file *file) {
    struct golden_file changed = {aligned_copy(file->bytes, file->count), file->count};
    changed.bytes[PREFIX_AT_FILE_BYTES + 4] = 1; /* four gigabytes more */
    struct counting counting = {0};
    struct tercet_loader loader = begin(&counting, 0, 0);
    CHECK_STATUS(serve(&loader, file, NULL), TERCET_NEED_BYTES);
    CHECK_STATUS(serve(&loader, &changed, NULL), TERCET_BAD_HEADER);
    CHECK_EQ(counting.calls, 1);
    check_disabled(&loader);
    end(&loader, &counting);
    free(changed.bytes);
}

/* Header by the packer, data by formula, hashes by libcrypto. */
static struct golden_file make_file(void) {
    struct plan_fixture fixture;
    struct container_header header;
    fixture_open(&fixture);
    fixture_enlarge(&fixture);
    REQUIRE(container_header_build(&fixture.plan, &header, NULL) == TERCET_OK);
    struct golden_file file = {NULL, (size_t)(header.header_bytes + header.data_bytes)};
    file.bytes = aligned_block(file.count);
    uint8_t *data = file.bytes + header.header_bytes;
    for (uint64_t i = 0; i < header.data_bytes; i++)
        data[i] = fixture_byte(i);
    for (uint64_t at = 0, chunk = 0; at < header.data_bytes; at += CONTAINER_CHUNK_BYTES, chunk++) {
        uint64_t left = header.data_bytes - at;
        golden_sha256(data + at,
                      (size_t)(left < CONTAINER_CHUNK_BYTES ? left : CONTAINER_CHUNK_BYTES),
                      header.bytes + header.chunk_hashes + chunk * CHUNK_HASH_BYTES);
    }
    golden_model_id(header.bytes, (size_t)header.header_bytes, header.bytes + PREFIX_AT_SHA256);
    memcpy(file.bytes, header.bytes, (size_t)header.header_bytes);
    container_header_free(&header);
    fixture_close(&fixture);
    return file;
}

int main(void) {
    struct golden_file file = make_file();
    check_copied_load(&file);
    check_mapped_load(&file);
    check_bad_places(&file);
    check_no_memory(&file);
    check_file_info(&file);
    check_out_of_turn(&file);
    check_wrong_sizes(&file);
    check_bad_header(&file);
    check_changing_file(&file);
    free(file.bytes);
    return check_done();
}
