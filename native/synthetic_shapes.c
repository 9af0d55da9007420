/*
 * synthetic_shapes.c: see synthetic_shapes.h. Sizes as published with the models: docs/performance.md
 * names their sources.
 */
#include "synthetic_shapes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_STOPS                                                                                   \
    {                                                                                              \
        TERCET_NO_TOKEN, TERCET_NO_TOKEN, TERCET_NO_TOKEN, TERCET_NO_TOKEN, TERCET_NO_TOKEN,       \
            TERCET_NO_TOKEN, TERCET_NO_TOKEN, TERCET_NO_TOKEN                                      \
    }
#define SENTENCEPIECE_FLAGS                                                                        \
    (TOKENIZER_FLAG_ADD_BEGINNING | TOKENIZER_FLAG_ADD_PREFIX_SPACE | TOKENIZER_FLAG_BYTE_FALLBACK)
/* base^(-2 / head_dim), rounded correctly: literals, because pow() differs between C libraries. */
#define ROPE_10000_OF_16 0x1.43d136248490fp-2
#define ROPE_10000_OF_96 0x1.a69b609b6a52fp-1
#define ROPE_1000000_OF_16 0x1.6c310e3769f3fp-3
#define ROPE_1000000_OF_128 0x1.9c9758e458666p-1
#define ROPE_500000_OF_128 0x1.a115829457fbep-1
#define GPT2_FLAGS                                                                                 \
    (CONFIG_FLAG_TIED_HEAD | CONFIG_FLAG_LAYER_NORMS | CONFIG_FLAG_LEARNED_POSITIONS |             \
     CONFIG_FLAG_QKV_BIASES | CONFIG_FLAG_O_BIAS | CONFIG_FLAG_FFN_BIASES)

static const struct synthetic_shape shapes[] = {
    {
        .name = "llama-729m",
        .about = "24 layers of 1536, Llama graph, int8 tied head (bitnet_b1_58-large)",
        .config = {.family = FAMILY_LLAMA,
                   .flags = CONFIG_FLAG_TIED_HEAD,
                   .layers = 24,
                   .hidden = 1536,
                   .inner = 4096,
                   .heads = 16,
                   .kv_heads = 16,
                   .head_dim = 96,
                   .vocabulary = 32000,
                   .context = 4096,
                   .activation = ACTIVATION_SILU,
                   .activation_bits = 8,
                   .norm_epsilon = 1e-5f,
                   .top_p = 1,
                   .stop_tokens = NO_STOPS},
        .rope_ratio = ROPE_10000_OF_96,
        .vector_type = TENSOR_F32,
        .linear_scale = SCALE_TENSOR,
        .table_type = TENSOR_INT8,
        .table_scale = SCALE_ROW,
        .tokenizer = {TOKENIZER_SENTENCEPIECE, SPLITTER_NONE, SENTENCEPIECE_FLAGS, 32000, 61249, 3},
    },
    {
        .name = "bitnet-2b",
        .about = "30 layers of 2560, sub-norms, squared ReLU, int8 tied head (BitNet b1.58 2B-4T)",
        .config = {.family = FAMILY_BITNET,
                   .flags = CONFIG_FLAG_TIED_HEAD | CONFIG_FLAG_SUB_NORMS,
                   .layers = 30,
                   .hidden = 2560,
                   .inner = 6912,
                   .heads = 20,
                   .kv_heads = 5,
                   .head_dim = 128,
                   .vocabulary = 128256,
                   .context = 4096,
                   .activation = ACTIVATION_RELU2,
                   .activation_bits = 8,
                   .norm_epsilon = 1e-5f,
                   .top_p = 1,
                   .stop_tokens = NO_STOPS},
        .rope_ratio = ROPE_500000_OF_128,
        .vector_type = TENSOR_F32,
        .linear_scale = SCALE_TENSOR,
        .table_type = TENSOR_INT8,
        .table_scale = SCALE_ROW,
        .tokenizer = {TOKENIZER_BYTE_BPE, SPLITTER_LLAMA3, TOKENIZER_FLAG_IGNORE_MERGES, 128256,
                      280147, 256},
    },
    {
        .name = "gpt2-xl",
        .about = "48 layers of 1600, biases, learned positions, every matrix ternary (GPT-2 XL)",
        .config = {.family = FAMILY_GPT2,
                   .flags = GPT2_FLAGS,
                   .layers = 48,
                   .hidden = 1600,
                   .inner = 6400,
                   .heads = 25,
                   .kv_heads = 25,
                   .head_dim = 64,
                   .vocabulary = 50257,
                   .context = 1024,
                   .activation = ACTIVATION_GELU,
                   .activation_bits = 8,
                   .norm_epsilon = 1e-5f,
                   .top_p = 1,
                   .stop_tokens = NO_STOPS},
        .vector_type = TENSOR_F16,
        .linear_scale = SCALE_TENSOR,
        .table_type = TENSOR_TERNARY,
        .table_scale = SCALE_TENSOR,
        .tokenizer = {TOKENIZER_BYTE_BPE, SPLITTER_GPT2, 0, 50257, 50000, 1},
    },
    {
        .name = "bonsai-1.7b",
        .about = "28 layers of 2048, norms of heads, groups of 128, ternary tied head (Qwen3-1.7B)",
        .config = {.family = FAMILY_QWEN3,
                   .flags = CONFIG_FLAG_TIED_HEAD | CONFIG_FLAG_QK_NORMS,
                   .layers = 28,
                   .hidden = 2048,
                   .inner = 6144,
                   .heads = 16,
                   .kv_heads = 8,
                   .head_dim = 128,
                   .vocabulary = 151936,
                   .context = 32768,
                   .activation = ACTIVATION_SILU,
                   .activation_bits = 8,
                   .norm_epsilon = 1e-6f,
                   .top_p = 1,
                   .stop_tokens = NO_STOPS},
        .rope_ratio = ROPE_1000000_OF_128,
        .vector_type = TENSOR_F32,
        .linear_scale = SCALE_GROUP128,
        .table_type = TENSOR_TERNARY,
        .table_scale = SCALE_GROUP128,
        .tokenizer = {TOKENIZER_BYTE_BPE, SPLITTER_QWEN2, 0, 151669, 151387, 26},
    },
    {
        .name = "tiny",
        .about = "2 layers of 72, Llama graph: no real model, for trying things out",
        .config = {.family = FAMILY_LLAMA,
                   .flags = CONFIG_FLAG_TIED_HEAD,
                   .layers = 2,
                   .hidden = 72,
                   .inner = 200,
                   .heads = 4,
                   .kv_heads = 2,
                   .head_dim = 16,
                   .vocabulary = 530,
                   .context = 256,
                   .activation = ACTIVATION_SILU,
                   .activation_bits = 8,
                   .norm_epsilon = 1e-5f,
                   .top_p = 1,
                   .stop_tokens = NO_STOPS},
        .rope_ratio = ROPE_10000_OF_16,
        .vector_type = TENSOR_F32,
        .linear_scale = SCALE_TENSOR,
        .table_type = TENSOR_INT8,
        .table_scale = SCALE_ROW,
        .tokenizer = {TOKENIZER_SENTENCEPIECE, SPLITTER_NONE, SENTENCEPIECE_FLAGS, 520, 400, 3},
    },
    {
        .name = "tiny-gpt2",
        .about = "2 layers of 72 with the graph of gpt2-xl",
        .config = {.family = FAMILY_GPT2,
                   .flags = GPT2_FLAGS,
                   .layers = 2,
                   .hidden = 72,
                   .inner = 200,
                   .heads = 4,
                   .kv_heads = 4,
                   .head_dim = 18,
                   .vocabulary = 530,
                   .context = 256,
                   .activation = ACTIVATION_GELU,
                   .activation_bits = 8,
                   .norm_epsilon = 1e-5f,
                   .top_p = 1,
                   .stop_tokens = NO_STOPS},
        .vector_type = TENSOR_F16,
        .linear_scale = SCALE_TENSOR,
        .table_type = TENSOR_TERNARY,
        .table_scale = SCALE_TENSOR,
        .tokenizer = {TOKENIZER_BYTE_BPE, SPLITTER_GPT2, 0, 530, 273, 1},
    },
    {
        .name = "tiny-bonsai",
        .about = "2 layers of 200 with the graph of bonsai-1.7b",
        .config = {.family = FAMILY_QWEN3,
                   .flags = CONFIG_FLAG_TIED_HEAD | CONFIG_FLAG_QK_NORMS,
                   .layers = 2,
                   .hidden = 200,
                   .inner = 300,
                   .heads = 4,
                   .kv_heads = 2,
                   .head_dim = 16,
                   .vocabulary = 530,
                   .context = 256,
                   .activation = ACTIVATION_SILU,
                   .activation_bits = 8,
                   .norm_epsilon = 1e-6f,
                   .top_p = 1,
                   .stop_tokens = NO_STOPS},
        .rope_ratio = ROPE_1000000_OF_16,
        .vector_type = TENSOR_F32,
        .linear_scale = SCALE_GROUP128,
        .table_type = TENSOR_TERNARY,
        .table_scale = SCALE_GROUP128,
        .tokenizer = {TOKENIZER_BYTE_BPE, SPLITTER_QWEN2, 0, 520, 300, 26},
    },
};
enum { SHAPE_COUNT = sizeof shapes / sizeof *shapes };

const struct synthetic_shape *synthetic_shape_at(uint32_t index) {
    return index < SHAPE_COUNT ? &shapes[index] : NULL;
}

const struct synthetic_shape *synthetic_shape_find(const char *name) {
    for (uint32_t i = 0; i < SHAPE_COUNT; i++) {
        if (strcmp(shapes[i].name, name) == 0) {
            return &shapes[i];
        }
    }
    return NULL;
}

void synthetic_shape_list(char *list, size_t capacity) {
    size_t length = 0;
    list[0] = '\0';
    for (uint32_t i = 0; i < SHAPE_COUNT && length < capacity; i++) {
        int added =
            snprintf(list + length, capacity - length, "%s%s", i > 0 ? ", " : "", shapes[i].name);
        length += added > 0 ? (size_t)added : 0;
    }
}

/* A list that grows; `items` is NULL after memory ran out. */
struct tensor_list {
    struct writer_tensor *items;
    uint32_t count;
};

static void add(struct tensor_list *list, uint32_t stage, uint32_t role, uint32_t type,
                uint32_t scale, uint32_t rows, uint32_t columns) {
    list->items[list->count++] = (struct writer_tensor){stage, role, type, scale, rows, columns};
}

static void add_vector(const struct synthetic_shape *shape, struct tensor_list *list,
                       uint32_t stage, uint32_t role, uint32_t columns) {
    add(list, stage, role, shape->vector_type, SCALE_NONE, 1, columns);
}

/* A bias or norm that only models with this flag have. */
static void add_optional(const struct synthetic_shape *shape, struct tensor_list *list,
                         uint32_t stage, uint32_t role, uint32_t columns, uint32_t flag) {
    if ((shape->config.flags & flag) != 0) {
        add_vector(shape, list, stage, role, columns);
    }
}

static void add_linear(const struct synthetic_shape *shape, struct tensor_list *list,
                       uint32_t stage, uint32_t role, uint32_t rows, uint32_t columns) {
    add(list, stage, role, TENSOR_TERNARY, shape->linear_scale, rows, columns);
}

static void add_table(const struct synthetic_shape *shape, struct tensor_list *list, uint32_t stage,
                      uint32_t role, uint32_t rows) {
    add(list, stage, role, shape->table_type, shape->table_scale, rows, shape->config.hidden);
}

static void add_attention(const struct synthetic_shape *shape, uint32_t stage,
                          struct tensor_list *list) {
    const struct container_config *c = &shape->config;
    uint32_t queries = c->heads * c->head_dim, keys = c->kv_heads * c->head_dim;
    add_vector(shape, list, stage, ROLE_ATTENTION_NORM, c->hidden);
    add_linear(shape, list, stage, ROLE_Q, queries, c->hidden);
    add_linear(shape, list, stage, ROLE_K, keys, c->hidden);
    add_linear(shape, list, stage, ROLE_V, keys, c->hidden);
    add_optional(shape, list, stage, ROLE_Q_BIAS, queries, CONFIG_FLAG_QKV_BIASES);
    add_optional(shape, list, stage, ROLE_K_BIAS, keys, CONFIG_FLAG_QKV_BIASES);
    add_optional(shape, list, stage, ROLE_V_BIAS, keys, CONFIG_FLAG_QKV_BIASES);
    add_optional(shape, list, stage, ROLE_ATTENTION_SUB_NORM, queries, CONFIG_FLAG_SUB_NORMS);
    add_linear(shape, list, stage, ROLE_O, c->hidden, queries);
    add_optional(shape, list, stage, ROLE_O_BIAS, c->hidden, CONFIG_FLAG_O_BIAS);
    add_optional(shape, list, stage, ROLE_ATTENTION_NORM_BIAS, c->hidden, CONFIG_FLAG_LAYER_NORMS);
    add_optional(shape, list, stage, ROLE_Q_NORM, c->head_dim, CONFIG_FLAG_QK_NORMS);
    add_optional(shape, list, stage, ROLE_K_NORM, c->head_dim, CONFIG_FLAG_QK_NORMS);
}

static void add_feed_forward(const struct synthetic_shape *shape, uint32_t stage,
                             struct tensor_list *list) {
    const struct container_config *c = &shape->config;
    bool gate = c->activation != ACTIVATION_GELU;
    add_vector(shape, list, stage, ROLE_FFN_NORM, c->hidden);
    if (gate) {
        add_linear(shape, list, stage, ROLE_GATE, c->inner, c->hidden);
    }
    add_linear(shape, list, stage, ROLE_UP, c->inner, c->hidden);
    add_optional(shape, list, stage, ROLE_FFN_SUB_NORM, c->inner, CONFIG_FLAG_SUB_NORMS);
    add_linear(shape, list, stage, ROLE_DOWN, c->hidden, c->inner);
    add_optional(shape, list, stage, ROLE_FFN_NORM_BIAS, c->hidden, CONFIG_FLAG_LAYER_NORMS);
    if (gate) {
        add_optional(shape, list, stage, ROLE_GATE_BIAS, c->inner, CONFIG_FLAG_FFN_BIASES);
    }
    add_optional(shape, list, stage, ROLE_UP_BIAS, c->inner, CONFIG_FLAG_FFN_BIASES);
    add_optional(shape, list, stage, ROLE_DOWN_BIAS, c->hidden, CONFIG_FLAG_FFN_BIASES);
}

struct writer_tensor *synthetic_shape_tensors(const struct synthetic_shape *shape, uint32_t layers,
                                              uint32_t *count) {
    enum { TENSORS_A_LAYER_MAX = 24, TENSORS_BESIDES_MAX = 8 };
    const struct container_config *c = &shape->config;
    struct tensor_list list = {NULL, 0};
    list.items =
        calloc((size_t)layers * TENSORS_A_LAYER_MAX + TENSORS_BESIDES_MAX, sizeof *list.items);
    if (list.items != NULL) {
        add_table(shape, &list, 0, ROLE_EMBEDDING, c->vocabulary);
        if ((c->flags & CONFIG_FLAG_LEARNED_POSITIONS) != 0) {
            add_table(shape, &list, 0, ROLE_POSITION_EMBEDDING, c->context);
        }
        for (uint32_t layer = 0; layer < layers; layer++) {
            add_attention(shape, 1 + layer, &list);
            add_feed_forward(shape, 1 + layer, &list);
        }
        add_vector(shape, &list, 1 + layers, ROLE_OUTPUT_NORM, c->hidden);
        if ((c->flags & CONFIG_FLAG_TIED_HEAD) == 0) {
            add_table(shape, &list, 1 + layers, ROLE_HEAD, c->vocabulary);
        }
        add_optional(shape, &list, 1 + layers, ROLE_OUTPUT_NORM_BIAS, c->hidden,
                     CONFIG_FLAG_LAYER_NORMS);
    }
    *count = list.count;
    return list.items;
}
