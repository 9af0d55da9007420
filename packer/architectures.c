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

/* The classes whose forward pass is ours, and the model_type of each. */
static const struct family {
    const char *class_name, *model_type;
    uint32_t family;
    const char *activation; /* hidden_act when config.json has none */
    double norm_epsilon;    /* rms_norm_eps likewise */
} families[] = {
    {"LlamaForCausalLM", "llama", FAMILY_LLAMA, "silu", 1e-6},
    {"MistralForCausalLM", "mistral", FAMILY_LLAMA, "silu", 1e-6},
    {"BitNetForCausalLM", "bitnet", FAMILY_BITNET, "relu2", 1e-5},
    /* 1bitLLM's own class; its model_type is "llama", so the class decides. */
    {"BitnetForCausalLM", "bitnet", FAMILY_BITNET, "silu", 1e-5},
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
        if (class_name != NULL ? strcmp(class_name, families[i].class_name) == 0 : type_fits) {
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
            "models of type %s (class %s) cannot be packed: llama, mistral and bitnet can",
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

static tercet_status read_heads(const struct json_document *document,
                                struct container_config *config, tercet_error *error) {
    TERCET_TRY(read_size(document, "num_attention_heads", JSON_REQUIRED, LIMIT_HEADS,
                         &config->heads, error));
    config->kv_heads = config->heads;
    TERCET_TRY(read_size(document, "num_key_value_heads", JSON_OPTIONAL, LIMIT_HEADS,
                         &config->kv_heads, error));
    config->head_dim = config->hidden / config->heads;
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
    const char *activation = family->activation;
    TERCET_TRY(
        json_get_string(document, document->root, "hidden_act", JSON_OPTIONAL, &activation, error));
    if (strcmp(activation, "silu") == 0 || strcmp(activation, "swish") == 0) {
        config->activation = ACTIVATION_SILU;
    } else if (strcmp(activation, "relu2") == 0) {
        config->activation = ACTIVATION_RELU2;
    } else {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: \"hidden_act\" %s is not supported: silu and relu2 are",
                           document->file, activation);
    }
    return TERCET_OK;
}

/* Features that change the forward pass and that the container cannot say. */
static tercet_status refuse_unknown_features(const struct json_document *document,
                                             const struct container_config *config,
                                             tercet_error *error) {
    static const char *const flags[] = {"attention_bias", "mlp_bias"};
    uint32_t window = UINT32_MAX;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        bool set = false;
        TERCET_TRY(json_get_bool(document, document->root, flags[i], JSON_OPTIONAL, &set, error));
        if (set) {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                               "%s: \"%s\" true is not supported", document->file, flags[i]);
        }
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

static tercet_status read_shape(const struct json_document *document, const struct family *family,
                                struct container_config *config, double *context,
                                tercet_error *error) {
    double epsilon = family->norm_epsilon;
    TERCET_TRY(read_size(document, "num_hidden_layers", JSON_REQUIRED, LIMIT_LAYERS,
                         &config->layers, error));
    TERCET_TRY(
        read_size(document, "hidden_size", JSON_REQUIRED, LIMIT_HIDDEN, &config->hidden, error));
    TERCET_TRY(read_size(document, "intermediate_size", JSON_REQUIRED, LIMIT_INNER, &config->inner,
                         error));
    TERCET_TRY(read_heads(document, config, error));
    TERCET_TRY(read_size(document, "max_position_embeddings", JSON_REQUIRED, UINT32_MAX,
                         &config->context, error));
    *context = config->context;
    if (config->context > LIMIT_CONTEXT) {
        config->context = LIMIT_CONTEXT; /* a shorter context runs the same model */
    }
    TERCET_TRY(
        json_get_number(document, document->root, "rms_norm_eps", JSON_OPTIONAL, &epsilon, error));
    config->norm_epsilon = (float)epsilon;
    if (!(config->norm_epsilon >= LEAST_POSITIVE_F32 &&
          config->norm_epsilon <= LIMIT_NORM_EPSILON)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: \"rms_norm_eps\" is out of range",
                           document->file);
    }
    TERCET_TRY(read_activation(document, family, config, error));
    return refuse_unknown_features(document, config, error);
}

/* quantization_config -> how linears are stored, and which are left out. */
static tercet_status read_quantization(const struct json_document *document,
                                       struct tensor_rules *rules, tercet_error *error) {
    const cJSON *object = NULL;
    const char *method = NULL, *linear_class = "bitlinear", *mode = "offline";
    bool own_norms = false;
    rules->quantization = SOURCE_PLAIN;
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
    TERCET_TRY(json_get_array(document, object, "modules_to_not_convert", JSON_OPTIONAL,
                              &rules->not_converted, error));
    if (strcmp(method, "bitnet") != 0) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: the quantisation method %s is not supported: bitnet is",
                           document->file, method);
    }
    if (own_norms) {
        return tercet_fail(
            error, TERCET_UNSUPPORTED_SOURCE, 0,
            "%s: \"use_rms_norm\" true (a norm in front of each linear) is not supported",
            document->file);
    }
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

static tercet_status read_document(const char *folder, const struct json_document *document,
                                   const struct safetensors *source,
                                   struct architecture *architecture, tercet_error *error) {
    struct container_config *config = &architecture->config;
    struct tensor_rules rules = {SOURCE_PLAIN, document, NULL, false};
    const struct family *family;
    double context;
    TERCET_TRY(find_family(document, &family, error));
    (void)snprintf(architecture->class_name, sizeof architecture->class_name, "%s",
                   family->class_name);
    config->family = family->family;
    TERCET_TRY(read_shape(document, family, config, &context, error));
    TERCET_TRY(read_quantization(document, &rules, error));
    TERCET_TRY(json_get_bool(document, document->root, "tie_word_embeddings", JSON_OPTIONAL,
                             &rules.tied, error));
    architecture->quantization = rules.quantization;
    architecture->rope_frequencies = malloc(config->head_dim / 2 * sizeof(double));
    if (architecture->rope_frequencies == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0,
                           "no memory for the rotation frequencies");
    }
    TERCET_TRY(rope_frequencies_read(document, config->head_dim, context,
                                     architecture->rope_frequencies, &architecture->rope_scale,
                                     error));
    TERCET_TRY(source_tensors_list(source, &rules, config, &architecture->tensors,
                                   &architecture->tensor_count, error));
    TERCET_TRY(read_beginning_token(document, architecture, error));
    return generation_defaults_read(folder, document, config, error);
}

tercet_status architecture_read(const char *folder, const struct safetensors *source,
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
