/*
 * test_source_file.c: small files of the source folder: read whole or refused, whatever stands under their name; and which
 * paths are files of the folder.
 */
#define _GNU_SOURCE 1 /* fread_unlocked */
#include "source_copy.h"

static size_t withheld; /* bytes that a file has lost since its size was asked for */

/* Stands in for libc's. */
size_t fread(void *bytes, size_t size, size_t count, FILE *file) {
    return (fread_unlocked)(bytes, size, count - (withheld < count ? withheld : count), file);
}

static char folder[COPY_PATH_BYTES];

static void expect(const char *name, size_t most_bytes, tercet_status want, const char *named) {
    uint8_t *bytes = NULL;
    size_t count = 0;
    tercet_error error = {0};
    CHECK_STATUS(source_file_read(folder, name, most_bytes, &bytes, &count, &error), want);
    if (!CHECK(bytes == NULL && strstr(error.detail, named) != NULL)) {
        fprintf(stderr, "    expected \"%s\" in \"%s\"\n", named, error.detail);
    }
}

static void test_read(void) {
    char path[COPY_PATH_BYTES];
    uint8_t *bytes = NULL;
    size_t count = 0;
    folder_write_text(folder, "small.json", "{}");
    CHECK_STATUS(source_file_read(folder, "small.json", 2, &bytes, &count, NULL), TERCET_OK);
    CHECK(count == 2 && strcmp((const char *)bytes, "{}") == 0);
    free(bytes);
    expect("small.json", 1, TERCET_LIMIT_EXCEEDED, "small.json");
    expect("nothing.json", 10, TERCET_FILE_NOT_FOUND, "nothing.json");
    expect("small.json/below", 10, TERCET_FILE_NOT_FOUND, "below");
    withheld = 1;
    expect("small.json", 10, TERCET_FILE_READ_FAILED,
           "small.json ended or failed while it was read");
    withheld = 0;
    REQUIRE(mkfifo(folder_path(folder, "pipe.json", path), 0600) == 0);
    expect("pipe.json", 10, TERCET_FILE_READ_FAILED, "pipe.json is not a regular file");
    REQUIRE(unlink(path) == 0);
    expect(".", 10, TERCET_FILE_READ_FAILED, "not a regular file");
}

static void test_exists(void) {
    char path[COPY_PATH_BYTES];
    CHECK(source_file_exists(folder, "small.json"));
    CHECK(!source_file_exists(folder, "nothing.json"));
    CHECK(!source_file_exists(folder, "small.json/below"));
    CHECK(!source_file_exists("no/such/folder", "small.json"));
    /* What is there but cannot be read must not be taken for absent: the model would be packed without it. */
    REQUIRE(symlink("gone", folder_path(folder, "link.json", path)) == 0);
    CHECK(source_file_exists(folder, "link.json"));
    expect("link.json", 10, TERCET_FILE_NOT_FOUND, "link.json");
    REQUIRE(unlink(path) == 0);
}

static void test_is_at(void) {
    char path[COPY_PATH_BYTES], other[COPY_PATH_BYTES], elsewhere[COPY_PATH_BYTES];
    folder_make(elsewhere);
    (void)folder_path(folder, "small.json", path);
    CHECK(source_file_is_at(folder, path));
    CHECK(!source_file_is_at(elsewhere, path));
    CHECK(!source_file_is_at("no/such/folder", path));
    CHECK(!source_file_is_at(folder, folder));
    CHECK(!source_file_is_at(folder, folder_path(folder, "nothing.json", other)));
    REQUIRE(symlink(path, folder_path(elsewhere, "link", other)) == 0);
    CHECK(source_file_is_at(folder, other));
    REQUIRE(unlink(other) == 0 && link(path, other) == 0);
    CHECK(source_file_is_at(folder, other));
    folder_write_text(folder, "model.tercet", "x");
    CHECK(!source_file_is_at(folder, folder_path(folder, "model.tercet", other)));
    folder_remove(elsewhere);
}

int main(void) {
    folder_make(folder);
    test_read();
    test_exists();
    test_is_at();
    folder_remove(folder);
    return check_done();
}
