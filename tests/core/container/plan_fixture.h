/*
 * plan_fixture.h: writer's plans for C tests: the model of golden/container/well_formed.tercet restated in C, and one with
 * more than two chunks of tensor data. The tokenizer section is cut out of the golden file.
 */
#ifndef TERCET_TESTS_PLAN_FIXTURE_H
#define TERCET_TESTS_PLAN_FIXTURE_H

#include "container_writer.h"
#include "golden_file.h"

#define FIXTURE_GOLDEN "golden/container/well_formed.tercet"

struct plan_fixture {
    struct golden_file golden;
    struct writer_tensor tensors[14];
    struct writer_plan plan;
};

static inline void fixture_open(struct plan_fixture *fixture) {
    static const double frequencies[] = {1.0, 0.015625};
    static const struct writer_tensor tensors[14] = {
        {0, ROLE_EMBEDDING, TENSOR_F32, SCALE_NONE, 12, 20},
        {1, ROLE_ATTENTION_NORM, TENSOR_F32, SCALE_NONE, 1, 20},
        {1, ROLE_Q, TENSOR_TERNARY, SCALE_TENSOR, 16, 20},
        {1, ROLE_K, TENSOR_TERNARY, SCALE_ROW, 8, 20},
        {1, ROLE_V, TENSOR_TERNARY, SCALE_GROUP64, 8, 20},
        {1, ROLE_ATTENTION_SUB_NORM, TENSOR_F32, SCALE_NONE, 1, 16},
        {1, ROLE_O, TENSOR_INT8, SCALE_ROW, 20, 16},
        {1, ROLE_FFN_NORM, TENSOR_F32, SCALE_NONE, 1, 20},
        {1, ROLE_GATE, TENSOR_TERNARY, SCALE_GROUP128, 24, 20},
        {1, ROLE_UP, TENSOR_TERNARY, SCALE_TENSOR, 24, 20},
        {1, ROLE_FFN_SUB_NORM, TENSOR_F32, SCALE_NONE, 1, 24},
        {1, ROLE_DOWN, TENSOR_F16, SCALE_NONE, 20, 24},
        {2, ROLE_OUTPUT_NORM, TENSOR_F32, SCALE_NONE, 1, 20},
        {2, ROLE_HEAD, TENSOR_INT8, SCALE_ROW, 12, 20},
    };
    fixture->golden = golden_read(FIXTURE_GOLDEN);
    struct container container;
    untrusted_bytes header = {fixture->golden.bytes, golden_header_bytes(fixture->golden.bytes)};
    REQUIRE(container_read_header(header, fixture->golden.count, &container, NULL) == TERCET_OK);
    const struct container_tokenizer *tokenizer = &container.tokenizer;
    const uint8_t *section = (const uint8_t *)tokenizer->text_offsets - TOKENIZER_HEAD_BYTES;
    const uint8_t *section_end = tokenizer->text + tokenizer->text_offsets[tokenizer->token_count];
    memcpy(fixture->tensors, tensors, sizeof tensors);
    fixture->plan = (struct writer_plan){
        .config = {.family = FAMILY_BITNET,
                   .flags = CONFIG_FLAG_SUB_NORMS,
                   .layers = 1,
                   .hidden = 20,
                   .inner = 24,
                   .heads = 4,
                   .kv_heads = 2,
                   .head_dim = 4,
                   .vocabulary = 12,
                   .context = 64,
                   .activation = ACTIVATION_RELU2,
                   .activation_bits = 8,
                   .norm_epsilon = 0x1p-17f,
                   .temperature = 0.75f,
                   .top_k = 8,
                   .top_p = 0.9375f,
                   .min_p = 0.0f,
                   .stop_count = 1,
                   .stop_tokens = {2}},
        .rope_scale = 1.0,
        .rope_frequencies = frequencies,
        .tensors = fixture->tensors,
        .tensor_count = 14,
        .tokenizer_section = section,
        .tokenizer_bytes = (size_t)(section_end - section),
        .name = "Golden ternary",
        .licence = "MIT",
        .source = "container_models.mjs",
    };
}

/* A vocabulary that takes three chunks: 1,600,000 bytes of embedding and 720,000 of head. */
static inline void fixture_enlarge(struct plan_fixture *fixture) {
    fixture->plan.config.vocabulary = 20000;
    fixture->tensors[0].rows = 20000;
    fixture->tensors[13].rows = 20000;
    fixture->plan.name = NULL;
    fixture->plan.licence = NULL;
    fixture->plan.source = "";
}

static inline uint64_t fixture_data_bytes(const struct plan_fixture *fixture) {
    uint64_t sum = 0, bytes;
    for (uint32_t i = 0; i < fixture->plan.tensor_count; i++) {
        const struct writer_tensor *tensor = &fixture->plan.tensors[i];
        REQUIRE(container_tensor_bytes(tensor->type, tensor->scale, tensor->rows, tensor->columns,
                                       &bytes));
        sum += bytes;
    }
    return sum;
}

/* Data without a meaning in which no two chunks are alike: 251 is prime to every power of two. */
static inline uint8_t fixture_byte(uint64_t offset) {
    return (uint8_t)(offset % 251);
}

static inline void fixture_close(struct plan_fixture *fixture) {
    free(fixture->golden.bytes);
}

#endif
