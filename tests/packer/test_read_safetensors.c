/*
 * test_read_safetensors.c: files and folders: single, sharded, and everything that can be wrong with them.
 */
#define _GNU_SOURCE 1
#include "source_copy.h"

#include <fcntl.h>

#define GOLDEN "llama-packed-oldstyle"
#define EMBEDDING "model.embed_tokens.weight"
#define INDEX "model.safetensors.index.json"
#define FIRST "model-00001-of-00002.safetensors"
#define SECOND "model-00002-of-00002.safetensors"

/* Opens the folder, expects `want` and that the sentence names `named`. */
static void expect(const char *folder, tercet_status want, const char *named, const char *what) {
    struct source_weights source;
    tercet_error error = {0};
    tercet_status status = safetensors_open(folder, &source, &error);
    if (!CHECK_EQ(status, want) ||
        !CHECK(want == TERCET_OK || strstr(error.detail, named) != NULL)) {
        fprintf(stderr, "    case: %s (%s)\n", what, error.detail);
    }
    if (status == TERCET_OK) {
        source_weights_close(&source);
    } else {
        CHECK(source.shards == NULL && source.tensors == NULL);
    }
}

static void shorten(const char *folder, const char *name, off_t by) {
    char path[COPY_PATH_BYTES];
    struct stat info;
    REQUIRE(stat(folder_path(folder, name, path), &info) == 0);
    REQUIRE(truncate(path, info.st_size - by) == 0);
}

static void test_single(void) {
    struct source_copy copy;
    struct source_weights source;
    uint32_t index;
    tercet_error error;
    uint8_t bytes[64];
    source_copy_open(&copy, GOLDEN);
    copy_write(&copy);
    REQUIRE(safetensors_open(copy.folder, &source, &error) == TERCET_OK);
    CHECK_EQ(source.tensor_count, copy.tensor_count);
    CHECK_EQ(source.shard_count, 1);
    for (uint32_t i = 0; i < copy.tensor_count; i++) {
        REQUIRE(source_weights_find(&source, copy.tensors[i].name, &index));
        const struct source_tensor *tensor = source.tensors[index];
        CHECK_EQ(tensor->bytes, copy.tensors[i].count);
        uint8_t *all = malloc((size_t)tensor->bytes);
        CHECK_STATUS(source_weights_read(&source, tensor, 0, all, (size_t)tensor->bytes, &error),
                     TERCET_OK);
        CHECK_MEM(all, copy.tensors[i].bytes, copy.tensors[i].count);
        free(all);
    }
    CHECK(!source_weights_find(&source, "model.embed_tokens", &index));
    CHECK(!source_weights_find(&source, "", &index));
    CHECK(!source_weights_find(&source, "zzz", &index));

    REQUIRE(source_weights_find(&source, EMBEDDING, &index));
    const struct source_tensor *embedding = source.tensors[index];
    CHECK_STATUS(source_weights_read(&source, embedding, 7, bytes, 50, &error), TERCET_OK);
    CHECK_MEM(bytes, copy_find(&copy, EMBEDDING)->bytes + 7, 50);
    CHECK_STATUS(source_weights_read(&source, embedding, embedding->bytes, bytes, 0, &error),
                 TERCET_OK);
    CHECK_STATUS(source_weights_read(&source, embedding, embedding->bytes, bytes, 1, &error),
                 TERCET_BAD_ARGUMENT);
    CHECK_STATUS(source_weights_read(&source, embedding, UINT64_MAX, bytes, 2, &error),
                 TERCET_BAD_ARGUMENT);

    /* Someone cuts the file while it is read. */
    shorten(copy.folder, "model.safetensors", (off_t)source.file_bytes - 100);
    CHECK_STATUS(source_weights_read(&source, embedding, 0, bytes, 50, &error), TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, "model.safetensors") != NULL);
    source_weights_close(&source);
    source_copy_close(&copy);
}

static void test_single_faults(void) {
    struct source_copy copy;
    char path[COPY_PATH_BYTES];
    expect("golden/no-such-folder", TERCET_FILE_NOT_FOUND, "golden/no-such-folder", "no folder");
    expect("golden/models/" GOLDEN "/config.json", TERCET_UNSUPPORTED_SOURCE, "config.json",
           "a file");
    source_copy_open(&copy, GOLDEN);
    expect(copy.folder, TERCET_FILE_NOT_FOUND, "model.safetensors", "no weights");
    folder_write_text(copy.folder, "model.gguf", "x");
    expect(copy.folder, TERCET_UNSUPPORTED_SOURCE, "give that file instead", "a GGUF file in it");
    (void)unlink(folder_path(copy.folder, "model.gguf", path));
    folder_write_text(copy.folder, "pytorch_model.bin", "x");
    expect(copy.folder, TERCET_UNSUPPORTED_SOURCE, "pytorch_model.bin", "another format");
    for (off_t by = 1; by <= 3; by++) {
        copy_write(&copy);
        shorten(copy.folder, "model.safetensors", by);
        expect(copy.folder, TERCET_BAD_SOURCE, "model.safetensors is cut short", "a cut end");
    }
    folder_write(copy.folder, "model.safetensors", "\x02\0\0\0\0\0\0", 7);
    expect(copy.folder, TERCET_BAD_SOURCE, "model.safetensors", "seven bytes");
    folder_write(copy.folder, "model.safetensors", "", 0);
    expect(copy.folder, TERCET_BAD_SOURCE, "model.safetensors", "an empty file");
    folder_write(copy.folder, "model.safetensors", "\x03\0\0\0\0\0\0\0{}", 10);
    expect(copy.folder, TERCET_BAD_SOURCE, "model.safetensors", "a header longer than the file");
    folder_write_text(copy.folder, "model.safetensors",
                      "PK\x03\x04 a zip file, as torch writes it, not safetensors");
    expect(copy.folder, TERCET_BAD_SOURCE, "model.safetensors", "a zip file");
    REQUIRE(unlink(folder_path(copy.folder, "model.safetensors", path)) == 0);
    REQUIRE(mkfifo(path, 0600) == 0);
    expect(copy.folder, TERCET_FILE_READ_FAILED, "model.safetensors", "a pipe");
    source_copy_close(&copy);
}

static void write_index(const struct source_copy *copy, const char *weight_map) {
    char text[4096];
    (void)snprintf(text, sizeof text, "{\"weight_map\":%s}", weight_map);
    folder_write_text(copy->folder, INDEX, text);
}

static void test_sharded(void) {
    struct source_copy copy;
    struct source_weights source;
    char path[COPY_PATH_BYTES];
    uint32_t index;
    source_copy_open(&copy, GOLDEN);
    copy_write_sharded(&copy);
    REQUIRE(safetensors_open(copy.folder, &source, NULL) == TERCET_OK);
    CHECK_EQ(source.shard_count, 2);
    CHECK_EQ(source.tensor_count, copy.tensor_count);
    for (uint32_t i = 0; i < copy.tensor_count; i++) {
        uint8_t first = 0;
        REQUIRE(source_weights_find(&source, copy.tensors[i].name, &index));
        CHECK_STATUS(source_weights_read(&source, source.tensors[index], 0, &first, 1, NULL),
                     TERCET_OK);
        CHECK_EQ(first, copy.tensors[i].bytes[0]);
    }
    source_weights_close(&source);

    shorten(copy.folder, SECOND, 1);
    expect(copy.folder, TERCET_BAD_SOURCE, SECOND " is cut short", "a cut shard");
    copy_write_sharded(&copy);
    REQUIRE(unlink(folder_path(copy.folder, FIRST, path)) == 0);
    expect(copy.folder, TERCET_BAD_SOURCE, FIRST, "a missing shard");
    copy_write_sharded(&copy);
    copy_write_shard(&copy, FIRST, 1, copy.tensor_count / 2);
    expect(copy.folder, TERCET_BAD_SOURCE, copy.tensors[0].name,
           "a tensor of the index is in no shard");
    copy_write_shard(&copy, FIRST, 0, copy.tensor_count / 2 + 1);
    expect(copy.folder, TERCET_BAD_SOURCE, copy.tensors[copy.tensor_count / 2].name,
           "a tensor is in two shards");
    source_copy_close(&copy);
}

static void test_index_faults(void) {
    static const struct {
        const char *weight_map, *named;
        tercet_status want;
    } cases[] = {
        {"[]", "weight_map", TERCET_BAD_SOURCE},
        {"null", "weight_map", TERCET_BAD_SOURCE},
        {"{\"a\":7}", INDEX, TERCET_BAD_SOURCE},
        {"{\"a\":\"../model.safetensors\"}", "plain file name", TERCET_BAD_SOURCE},
        {"{\"a\":\"..\"}", "plain file name", TERCET_BAD_SOURCE},
        {"{\"a\":\"/etc/passwd\"}", "plain file name", TERCET_BAD_SOURCE},
        {"{\"a\":\"x/y.safetensors\"}", "plain file name", TERCET_BAD_SOURCE},
        {"{\"a\":\"x\\\\y\"}", "plain file name", TERCET_BAD_SOURCE},
        {"{\"a\":\"\"}", "plain file name", TERCET_BAD_SOURCE},
        {"{\"a\":\"x\\ny\"}", "plain file name", TERCET_BAD_SOURCE},
        {"{\"a\":\"gone.safetensors\"}", "gone.safetensors", TERCET_BAD_SOURCE},
        {"{\"a\":\"one\"}", "one", TERCET_BAD_SOURCE},
        {"{\"b\":\"one\",\"b\":\"one\"}", "lists 2 tensors", TERCET_BAD_SOURCE},
        {"{\"b\":\"one\",\"c\":\"two\"}", "c", TERCET_BAD_SOURCE},
        {"{}", "", TERCET_OK},
        {"{\"b\":\"one\"}", "", TERCET_OK},
    };
    struct source_copy copy;
    uint64_t shape = 1;
    source_copy_open(&copy, GOLDEN);
    uint32_t count = copy.tensor_count;
    (void)copy_add(&copy, "b", "U8", 1, &shape, 1);
    copy_write_shard(&copy, "one", count, count + 1);
    copy_write_shard(&copy, "two", 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_index(&copy, cases[i].weight_map);
        expect(copy.folder, cases[i].want, cases[i].named, cases[i].weight_map);
    }
    folder_write_text(copy.folder, INDEX, "{\"weight_map\":");
    expect(copy.folder, TERCET_BAD_SOURCE, INDEX, "an index that is cut short");
    /* More shards than anyone has. */
    char *text = malloc((SAFETENSORS_SHARDS_MAX + 2) * 40), *at = text;
    at += sprintf(at, "{\"weight_map\":{");
    for (unsigned i = 0; i <= SAFETENSORS_SHARDS_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "s%u", i);
        at += sprintf(at, "%s\"t%u\":\"%s\"", i == 0 ? "" : ",", i, name);
        copy_write_shard(&copy, name, 0, 0);
    }
    strcpy(at, "}}");
    folder_write_text(copy.folder, INDEX, text);
    free(text);
    expect(copy.folder, TERCET_LIMIT_EXCEEDED, "512", "too many shards");
    source_copy_close(&copy);
}

int main(void) {
    test_single();
    test_single_faults();
    test_sharded();
    test_index_faults();
    return check_done();
}
