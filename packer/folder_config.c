/*
 * folder_config.c: see folder_config.h. Keys: huggingface/transformers, models/llama, models/bitnet, models/qwen2,
 * models/qwen3, models/gpt2 (configuration_*.py). The way back is architectures.c.
 */
#include "folder_config.h"

#include "folder_rope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GPT2_FLAGS                                                                                 \
    (CONFIG_FLAG_LAYER_NORMS | CONFIG_FLAG_LEARNED_POSITIONS | CONFIG_FLAG_QKV_BIASES |            \
     CONFIG_FLAG_O_BIAS | CONFIG_FLAG_FFN_BIASES)

static tercet_status refuse(const char *why, tercet_error *error) {
    return tercet_fail(error, TERCET_CANNOT_EXPORT, 0, "%s", why);
}

static tercet_status choose_gpt2(const struct container_config *config, struct folder_class *chosen,
                                 tercet_error *error) {
    *chosen = (struct folder_class){"GPT2LMHeadModel", "gpt2", &source_naming_gpt2, false, false};
    if (config->activation != ACTIVATION_GELU || config->heads != config->kv_heads ||
        config->heads * config->head_dim != config->hidden) {
        return refuse("transformers' GPT-2 has gelu, no gate, as many key heads as heads, and "
                      "heads x head_dim as hidden size",
                      error);
    }
    return TERCET_OK;
}

tercet_status folder_class_choose(const struct container *container, struct folder_class *chosen,
                                  tercet_error *error) {
    const struct container_config *config = &container->config;
    uint32_t flags = config->flags & ~(CONFIG_FLAG_TIED_HEAD | CONFIG_FLAG_ROPE_INTERLEAVED);
    bool qkv = (flags & CONFIG_FLAG_QKV_BIASES) != 0, o = (flags & CONFIG_FLAG_O_BIAS) != 0;
    bool ffn = (flags & CONFIG_FLAG_FFN_BIASES) != 0;
    uint32_t rest = flags & ~(CONFIG_FLAG_QKV_BIASES | CONFIG_FLAG_O_BIAS | CONFIG_FLAG_FFN_BIASES);
    if (flags == GPT2_FLAGS) {
        return choose_gpt2(config, chosen, error);
    }
    *chosen = (struct folder_class){NULL, NULL, &source_naming_llama, qkv && o, ffn};
    if (rest == CONFIG_FLAG_SUB_NORMS && qkv == o && !ffn) {
        chosen->class_name = "BitNetForCausalLM";
        chosen->model_type = "bitnet";
    } else if (rest == CONFIG_FLAG_QK_NORMS && qkv == o && !ffn) {
        chosen->class_name = "Qwen3ForCausalLM";
        chosen->model_type = "qwen3";
    } else if (rest == 0 && qkv && !o && !ffn) {
        chosen->class_name = "Qwen2ForCausalLM";
        chosen->model_type = "qwen2";
    } else if (rest == 0 && qkv == o) {
        chosen->class_name = "LlamaForCausalLM";
        chosen->model_type = "llama";
    }
    if (chosen->class_name == NULL ||
        (config->activation != ACTIVATION_SILU && config->activation != ACTIVATION_RELU2)) {
        return refuse("transformers has no class of its own with this choice of norms, biases and "
                      "activation",
                      error);
    }
    return TERCET_OK;
}

/* The number with the fewest digits that is this float: 1e-05, not 9.99999975e-06. */
static double shortest(float value) {
    char text[32];
    for (int digits = 1; digits < 9; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) {
            return strtod(text, NULL);
        }
    }
    return (double)value;
}

static bool add_number(cJSON *object, const char *key, double value) {
    return cJSON_AddNumberToObject(object, key, value) != NULL;
}

static bool add_text(cJSON *object, const char *key, const char *value) {
    return cJSON_AddStringToObject(object, key, value) != NULL;
}

static bool add_bool(cJSON *object, const char *key, bool value) {
    return cJSON_AddBoolToObject(object, key, value) != NULL;
}

static bool add_gpt2_shape(const struct container_config *config, cJSON *object) {
    return add_number(object, "n_layer", config->layers) &&
           add_number(object, "n_embd", config->hidden) &&
           add_number(object, "n_inner", config->inner) &&
           add_number(object, "n_head", config->heads) &&
           add_number(object, "n_positions", config->context) &&
           add_text(object, "activation_function", "gelu_new") &&
           add_number(object, "layer_norm_epsilon", shortest(config->norm_epsilon));
}

static bool add_llama_shape(const struct container_config *config,
                            const struct folder_class *chosen, cJSON *object) {
    bool relu = config->activation == ACTIVATION_RELU2;
    return add_number(object, "num_hidden_layers", config->layers) &&
           add_number(object, "hidden_size", config->hidden) &&
           add_number(object, "intermediate_size", config->inner) &&
           add_number(object, "num_attention_heads", config->heads) &&
           add_number(object, "num_key_value_heads", config->kv_heads) &&
           add_number(object, "head_dim", config->head_dim) &&
           add_number(object, "max_position_embeddings", config->context) &&
           add_text(object, "hidden_act", relu ? "relu2" : "silu") &&
           add_number(object, "rms_norm_eps", shortest(config->norm_epsilon)) &&
           (strcmp(chosen->model_type, "qwen2") == 0 ||
            add_bool(object, "attention_bias", chosen->attention_bias)) &&
           (strcmp(chosen->model_type, "llama") != 0 ||
            add_bool(object, "mlp_bias", chosen->mlp_bias));
}

/* The first stop token here, all of them in generation_config.json. */
static bool add_tokens(const struct container *container, cJSON *object) {
    const struct container_config *config = &container->config;
    return (container->tokenizer.beginning == TERCET_NO_TOKEN ||
            add_number(object, "bos_token_id", container->tokenizer.beginning)) &&
           (config->stop_count == 0 || add_number(object, "eos_token_id", config->stop_tokens[0]));
}

static bool add_config(const struct container *container, const struct folder_class *chosen,
                       const char *dtype, cJSON *object) {
    const struct container_config *config = &container->config;
    cJSON *classes = cJSON_AddArrayToObject(object, "architectures");
    cJSON *name = cJSON_CreateString(chosen->class_name);
    bool gpt2 = chosen->naming == &source_naming_gpt2;
    if (classes == NULL || name == NULL || !cJSON_AddItemToArray(classes, name)) {
        cJSON_Delete(name);
        return false;
    }
    return add_text(object, "model_type", chosen->model_type) &&
           (gpt2 ? add_gpt2_shape(config, object) : add_llama_shape(config, chosen, object)) &&
           add_number(object, "vocab_size", config->vocabulary) &&
           add_bool(object, "tie_word_embeddings", (config->flags & CONFIG_FLAG_TIED_HEAD) != 0) &&
           add_tokens(container, object) && add_text(object, "torch_dtype", dtype);
}

/* The text of an object, which is deleted; NULL without memory. */
static tercet_status print(cJSON *object, bool complete, char **text, tercet_error *error) {
    *text = complete ? cJSON_Print(object) : NULL;
    cJSON_Delete(object);
    return *text != NULL
               ? TERCET_OK
               : tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the configuration");
}

tercet_status folder_config_write(const struct container *container,
                                  const struct folder_class *chosen, const char *dtype,
                                  struct export_report *report, char **text, tercet_error *error) {
    cJSON *object = cJSON_CreateObject();
    bool complete = object != NULL && add_config(container, chosen, dtype, object);
    bool exact = true;
    *text = NULL;
    if (complete && container->rope_count > 0) {
        tercet_status status = folder_rope_add(container, object, &exact, error);
        if (status != TERCET_OK) {
            cJSON_Delete(object);
            return status;
        }
    }
    if (!exact) {
        export_note(report, "the rotation frequencies differ from the model's behind the sixth "
                            "digit: no rule of config.json gives them to the last bit");
    }
    return print(object, complete, text, error);
}

tercet_status folder_generation_write(const struct container *container, char **text,
                                      tercet_error *error) {
    const struct container_config *config = &container->config;
    cJSON *object = cJSON_CreateObject();
    bool sample = config->temperature > 0;
    bool complete = object != NULL &&
                    (container->tokenizer.beginning == TERCET_NO_TOKEN ||
                     add_number(object, "bos_token_id", container->tokenizer.beginning)) &&
                    add_bool(object, "do_sample", sample);
    cJSON *stops = complete ? cJSON_AddArrayToObject(object, "eos_token_id") : NULL;
    complete = complete && stops != NULL;
    for (uint32_t i = 0; i < config->stop_count && complete; i++) {
        cJSON *stop = cJSON_CreateNumber(config->stop_tokens[i]);
        complete = stop != NULL && cJSON_AddItemToArray(stops, stop);
    }
    if (complete && sample) {
        complete = add_number(object, "temperature", shortest(config->temperature)) &&
                   add_number(object, "top_k", config->top_k) &&
                   add_number(object, "top_p", shortest(config->top_p)) &&
                   add_number(object, "min_p", shortest(config->min_p));
    }
    return print(object, complete, text, error);
}
