/*
 * fuzz_container_loader.c: any bytes as a whole .tercet file, loaded as a host does it, and any order of calls. The first
 * four bytes of the input choose how (mapped or not, size known or not, which allocation fails, calls out of turn); the
 * rest is the file. Whatever happens, the blocks are freed and a failed loader stays failed.
 */
#define _POSIX_C_SOURCE 200809L /* posix_memalign */
#include "container/loader.h"
#include "core/container/container_consistency.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More than any input announces honestly; what is larger is refused like memory that is not there. */
#define MOST_BYTES ((size_t)1 << 24)

struct counting {
    unsigned calls, fail_at;
    size_t bytes;
};

static void expect(bool holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "this does not hold: %s\n", what);
    abort();
}

static void *counting_alloc(void *opaque, size_t bytes) {
    struct counting *counting = opaque;
    void *block = NULL;
    if (++counting->calls == counting->fail_at || bytes > MOST_BYTES)
        return NULL;
    if (posix_memalign(&block, 64, bytes) != 0)
        return NULL;
    memset(block, 0xA5, bytes);
    counting->bytes += bytes;
    return block;
}

static void counting_free(void *opaque, void *pointer, size_t bytes) {
    struct counting *counting = opaque;
    counting->bytes -= bytes;
    free(pointer);
}

struct source {
    const uint8_t *bytes;
    size_t count;
};

/* Serves wants until something else is answered. `strange`: from the third want on, a call out of turn as it says. */
static tercet_status serve_all(struct tercet_loader *loader, const struct source *file,
                               unsigned strange) {
    tercet_want want;
    tercet_status status;
    unsigned round = 0;
    while ((status = loader_want(loader, &want, NULL)) == TERCET_NEED_BYTES) {
        expect(want.bytes > 0 && want.destination != NULL, "a want has bytes and a place for them");
        if (want.offset > file->count || file->count - want.offset < want.bytes)
            return TERCET_TRUNCATED;
        memcpy(want.destination, file->bytes + want.offset, (size_t)want.bytes);
        if (++round == 3 && strange == 1)
            (void)loader_place(loader, file->bytes, file->count, NULL);
        if (round == 3 && strange == 2)
            (void)loader_give(loader, NULL);
        status = loader_give(loader, NULL);
        if (status != TERCET_OK)
            return status;
    }
    return status;
}

static void check_loaded(const struct loaded_file *loaded, const struct source *file) {
    const char *wrong = container_inconsistency(&loaded->container, loaded->header);
    expect(wrong == NULL, wrong == NULL ? "" : wrong);
    expect(loaded->data_bytes + loaded->header_bytes == loaded->container.prefix.file_bytes,
           "the sizes add up");
    expect(loaded->header_bytes + loaded->data_bytes <= file->count, "no byte was made up");
    expect(memcmp(loaded->data, file->bytes + loaded->header_bytes, (size_t)loaded->data_bytes) ==
               0,
           "the data is the file's");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4)
        return 0;
    struct source file = {data + 4, size - 4};
    bool map = (data[0] & 1) != 0, known = (data[0] & 2) != 0;
    struct counting counting = {.fail_at = data[1] % 4};
    tercet_allocator allocator = {counting_alloc, counting_free, &counting};
    tercet_loader_options options = {sizeof options, map, known ? file.count : 0};
    struct tercet_loader loader;
    loader_init(&loader, &allocator, &options);
    tercet_status status = serve_all(&loader, &file, data[2] % 4);

    void *mapping = NULL;
    tercet_file_info info;
    if (status == TERCET_OK && map && loader_file_info(&loader, &info) == TERCET_OK &&
        info.file_bytes <= file.count && info.data_bytes <= MOST_BYTES &&
        posix_memalign(&mapping, 64, (size_t)info.data_bytes) == 0) {
        memcpy(mapping, file.bytes + info.header_bytes, (size_t)info.data_bytes);
        status = loader_place(&loader, mapping, info.data_bytes + (data[3] == 1), NULL);
    }
    struct loaded_file loaded;
    tercet_status taken = loader_take(&loader, &loaded, NULL);
    if (taken == TERCET_OK) {
        check_loaded(&loaded, &file);
    } else {
        expect(loaded.header == NULL && loaded.owned_data == NULL,
               "what was not taken is not handed out");
        tercet_want want;
        expect(loader_want(&loader, &want, NULL) == TERCET_DISABLED,
               "a failed loader stays failed");
    }
    expect(taken == TERCET_OK || status != TERCET_OK || map,
           "a load without an error ends in a model");
    loaded_file_release(&loaded);
    loader_release(&loader);
    expect(counting.bytes == 0, "every block was freed");
    free(mapping);
    return 0;
}
