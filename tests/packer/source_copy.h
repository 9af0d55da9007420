/*
 * source_copy.h: for the packer's tests: a golden model in memory, to be changed and written to a temporary folder. So a test
 * shows in one line what is wrong with the source that it packs.
 *
 * Writes safetensors with code of its own; only reading the golden files uses the packer's reader.
 */
#ifndef TERCET_TESTS_PACKER_SOURCE_COPY_H
#define TERCET_TESTS_PACKER_SOURCE_COPY_H

#include "check.h"
#include "read_safetensors.h"
#include "source_file.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_TENSORS_MAX = 64, COPY_PATH_BYTES = 512 };

struct copy_tensor {
    char name[128], dtype[16];
    uint32_t rank;
    uint64_t shape[4];
    uint8_t *bytes;
    size_t count;
};

struct source_copy {
    char folder[COPY_PATH_BYTES]; /* made by source_copy_open, removed by source_copy_close */
    char *config;                 /* text of config.json */
    struct copy_tensor tensors[COPY_TENSORS_MAX];
    uint32_t tensor_count;
};

/* ---------------------------------------------------------------- folders */

static inline void folder_make(char folder[COPY_PATH_BYTES]) {
    const char *place = getenv("TMPDIR");
    (void)snprintf(folder, COPY_PATH_BYTES, "%s/tercet-test-XXXXXX",
                   place != NULL ? place : "/tmp");
    REQUIRE(mkdtemp(folder) != NULL);
}

static inline const char *folder_path(const char *folder, const char *name,
                                      char path[COPY_PATH_BYTES]) {
    REQUIRE((size_t)snprintf(path, COPY_PATH_BYTES, "%s/%s", folder, name) < COPY_PATH_BYTES);
    return path;
}

static inline void folder_write(const char *folder, const char *name, const void *bytes,
                                size_t count) {
    char path[COPY_PATH_BYTES];
    FILE *file = fopen(folder_path(folder, name, path), "wb");
    REQUIRE(file != NULL);
    REQUIRE(fwrite(bytes, 1, count, file) == count);
    REQUIRE(fclose(file) == 0);
}

static inline void folder_write_text(const char *folder, const char *name, const char *text) {
    folder_write(folder, name, text, strlen(text));
}

/* Entries whose name begins with `prefix`; "" counts all. */
static inline unsigned folder_count(const char *folder, const char *prefix) {
    unsigned count = 0;
    DIR *listing = opendir(folder);
    REQUIRE(listing != NULL);
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        count += entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    }
    (void)closedir(listing);
    return count;
}

/* The folder and the files in it; it has no folders inside. */
static inline void folder_remove(const char *folder) {
    char path[COPY_PATH_BYTES];
    DIR *listing = opendir(folder);
    REQUIRE(listing != NULL);
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)unlink(folder_path(folder, entry->d_name, path));
        }
    }
    (void)closedir(listing);
    REQUIRE(rmdir(folder) == 0);
}

static inline void folder_copy_file(const char *from, const char *to, const char *name) {
    uint8_t *bytes;
    size_t count;
    if (source_file_exists(from, name)) {
        REQUIRE(source_file_read(from, name, 16u << 20, &bytes, &count, NULL) == TERCET_OK);
        folder_write(to, name, bytes, count);
        free(bytes);
    }
}

/* ---------------------------------------------------------------- tensors */

static inline struct copy_tensor *copy_find(struct source_copy *copy, const char *name) {
    for (uint32_t i = 0; i < copy->tensor_count; i++) {
        if (strcmp(copy->tensors[i].name, name) == 0) {
            return &copy->tensors[i];
        }
    }
    fprintf(stderr, "the test looks for a tensor that is not there: %s\n", name);
    REQUIRE(false);
    return NULL;
}

static inline struct copy_tensor *copy_add(struct source_copy *copy, const char *name,
                                           const char *dtype, uint32_t rank, const uint64_t *shape,
                                           size_t count) {
    REQUIRE(copy->tensor_count < COPY_TENSORS_MAX && rank <= 4);
    struct copy_tensor *tensor = &copy->tensors[copy->tensor_count++];
    memset(tensor, 0, sizeof *tensor);
    (void)snprintf(tensor->name, sizeof tensor->name, "%s", name);
    (void)snprintf(tensor->dtype, sizeof tensor->dtype, "%s", dtype);
    tensor->rank = rank;
    memcpy(tensor->shape, shape, rank * sizeof *shape);
    tensor->bytes = calloc(1, count + 1);
    tensor->count = count;
    REQUIRE(tensor->bytes != NULL);
    return tensor;
}

static inline void copy_remove(struct source_copy *copy, const char *name) {
    struct copy_tensor *tensor = copy_find(copy, name);
    free(tensor->bytes);
    *tensor = copy->tensors[--copy->tensor_count];
}

/* The same values as f32: for F16 and BF16 tests write their own bytes. */
static inline void copy_set_f32(struct copy_tensor *tensor, size_t index, float value) {
    REQUIRE(strcmp(tensor->dtype, "F32") == 0 && index * 4 + 4 <= tensor->count);
    memcpy(tensor->bytes + index * 4, &value, 4);
}

/* Replaces the first `from` of config.json. */
static inline void copy_config(struct source_copy *copy, const char *from, const char *to) {
    char *at = strstr(copy->config, from);
    REQUIRE(at != NULL);
    size_t head = (size_t)(at - copy->config), rest = strlen(at + strlen(from)) + 1;
    char *text = malloc(head + strlen(to) + rest);
    REQUIRE(text != NULL);
    memcpy(text, copy->config, head);
    memcpy(text + head, to, strlen(to));
    memcpy(text + head + strlen(to), at + strlen(from), rest);
    free(copy->config);
    copy->config = text;
}

/* ---------------------------------------------------------------- writing */

/* Tensors [first, end) as one file. */
static inline void copy_write_shard(const struct source_copy *copy, const char *name,
                                    uint32_t first, uint32_t end) {
    char path[COPY_PATH_BYTES], header[65536];
    size_t used = 0, offset = 0;
    header[used++] = '{';
    for (uint32_t i = first; i < end; i++) {
        const struct copy_tensor *tensor = &copy->tensors[i];
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i == first ? "" : ",",
                                 tensor->name, tensor->dtype);
        for (uint32_t d = 0; d < tensor->rank; d++) {
            used += (size_t)snprintf(header + used, sizeof header - used, "%s%llu",
                                     d == 0 ? "" : ",", (unsigned long long)tensor->shape[d]);
        }
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 "],\"data_offsets\":[%zu,%zu]}", offset, offset + tensor->count);
        offset += tensor->count;
        REQUIRE(used + 256 < sizeof header);
    }
    header[used++] = '}';
    FILE *file = fopen(folder_path(copy->folder, name, path), "wb");
    REQUIRE(file != NULL);
    for (int i = 0; i < 8; i++) {
        (void)fputc((int)(((uint64_t)used >> (8 * i)) & 0xFF), file);
    }
    REQUIRE(fwrite(header, 1, used, file) == used);
    for (uint32_t i = first; i < end; i++) {
        REQUIRE(fwrite(copy->tensors[i].bytes, 1, copy->tensors[i].count, file) ==
                copy->tensors[i].count);
    }
    REQUIRE(fclose(file) == 0);
}

static inline void copy_write(const struct source_copy *copy) {
    folder_write_text(copy->folder, "config.json", copy->config);
    copy_write_shard(copy, "model.safetensors", 0, copy->tensor_count);
}

/* Two shards, cut in the middle, and their index. */
static inline void copy_write_sharded(const struct source_copy *copy) {
    static const char *const names[] = {"model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors"};
    char path[COPY_PATH_BYTES];
    uint32_t half = copy->tensor_count / 2;
    folder_write_text(copy->folder, "config.json", copy->config);
    copy_write_shard(copy, names[0], 0, half);
    copy_write_shard(copy, names[1], half, copy->tensor_count);
    FILE *file = fopen(folder_path(copy->folder, "model.safetensors.index.json", path), "wb");
    REQUIRE(file != NULL);
    fprintf(file, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (uint32_t i = 0; i < copy->tensor_count; i++) {
        fprintf(file, "%s\"%s\":\"%s\"", i == 0 ? "" : ",", copy->tensors[i].name,
                names[i >= half]);
    }
    fprintf(file, "}}");
    REQUIRE(fclose(file) == 0);
}

/* ---------------------------------------------------------------- opening */

/* Everything of golden/models/<name>; nothing of the model is written yet, but its tokenizer is. */
static inline void source_copy_open(struct source_copy *copy, const char *name) {
    static const char *const files[] = {"tokenizer.json", "tokenizer_config.json",
                                        "tokenizer.model", "generation_config.json"};
    char golden[COPY_PATH_BYTES];
    uint8_t *bytes;
    size_t count;
    struct source_weights source;
    tercet_error error;
    memset(copy, 0, sizeof *copy);
    folder_make(copy->folder);
    (void)folder_path("golden/models", name, golden);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        folder_copy_file(golden, copy->folder, files[i]);
    }
    REQUIRE(source_file_read(golden, "config.json", 1u << 20, &bytes, &count, &error) == TERCET_OK);
    copy->config = (char *)bytes; /* ends with a zero byte */
    REQUIRE(safetensors_open(golden, &source, &error) == TERCET_OK);
    for (uint32_t i = 0; i < source.tensor_count; i++) {
        const struct source_tensor *from = source.tensors[i];
        struct copy_tensor *to = copy_add(copy, from->name, from->dtype_name, from->rank,
                                          from->shape, (size_t)from->bytes);
        REQUIRE(source_weights_read(&source, from, 0, to->bytes, to->count, &error) == TERCET_OK);
    }
    source_weights_close(&source);
}

static inline void source_copy_close(struct source_copy *copy) {
    folder_remove(copy->folder);
    for (uint32_t i = 0; i < copy->tensor_count; i++) {
        free(copy->tensors[i].bytes);
    }
    free(copy->config);
}

#endif
