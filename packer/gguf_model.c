/*
 * gguf_model.c: see gguf_model.h. Keys: ggml-org/llama.cpp, src/llama-arch.cpp and gguf-py/gguf/constants.py; what an
 * architecture computes: src/models/. A key that changes the forward pass and is not computed here is refused.
 */
#include "gguf_model.h"

#include "gguf_rotation.h"
#include "source_tensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GPT2_FLAGS                                                                                 \
    (CONFIG_FLAG_LAYER_NORMS | CONFIG_FLAG_LEARNED_POSITIONS | CONFIG_FLAG_QKV_BIASES |            \
     CONFIG_FLAG_O_BIAS | CONFIG_FLAG_FFN_BIASES)
#define BIAS_FLAGS (CONFIG_FLAG_QKV_BIASES | CONFIG_FLAG_O_BIAS | CONFIG_FLAG_FFN_BIASES)

/* The architectures whose forward pass is ours. */
static const struct gguf_family {
    const char *name;
    uint32_t family, flags, found_flags;
    uint32_t activation;
    enum head_rule head;
    const struct source_naming *naming;
} families[] = {
    /* Its converter permutes the rows of q and k, for pairs of neighbours. */
    {"llama", FAMILY_LLAMA, CONFIG_FLAG_ROPE_INTERLEAVED, BIAS_FLAGS, ACTIVATION_SILU, HEAD_EITHER,
     &source_naming_gguf_llama},
    {"qwen3", FAMILY_QWEN3, CONFIG_FLAG_QK_NORMS, CONFIG_FLAG_QKV_BIASES | CONFIG_FLAG_O_BIAS,
     ACTIVATION_SILU, HEAD_EITHER, &source_naming_gguf_llama},
    {"gpt2", FAMILY_GPT2, GPT2_FLAGS, 0, ACTIVATION_GELU, HEAD_EITHER, &source_naming_gguf_gpt2},
    /* Upstream's, for 1bitLLM's models; logits come from the embedding. */
    {"bitnet", FAMILY_BITNET, 0, CONFIG_FLAG_SUB_NORMS, ACTIVATION_SILU, HEAD_TIED,
     &source_naming_gguf_llama},
    /* Microsoft's fork, for its own. */
    {"bitnet-b1.58", FAMILY_BITNET, 0, CONFIG_FLAG_SUB_NORMS, ACTIVATION_RELU2, HEAD_TIED,
     &source_naming_gguf_llama},
    {"bitnet-25", FAMILY_BITNET, 0, CONFIG_FLAG_SUB_NORMS, ACTIVATION_RELU2, HEAD_TIED,
     &source_naming_gguf_llama},
};

struct model_reader {
    const struct gguf_header *header;
    const struct gguf_family *family;
    struct container_config *config;
    tercet_error *error;
};

/* "llama.block_count" */
static const char *key_name(const struct model_reader *reader, const char *name, char text[96]) {
    (void)snprintf(text, 96, "%s.%s", reader->family->name, name);
    return text;
}

static tercet_status unsupported(const struct model_reader *reader, const char *key,
                                 const char *what) {
    return tercet_fail(reader->error, TERCET_UNSUPPORTED_SOURCE, 0, "%s: the key %s %s",
                       reader->header->file, key, what);
}

/* ---------------------------------------------------------------- what it is */

/* Bonsai 2's weights expect rotated inputs: read without, they give garbage and no error. */
static tercet_status refuse_rotated(const struct gguf_header *header, tercet_error *error) {
    static const char prefix[] = "prism.hadamard.";
    for (uint32_t i = 0; i < header->key_count; i++) {
        if (strncmp(header->keys[i].name, prefix, sizeof prefix - 1) == 0) {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, i,
                               "%s: its weights are rotated (key %s), which is not supported: take "
                               "the model's unrotated or Hugging Face form",
                               header->file, header->keys[i].name);
        }
    }
    return TERCET_OK;
}

static tercet_status find_family(const struct gguf_header *header, const struct gguf_family **found,
                                 tercet_error *error) {
    struct gguf_text name = {NULL, 0};
    char shown[GGUF_SHOWN_BYTES];
    bool there;
    TERCET_TRY(gguf_get_text(header, "general.architecture", &name, &there, error));
    if (!there) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "%s has no key general.architecture: no model", header->file);
    }
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (gguf_text_is(name, families[i].name)) {
            *found = &families[i];
            return TERCET_OK;
        }
    }
    return tercet_fail(
        error, TERCET_UNSUPPORTED_SOURCE, 0,
        gguf_text_is(name, "qwen35") || gguf_text_is(name, "qwen35moe")
            ? "%s: models of architecture %s mix attention with gated delta nets, which Tercet "
              "does not have: take a Qwen3 or Bonsai (first version) model"
            : "%s: models of architecture %s cannot be packed: llama, qwen3, gpt2, bitnet, "
              "bitnet-b1.58 and bitnet-25 can",
        header->file, gguf_show_text(name, shown));
}

tercet_status gguf_model_check(const struct gguf_header *header, tercet_error *error) {
    const struct gguf_family *family;
    TERCET_TRY(refuse_rotated(header, error));
    return find_family(header, &family, error);
}

/* ---------------------------------------------------------------- shape */

enum presence { REQUIRED, OPTIONAL };

/* A size from 1 to its limit. */
static tercet_status read_size(const struct model_reader *reader, const char *name,
                               enum presence presence, uint32_t limit, uint32_t *out) {
    char key[96];
    bool found;
    TERCET_TRY(gguf_get_u32(reader->header, key_name(reader, name, key), UINT32_MAX, out, &found,
                            reader->error));
    if (!found && presence == OPTIONAL) {
        return TERCET_OK;
    }
    if (!found || *out == 0) {
        return tercet_fail(reader->error, TERCET_BAD_SOURCE, 0, "%s: the key %s is %s",
                           reader->header->file, key, found ? "0" : "missing");
    }
    if (*out > limit) {
        return tercet_fail(reader->error, TERCET_LIMIT_EXCEEDED, 0,
                           "%s: the key %s is %u, more than the %u that Tercet can run",
                           reader->header->file, key, *out, limit);
    }
    return TERCET_OK;
}

static tercet_status read_heads(const struct model_reader *reader) {
    struct container_config *config = reader->config;
    uint32_t value_length, rotated;
    TERCET_TRY(read_size(reader, "attention.head_count", REQUIRED, LIMIT_HEADS, &config->heads));
    config->kv_heads = config->heads;
    TERCET_TRY(
        read_size(reader, "attention.head_count_kv", OPTIONAL, LIMIT_HEADS, &config->kv_heads));
    config->head_dim = config->hidden / config->heads;
    TERCET_TRY(
        read_size(reader, "attention.key_length", OPTIONAL, LIMIT_HEAD_DIM, &config->head_dim));
    value_length = config->head_dim;
    TERCET_TRY(
        read_size(reader, "attention.value_length", OPTIONAL, LIMIT_HEAD_DIM, &value_length));
    rotated = config->head_dim;
    TERCET_TRY(read_size(reader, "rope.dimension_count", OPTIONAL, LIMIT_HEAD_DIM, &rotated));
    bool gpt2 = reader->family->family == FAMILY_GPT2;
    const char *wrong = NULL;
    if (config->heads % config->kv_heads != 0) {
        wrong = "attention.head_count_kv does not divide attention.head_count";
    } else if (config->head_dim == 0 || (config->head_dim % 2 != 0 && !gpt2)) {
        wrong = "a head of an odd width cannot be rotated in pairs";
    } else if (value_length != config->head_dim) {
        wrong = "attention.value_length differs from attention.key_length";
    } else if (!gpt2 && rotated != config->head_dim) {
        wrong = "rope.dimension_count is a part of a head only";
    } else if (gpt2 && (config->kv_heads != config->heads ||
                        config->heads * config->head_dim != config->hidden)) {
        wrong = "its heads do not make up the width of the model";
    } else if ((uint64_t)config->heads * config->head_dim > LIMIT_ATTENTION_WIDTH) {
        wrong = "its heads are wider together than Tercet can run";
    }
    return wrong == NULL
               ? TERCET_OK
               : tercet_fail(reader->error, TERCET_UNSUPPORTED_SOURCE, 0,
                             "%s: %s, which is not supported", reader->header->file, wrong);
}

static tercet_status read_epsilon(const struct model_reader *reader) {
    bool layer_norms = (reader->config->flags & CONFIG_FLAG_LAYER_NORMS) != 0;
    double epsilon = layer_norms ? 1e-5 : 1e-6;
    char key[96];
    (void)key_name(
        reader, layer_norms ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
        key);
    TERCET_TRY(gguf_get_number(reader->header, key, &epsilon, NULL, reader->error));
    reader->config->norm_epsilon = (float)epsilon;
    if (!(reader->config->norm_epsilon >= LEAST_POSITIVE_F32 &&
          reader->config->norm_epsilon <= LIMIT_NORM_EPSILON)) {
        return tercet_fail(reader->error, TERCET_BAD_SOURCE, 0, "%s: the key %s is out of range",
                           reader->header->file, key);
    }
    return TERCET_OK;
}

/* Two names are about for the same thing; only files of bitnet's have one. */
static tercet_status read_activation(const struct model_reader *reader) {
    static const char *const names[] = {"hidden_activation", "hidden_act"};
    reader->config->activation = reader->family->activation;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char key[96];
        struct gguf_text text;
        bool found;
        TERCET_TRY(gguf_get_text(reader->header, key_name(reader, names[i], key), &text, &found,
                                 reader->error));
        if (!found) {
            continue;
        }
        bool gate = reader->family->activation != ACTIVATION_GELU;
        if (gate && gguf_text_is(text, "silu")) {
            reader->config->activation = ACTIVATION_SILU;
        } else if (gate && gguf_text_is(text, "relu2")) {
            reader->config->activation = ACTIVATION_RELU2;
        } else if (gate || !gguf_text_is(text, "gelu_new")) {
            return unsupported(reader, key, gate ? "is neither silu nor relu2" : "is not gelu_new");
        }
    }
    return TERCET_OK;
}

/* Keys that change the forward pass. */
static tercet_status refuse_features(const struct model_reader *reader) {
    static const char *const scales[] = {"attention.scale",        "logit_scale",
                                         "residual_scale",         "embedding_scale",
                                         "attention.clamp_kqv",    "attn_logit_softcapping",
                                         "final_logit_softcapping"};
    uint32_t experts = 0, window = UINT32_MAX;
    bool causal = true;
    char key[96];
    TERCET_TRY(gguf_get_u32(reader->header, key_name(reader, "expert_count", key), UINT32_MAX,
                            &experts, NULL, reader->error));
    if (experts > 0) {
        return unsupported(reader, key,
                           "says that this is a mixture of experts, which Tercet "
                           "does not run: take a dense model");
    }
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        double value = 0;
        TERCET_TRY(gguf_get_number(reader->header, key_name(reader, scales[i], key), &value, NULL,
                                   reader->error));
        if (value != 0 && (value != 1 || strstr(scales[i], "_scale") == NULL)) {
            return unsupported(reader, key,
                               "changes the forward pass in a way that is not "
                               "supported");
        }
    }
    TERCET_TRY(gguf_get_u32(reader->header, key_name(reader, "attention.sliding_window", key),
                            UINT32_MAX, &window, NULL, reader->error));
    if (window > 0 && window < reader->config->context) {
        return unsupported(reader, key, "is below the context, which is not supported");
    }
    TERCET_TRY(gguf_get_bool(reader->header, key_name(reader, "attention.causal", key), &causal,
                             NULL, reader->error));
    return causal ? TERCET_OK : unsupported(reader, key, "is false: this is no language model");
}

static tercet_status read_shape(const struct model_reader *reader, double *context) {
    struct container_config *config = reader->config;
    bool learned = (config->flags & CONFIG_FLAG_LEARNED_POSITIONS) != 0;
    TERCET_TRY(read_size(reader, "block_count", REQUIRED, LIMIT_LAYERS, &config->layers));
    TERCET_TRY(read_size(reader, "embedding_length", REQUIRED, LIMIT_HIDDEN, &config->hidden));
    TERCET_TRY(read_size(reader, "feed_forward_length", REQUIRED, LIMIT_INNER, &config->inner));
    TERCET_TRY(read_heads(reader));
    TERCET_TRY(read_size(reader, "context_length", REQUIRED, learned ? LIMIT_CONTEXT : UINT32_MAX,
                         &config->context));
    *context = config->context;
    if (config->context > LIMIT_CONTEXT) {
        config->context = LIMIT_CONTEXT; /* a shorter context runs the same model */
    }
    TERCET_TRY(read_epsilon(reader));
    TERCET_TRY(read_activation(reader));
    return refuse_features(reader);
}

/* ---------------------------------------------------------------- the whole */

static tercet_status read_rotation(const struct model_reader *reader,
                                   const struct source_weights *source, double context,
                                   struct architecture *architecture) {
    architecture->rope_scale = 1;
    if ((reader->config->flags & CONFIG_FLAG_LEARNED_POSITIONS) != 0) {
        return TERCET_OK;
    }
    uint32_t head_dim = reader->config->head_dim;
    architecture->rope_frequencies = malloc(head_dim / 2 * sizeof(double));
    if (architecture->rope_frequencies == NULL) {
        return tercet_fail(reader->error, TERCET_OUT_OF_MEMORY, 0,
                           "no memory for the rotation frequencies");
    }
    return gguf_rotation_read(reader->header, source, reader->family->name, head_dim, context,
                              architecture->rope_frequencies, &architecture->rope_scale,
                              reader->error);
}

/* Sampling defaults have no keys: greedy. */
static void fill_generation_defaults(struct container_config *config) {
    config->stop_count = 0;
    for (uint32_t i = 0; i < CONFIG_STOP_TOKENS_MAX; i++) {
        config->stop_tokens[i] = TERCET_NO_TOKEN;
    }
    config->top_p = 1;
}

static tercet_status read_model(const struct gguf_header *header,
                                const struct source_weights *source, enum i2s_layout layout,
                                struct architecture *architecture, tercet_error *error) {
    struct model_reader reader = {
        .header = header, .config = &architecture->config, .error = error};
    struct tensor_rules rules = {
        .quantization = SOURCE_PLAIN, .file = header->file, .i2s_layout = layout};
    double context;
    TERCET_TRY(refuse_rotated(header, error));
    TERCET_TRY(find_family(header, &reader.family, error));
    (void)snprintf(architecture->class_name, sizeof architecture->class_name, "GGUF %s",
                   reader.family->name);
    reader.config->family = reader.family->family;
    reader.config->flags = reader.family->flags;
    rules.naming = reader.family->naming;
    rules.head = reader.family->head;
    rules.found_flags = reader.family->found_flags;
    architecture->quantization = SOURCE_PLAIN;
    architecture->beginning_token = TERCET_NO_TOKEN;
    TERCET_TRY(read_shape(&reader, &context));
    TERCET_TRY(read_rotation(&reader, source, context, architecture));
    fill_generation_defaults(reader.config);
    return source_tensors_list(source, &rules, reader.config, &architecture->tensors,
                               &architecture->tensor_count, error);
}

tercet_status gguf_model_read(const struct gguf_header *header, const struct source_weights *source,
                              enum i2s_layout layout, struct architecture *architecture,
                              tercet_error *error) {
    memset(architecture, 0, sizeof *architecture);
    tercet_status status = read_model(header, source, layout, architecture, error);
    if (status != TERCET_OK) {
        architecture_free(architecture);
    }
    return status;
}
