/*
 * source_tensors.c: see source_tensors.h.
 */
#include "source_tensors.h"

#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 96u
#define COMPARE_BYTES 65536u

/* Sizes that a shape can ask for. */
enum side { SIDE_ONE, SIDE_HIDDEN, SIDE_INNER, SIDE_QUERY, SIDE_KEY, SIDE_VOCABULARY };

struct tensor_name {
    uint32_t role;
    enum side rows, columns;
    bool linear;
    const char *name;       /* of a layer: what follows "model.layers.N." */
    const char *other_name; /* as 1bitLLM's checkpoints call it; NULL if there is no other */
};

/* In rising role order, as the container wants them. */
static const struct tensor_name layer_tensors[] = {
    {ROLE_ATTENTION_NORM, SIDE_ONE, SIDE_HIDDEN, false, "input_layernorm.weight", NULL},
    {ROLE_Q, SIDE_QUERY, SIDE_HIDDEN, true, "self_attn.q_proj.weight", NULL},
    {ROLE_K, SIDE_KEY, SIDE_HIDDEN, true, "self_attn.k_proj.weight", NULL},
    {ROLE_V, SIDE_KEY, SIDE_HIDDEN, true, "self_attn.v_proj.weight", NULL},
    {ROLE_ATTENTION_SUB_NORM, SIDE_ONE, SIDE_QUERY, false, "self_attn.attn_sub_norm.weight",
     "self_attn.inner_attn_ln.weight"},
    {ROLE_O, SIDE_HIDDEN, SIDE_QUERY, true, "self_attn.o_proj.weight", NULL},
    {ROLE_FFN_NORM, SIDE_ONE, SIDE_HIDDEN, false, "post_attention_layernorm.weight", NULL},
    {ROLE_GATE, SIDE_INNER, SIDE_HIDDEN, true, "mlp.gate_proj.weight", NULL},
    {ROLE_UP, SIDE_INNER, SIDE_HIDDEN, true, "mlp.up_proj.weight", NULL},
    {ROLE_FFN_SUB_NORM, SIDE_ONE, SIDE_INNER, false, "mlp.ffn_sub_norm.weight",
     "mlp.ffn_layernorm.weight"},
    {ROLE_DOWN, SIDE_HIDDEN, SIDE_INNER, true, "mlp.down_proj.weight", NULL},
};
#define LAYER_TENSORS (sizeof layer_tensors / sizeof layer_tensors[0])

static const struct tensor_name embedding_tensor = {
    ROLE_EMBEDDING, SIDE_VOCABULARY, SIDE_HIDDEN, false, "model.embed_tokens.weight", NULL};
static const struct tensor_name norm_tensor = {ROLE_OUTPUT_NORM,    SIDE_ONE, SIDE_HIDDEN, false,
                                               "model.norm.weight", NULL};
static const struct tensor_name head_tensor = {ROLE_HEAD, SIDE_VOCABULARY,  SIDE_HIDDEN,
                                               false,     "lm_head.weight", NULL};

/* Buffers that some files carry along: computed from the configuration, never learned. */
static const char *const ignorable_endings[] = {".rotary_emb.inv_freq", ".rotary_emb.cos_cached",
                                                ".rotary_emb.sin_cached", ".masked_bias",
                                                ".causal_mask"};

struct tensor_list {
    const struct safetensors *source;
    const struct tensor_rules *rules;
    struct container_config *config;
    bool *used; /* of each source tensor */
    struct planned_tensor *tensors;
    uint32_t count;
};

static uint32_t side_size(const struct container_config *config, enum side side) {
    switch (side) {
    case SIDE_HIDDEN:
        return config->hidden;
    case SIDE_INNER:
        return config->inner;
    case SIDE_QUERY:
        return config->heads * config->head_dim;
    case SIDE_KEY:
        return config->kv_heads * config->head_dim;
    case SIDE_VOCABULARY:
        return config->vocabulary;
    default:
        return 1;
    }
}

static tercet_status missing_tensor(const char *name, tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, 0, "tensor %s is missing in the safetensors files",
                       name);
}

static bool ends_with(const char *text, const char *ending) {
    size_t text_bytes = strlen(text), ending_bytes = strlen(ending);
    return text_bytes >= ending_bytes && strcmp(text + text_bytes - ending_bytes, ending) == 0;
}

/* Rows x columns, or a plain vector where rows is 1. */
static bool has_shape(const struct safetensors_tensor *tensor, uint32_t rows, uint32_t columns,
                      bool vector) {
    if (vector) {
        return tensor->rank == 1 && tensor->shape[0] == columns;
    }
    return tensor->rank == 2 && tensor->shape[0] == rows && tensor->shape[1] == columns;
}

static tercet_status wrong_shape(const struct safetensors_tensor *tensor, uint32_t rows,
                                 uint32_t columns, tercet_error *error) {
    unsigned long long first = tensor->rank > 0 ? tensor->shape[0] : 0;
    unsigned long long second = tensor->rank > 1 ? tensor->shape[1] : 1;
    return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                       "tensor %s has %u dimensions (%llu x %llu), config.json asks for %u x %u",
                       tensor->name, tensor->rank, first, second, rows, columns);
}

/* modules_to_not_convert: an entry counts wherever it occurs in the module's name (huggingface/transformers,
 * integrations/bitnet.py). */
static bool is_not_converted(const struct tensor_rules *rules, const char *weight_name) {
    char module[NAME_BYTES];
    size_t bytes = strlen(weight_name) - strlen(".weight");
    if (rules->not_converted == NULL || bytes >= sizeof module) {
        return false;
    }
    memcpy(module, weight_name, bytes);
    module[bytes] = '\0';
    for (const cJSON *item = rules->not_converted->child; item != NULL; item = item->next) {
        if (cJSON_IsString(item) && strstr(module, item->valuestring) != NULL) {
            return true;
        }
    }
    return false;
}

/* A U8 matrix: four rows a byte, and a weight_scale beside it. */
static tercet_status check_packed(struct tensor_list *list, struct planned_tensor *planned,
                                  tercet_error *error) {
    const struct safetensors_tensor *weight = planned->weight;
    char scale_name[NAME_BYTES];
    uint32_t index;
    if (planned->keep_dense || list->rules->quantization == SOURCE_ONLINE) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "tensor %s is packed, but config.json says that it is not",
                           weight->name);
    }
    if (list->rules->quantization == SOURCE_PLAIN) {
        return tercet_fail(
            error, TERCET_UNSUPPORTED_SOURCE, 0,
            "tensor %s is packed (U8), but config.json has no quantization_config that says how",
            weight->name);
    }
    if (!has_shape(weight, (planned->rows + 3) / 4, planned->columns, false)) {
        return wrong_shape(weight, (planned->rows + 3) / 4, planned->columns, error);
    }
    (void)snprintf(scale_name, sizeof scale_name, "%s_scale", weight->name);
    if (!safetensors_find(list->source, scale_name, &index)) {
        return missing_tensor(scale_name, error);
    }
    list->used[index] = true;
    planned->weight_scale = list->source->tensors[index];
    if (planned->weight_scale->elements != 1) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "tensor %s has %llu values, one is expected", scale_name,
                           (unsigned long long)planned->weight_scale->elements);
    }
    return TERCET_OK;
}

static tercet_status check_type(const struct safetensors_tensor *tensor, tercet_error *error) {
    if (tensor->dtype == SAFETENSORS_F32 || tensor->dtype == SAFETENSORS_F16 ||
        tensor->dtype == SAFETENSORS_BF16) {
        return TERCET_OK;
    }
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                       "tensor %s is stored as %s, which cannot be packed: F32, F16 and BF16 can",
                       tensor->name, tensor->dtype_name);
}

static tercet_status add_tensor(struct tensor_list *list, uint32_t stage,
                                const struct tensor_name *kind, const char *name,
                                tercet_error *error) {
    uint32_t index;
    struct planned_tensor *planned = &list->tensors[list->count];
    if (!safetensors_find(list->source, name, &index)) {
        return missing_tensor(name, error);
    }
    list->used[index] = true;
    memset(planned, 0, sizeof *planned);
    planned->stage = stage;
    planned->role = kind->role;
    planned->rows = side_size(list->config, kind->rows);
    planned->columns = side_size(list->config, kind->columns);
    planned->linear = kind->linear;
    planned->weight = list->source->tensors[index];
    planned->keep_dense = kind->linear && is_not_converted(list->rules, planned->weight->name);
    if (kind->linear && planned->weight->dtype == SAFETENSORS_U8) {
        TERCET_TRY(check_packed(list, planned, error));
        TERCET_TRY(check_type(planned->weight_scale, error));
    } else {
        TERCET_TRY(check_type(planned->weight, error));
        if (!has_shape(planned->weight, planned->rows, planned->columns, kind->rows == SIDE_ONE)) {
            return wrong_shape(planned->weight, planned->rows, planned->columns, error);
        }
    }
    list->count++;
    return TERCET_OK;
}

/* "model.layers.3.mlp.ffn_sub_norm.weight", or its other name where only that is there. */
static void layer_tensor_name(const struct tensor_list *list, uint32_t layer,
                              const struct tensor_name *kind, char name[NAME_BYTES]) {
    uint32_t index;
    (void)snprintf(name, NAME_BYTES, "model.layers.%u.%s", layer, kind->name);
    if (kind->other_name != NULL && !safetensors_find(list->source, name, &index)) {
        char other[NAME_BYTES];
        (void)snprintf(other, sizeof other, "model.layers.%u.%s", layer, kind->other_name);
        if (safetensors_find(list->source, other, &index)) {
            memcpy(name, other, sizeof other);
        }
    }
}

static tercet_status add_layer(struct tensor_list *list, uint32_t layer, tercet_error *error) {
    for (size_t i = 0; i < LAYER_TENSORS; i++) {
        const struct tensor_name *kind = &layer_tensors[i];
        char name[NAME_BYTES];
        if (kind->other_name != NULL && (list->config->flags & CONFIG_FLAG_SUB_NORMS) == 0) {
            continue;
        }
        layer_tensor_name(list, layer, kind, name);
        TERCET_TRY(add_tensor(list, layer + 1, kind, name, error));
    }
    return TERCET_OK;
}

/* A head that config.json ties must be the embedding again: otherwise one of the two would be lost. */
static tercet_status check_tied_head(const struct tensor_list *list,
                                     const struct safetensors_tensor *embedding,
                                     const struct safetensors_tensor *head, tercet_error *error) {
    uint8_t *bytes = malloc((size_t)COMPARE_BYTES * 2);
    tercet_status status = TERCET_OK;
    bool equal = embedding->dtype == head->dtype && embedding->bytes == head->bytes;
    if (bytes == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0,
                           "no memory to compare the head with the embedding");
    }
    for (uint64_t at = 0; equal && status == TERCET_OK && at < head->bytes; at += COMPARE_BYTES) {
        size_t count =
            head->bytes - at < COMPARE_BYTES ? (size_t)(head->bytes - at) : COMPARE_BYTES;
        status = safetensors_read(list->source, embedding, at, bytes, count, error);
        if (status == TERCET_OK) {
            status = safetensors_read(list->source, head, at, bytes + COMPARE_BYTES, count, error);
        }
        equal = memcmp(bytes, bytes + COMPARE_BYTES, count) == 0;
    }
    free(bytes);
    TERCET_TRY(status);
    return equal ? TERCET_OK
                 : tercet_fail(error, TERCET_BAD_SOURCE, 0,
                               "config.json ties the head to the embedding, but %s differs from %s",
                               head->name, embedding->name);
}

/* Whether the head is the embedding. */
static tercet_status decide_head(struct tensor_list *list, tercet_error *error) {
    uint32_t head, embedding;
    bool there = safetensors_find(list->source, head_tensor.name, &head);
    if (there && list->rules->tied &&
        safetensors_find(list->source, embedding_tensor.name, &embedding)) {
        TERCET_TRY(check_tied_head(list, list->source->tensors[embedding],
                                   list->source->tensors[head], error));
        list->used[head] = true;
    }
    if (!there || list->rules->tied) {
        list->config->flags |= CONFIG_FLAG_TIED_HEAD;
    }
    return TERCET_OK;
}

/* The vocabulary is what the embedding has rows for: vocab_size is known to be wrong in converted files. */
static tercet_status read_vocabulary(struct tensor_list *list, tercet_error *error) {
    uint32_t index;
    if (!safetensors_find(list->source, embedding_tensor.name, &index)) {
        return missing_tensor(embedding_tensor.name, error);
    }
    const struct safetensors_tensor *embedding = list->source->tensors[index];
    if (embedding->rank != 2 || embedding->shape[0] == 0) {
        return wrong_shape(embedding, list->config->vocabulary, list->config->hidden, error);
    }
    if (embedding->shape[0] > LIMIT_VOCABULARY) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0, "tensor %s has more than %u rows",
                           embedding->name, LIMIT_VOCABULARY);
    }
    list->config->vocabulary = (uint32_t)embedding->shape[0];
    return TERCET_OK;
}

/* Sub-norms are found by their presence in the first layer; each further layer must then have them too. */
static void find_sub_norms(struct tensor_list *list) {
    for (size_t i = 0; i < LAYER_TENSORS; i++) {
        char name[NAME_BYTES];
        uint32_t index;
        if (layer_tensors[i].other_name != NULL) {
            layer_tensor_name(list, 0, &layer_tensors[i], name);
            if (safetensors_find(list->source, name, &index)) {
                list->config->flags |= CONFIG_FLAG_SUB_NORMS;
            }
        }
    }
}

static tercet_status refuse_leftovers(const struct tensor_list *list, tercet_error *error) {
    for (uint32_t i = 0; i < list->source->tensor_count; i++) {
        const char *name = list->source->tensors[i]->name;
        bool known = list->used[i];
        for (size_t j = 0; j < sizeof ignorable_endings / sizeof ignorable_endings[0]; j++) {
            known = known || ends_with(name, ignorable_endings[j]);
        }
        if (!known) {
            return tercet_fail(
                error, TERCET_UNSUPPORTED_SOURCE, i,
                "the model has the tensor %s, which has no place in a model of this class", name);
        }
    }
    return TERCET_OK;
}

static tercet_status fill_list(struct tensor_list *list, tercet_error *error) {
    TERCET_TRY(read_vocabulary(list, error));
    TERCET_TRY(decide_head(list, error));
    if (list->config->family == FAMILY_BITNET) {
        find_sub_norms(list);
    }
    TERCET_TRY(add_tensor(list, 0, &embedding_tensor, embedding_tensor.name, error));
    for (uint32_t layer = 0; layer < list->config->layers; layer++) {
        TERCET_TRY(add_layer(list, layer, error));
    }
    TERCET_TRY(add_tensor(list, list->config->layers + 1, &norm_tensor, norm_tensor.name, error));
    if ((list->config->flags & CONFIG_FLAG_TIED_HEAD) == 0) {
        TERCET_TRY(
            add_tensor(list, list->config->layers + 1, &head_tensor, head_tensor.name, error));
    }
    return refuse_leftovers(list, error);
}

tercet_status source_tensors_list(const struct safetensors *source,
                                  const struct tensor_rules *rules, struct container_config *config,
                                  struct planned_tensor **tensors, uint32_t *count,
                                  tercet_error *error) {
    struct tensor_list list = {source, rules, config, NULL, NULL, 0};
    tercet_status status;
    *tensors = NULL;
    list.used = calloc((size_t)source->tensor_count + 1, sizeof *list.used);
    list.tensors = calloc((size_t)config->layers * LAYER_TENSORS + 3, sizeof *list.tensors);
    if (list.used == NULL || list.tensors == NULL) {
        status = tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the list of tensors");
    } else {
        status = fill_list(&list, error);
    }
    free(list.used);
    if (status != TERCET_OK) {
        free(list.tensors);
        return status;
    }
    *tensors = list.tensors;
    *count = list.count;
    return TERCET_OK;
}
