/*
 * architectures.c: see architectures.h. This file reads config.json; source_tensors.c finds the tensors.
 */
#include "architectures.h"

#include "generation_defaults.h"
#include "json.h"
#include "rope_frequencies.h"
#include "source_tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_FILE "config.json"
#define CONFIG_FILE_BYTES_MAX (16u << 20)

/* How config.json calls what every model has. */
struct config_keys {
    const char *layers, *hidden, *inner, *heads, *context, *activation, *norm_epsilon;
};

static const struct config_keys llama_keys = {
    "num_hidden_layers",       "hidden_size", "intermediate_size", "num_attention_heads",
    "max_position_embeddings", "hidden_act",  "rms_norm_eps"};
static const struct config_keys gpt2_keys = {
    "n_layer",           "n_embd", "n_inner", "n_head", "n_positions", "activation_function",
    "layer_norm_epsilon"};

#define GPT2_FLAGS                                                                                 \
    (CONFIG_FLAG_LAYER_NORMS | CONFIG_FLAG_LEARNED_POSITIONS | CONFIG_FLAG_QKV_BIASES |            \
     CONFIG_FLAG_O_BIAS | CONFIG_FLAG_FFN_BIASES)

/* The classes whose forward pass is ours, and the model_type of each. */
static const struct family {
    const char *class_name, *model_type;
    uint32_t family, flags;
    const char *activation; /* where config.json has none */
    double norm_epsilon;    /* likewise */
    bool tied;              /* tie_word_embeddings likewise */
    const struct config_keys *keys;
    const struct source_naming *naming;
} families[] = {
    {"LlamaForCausalLM", "llama", FAMILY_LLAMA, 0, "silu", 1e-6, false, &llama_keys,
     &source_naming_llama},
    {"MistralForCausalLM", "mistral", FAMILY_LLAMA, 0, "silu", 1e-6, false, &llama_keys,
     &source_naming_llama},
    {"Qwen2ForCausalLM", "qwen2", FAMILY_LLAMA, CONFIG_FLAG_QKV_BIASES, "silu", 1e-6, false,
     &llama_keys, &source_naming_llama},
    {"Qwen3ForCausalLM", "qwen3", FAMILY_QWEN3, CONFIG_FLAG_QK_NORMS, "silu", 1e-6, false,
     &llama_keys, &source_naming_llama},
    {"GPT2LMHeadModel", "gpt2", FAMILY_GPT2, GPT2_FLAGS, "gelu_new", 1e-5, true, &gpt2_keys,
     &source_naming_gpt2},
    {"TernaryLM", "ternarylm", FAMILY_TERNARYLM, CONFIG_FLAG_HEAD_BIAS, "silu", 1e-6, false,
     &llama_keys, &source_naming_ternarylm},
    {"BitNetForCausalLM", "bitnet", FAMILY_BITNET, 0, "relu2", 1e-5, false, &llama_keys,
     &source_naming_llama},
    /* 1bitLLM's own class; its model_type is "llama", so the class decides. */
    {"BitnetForCausalLM", "bitnet", FAMILY_BITNET, 0, "silu", 1e-5, false, &llama_keys,
     &source_naming_llama},
};
#define FAMILIES (sizeof families / sizeof families[0])

static tercet_status find_family(const struct json_document *document, const struct family **family,
                                 tercet_error *error) {
    const cJSON *classes = NULL;
    const char *type = NULL, *class_name = NULL;
    bool type_known = false;
    TERCET_TRY(
        json_get_string(document, document->root, "model_type", JSON_OPTIONAL, &type, error));
    TERCET_TRY(
        json_get_array(document, document->root, "architectures", JSON_OPTIONAL, &classes, error));
    if (classes != NULL && cJSON_IsString(classes->child)) {
        class_name = classes->child->valuestring;
    }
    *family = NULL;
    for (size_t i = FAMILIES; i-- > 0;) {
        bool type_fits = type != NULL && strcmp(type, families[i].model_type) == 0;
        type_known = type_known || type_fits;
        /* TernaryLM's class is nobody's but its notebook's. */
        bool by_type = class_name == NULL || families[i].family == FAMILY_TERNARYLM;
        if (by_type ? type_fits : strcmp(class_name, families[i].class_name) == 0) {
            *family = &families[i];
        }
    }
    if (class_name == NULL && type == NULL) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "%s has neither \"architectures\" nor \"model_type\"", document->file);
    }
    if (*family == NULL || (type != NULL && !type_known)) {
        return tercet_fail(
            error, TERCET_UNSUPPORTED_SOURCE, 0,
            "models of type %s (class %s) cannot be packed: llama, mistral, qwen2, qwen3, bitnet, "
            "gpt2 and ternarylm can",
            type != NULL ? type : "unknown", class_name != NULL ? class_name : "unknown");
    }
    return TERCET_OK;
}

/* A required size from 1 to its limit. */
static tercet_status read_size(const struct json_document *document, const char *key,
                               enum json_presence presence, uint32_t limit, uint32_t *out,
                               tercet_error *error) {
    TERCET_TRY(json_get_u32(document, document->root, key, presence, UINT32_MAX, out, error));
    if (*out == 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: \"%s\" is 0", document->file, key);
    }
    if (*out > limit) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0,
                           "%s: \"%s\" is %u, more than the %u that Tercet can run", document->file,
                           key, *out, limit);
    }
    return TERCET_OK;
}

static tercet_status read_heads(const struct json_document *document, const struct family *family,
                                struct container_config *config, tercet_error *error) {
    TERCET_TRY(read_size(document, family->keys->heads, JSON_REQUIRED, LIMIT_HEADS, &config->heads,
                         error));
    config->kv_heads = config->heads;
    config->head_dim = config->hidden / config->heads;
    if (family->family ==
        FAMILY_GPT2) { /* has no other heads, and c_attn's shape is checked later */
        if (config->hidden % config->heads != 0 || config->head_dim < 2) {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                               "%s: %u heads do not divide a width of %u", document->file,
                               config->heads, config->hidden);
        }
        return config->head_dim <= LIMIT_HEAD_DIM
                   ? TERCET_OK
                   : tercet_fail(
                         error, TERCET_LIMIT_EXCEEDED, 0,
                         "%s: %u heads of a width of %u have %u each, more than the %u that "
                         "Tercet can run",
                         document->file, config->heads, config->hidden, config->head_dim,
                         LIMIT_HEAD_DIM);
    }
    TERCET_TRY(read_size(document, "num_key_value_heads", JSON_OPTIONAL, LIMIT_HEADS,
                         &config->kv_heads, error));
    TERCET_TRY(
        read_size(document, "head_dim", JSON_OPTIONAL, LIMIT_HEAD_DIM, &config->head_dim, error));
    if (config->heads % config->kv_heads != 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "%s: %u key-value heads do not divide %u heads", document->file,
                           config->kv_heads, config->heads);
    }
    if (config->head_dim % 2 != 0) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: an odd head_dim (%u) cannot be rotated in pairs", document->file,
                           config->head_dim);
    }
    if (config->heads * config->head_dim > LIMIT_ATTENTION_WIDTH) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0, "%s: %u heads of %u are wider than %u",
                           document->file, config->heads, config->head_dim, LIMIT_ATTENTION_WIDTH);
    }
    return TERCET_OK;
}

static tercet_status read_activation(const struct json_document *document,
                                     const struct family *family, struct container_config *config,
                                     tercet_error *error) {
    static const struct {
        const char *name;
        uint32_t activation;
        bool gate;
    } known[] = {
        {"silu", ACTIVATION_SILU, true},
        {"swish", ACTIVATION_SILU, true},
        {"relu2", ACTIVATION_RELU2, true},
        {"gelu_new", ACTIVATION_GELU, false},
        {"gelu_pytorch_tanh", ACTIVATION_GELU, false},
    };
    const char *name = family->activation, *key = family->keys->activation;
    bool gate = family->family != FAMILY_GPT2;
    TERCET_TRY(json_get_string(document, document->root, key, JSON_OPTIONAL, &name, error));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) == 0 && known[i].gate == gate) {
            config->activation = known[i].activation;
            return TERCET_OK;
        }
    }
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                       "%s: \"%s\" %s is not supported here: %s", document->file, key, name,
                       gate ? "silu and relu2 are" : "gelu_new is");
}

/* Features that change the forward pass and that the container cannot say. */
static tercet_status refuse_unknown_features(const struct json_document *document,
                                             const struct container_config *config,
                                             tercet_error *error) {
    /* GPT-2's variants; reorder_and_upcast_attn only chooses a precision. */
    static const struct {
        const char *key;
        bool expected;
    } switches[] = {{"scale_attn_weights", true},
                    {"scale_attn_by_inverse_layer_idx", false},
                    {"add_cross_attention", false}};
    uint32_t window = UINT32_MAX;
    bool windowed = true;
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        bool value = switches[i].expected;
        TERCET_TRY(
            json_get_bool(document, document->root, switches[i].key, JSON_OPTIONAL, &value, error));
        if (value != switches[i].expected) {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                               "%s: \"%s\" %s is not supported", document->file, switches[i].key,
                               value ? "true" : "false");
        }
    }
    /* Qwen's files name a window and say that it is not used. */
    TERCET_TRY(json_get_bool(document, document->root, "use_sliding_window", JSON_OPTIONAL,
                             &windowed, error));
    if (!windowed) {
        return TERCET_OK;
    }
    TERCET_TRY(json_get_u32(document, document->root, "sliding_window", JSON_OPTIONAL, UINT32_MAX,
                            &window, error));
    if (window < config->context) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: \"sliding_window\" of %u below the context of %u is not supported",
                           document->file, window, config->context);
    }
    return TERCET_OK;
}

/* Biases that config.json switches on; those of a family's own are in its row. */
static tercet_status read_biases(const struct json_document *document,
                                 struct container_config *config, tercet_error *error) {
    bool attention = false, ffn = false;
    TERCET_TRY(json_get_bool(document, document->root, "attention_bias", JSON_OPTIONAL, &attention,
                             error));
    TERCET_TRY(json_get_bool(document, document->root, "mlp_bias", JSON_OPTIONAL, &ffn, error));
    config->flags |= attention ? CONFIG_FLAG_QKV_BIASES | CONFIG_FLAG_O_BIAS : 0u;
    config->flags |= ffn ? CONFIG_FLAG_FFN_BIASES : 0u;
    return TERCET_OK;
}

static tercet_status read_shape(const struct json_document *document, const struct family *family,
                                struct container_config *config, double *context,
                                tercet_error *error) {
    const struct config_keys *keys = family->keys;
    bool learned = (config->flags & CONFIG_FLAG_LEARNED_POSITIONS) != 0;
    double epsilon = family->norm_epsilon;
    TERCET_TRY(
        read_size(document, keys->layers, JSON_REQUIRED, LIMIT_LAYERS, &config->layers, error));
    TERCET_TRY(
        read_size(document, keys->hidden, JSON_REQUIRED, LIMIT_HIDDEN, &config->hidden, error));
    /* GPT-2's files rarely say it; TernaryLM's program has this factor. */
    bool ternarylm = family->family == FAMILY_TERNARYLM;
    config->inner = ternarylm ? (uint32_t)((double)config->hidden * 2.67) : 4 * config->hidden;
    TERCET_TRY(read_size(document, keys->inner,
                         ternarylm || family->family == FAMILY_GPT2 ? JSON_OPTIONAL : JSON_REQUIRED,
                         LIMIT_INNER, &config->inner, error));
    TERCET_TRY(read_heads(document, family, config, error));
    TERCET_TRY(read_size(document, keys->context, JSON_REQUIRED,
                         learned ? LIMIT_CONTEXT : UINT32_MAX, &config->context, error));
    *context = config->context;
    if (config->context > LIMIT_CONTEXT) {
        config->context = LIMIT_CONTEXT; /* a shorter context runs the same model */
    }
    TERCET_TRY(json_get_number(document, document->root, keys->norm_epsilon, JSON_OPTIONAL,
                               &epsilon, error));
    config->norm_epsilon = (float)epsilon;
    if (!(config->norm_epsilon >= LEAST_POSITIVE_F32 &&
          config->norm_epsilon <= LIMIT_NORM_EPSILON)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: \"%s\" is out of range",
                           document->file, keys->norm_epsilon);
    }
    TERCET_TRY(read_biases(document, config, error));
    TERCET_TRY(read_activation(document, family, config, error));
    return refuse_unknown_features(document, config, error);
}

/* quantization_config -> how linears are stored, and which are left out. */
static tercet_status read_quantization(const struct json_document *document,
                                       struct tensor_rules *rules, struct container_config *config,
                                       tercet_error *error) {
    const cJSON *object = NULL;
    const char *method = NULL, *linear_class = "bitlinear", *mode = "offline";
    bool own_norms = false;
    double epsilon = 1e-6; /* transformers' */
    rules->quantization = SOURCE_PLAIN;
    config->linear_norm_epsilon = (float)epsilon;
    TERCET_TRY(json_get_object(document, document->root, "quantization_config", JSON_OPTIONAL,
                               &object, error));
    if (object == NULL) {
        return TERCET_OK;
    }
    TERCET_TRY(json_get_string(document, object, "quant_method", JSON_REQUIRED, &method, error));
    TERCET_TRY(
        json_get_string(document, object, "linear_class", JSON_OPTIONAL, &linear_class, error));
    TERCET_TRY(json_get_string(document, object, "quantization_mode", JSON_OPTIONAL, &mode, error));
    TERCET_TRY(json_get_bool(document, object, "use_rms_norm", JSON_OPTIONAL, &own_norms, error));
    TERCET_TRY(json_get_number(document, object, "rms_norm_eps", JSON_OPTIONAL, &epsilon, error));
    config->linear_norm_epsilon = (float)epsilon;
    if (own_norms && !(config->linear_norm_epsilon >= LEAST_POSITIVE_F32 &&
                       config->linear_norm_epsilon <= LIMIT_NORM_EPSILON)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "%s: \"rms_norm_eps\" of quantization_config is out of range",
                           document->file);
    }
    TERCET_TRY(json_get_array(document, object, "modules_to_not_convert", JSON_OPTIONAL,
                              &rules->not_converted, error));
    if (strcmp(method, "bitnet") != 0) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: the quantisation method %s is not supported: bitnet is",
                           document->file, method);
    }
    config->flags |= own_norms ? CONFIG_FLAG_LINEAR_NORMS : 0u;
    bool multiply = strcmp(linear_class, "autobitlinear") == 0,
         online = strcmp(mode, "online") == 0;
    if ((!multiply && strcmp(linear_class, "bitlinear") != 0) ||
        (!online && strcmp(mode, "offline") != 0)) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: the linear_class %s with quantization_mode %s is not supported",
                           document->file, linear_class, mode);
    }
    rules->quantization = !multiply ? SOURCE_DIVIDE : online ? SOURCE_ONLINE : SOURCE_MULTIPLY;
    return TERCET_OK;
}

static tercet_status read_beginning_token(const struct json_document *document,
                                          struct architecture *architecture, tercet_error *error) {
    const cJSON *value = NULL;
    uint64_t token;
    architecture->beginning_token = TERCET_NO_TOKEN;
    TERCET_TRY(json_get(document, document->root, "bos_token_id", JSON_OPTIONAL, &value, error));
    if (value == NULL || cJSON_IsNull(value)) {
        return TERCET_OK;
    }
    if (!json_take_u64(value, architecture->config.vocabulary - 1, &token)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "%s: \"bos_token_id\" is no token of a vocabulary of %u", document->file,
                           architecture->config.vocabulary);
    }
    architecture->beginning_token = (uint32_t)token;
    return TERCET_OK;
}

static tercet_status read_rotation(const struct json_document *document, double context,
                                   struct architecture *architecture, tercet_error *error) {
    uint32_t head_dim = architecture->config.head_dim;
    architecture->rope_scale = 1;
    if ((architecture->config.flags & CONFIG_FLAG_LEARNED_POSITIONS) != 0) {
        return TERCET_OK;
    }
    architecture->rope_frequencies = malloc(head_dim / 2 * sizeof(double));
    if (architecture->rope_frequencies == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0,
                           "no memory for the rotation frequencies");
    }
    return rope_frequencies_read(document, head_dim, context, architecture->rope_frequencies,
                                 &architecture->rope_scale, error);
}

static tercet_status read_document(const char *folder, const struct json_document *document,
                                   const struct source_weights *source,
                                   struct architecture *architecture, tercet_error *error) {
    struct container_config *config = &architecture->config;
    struct tensor_rules rules = {.quantization = SOURCE_PLAIN, .file = document->file};
    bool tied;
    const struct family *family;
    double context;
    TERCET_TRY(find_family(document, &family, error));
    (void)snprintf(architecture->class_name, sizeof architecture->class_name, "%s",
                   family->class_name);
    config->family = family->family;
    config->flags = family->flags;
    rules.naming = family->naming;
    tied = family->tied;
    rules.found_flags = CONFIG_FLAG_LINEAR_NORMS;
    rules.found_flags |= family->family == FAMILY_BITNET ? CONFIG_FLAG_SUB_NORMS : 0u;
    TERCET_TRY(read_shape(document, family, config, &context, error));
    TERCET_TRY(read_quantization(document, &rules, config, error));
    TERCET_TRY(json_get_bool(document, document->root, "tie_word_embeddings", JSON_OPTIONAL, &tied,
                             error));
    rules.head = tied ? HEAD_TIED : HEAD_OWN;
    architecture->quantization = rules.quantization;
    TERCET_TRY(read_rotation(document, context, architecture, error));
    TERCET_TRY(source_tensors_list(source, &rules, config, &architecture->tensors,
                                   &architecture->tensor_count, error));
    TERCET_TRY(read_beginning_token(document, architecture, error));
    return generation_defaults_read(folder, document, config, error);
}

tercet_status architecture_read(const char *folder, const struct source_weights *source,
                                struct architecture *architecture, tercet_error *error) {
    struct json_document document;
    memset(architecture, 0, sizeof *architecture);
    TERCET_TRY(json_load(folder, CONFIG_FILE, CONFIG_FILE_BYTES_MAX, &document, error));
    tercet_status status = read_document(folder, &document, source, architecture, error);
    json_free(&document);
    if (status != TERCET_OK) {
        architecture_free(architecture);
    }
    return status;
}

void architecture_free(struct architecture *architecture) {
    free(architecture->rope_frequencies);
    free(architecture->tensors);
    memset(architecture, 0, sizeof *architecture);
}

bool architecture_names_activations(const struct architecture *architecture) {
    uint32_t family = architecture->config.family;
    if (architecture->quantization != SOURCE_PLAIN || family == FAMILY_BITNET ||
        family == FAMILY_TERNARYLM || family == FAMILY_BITMAMBA2) {
        return true;
    }
    for (uint32_t i = 0; i < architecture->tensor_count; i++) {
        if (architecture->tensors[i].weight->dtype == SOURCE_I2_S) {
            return true; /* bitnet.cpp computes with no other activations */
        }
    }
    return false;
}
