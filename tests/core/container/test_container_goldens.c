/*
 * test_container_goldens.c: every file of golden/container/ gives the answer that expected.tsv lists: from the reader alone,
 * and from a whole load with hashes and model, as a host does it. Files and list must match one to one.
 */
#define _POSIX_C_SOURCE 200809L /* posix_memalign, opendir */
#include "base/arena.h"
#include "container/loader.h"
#include "container_consistency.h"
#include "golden_file.h"
#include "model/model_config.h"

#include <dirent.h>

#define FOLDER "golden/container/"

static const char *status_of_reader(const struct golden_file *golden, uint64_t *where) {
    tercet_error error = {0};
    struct container_prefix prefix;
    struct container container;
    untrusted_bytes bytes = {golden->bytes, golden->count};
    tercet_status status = container_read_prefix(bytes, golden->count, &prefix, &error);
    if (status == TERCET_OK) {
        size_t header_bytes =
            golden->count < prefix.header_bytes ? golden->count : (size_t)prefix.header_bytes;
        uint8_t *header = aligned_copy(golden->bytes, header_bytes);
        status = container_read_header((untrusted_bytes){header, header_bytes}, golden->count,
                                       &container, &error);
        if (status == TERCET_OK)
            CHECK_STR(container_inconsistency(&container, header) == NULL ? "consistent" : "not",
                      "consistent");
        /* Nothing half-read is left behind. */
        if (status != TERCET_OK)
            CHECK(container.tensor_entries == NULL && container.tensor_count == 0);
        free(header);
    }
    if (status != TERCET_OK) {
        CHECK_EQ(error.status, status);
        CHECK(strlen(error.detail) > 20);
    }
    *where = error.where;
    return tercet_status_name(status);
}

/* What the wants of a loader ask a host to do; hashes are compared where there are any. */
static tercet_status serve(const struct golden_file *golden, const tercet_want *want) {
    if (want->offset > golden->count || golden->count - want->offset < want->bytes)
        return TERCET_TRUNCATED;
    memcpy(want->destination, golden->bytes + want->offset, (size_t)want->bytes);
    uint8_t hash[32];
    if (want->kind == TERCET_WANT_HEADER)
        golden_model_id(want->destination, (size_t)want->bytes, hash);
    if (want->kind == TERCET_WANT_CHUNK)
        golden_sha256(want->destination, (size_t)want->bytes, hash);
    if (want->sha256 == NULL || memcmp(hash, want->sha256, 32) == 0)
        return TERCET_OK;
    return want->kind == TERCET_WANT_HEADER ? TERCET_HEADER_HASH_MISMATCH
                                            : TERCET_CHUNK_HASH_MISMATCH;
}

static const char *status_of_open(const struct golden_file *golden) {
    tercet_allocator allocator = arena_default_allocator();
    tercet_loader_options options = {sizeof options, 0, golden->count};
    struct tercet_loader loader;
    struct loaded_file file = {0};
    tercet_want want;
    tercet_status status;
    loader_init(&loader, &allocator, &options);
    while ((status = loader_want(&loader, &want, NULL)) == TERCET_NEED_BYTES) {
        status = serve(golden, &want);
        if (status == TERCET_OK)
            status = loader_give(&loader, NULL);
        if (status != TERCET_OK)
            break;
    }
    if (status == TERCET_OK)
        status = loader_take(&loader, &file, NULL);
    struct model_config config;
    if (status == TERCET_OK)
        status = model_config_read(&file.container, &config, NULL);
    loaded_file_release(&file);
    loader_release(&loader);
    return tercet_status_name(status);
}

static void check_golden(const char *name, const char *reader, const char *open, uint64_t where) {
    char path[256];
    uint64_t found = 0;
    snprintf(path, sizeof path, FOLDER "%s", name);
    struct golden_file golden = golden_read(path);
    int as_expected = CHECK_STR(status_of_reader(&golden, &found), reader);
    as_expected &= CHECK_EQ(found, where);
    as_expected &= CHECK_STR(status_of_open(&golden), open);
    if (!as_expected)
        fprintf(stderr, "    in %s\n", name);
    free(golden.bytes);
}

static unsigned count_files(void) {
    DIR *folder = opendir(FOLDER);
    REQUIRE(folder != NULL);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *ending = strrchr(entry->d_name, '.');
        count += ending != NULL && strcmp(ending, ".tercet") == 0;
    }
    closedir(folder);
    return count;
}

int main(void) {
    FILE *list = fopen(FOLDER "expected.tsv", "r");
    REQUIRE(list != NULL);
    char line[512], name[128], reader[64], open[64];
    unsigned count = 0;
    while (fgets(line, sizeof line, list) != NULL) {
        unsigned long long where;
        if (line[0] == '#')
            continue;
        REQUIRE(sscanf(line, "%127s %63s %63s %llu", name, reader, open, &where) == 4);
        check_golden(name, reader, open, where);
        count++;
    }
    fclose(list);
    CHECK_EQ(count, count_files());
    CHECK(count > 100);
    return check_done();
}
