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

struct tensor_list {
    const struct source_weights *source;
    const struct tensor_rules *rules;
    struct container_config *config;
    const struct source_naming *naming;
    const char *prefix; /* of this source's names */
    bool *used;         /* of each source tensor */
    struct planned_tensor *tensors;
    uint32_t count;
};

static uint32_t side_size(const struct container_config *config, enum source_side side) {
    switch (side) {
    case SIDE_HIDDEN:
        return config->hidden;
    case SIDE_INNER:
        return config->inner;
    case SIDE_QUERY:
        return config->heads * config->head_dim;
    case SIDE_KEY:
        return config->kv_heads * config->head_dim;
    case SIDE_HEAD:
        return config->head_dim;
    case SIDE_CONTEXT:
        return config->context;
    case SIDE_HEADS:
        return config->heads;
    case SIDE_TAPS:
        return STATE_SPACE_TAPS;
    case SIDE_PROJECTED:
        return 2 * config->inner + 3 * config->heads;
    case SIDE_VOCABULARY:
        return config->vocabulary;
    default:
        return 1;
    }
}

static tercet_status missing_tensor(const char *name, tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, 0, "tensor %s is missing in the source", name);
}

static bool ends_with(const char *text, const char *ending) {
    size_t text_bytes = strlen(text), ending_bytes = strlen(ending);
    return text_bytes >= ending_bytes && strcmp(text + text_bytes - ending_bytes, ending) == 0;
}

/* Rows x columns, or a plain vector where rows is 1. */
static bool has_shape(const struct source_tensor *tensor, uint32_t rows, uint32_t columns,
                      bool vector) {
    if (vector) {
        return tensor->rank == 1 && tensor->shape[0] == columns;
    }
    return tensor->rank == 2 && tensor->shape[0] == rows && tensor->shape[1] == columns;
}

static tercet_status wrong_shape(const struct tensor_list *list, const struct source_tensor *tensor,
                                 uint32_t rows, uint32_t columns, tercet_error *error) {
    unsigned long long first = tensor->rank > 0 ? tensor->shape[0] : 0;
    unsigned long long second = tensor->rank > 1 ? tensor->shape[1] : 1;
    return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                       "tensor %s has %u dimensions (%llu x %llu), %s asks for %u x %u",
                       tensor->name, tensor->rank, first, second, list->rules->file, rows, columns);
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
        /* Strings alone have one. No function of cJSON: GGUF files come here where it is not linked (wasm/). */
        if (item->valuestring != NULL && strstr(module, item->valuestring) != NULL) {
            return true;
        }
    }
    return false;
}

/* A U8 matrix: four rows a byte, and a weight_scale beside it. */
static tercet_status check_packed(struct tensor_list *list, struct planned_tensor *planned,
                                  tercet_error *error) {
    const struct source_tensor *weight = planned->weight;
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
        return wrong_shape(list, weight, (planned->rows + 3) / 4, planned->columns, error);
    }
    (void)snprintf(scale_name, sizeof scale_name, "%s_scale", weight->name);
    if (!source_weights_find(list->source, scale_name, &index)) {
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

static tercet_status check_type(const struct source_tensor *tensor, tercet_error *error) {
    if (block_size_of(tensor->dtype).bytes != 0) {
        return TERCET_OK;
    }
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                       "tensor %s is stored as %s, which cannot be packed: F32, F16 and BF16 can",
                       tensor->name, tensor->dtype_name);
}

/* Vectors are short and full of meaning: nobody stores them in blocks, and a part of one could begin inside of a block. */
static tercet_status check_blocks(const struct source_name *kind,
                                  const struct planned_tensor *planned, tercet_error *error) {
    const struct source_tensor *weight = planned->weight;
    if (kind->rows != SIDE_ONE || block_is_plain(weight->dtype)) {
        return TERCET_OK;
    }
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                       "tensor %s is a vector stored as %s: F32, F16 and BF16 can be packed",
                       weight->name, weight->dtype_name);
}

/* "blk.0.attn_q.scale": one number beside "blk.0.attn_q.weight". */
static tercet_status find_multiplier(struct tensor_list *list, struct planned_tensor *planned,
                                     tercet_error *error) {
    char name[NAME_BYTES];
    uint32_t index;
    if (list->naming->multiplier == NULL || !ends_with(planned->weight->name, ".weight")) {
        return TERCET_OK;
    }
    (void)snprintf(name, sizeof name, "%.*s%s",
                   (int)(strlen(planned->weight->name) - strlen("weight")), planned->weight->name,
                   list->naming->multiplier);
    if (!source_weights_find(list->source, name, &index)) {
        return TERCET_OK;
    }
    list->used[index] = true;
    planned->multiplier = list->source->tensors[index];
    return planned->multiplier->elements == 1 && planned->multiplier->dtype == SOURCE_F32
               ? TERCET_OK
               : tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                             "tensor %s is not one number of type F32", name);
}

/* "X.weight" -> "X.scales". */
static bool find_beside(struct tensor_list *list, const struct source_tensor *weight,
                        const char *ending, const struct source_tensor **found) {
    char name[NAME_BYTES];
    uint32_t index;
    size_t bytes = strlen(weight->name);
    if (!ends_with(weight->name, ".weight") || bytes + strlen(ending) >= sizeof name) {
        return false;
    }
    bytes -= strlen("weight");
    memcpy(name, weight->name, bytes);
    memcpy(name + bytes, ending, strlen(ending) + 1);
    if (!source_weights_find(list->source, name, &index)) {
        return false;
    }
    list->used[index] = true;
    *found = list->source->tensors[index];
    return true;
}

static tercet_status check_plain(const struct source_tensor *tensor, tercet_error *error) {
    return block_is_plain(tensor->dtype)
               ? TERCET_OK
               : tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                             "tensor %s is stored as %s: F32, F16 and BF16 can be packed",
                             tensor->name, tensor->dtype_name);
}

/* Bits of a code where rows of `columns` codes take so many words of 32 bits; 0: no number of bits does. */
static uint32_t affine_bits(uint64_t words, uint32_t columns) {
    for (uint32_t bits = 1; bits <= 8; bits *= 2) {
        if (words == ((uint64_t)columns * bits + 31) / 32) {
            return bits;
        }
    }
    return 0;
}

/* MLX writes [outputs, inputs], whatever its neighbours do: bits and columns of a group follow from the shapes. */
static tercet_status check_affine(struct tensor_list *list, struct planned_tensor *planned,
                                  tercet_error *error) {
    const struct source_tensor *weight = planned->weight;
    if (!find_beside(list, weight, "scales", &planned->affine_scales) ||
        !find_beside(list, weight, "biases", &planned->affine_biases)) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "tensor %s is stored as U32, but has no scales and biases beside it: "
                           "only MLX's affine quantisation can be read",
                           weight->name);
    }
    const struct source_tensor *scales = planned->affine_scales, *biases = planned->affine_biases;
    planned->affine_bits = affine_bits(weight->rank == 2 ? weight->shape[1] : 0, planned->columns);
    if (planned->affine_bits == 0 || weight->shape[0] != planned->source_outputs) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "tensor %s holds no %u x %u codes of 1, 2, 4 or 8 bits", weight->name,
                           planned->source_outputs, planned->columns);
    }
    if (weight->columns != 0 && weight->columns != planned->columns) {
        return tercet_fail(error, TERCET_BAD_SOURCE, weight->columns,
                           "tensor %s has %llu columns, and the model asks for %u", weight->name,
                           (unsigned long long)weight->columns, planned->columns);
    }
    if (scales->rank != 2 || scales->shape[0] != planned->source_outputs || scales->shape[1] == 0 ||
        planned->columns % scales->shape[1] != 0 || biases->rank != 2 ||
        biases->shape[0] != scales->shape[0] || biases->shape[1] != scales->shape[1]) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "tensors %s and %s do not hold one number for each group of columns",
                           scales->name, biases->name);
    }
    planned->transposed = false;
    TERCET_TRY(check_plain(scales, error));
    return check_plain(biases, error);
}

static tercet_status add_tensor(struct tensor_list *list, uint32_t stage,
                                const struct source_name *kind, const char *name,
                                tercet_error *error) {
    uint32_t index, parts = kind->parts > 0 ? kind->parts : 1;
    struct planned_tensor *planned = &list->tensors[list->count];
    if (!source_weights_find(list->source, name, &index)) {
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
    /* A convolution's weights lie tap after tap, channels apart: we keep the channels of a tap together. */
    planned->transposed =
        (kind->linear && list->naming->transposed) || kind->role == ROLE_MIXER_CONV;
    planned->source_outputs = (kind->rows == SIDE_ONE ? planned->columns : planned->rows) * parts;
    planned->source_first = planned->source_outputs / parts * kind->part;
    planned->i2s_layout = list->rules->i2s_layout;
    planned->keep_dense = kind->linear && is_not_converted(list->rules, planned->weight->name);
    if (kind->linear && !planned->transposed && planned->weight->dtype == SOURCE_U8) {
        TERCET_TRY(check_packed(list, planned, error));
        TERCET_TRY(check_type(planned->weight_scale, error));
    } else if (planned->weight->dtype == SOURCE_QUADS) {
        char scale_name[NAME_BYTES];
        (void)snprintf(scale_name, sizeof scale_name, "%.80s_scale", name);
        if (!source_weights_find(list->source, scale_name, &index)) {
            return missing_tensor(scale_name, error);
        }
        list->used[index] = true;
        planned->weight_scale = list->source->tensors[index];
    } else if (kind->rows != SIDE_ONE && planned->weight->dtype == SOURCE_U32) {
        TERCET_TRY(check_affine(list, planned, error));
    } else {
        if (planned->weight->dtype != SOURCE_I2_S) {
            TERCET_TRY(check_type(planned->weight, error));
        }
        uint32_t rows = planned->source_outputs, columns = planned->columns;
        if (kind->rows == SIDE_ONE) {
            rows = 1;
            columns = planned->source_outputs;
        } else if (planned->transposed) {
            rows = planned->columns;
            columns = planned->source_outputs;
        }
        if (!has_shape(planned->weight, rows, columns, kind->rows == SIDE_ONE)) {
            return wrong_shape(list, planned->weight, rows, columns, error);
        }
        TERCET_TRY(check_blocks(kind, planned, error));
        TERCET_TRY(find_multiplier(list, planned, error));
    }
    list->count++;
    return TERCET_OK;
}

static void model_tensor_name(const struct tensor_list *list, const struct source_name *kind,
                              char name[NAME_BYTES]) {
    (void)snprintf(name, NAME_BYTES, "%s%s", kind->role == ROLE_HEAD ? "" : list->prefix,
                   kind->name);
}

/* "model.layers.3.mlp.ffn_sub_norm.weight", or its other name where only that is there. */
static void layer_tensor_name(const struct tensor_list *list, uint32_t layer,
                              const struct source_name *kind, char name[NAME_BYTES]) {
    const char *layers = list->naming->layers;
    uint32_t index;
    (void)snprintf(name, NAME_BYTES, "%s%s%u.%s", list->prefix, layers, layer, kind->name);
    if (kind->other_name != NULL && !source_weights_find(list->source, name, &index)) {
        char other[NAME_BYTES];
        (void)snprintf(other, sizeof other, "%s%s%u.%s", list->prefix, layers, layer,
                       kind->other_name);
        if (source_weights_find(list->source, other, &index)) {
            memcpy(name, other, sizeof other);
        }
    }
}

static tercet_status add_layer(struct tensor_list *list, uint32_t layer, tercet_error *error) {
    for (size_t i = 0; i < list->naming->layer_count; i++) {
        const struct source_name *kind = &list->naming->layer[i];
        char name[NAME_BYTES];
        if (kind->flag != 0 && (list->config->flags & kind->flag) == 0) {
            continue;
        }
        layer_tensor_name(list, layer, kind, name);
        TERCET_TRY(add_tensor(list, layer + 1, kind, name, error));
    }
    return TERCET_OK;
}

/* A tensor of the input or the output; one without a name is none of this family. */
static tercet_status add_model_tensor(struct tensor_list *list, uint32_t stage,
                                      const struct source_name *kind, tercet_error *error) {
    char name[NAME_BYTES];
    if (kind->name == NULL) {
        return TERCET_OK;
    }
    model_tensor_name(list, kind, name);
    return add_tensor(list, stage, kind, name, error);
}

/* Whether two tensors hold the same bytes. */
static tercet_status compare_tensors(const struct tensor_list *list,
                                     const struct source_tensor *embedding,
                                     const struct source_tensor *head, bool *equal,
                                     tercet_error *error) {
    uint8_t *bytes = malloc((size_t)COMPARE_BYTES * 2);
    tercet_status status = TERCET_OK;
    *equal = embedding->dtype == head->dtype && embedding->bytes == head->bytes;
    if (bytes == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0,
                           "no memory to compare the head with the embedding");
    }
    for (uint64_t at = 0; *equal && status == TERCET_OK && at < head->bytes; at += COMPARE_BYTES) {
        size_t count =
            head->bytes - at < COMPARE_BYTES ? (size_t)(head->bytes - at) : COMPARE_BYTES;
        status = source_weights_read(list->source, embedding, at, bytes, count, error);
        if (status == TERCET_OK) {
            status =
                source_weights_read(list->source, head, at, bytes + COMPARE_BYTES, count, error);
        }
        *equal = memcmp(bytes, bytes + COMPARE_BYTES, count) == 0;
    }
    free(bytes);
    return status;
}

/* Whether the head is the embedding. One that is there beside a tied one must be the embedding again: otherwise one of the
 * two would be lost. */
static tercet_status decide_head(struct tensor_list *list, tercet_error *error) {
    char embedding_name[NAME_BYTES];
    uint32_t head, embedding;
    bool there = source_weights_find(list->source, list->naming->head.name, &head);
    bool tied = !there || list->rules->head == HEAD_TIED;
    model_tensor_name(list, &list->naming->embedding, embedding_name);
    if (there && list->rules->head != HEAD_OWN &&
        source_weights_find(list->source, embedding_name, &embedding)) {
        bool equal;
        const struct source_tensor *tensor = list->source->tensors[head];
        TERCET_TRY(compare_tensors(list, list->source->tensors[embedding], tensor, &equal, error));
        if (tied && !equal) {
            return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                               "%s ties the head to the embedding, but %s differs from %s",
                               list->rules->file, tensor->name, embedding_name);
        }
        tied = equal;
        list->used[head] = equal;
    }
    list->config->flags |= tied ? CONFIG_FLAG_TIED_HEAD : 0u;
    return TERCET_OK;
}

/* The vocabulary is what the embedding has rows for: vocab_size is known to be wrong in converted files. */
static tercet_status read_vocabulary(struct tensor_list *list, tercet_error *error) {
    char name[NAME_BYTES];
    uint32_t index;
    model_tensor_name(list, &list->naming->embedding, name);
    if (!source_weights_find(list->source, name, &index)) {
        return missing_tensor(name, error);
    }
    const struct source_tensor *embedding = list->source->tensors[index];
    if (embedding->rank != 2 || embedding->shape[0] == 0) {
        return wrong_shape(list, embedding, list->config->vocabulary, list->config->hidden, error);
    }
    if (embedding->shape[0] > LIMIT_VOCABULARY) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0, "tensor %s has more than %u rows",
                           embedding->name, LIMIT_VOCABULARY);
    }
    list->config->vocabulary = (uint32_t)embedding->shape[0];
    return TERCET_OK;
}

/* What is found by its presence in the first layer; each further layer must then have it too. */
static void find_flags(struct tensor_list *list) {
    for (size_t i = 0; i < list->naming->layer_count; i++) {
        const struct source_name *kind = &list->naming->layer[i];
        char name[NAME_BYTES];
        uint32_t index;
        if ((kind->flag & list->rules->found_flags) != 0) {
            layer_tensor_name(list, 0, kind, name);
            if (source_weights_find(list->source, name, &index)) {
                list->config->flags |= kind->flag;
            }
        }
    }
}

/* Why a tensor has no place, and what to do, as far as its name tells. */
static const char *reason_of_leftover(const char *name) {
    if (strstr(name, "_exps.") != NULL || strstr(name, ".experts.") != NULL) {
        return "belongs to a mixture of experts, which Tercet does not run: take a dense model";
    }
    if (ends_with(name, "_norm_in.weight")) {
        return "is a norm of one linear layer, which is read from Hugging Face folders alone: "
               "pack the model's folder";
    }
    return "has no place in a model of this class, and without it the model would be another";
}

static tercet_status refuse_leftovers(const struct tensor_list *list, tercet_error *error) {
    for (uint32_t i = 0; i < list->source->tensor_count; i++) {
        const char *name = list->source->tensors[i]->name;
        bool known = list->used[i];
        for (const char *const *ending = list->naming->ignorable; *ending != NULL; ending++) {
            known = known || ends_with(name, *ending);
        }
        if (!known) {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, i, "the model's tensor %s %s",
                               name, reason_of_leftover(name));
        }
    }
    return TERCET_OK;
}

static void find_prefix(struct tensor_list *list) {
    char name[NAME_BYTES];
    uint32_t index;
    if (list->naming->optional_prefix == NULL) {
        return;
    }
    (void)snprintf(name, sizeof name, "%s%s", list->naming->optional_prefix,
                   list->naming->embedding.name);
    if (source_weights_find(list->source, name, &index)) {
        list->prefix = list->naming->optional_prefix;
    }
}

static tercet_status fill_list(struct tensor_list *list, tercet_error *error) {
    TERCET_TRY(read_vocabulary(list, error));
    TERCET_TRY(decide_head(list, error));
    find_flags(list);
    uint32_t output = list->config->layers + 1;
    TERCET_TRY(add_model_tensor(list, 0, &list->naming->embedding, error));
    TERCET_TRY(add_model_tensor(list, 0, &list->naming->positions, error));
    for (uint32_t layer = 0; layer < list->config->layers; layer++) {
        TERCET_TRY(add_layer(list, layer, error));
    }
    TERCET_TRY(add_model_tensor(list, output, &list->naming->output_norm, error));
    if ((list->config->flags & CONFIG_FLAG_TIED_HEAD) == 0) {
        TERCET_TRY(add_model_tensor(list, output, &list->naming->head, error));
    }
    TERCET_TRY(add_model_tensor(list, output, &list->naming->output_norm_bias, error));
    TERCET_TRY(add_model_tensor(list, output, &list->naming->head_bias, error));
    TERCET_TRY(add_model_tensor(list, output, &list->naming->head_norm, error));
    return refuse_leftovers(list, error);
}

tercet_status source_tensors_list(const struct source_weights *source,
                                  const struct tensor_rules *rules, struct container_config *config,
                                  struct planned_tensor **tensors, uint32_t *count,
                                  tercet_error *error) {
    struct tensor_list list = {
        .source = source, .rules = rules, .config = config, .naming = rules->naming, .prefix = ""};
    tercet_status status;
    *tensors = NULL;
    find_prefix(&list);
    list.used = calloc((size_t)source->tensor_count + 1, sizeof *list.used);
    list.tensors =
        calloc((size_t)config->layers * rules->naming->layer_count + 7, sizeof *list.tensors);
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
