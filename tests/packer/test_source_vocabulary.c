/*
 * test_source_vocabulary.c: the tokenizer of a folder, with and without the config.json that says how many rows the model has; and a
 * section that the container's reader refuses. That the tables are right is for the tests of the tokenizer's readers.
 */
#include "source_vocabulary.h"
#include "container/container_layout.h"
#include "source_copy.h"

#define GOLDEN "golden/models/gpt2-online-bare"

static void copy_file(const char *folder, const char *name) {
    uint8_t *bytes = NULL;
    size_t count = 0;
    REQUIRE(source_file_read(GOLDEN, name, 1u << 24, &bytes, &count, NULL) == TERCET_OK);
    folder_write(folder, name, bytes, count);
    free(bytes);
}

static void check_folder(const char *folder, uint32_t rows, uint32_t beginning) {
    static const char said[] = "The end.";
    struct source_vocabulary vocabulary;
    tercet_error error = {0};
    uint32_t *tokens = NULL;
    char text[sizeof said];
    size_t count = 0, bytes = 0;
    REQUIRE(source_vocabulary_open(folder, &vocabulary, &error) == TERCET_OK);
    CHECK_EQ(vocabulary.tables.token_count, rows);
    CHECK_EQ(vocabulary.tables.beginning, beginning);
    REQUIRE(source_vocabulary_encode(&vocabulary, said, sizeof said - 1, 0, &tokens, &count,
                                     &error) == TERCET_OK);
    CHECK_STATUS(
        source_vocabulary_decode(&vocabulary, tokens, count, text, sizeof text, &bytes, &error),
        TERCET_OK);
    CHECK_EQ(bytes, sizeof said - 1);
    CHECK_MEM(text, said, sizeof said - 1);
    free(tokens);
    source_vocabulary_close(&vocabulary);
}

static void test_folder(void) {
    char folder[COPY_PATH_BYTES];
    struct source_vocabulary vocabulary;
    tercet_error error = {0};
    folder_make(folder);
    CHECK(source_vocabulary_is_source(folder));
    CHECK(!source_vocabulary_is_source("golden/models/README.md"));
    copy_file(folder, "vocab.json");
    copy_file(folder, "merges.txt");
    check_folder(folder, LIMIT_VOCABULARY, TERCET_NO_TOKEN); /* as many as there can be */
    folder_write_text(folder, "config.json", "{\"vocab_size\": 400, \"bos_token_id\": 399}");
    check_folder(folder, 400, 399);
    folder_write_text(folder, "config.json", "{\"vocab_size\": 400, \"bos_token_id\": 400}");
    check_folder(folder, 400, TERCET_NO_TOKEN); /* no token of the model */
    folder_write_text(folder, "config.json", "{\"vocab_size\": 0}");
    CHECK_STATUS(source_vocabulary_open(folder, &vocabulary, &error), TERCET_LIMIT_EXCEEDED);
    CHECK(strstr(error.detail, "a vocabulary of 0 tokens is not possible") != NULL);
    folder_write_text(folder, "config.json", "{\"vocab_size\": ");
    CHECK_STATUS(source_vocabulary_open(folder, &vocabulary, &error), TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, "config.json") != NULL);
    folder_remove(folder);
}

static void test_damaged_section(void) {
    struct tokenizer_section section;
    struct source_vocabulary vocabulary;
    tercet_error error = {0};
    REQUIRE(tokenizer_section_build(GOLDEN, 400, TERCET_NO_TOKEN, &section, NULL) == TERCET_OK);
    REQUIRE(source_vocabulary_take(&section, &vocabulary, &error) == TERCET_OK);
    source_vocabulary_close(&vocabulary);
    section.bytes[TOKENIZER_AT_KIND] = 99;
    CHECK_STATUS(source_vocabulary_take(&section, &vocabulary, &error), TERCET_UNSUPPORTED);
    CHECK(strstr(error.detail, "TOKENIZER") != NULL && vocabulary.memory == NULL);
    tokenizer_section_free(&section);
}

int main(void) {
    test_folder();
    test_damaged_section();
    return check_done();
}
