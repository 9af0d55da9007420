/*
 * test_reader_memory.c: memory that ends at any allocation, once or for good, while a model is read. Whatever the format: an error with a sentence,
 * never a crash, and every block that was taken is given back.
 */
#define _GNU_SOURCE 1
#include "failing_memory.h"

#include "check.h"
#include "model_source.h"
#include "source_matrix.h"
#include "source_survey.h"
#include "source_vocabulary.h"

#include <cjson/cJSON.h>

static const char *const sources[] = {
    "golden/models/bitnet-packed-autobitlinear", /* tokenizer.json of byte-level BPE */
    "golden/models/llama-grid-bf16-sharded",
    "golden/models/qwen3-mlx",
    "golden/models/gpt2-online-bare",     /* vocab.json and merges.txt */
    "golden/models/ternarylm-online-f32", /* WordPiece */
    "golden/models/stories260K",          /* tokenizer.model */
    "golden/models/llama-npz",
    "golden/models/bitmamba2-bin/model.bin",
    "golden/models/gguf-bitnet-i2_s/model.gguf",
    "golden/models/gguf-qwen3-ptq1_0/model.gguf",
};
#define SOURCES (sizeof sources / sizeof sources[0])

/* The first rows of every tensor. */
static tercet_status read_tensors(const struct model_source *source, tercet_error *error) {
    for (uint32_t i = 0; i < source->architecture.tensor_count; i++) {
        const struct planned_tensor *planned = &source->architecture.tensors[i];
        static float values[1u << 15]; /* of the test, not of the reader */
        struct source_matrix matrix;
        REQUIRE(planned->columns <= sizeof values / sizeof values[0]);
        TERCET_TRY(source_matrix_open(&source->weights, source->architecture.quantization, planned,
                                      &matrix, error));
        tercet_status status = source_matrix_read_values(&matrix, 0, 1, values, error);
        source_matrix_close(&matrix);
        TERCET_TRY(status);
    }
    return TERCET_OK;
}

static tercet_status read_opened(struct model_source *source, tercet_error *error) {
    struct chat_section chat;
    struct source_survey survey;
    char name[ABOUT_TEXT_BYTES], licence[ABOUT_TEXT_BYTES];
    TERCET_TRY(model_source_read(source, I2S_X86, error));
    TERCET_TRY(model_source_read_chat(source, NULL, &chat, error));
    chat_section_free(&chat);
    model_source_describe(source, name, licence);
    TERCET_TRY(read_tensors(source, error));
    TERCET_TRY(source_survey_weights(source, &survey, NULL, NULL, error));
    source_survey_free(&survey);
    return TERCET_OK;
}

static tercet_status read_source(const char *path, tercet_error *error) {
    struct model_source source;
    struct source_vocabulary vocabulary;
    uint32_t *tokens = NULL;
    size_t count = 0;
    TERCET_TRY(model_source_open(path, &source, error));
    tercet_status status = read_opened(&source, error);
    model_source_close(&source);
    TERCET_TRY(status);
    if (!source_vocabulary_is_source(path)) {
        return TERCET_OK;
    }
    TERCET_TRY(source_vocabulary_open(path, &vocabulary, error));
    status = source_vocabulary_encode(&vocabulary, "The end.", 8, 0, &tokens, &count, error);
    if (status == TERCET_OK) {
        static char text[64];
        const uint8_t *bytes;
        size_t text_bytes = 0, token_bytes = 0;
        CHECK_STATUS(source_vocabulary_decode(&vocabulary, tokens, count, text, sizeof text,
                                              &text_bytes, error),
                     TERCET_OK);
        CHECK(source_vocabulary_token(&vocabulary, tokens[0], &bytes, &token_bytes));
    }
    source_vocabulary_close(&vocabulary);
    free(tokens);
    return status;
}

/* Reads once with memory that ends at allocation `at`; false when it did not come so far. */
static bool read_failing(const char *path, unsigned at) {
    tercet_error error = {0};
    long held = blocks_held;
    allocations = 0;
    fail_allocation = at;
    tercet_status status = read_source(path, &error);
    bool reached = at != 0 && allocations >= at;
    fail_allocation = 0;
    if (!CHECK_EQ(blocks_held, held) || !CHECK_EQ(error.status, status) ||
        !CHECK(status == TERCET_OK || error.detail[0] != '\0') ||
        !CHECK(status == TERCET_OK || reached)) {
        fprintf(stderr, "    %s, allocation %u: %s\n", path, at, error.detail);
    }
    return reached;
}

#if MEMORY_CAN_FAIL
/* The JSON library's own memory, which is not counted. */
static void *uncounted_malloc(size_t bytes) {
    return __libc_malloc(bytes);
}

static void uncounted_free(void *pointer) {
    __libc_free(pointer);
}
#endif

int main(void) {
    for (size_t i = 0; i < SOURCES; i++) {
        CHECK(!read_failing(sources[i], 0));
    }
#if MEMORY_CAN_FAIL
    cJSON_Hooks hooks = {uncounted_malloc, uncounted_free};
    cJSON_InitHooks(&hooks);
    for (size_t i = 0; i < SOURCES; i++) {
        for (int for_good = 0; for_good < 2; for_good++) {
            unsigned at = 1;
            fail_from_then_on = for_good == 1;
            while (read_failing(sources[i], at)) {
                at++;
            }
            CHECK(at > 15);
        }
        fail_from_then_on = false;
    }
    /* A model's JSON is thousands of blocks: some of them. */
    cJSON_InitHooks(NULL);
    for (size_t i = 0; i < SOURCES; i++) {
        unsigned at = 1 + (unsigned)i;
        while (read_failing(sources[i], at)) {
            at += 1 + at / 16;
        }
    }
#endif
    return check_done();
}
