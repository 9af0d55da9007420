/* tokenizer_folder.h - a folder of its own for a test, with files written from strings.
 *
 * Why it exists: the readers of tokenizers take a folder, and most tests want one with a single
 * fault. It must never touch a folder that it did not make.
 */
#ifndef TERCET_TESTS_TOKENIZER_FOLDER_H
#define TERCET_TESTS_TOKENIZER_FOLDER_H

#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

struct tokenizer_folder {
    char path[96];
};

static inline void folder_make(struct tokenizer_folder *folder) {
    const char *place = getenv("TMPDIR");
    (void)snprintf(folder->path, sizeof folder->path, "%s/tercet-tokenizer-XXXXXX",
                   place != NULL ? place : "/tmp");
    REQUIRE(mkdtemp(folder->path) != NULL);
}

static inline void folder_file_path(const struct tokenizer_folder *folder, const char *name,
                                    char path[128]) {
    (void)snprintf(path, 128, "%s/%s", folder->path, name);
}

static inline void folder_write(const struct tokenizer_folder *folder, const char *name,
                                const void *bytes, size_t count) {
    char path[128];
    folder_file_path(folder, name, path);
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL);
    REQUIRE(fwrite(bytes, 1, count, file) == count);
    REQUIRE(fclose(file) == 0);
}

static inline void folder_remove_file(const struct tokenizer_folder *folder, const char *name) {
    char path[128];
    folder_file_path(folder, name, path);
    (void)remove(path);
}

/* Removes the files that these tests write, then the folder. */
static inline void folder_remove(const struct tokenizer_folder *folder) {
    static const char *const names[] = {
        "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "other.json",
        "vocab.json",     "merges.txt",      "added_tokens.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        folder_remove_file(folder, names[i]);
    }
    CHECK_EQ(rmdir(folder->path), 0);
}

/* A whole file, malloc'ed, NUL-terminated. */
static inline char *read_whole_file(const char *path, size_t *count) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s is missing\n", path);
    }
    REQUIRE(file != NULL);
    REQUIRE(fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    REQUIRE(size >= 0 && fseek(file, 0, SEEK_SET) == 0);
    char *bytes = malloc((size_t)size + 1);
    REQUIRE(bytes != NULL);
    *count = fread(bytes, 1, (size_t)size, file);
    REQUIRE(*count == (size_t)size);
    bytes[*count] = '\0';
    fclose(file);
    return bytes;
}

#endif
