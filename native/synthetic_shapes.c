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
#define ROPE_500000_OF_128 0x1.a115829457fbep-1

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
        .linear_scale = SCALE_TENSOR,
        .table_type = TENSOR_INT8,
        .table_scale = SCALE_ROW,
        .tokenizer = {TOKENIZER_BYTE_BPE, SPLITTER_LLAMA3, TOKENIZER_FLAG_IGNORE_MERGES, 128256,
                      280147, 256},
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
        .linear_scale = SCALE_TENSOR,
        .table_type = TENSOR_INT8,
        .table_scale = SCALE_ROW,
        .tokenizer = {TOKENIZER_SENTENCEPIECE, SPLITTER_NONE, SENTENCEPIECE_FLAGS, 520, 400, 3},
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

static void add_vector(struct tensor_list *list, uint32_t stage, uint32_t role, uint32_t columns) {
    add(list, stage, role, TENSOR_F32, SCALE_NONE, 1, columns);
}

static void add_layer(const struct synthetic_shape *shape, uint32_t stage,
                      struct tensor_list *list) {
    const struct container_config *c = &shape->config;
    uint32_t queries = c->heads * c->head_dim, keys = c->kv_heads * c->head_dim;
    uint32_t scale = shape->linear_scale;
    bool sub_norms = (c->flags & CONFIG_FLAG_SUB_NORMS) != 0;
    add_vector(list, stage, ROLE_ATTENTION_NORM, c->hidden);
    add(list, stage, ROLE_Q, TENSOR_TERNARY, scale, queries, c->hidden);
    add(list, stage, ROLE_K, TENSOR_TERNARY, scale, keys, c->hidden);
    add(list, stage, ROLE_V, TENSOR_TERNARY, scale, keys, c->hidden);
    if (sub_norms) {
        add_vector(list, stage, ROLE_ATTENTION_SUB_NORM, queries);
    }
    add(list, stage, ROLE_O, TENSOR_TERNARY, scale, c->hidden, queries);
    add_vector(list, stage, ROLE_FFN_NORM, c->hidden);
    add(list, stage, ROLE_GATE, TENSOR_TERNARY, scale, c->inner, c->hidden);
    add(list, stage, ROLE_UP, TENSOR_TERNARY, scale, c->inner, c->hidden);
    if (sub_norms) {
        add_vector(list, stage, ROLE_FFN_SUB_NORM, c->inner);
    }
    add(list, stage, ROLE_DOWN, TENSOR_TERNARY, scale, c->hidden, c->inner);
}

struct writer_tensor *synthetic_shape_tensors(const struct synthetic_shape *shape, uint32_t layers,
                                              uint32_t *count) {
    enum { TENSORS_A_LAYER_MAX = 24, TENSORS_BESIDES_MAX = 8 };
    const struct container_config *c = &shape->config;
    struct tensor_list list = {NULL, 0};
    list.items =
        calloc((size_t)layers * TENSORS_A_LAYER_MAX + TENSORS_BESIDES_MAX, sizeof *list.items);
    if (list.items != NULL) {
        add(&list, 0, ROLE_EMBEDDING, shape->table_type, shape->table_scale, c->vocabulary,
            c->hidden);
        for (uint32_t layer = 0; layer < layers; layer++) {
            add_layer(shape, 1 + layer, &list);
        }
        add_vector(&list, 1 + layers, ROLE_OUTPUT_NORM, c->hidden);
        if ((c->flags & CONFIG_FLAG_TIED_HEAD) == 0) {
            add(&list, 1 + layers, ROLE_HEAD, shape->table_type, shape->table_scale, c->vocabulary,
                c->hidden);
        }
    }
    *count = list.count;
    return list.items;
}
