/*
 * test_model_source.c: which format a path is, and what is read beside a model that is a single file. What the formats themselves
 * refuse is in the tests of their readers.
 */
#define _GNU_SOURCE 1
#include "model_source.h"
#include "source_copy.h"

#define BITMAMBA "golden/models/bitmamba2-bin"
#define GGUF "golden/models/gguf-bitnet-i2_s/model.gguf"
#define TERNARYLM "golden/models/ternarylm-online-f32"

static void test_formats(void) {
    static const struct {
        const char *path;
        enum source_format format;
        bool is;
    } cases[] = {
        {BITMAMBA "/model.bin", SOURCE_BITMAMBA, true},
        {BITMAMBA "/tokenizer.bin", SOURCE_FOLDER, false},
        {GGUF, SOURCE_GGUF, true},
        {TERNARYLM, SOURCE_FOLDER, true},
        {TERNARYLM "/config.json", SOURCE_FOLDER, false},
        {"golden/models/nothing", SOURCE_FOLDER, false},
        {"golden/container/well_formed.tercet", SOURCE_FOLDER, false}, /* packed already */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_EQ(model_source_format(cases[i].path), cases[i].format);
        if (!CHECK_EQ(model_source_is(cases[i].path), cases[i].is)) {
            fprintf(stderr, "    %s\n", cases[i].path);
        }
    }
}

/* TernaryLM's config.json names no token that ends a text: its tokenizer does. */
static void test_end_of_a_folder(void) {
    struct model_source source;
    REQUIRE(model_source_open(TERNARYLM, &source, NULL) == TERCET_OK);
    CHECK_EQ(source.format, SOURCE_FOLDER);
    REQUIRE(model_source_read(&source, I2S_X86, NULL) == TERCET_OK);
    const struct container_config *config = &source.architecture.config;
    CHECK_EQ(config->stop_count, 1);
    CHECK(source.tokenizer.end_token < config->vocabulary);
    CHECK_EQ(config->stop_tokens[0], source.tokenizer.end_token);
    model_source_close(&source);
}

/* The tokenizer and the card of a .bin lie beside it, wherever that is. */
static void check_bitmamba(const char *path, const char *want_licence) {
    struct model_source source;
    tercet_error error = {0};
    char name[ABOUT_TEXT_BYTES], licence[ABOUT_TEXT_BYTES];
    REQUIRE(model_source_open(path, &source, &error) == TERCET_OK);
    CHECK_EQ(source.format, SOURCE_BITMAMBA);
    if (!CHECK_STATUS(model_source_read(&source, I2S_X86, &error), TERCET_OK)) {
        fprintf(stderr, "    %s: %s\n", path, error.detail);
    }
    const struct container_config *config = &source.architecture.config;
    CHECK_EQ(source.tokenizer.token_count, config->vocabulary);
    CHECK_EQ(config->stop_count, source.tokenizer.end_token != TERCET_NO_TOKEN);
    CHECK_EQ(config->stop_tokens[0], source.tokenizer.end_token);
    CHECK_EQ(config->stop_tokens[1], TERCET_NO_TOKEN);
    model_source_describe(&source, name, licence);
    CHECK_STR(name, "model.bin");
    CHECK_STR(licence, want_licence);
    model_source_close(&source);
}

static void link_golden(const char *folder, const char *name) {
    char golden[COPY_PATH_BYTES], path[COPY_PATH_BYTES];
    (void)snprintf(golden, sizeof golden, BITMAMBA "/%s", name);
    char *real = realpath(golden, NULL);
    REQUIRE(real != NULL && symlink(real, folder_path(folder, name, path)) == 0);
    free(real);
}

static void test_beside_a_file(void) {
    char folder[COPY_PATH_BYTES], path[COPY_PATH_BYTES], *before = getcwd(NULL, 0);
    tercet_error error = {0};
    struct model_source source;
    check_bitmamba(BITMAMBA "/model.bin", "");

    folder_make(folder);
    link_golden(folder, "model.bin");
    REQUIRE(model_source_open(folder_path(folder, "model.bin", path), &source, &error) ==
            TERCET_OK);
    CHECK_STATUS(model_source_read(&source, I2S_X86, &error), TERCET_FILE_NOT_FOUND);
    CHECK(strstr(error.detail, folder) != NULL && strstr(error.detail, "tokenizer") != NULL);
    model_source_close(&source);

    link_golden(folder, "tokenizer.bin");
    folder_write_text(folder, "README.md", "---\nlicense: apache-2.0\n---\n");
    check_bitmamba(path, "apache-2.0");
    REQUIRE(before != NULL && chdir(folder) == 0);
    check_bitmamba("model.bin", "apache-2.0"); /* a path without a folder */
    REQUIRE(chdir(before) == 0);
    free(before);
    folder_remove(folder);
}

/* No system opens such a path, but the caller may have opened the file in another way. */
static void test_long_path(void) {
    struct model_source source;
    tercet_error error = {0};
    char path[5000];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 2] = '/';
    path[sizeof path - 1] = '\0';
    REQUIRE(model_source_open(BITMAMBA "/model.bin", &source, NULL) == TERCET_OK);
    source.path = path;
    CHECK_STATUS(model_source_read(&source, I2S_X86, &error), TERCET_LIMIT_EXCEEDED);
    CHECK_STR(error.detail, "the path of the model is too long");
    model_source_close(&source);
}

int main(void) {
    test_formats();
    test_end_of_a_folder();
    test_beside_a_file();
    test_long_path();
    return check_done();
}
