/*
 * gguf_architecture.c: see gguf_architecture.h. Names: ggml-org/llama.cpp, src/llama-arch.cpp; what an architecture
 * computes: src/models/.
 */
#include "gguf_architecture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct role_name {
    uint32_t role;
    const char *name;
} role_names[] = {
    {ROLE_EMBEDDING, "token_embd.weight"},
    {ROLE_ATTENTION_NORM, "attn_norm.weight"},
    {ROLE_Q, "attn_q.weight"},
    {ROLE_K, "attn_k.weight"},
    {ROLE_V, "attn_v.weight"},
    {ROLE_ATTENTION_SUB_NORM, "attn_sub_norm.weight"},
    {ROLE_O, "attn_output.weight"},
    {ROLE_FFN_NORM, "ffn_norm.weight"},
    {ROLE_GATE, "ffn_gate.weight"},
    {ROLE_UP, "ffn_up.weight"},
    {ROLE_FFN_SUB_NORM, "ffn_sub_norm.weight"},
    {ROLE_DOWN, "ffn_down.weight"},
    {ROLE_OUTPUT_NORM, "output_norm.weight"},
    {ROLE_HEAD, "output.weight"},
    {ROLE_POSITION_EMBEDDING, "position_embd.weight"},
    {ROLE_ATTENTION_NORM_BIAS, "attn_norm.bias"},
    {ROLE_Q_NORM, "attn_q_norm.weight"},
    {ROLE_K_NORM, "attn_k_norm.weight"},
    {ROLE_Q_BIAS, "attn_q.bias"},
    {ROLE_K_BIAS, "attn_k.bias"},
    {ROLE_V_BIAS, "attn_v.bias"},
    {ROLE_O_BIAS, "attn_output.bias"},
    {ROLE_FFN_NORM_BIAS, "ffn_norm.bias"},
    {ROLE_GATE_BIAS, "ffn_gate.bias"},
    {ROLE_UP_BIAS, "ffn_up.bias"},
    {ROLE_DOWN_BIAS, "ffn_down.bias"},
    {ROLE_OUTPUT_NORM_BIAS, "output_norm.bias"},
};

bool gguf_is_fused(const struct gguf_architecture *architecture, uint32_t role) {
    return architecture->fused_qkv &&
           (role == ROLE_K || role == ROLE_V || role == ROLE_K_BIAS || role == ROLE_V_BIAS);
}

static const char *name_of(const struct gguf_architecture *architecture, uint32_t role) {
    if (architecture->fused_qkv && (role == ROLE_Q || role == ROLE_Q_BIAS)) {
        return role == ROLE_Q ? "attn_qkv.weight" : "attn_qkv.bias";
    }
    for (size_t i = 0; i < sizeof role_names / sizeof *role_names; i++) {
        if (role_names[i].role == role) {
            return role_names[i].name;
        }
    }
    return NULL;
}

bool gguf_tensor_name(const struct gguf_architecture *architecture, uint32_t stage, uint32_t role,
                      char name[GGUF_NAME_BYTES]) {
    const char *found = name_of(architecture, role);
    if (found == NULL) {
        return false;
    }
    if (role < ROLE_ATTENTION_NORM ||
        role >= ROLE_OUTPUT_NORM) { /* in front of and behind the layers */
        (void)snprintf(name, GGUF_NAME_BYTES, "%s", found);
    } else {
        (void)snprintf(name, GGUF_NAME_BYTES, "blk.%u.%s", stage - 1, found);
    }
    return true;
}

static tercet_status refuse(const char *why, tercet_error *error) {
    return tercet_fail(error, TERCET_CANNOT_EXPORT, 0, "%s", why);
}

/* llama.cpp's "bitnet": norms in front of o and down, tied head, as many columns in o as hidden. */
static tercet_status choose_bitnet(const struct container_config *config,
                                   struct gguf_architecture *architecture,
                                   struct export_report *report, tercet_error *error) {
    architecture->name = "bitnet";
    if ((config->flags & CONFIG_FLAG_TIED_HEAD) == 0) {
        return refuse("llama.cpp's bitnet takes its logits from the embedding, but this model has "
                      "a head of its own",
                      error);
    }
    if (config->heads * config->head_dim != config->hidden) {
        return refuse("llama.cpp's bitnet needs heads x head_dim to be the hidden size", error);
    }
    if (config->activation != ACTIVATION_SILU && config->activation != ACTIVATION_RELU2) {
        return refuse("llama.cpp's bitnet has a gate, with SiLU or squared ReLU", error);
    }
    if (config->activation == ACTIVATION_RELU2) {
        export_note(report, "this model needs squared ReLU: llama.cpp honours the key "
                            "bitnet.hidden_activation only since 2026; older ones compute SiLU "
                            "and give other text at the same speed");
    }
    return TERCET_OK;
}

/* Norms of heads: "qwen3", pairs as ours; else "llama", neighbours as pairs, where every matrix may have a bias. */
static tercet_status choose_llama(const struct container_config *config,
                                  struct gguf_architecture *architecture, tercet_error *error) {
    bool qwen3 = (config->flags & CONFIG_FLAG_QK_NORMS) != 0;
    architecture->name = qwen3 ? "qwen3" : "llama";
    architecture->interleaved = !qwen3;
    if (config->activation != ACTIVATION_SILU) {
        return refuse("llama.cpp has no architecture with a gate, another activation than SiLU and "
                      "no norms in front of attention.o and ffn.down",
                      error);
    }
    return TERCET_OK;
}

static tercet_status choose_gpt2(const struct container_config *config,
                                 struct gguf_architecture *architecture, tercet_error *error) {
    architecture->name = "gpt2";
    architecture->fused_qkv = true;
    if (config->activation != ACTIVATION_GELU || config->heads != config->kv_heads ||
        config->heads * config->head_dim != config->hidden) {
        return refuse("llama.cpp's gpt2 has gelu, no gate, as many key heads as heads, and heads x "
                      "head_dim as hidden size",
                      error);
    }
    return TERCET_OK;
}

tercet_status gguf_architecture_choose(const struct container *container,
                                       struct gguf_architecture *architecture,
                                       struct export_report *report, tercet_error *error) {
    const uint32_t gpt2 = CONFIG_FLAG_LAYER_NORMS | CONFIG_FLAG_LEARNED_POSITIONS |
                          CONFIG_FLAG_QKV_BIASES | CONFIG_FLAG_O_BIAS | CONFIG_FLAG_FFN_BIASES;
    const uint32_t biases = CONFIG_FLAG_QKV_BIASES | CONFIG_FLAG_O_BIAS | CONFIG_FLAG_FFN_BIASES;
    const struct container_config *config = &container->config;
    /* What decides; the rest (tied head, order of pairs) every architecture can have. */
    uint32_t flags = config->flags & ~(CONFIG_FLAG_TIED_HEAD | CONFIG_FLAG_ROPE_INTERLEAVED);
    memset(architecture, 0, sizeof *architecture);
    if (flags == gpt2) {
        return choose_gpt2(config, architecture, error);
    }
    if (flags == CONFIG_FLAG_SUB_NORMS) {
        TERCET_TRY(choose_bitnet(config, architecture, report, error));
    } else if ((flags & ~biases) == 0 || flags == CONFIG_FLAG_QK_NORMS) {
        TERCET_TRY(choose_llama(config, architecture, error));
    } else {
        return refuse("llama.cpp has no architecture with this choice of norms and biases", error);
    }
    return gguf_rope_find(container, strcmp(architecture->name, "llama") == 0, &architecture->rope,
                          error);
}

void gguf_architecture_release(struct gguf_architecture *architecture) {
    free(architecture->rope.divisors);
    architecture->rope.divisors = NULL;
}

/* "llama.block_count" */
static const char *key(const struct gguf_architecture *architecture, const char *name,
                       char text[96]) {
    (void)snprintf(text, 96, "%s.%s", architecture->name, name);
    return text;
}

static void add_rope_keys(const struct container *container,
                          const struct gguf_architecture *architecture,
                          struct gguf_writer *writer) {
    const struct gguf_rope *rope = &architecture->rope;
    char text[96];
    gguf_writer_add_u32(writer, key(architecture, "rope.dimension_count", text),
                        container->config.head_dim);
    gguf_writer_add_f32(writer, key(architecture, "rope.freq_base", text), (float)rope->base);
    if (rope->linear_factor != 1) {
        gguf_writer_add_string(writer, key(architecture, "rope.scaling.type", text), "linear");
        gguf_writer_add_f32(writer, key(architecture, "rope.scaling.factor", text),
                            (float)rope->linear_factor);
    }
    if (rope->yarn_factor != 1) {
        gguf_writer_add_string(writer, key(architecture, "rope.scaling.type", text), "yarn");
        gguf_writer_add_f32(writer, key(architecture, "rope.scaling.factor", text),
                            (float)rope->yarn_factor);
        gguf_writer_add_u32(writer, key(architecture, "rope.scaling.original_context_length", text),
                            rope->yarn_context);
    }
}

void gguf_architecture_add_keys(const struct container *container,
                                const struct gguf_architecture *architecture,
                                struct gguf_writer *writer) {
    const struct container_config *config = &container->config;
    char text[96];
    gguf_writer_add_string(writer, "general.architecture", architecture->name);
    if (container->name[0] != '\0') {
        gguf_writer_add_string(writer, "general.name", container->name);
    }
    if (container->licence[0] != '\0') {
        gguf_writer_add_string(writer, "general.license", container->licence);
    }
    gguf_writer_add_u32(writer, key(architecture, "context_length", text), config->context);
    gguf_writer_add_u32(writer, key(architecture, "embedding_length", text), config->hidden);
    gguf_writer_add_u32(writer, key(architecture, "block_count", text), config->layers);
    gguf_writer_add_u32(writer, key(architecture, "feed_forward_length", text), config->inner);
    gguf_writer_add_u32(writer, key(architecture, "attention.head_count", text), config->heads);
    if (strcmp(architecture->name, "gpt2") == 0) {
        gguf_writer_add_f32(writer, key(architecture, "attention.layer_norm_epsilon", text),
                            config->norm_epsilon);
        return;
    }
    gguf_writer_add_u32(writer, key(architecture, "attention.head_count_kv", text),
                        config->kv_heads);
    gguf_writer_add_u32(writer, key(architecture, "attention.key_length", text), config->head_dim);
    gguf_writer_add_u32(writer, key(architecture, "attention.value_length", text),
                        config->head_dim);
    gguf_writer_add_f32(writer, key(architecture, "attention.layer_norm_rms_epsilon", text),
                        config->norm_epsilon);
    gguf_writer_add_u32(writer, key(architecture, "vocab_size", text), config->vocabulary);
    if (strcmp(architecture->name, "bitnet") == 0) {
        gguf_writer_add_string(writer, key(architecture, "hidden_activation", text),
                               config->activation == ACTIVATION_RELU2 ? "relu2" : "silu");
    }
    add_rope_keys(container, architecture, writer);
}
