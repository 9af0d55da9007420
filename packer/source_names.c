/*
 * source_names.c: see source_names.h. Checked against huggingface/transformers, models/llama, models/bitnet, models/qwen2,
 * models/qwen3 and models/gpt2; and ggml-org/llama.cpp, src/llama-arch.cpp.
 */
#include "source_names.h"

#define MATRIX(role, rows, columns, name)                                                          \
    { role, SIDE_##rows, SIDE_##columns, 0, true, 0, 0, name, NULL }
#define VECTOR(role, columns, flag, name)                                                          \
    { role, SIDE_ONE, SIDE_##columns, flag, false, 0, 0, name, NULL }
#define TABLE(role, rows, name)                                                                    \
    { role, SIDE_##rows, SIDE_HIDDEN, 0, false, 0, 0, name, NULL }

static const struct source_name llama_layer[] = {
    VECTOR(ROLE_ATTENTION_NORM, HIDDEN, 0, "input_layernorm.weight"),
    MATRIX(ROLE_Q, QUERY, HIDDEN, "self_attn.q_proj.weight"),
    MATRIX(ROLE_K, KEY, HIDDEN, "self_attn.k_proj.weight"),
    MATRIX(ROLE_V, KEY, HIDDEN, "self_attn.v_proj.weight"),
    VECTOR(ROLE_Q_BIAS, QUERY, CONFIG_FLAG_QKV_BIASES, "self_attn.q_proj.bias"),
    VECTOR(ROLE_K_BIAS, KEY, CONFIG_FLAG_QKV_BIASES, "self_attn.k_proj.bias"),
    VECTOR(ROLE_V_BIAS, KEY, CONFIG_FLAG_QKV_BIASES, "self_attn.v_proj.bias"),
    {ROLE_ATTENTION_SUB_NORM, SIDE_ONE, SIDE_QUERY, CONFIG_FLAG_SUB_NORMS, false, 0, 0,
     "self_attn.attn_sub_norm.weight", "self_attn.inner_attn_ln.weight"},
    MATRIX(ROLE_O, HIDDEN, QUERY, "self_attn.o_proj.weight"),
    VECTOR(ROLE_O_BIAS, HIDDEN, CONFIG_FLAG_O_BIAS, "self_attn.o_proj.bias"),
    VECTOR(ROLE_Q_NORM, HEAD, CONFIG_FLAG_QK_NORMS, "self_attn.q_norm.weight"),
    VECTOR(ROLE_K_NORM, HEAD, CONFIG_FLAG_QK_NORMS, "self_attn.k_norm.weight"),
    VECTOR(ROLE_FFN_NORM, HIDDEN, 0, "post_attention_layernorm.weight"),
    MATRIX(ROLE_GATE, INNER, HIDDEN, "mlp.gate_proj.weight"),
    MATRIX(ROLE_UP, INNER, HIDDEN, "mlp.up_proj.weight"),
    {ROLE_FFN_SUB_NORM, SIDE_ONE, SIDE_INNER, CONFIG_FLAG_SUB_NORMS, false, 0, 0,
     "mlp.ffn_sub_norm.weight", "mlp.ffn_layernorm.weight"},
    MATRIX(ROLE_DOWN, HIDDEN, INNER, "mlp.down_proj.weight"),
    VECTOR(ROLE_GATE_BIAS, INNER, CONFIG_FLAG_FFN_BIASES, "mlp.gate_proj.bias"),
    VECTOR(ROLE_UP_BIAS, INNER, CONFIG_FLAG_FFN_BIASES, "mlp.up_proj.bias"),
    VECTOR(ROLE_DOWN_BIAS, HIDDEN, CONFIG_FLAG_FFN_BIASES, "mlp.down_proj.bias"),
    VECTOR(ROLE_Q_IN_NORM, HIDDEN, CONFIG_FLAG_LINEAR_NORMS, "self_attn.q_proj.norm.weight"),
    VECTOR(ROLE_K_IN_NORM, HIDDEN, CONFIG_FLAG_LINEAR_NORMS, "self_attn.k_proj.norm.weight"),
    VECTOR(ROLE_V_IN_NORM, HIDDEN, CONFIG_FLAG_LINEAR_NORMS, "self_attn.v_proj.norm.weight"),
    VECTOR(ROLE_O_IN_NORM, QUERY, CONFIG_FLAG_LINEAR_NORMS, "self_attn.o_proj.norm.weight"),
    VECTOR(ROLE_GATE_IN_NORM, HIDDEN, CONFIG_FLAG_LINEAR_NORMS, "mlp.gate_proj.norm.weight"),
    VECTOR(ROLE_UP_IN_NORM, HIDDEN, CONFIG_FLAG_LINEAR_NORMS, "mlp.up_proj.norm.weight"),
    VECTOR(ROLE_DOWN_IN_NORM, INNER, CONFIG_FLAG_LINEAR_NORMS, "mlp.down_proj.norm.weight"),
};

static const char *const llama_ignorable[] = {".rotary_emb.inv_freq",   ".rotary_emb.cos_cached",
                                              ".rotary_emb.sin_cached", ".masked_bias",
                                              ".causal_mask",           NULL};

const struct source_naming source_naming_llama = {
    .optional_prefix = NULL,
    .layers = "model.layers.",
    .transposed = false,
    .embedding = TABLE(ROLE_EMBEDDING, VOCABULARY, "model.embed_tokens.weight"),
    .output_norm = VECTOR(ROLE_OUTPUT_NORM, HIDDEN, 0, "model.norm.weight"),
    .head = TABLE(ROLE_HEAD, VOCABULARY, "lm_head.weight"),
    .layer = llama_layer,
    .layer_count = sizeof llama_layer / sizeof llama_layer[0],
    .ignorable = llama_ignorable,
};

/* Conv1D, not Linear: [inputs, outputs], and q, k and v side by side. */
static const struct source_name gpt2_layer[] = {
    VECTOR(ROLE_ATTENTION_NORM, HIDDEN, 0, "ln_1.weight"),
    {ROLE_Q, SIDE_QUERY, SIDE_HIDDEN, 0, true, 0, 3, "attn.c_attn.weight", NULL},
    {ROLE_K, SIDE_KEY, SIDE_HIDDEN, 0, true, 1, 3, "attn.c_attn.weight", NULL},
    {ROLE_V, SIDE_KEY, SIDE_HIDDEN, 0, true, 2, 3, "attn.c_attn.weight", NULL},
    {ROLE_Q_BIAS, SIDE_ONE, SIDE_QUERY, 0, false, 0, 3, "attn.c_attn.bias", NULL},
    {ROLE_K_BIAS, SIDE_ONE, SIDE_KEY, 0, false, 1, 3, "attn.c_attn.bias", NULL},
    {ROLE_V_BIAS, SIDE_ONE, SIDE_KEY, 0, false, 2, 3, "attn.c_attn.bias", NULL},
    MATRIX(ROLE_O, HIDDEN, QUERY, "attn.c_proj.weight"),
    VECTOR(ROLE_O_BIAS, HIDDEN, 0, "attn.c_proj.bias"),
    VECTOR(ROLE_ATTENTION_NORM_BIAS, HIDDEN, 0, "ln_1.bias"),
    VECTOR(ROLE_FFN_NORM, HIDDEN, 0, "ln_2.weight"),
    MATRIX(ROLE_UP, INNER, HIDDEN, "mlp.c_fc.weight"),
    MATRIX(ROLE_DOWN, HIDDEN, INNER, "mlp.c_proj.weight"),
    VECTOR(ROLE_FFN_NORM_BIAS, HIDDEN, 0, "ln_2.bias"),
    VECTOR(ROLE_UP_BIAS, INNER, 0, "mlp.c_fc.bias"),
    VECTOR(ROLE_DOWN_BIAS, HIDDEN, 0, "mlp.c_proj.bias"),
};

static const char *const gpt2_ignorable[] = {".attn.bias", ".attn.masked_bias", NULL};

const struct source_naming source_naming_gpt2 = {
    .optional_prefix = "transformer.",
    .layers = "h.",
    .transposed = true,
    .embedding = TABLE(ROLE_EMBEDDING, VOCABULARY, "wte.weight"),
    .positions = TABLE(ROLE_POSITION_EMBEDDING, CONTEXT, "wpe.weight"),
    .output_norm = VECTOR(ROLE_OUTPUT_NORM, HIDDEN, 0, "ln_f.weight"),
    .output_norm_bias = VECTOR(ROLE_OUTPUT_NORM_BIAS, HIDDEN, 0, "ln_f.bias"),
    .head = TABLE(ROLE_HEAD, VOCABULARY, "lm_head.weight"),
    .layer = gpt2_layer,
    .layer_count = sizeof gpt2_layer / sizeof gpt2_layer[0],
    .ignorable = gpt2_ignorable,
};

/* Names of GGUF files. Biases are in the order of roles as above. */
static const struct source_name gguf_llama_layer[] = {
    VECTOR(ROLE_ATTENTION_NORM, HIDDEN, 0, "attn_norm.weight"),
    MATRIX(ROLE_Q, QUERY, HIDDEN, "attn_q.weight"),
    MATRIX(ROLE_K, KEY, HIDDEN, "attn_k.weight"),
    MATRIX(ROLE_V, KEY, HIDDEN, "attn_v.weight"),
    VECTOR(ROLE_Q_BIAS, QUERY, CONFIG_FLAG_QKV_BIASES, "attn_q.bias"),
    VECTOR(ROLE_K_BIAS, KEY, CONFIG_FLAG_QKV_BIASES, "attn_k.bias"),
    VECTOR(ROLE_V_BIAS, KEY, CONFIG_FLAG_QKV_BIASES, "attn_v.bias"),
    VECTOR(ROLE_ATTENTION_SUB_NORM, QUERY, CONFIG_FLAG_SUB_NORMS, "attn_sub_norm.weight"),
    MATRIX(ROLE_O, HIDDEN, QUERY, "attn_output.weight"),
    VECTOR(ROLE_O_BIAS, HIDDEN, CONFIG_FLAG_O_BIAS, "attn_output.bias"),
    VECTOR(ROLE_Q_NORM, HEAD, CONFIG_FLAG_QK_NORMS, "attn_q_norm.weight"),
    VECTOR(ROLE_K_NORM, HEAD, CONFIG_FLAG_QK_NORMS, "attn_k_norm.weight"),
    VECTOR(ROLE_FFN_NORM, HIDDEN, 0, "ffn_norm.weight"),
    MATRIX(ROLE_GATE, INNER, HIDDEN, "ffn_gate.weight"),
    MATRIX(ROLE_UP, INNER, HIDDEN, "ffn_up.weight"),
    VECTOR(ROLE_FFN_SUB_NORM, INNER, CONFIG_FLAG_SUB_NORMS, "ffn_sub_norm.weight"),
    MATRIX(ROLE_DOWN, HIDDEN, INNER, "ffn_down.weight"),
    VECTOR(ROLE_GATE_BIAS, INNER, CONFIG_FLAG_FFN_BIASES, "ffn_gate.bias"),
    VECTOR(ROLE_UP_BIAS, INNER, CONFIG_FLAG_FFN_BIASES, "ffn_up.bias"),
    VECTOR(ROLE_DOWN_BIAS, HIDDEN, CONFIG_FLAG_FFN_BIASES, "ffn_down.bias"),
};

/* rope_freqs.weight is read with the keys (gguf_model.c), the older attn_rot_embd are frequencies that are computed. */
static const char *const gguf_llama_ignorable[] = {"rope_freqs.weight", ".attn_rot_embd.weight",
                                                   NULL};

const struct source_naming source_naming_gguf_llama = {
    .layers = "blk.",
    .embedding = TABLE(ROLE_EMBEDDING, VOCABULARY, "token_embd.weight"),
    .output_norm = VECTOR(ROLE_OUTPUT_NORM, HIDDEN, 0, "output_norm.weight"),
    .head = TABLE(ROLE_HEAD, VOCABULARY, "output.weight"),
    .layer = gguf_llama_layer,
    .layer_count = sizeof gguf_llama_layer / sizeof gguf_llama_layer[0],
    .ignorable = gguf_llama_ignorable,
    .multiplier = "scale",
};

/* [outputs, inputs] there, and q, k and v one after the other. */
static const struct source_name gguf_gpt2_layer[] = {
    VECTOR(ROLE_ATTENTION_NORM, HIDDEN, 0, "attn_norm.weight"),
    {ROLE_Q, SIDE_QUERY, SIDE_HIDDEN, 0, true, 0, 3, "attn_qkv.weight", NULL},
    {ROLE_K, SIDE_KEY, SIDE_HIDDEN, 0, true, 1, 3, "attn_qkv.weight", NULL},
    {ROLE_V, SIDE_KEY, SIDE_HIDDEN, 0, true, 2, 3, "attn_qkv.weight", NULL},
    {ROLE_Q_BIAS, SIDE_ONE, SIDE_QUERY, 0, false, 0, 3, "attn_qkv.bias", NULL},
    {ROLE_K_BIAS, SIDE_ONE, SIDE_KEY, 0, false, 1, 3, "attn_qkv.bias", NULL},
    {ROLE_V_BIAS, SIDE_ONE, SIDE_KEY, 0, false, 2, 3, "attn_qkv.bias", NULL},
    MATRIX(ROLE_O, HIDDEN, QUERY, "attn_output.weight"),
    VECTOR(ROLE_O_BIAS, HIDDEN, 0, "attn_output.bias"),
    VECTOR(ROLE_ATTENTION_NORM_BIAS, HIDDEN, 0, "attn_norm.bias"),
    VECTOR(ROLE_FFN_NORM, HIDDEN, 0, "ffn_norm.weight"),
    MATRIX(ROLE_UP, INNER, HIDDEN, "ffn_up.weight"),
    MATRIX(ROLE_DOWN, HIDDEN, INNER, "ffn_down.weight"),
    VECTOR(ROLE_FFN_NORM_BIAS, HIDDEN, 0, "ffn_norm.bias"),
    VECTOR(ROLE_UP_BIAS, INNER, 0, "ffn_up.bias"),
    VECTOR(ROLE_DOWN_BIAS, HIDDEN, 0, "ffn_down.bias"),
};

static const char *const gguf_gpt2_ignorable[] = {NULL};

const struct source_naming source_naming_gguf_gpt2 = {
    .layers = "blk.",
    .embedding = TABLE(ROLE_EMBEDDING, VOCABULARY, "token_embd.weight"),
    .positions = TABLE(ROLE_POSITION_EMBEDDING, CONTEXT, "position_embd.weight"),
    .output_norm = VECTOR(ROLE_OUTPUT_NORM, HIDDEN, 0, "output_norm.weight"),
    .output_norm_bias = VECTOR(ROLE_OUTPUT_NORM_BIAS, HIDDEN, 0, "output_norm.bias"),
    .head = TABLE(ROLE_HEAD, VOCABULARY, "output.weight"),
    .layer = gguf_gpt2_layer,
    .layer_count = sizeof gguf_gpt2_layer / sizeof gguf_gpt2_layer[0],
    .ignorable = gguf_gpt2_ignorable,
    .multiplier = "scale",
};

/* OpenRAG128/TernaryLM: a state_dict of its own. */
static const struct source_name ternarylm_layer[] = {
    VECTOR(ROLE_ATTENTION_NORM, HIDDEN, 0, "norm1.weight"),
    MATRIX(ROLE_Q, QUERY, HIDDEN, "attn.q_proj.weight"),
    MATRIX(ROLE_K, KEY, HIDDEN, "attn.k_proj.weight"),
    MATRIX(ROLE_V, KEY, HIDDEN, "attn.v_proj.weight"),
    MATRIX(ROLE_O, HIDDEN, QUERY, "attn.out_proj.weight"),
    VECTOR(ROLE_FFN_NORM, HIDDEN, 0, "norm2.weight"),
    MATRIX(ROLE_GATE, INNER, HIDDEN, "mlp.gate_proj.weight"),
    MATRIX(ROLE_UP, INNER, HIDDEN, "mlp.up_proj.weight"),
    MATRIX(ROLE_DOWN, HIDDEN, INNER, "mlp.down_proj.weight"),
};

static const char *const ternarylm_ignorable[] = {".attn.rope.inv_freq", NULL};

const struct source_naming source_naming_ternarylm = {
    .layers = "blocks.",
    .embedding = TABLE(ROLE_EMBEDDING, VOCABULARY, "token_emb.weight"),
    .output_norm = VECTOR(ROLE_OUTPUT_NORM, HIDDEN, 0, "norm.weight"),
    .head = TABLE(ROLE_HEAD, VOCABULARY, "head.weight"),
    .head_bias = VECTOR(ROLE_HEAD_BIAS, VOCABULARY, 0, "head.bias"),
    .layer = ternarylm_layer,
    .layer_count = sizeof ternarylm_layer / sizeof ternarylm_layer[0],
    .ignorable = ternarylm_ignorable,
};

/* The names that read_bitmamba.c gives. */
static const struct source_name bitmamba_layer[] = {
    VECTOR(ROLE_MIXER_NORM, HIDDEN, 0, "in_proj.norm.weight"),
    MATRIX(ROLE_MIXER_IN, PROJECTED, HIDDEN, "in_proj.weight"),
    {ROLE_MIXER_CONV, SIDE_TAPS, SIDE_INNER, 0, false, 0, 0, "conv1d.weight", NULL},
    VECTOR(ROLE_MIXER_CONV_BIAS, INNER, 0, "conv1d.bias"),
    VECTOR(ROLE_MIXER_STEP_BIAS, HEADS, 0, "dt_bias"),
    VECTOR(ROLE_MIXER_LOG_RATE, HEADS, 0, "A_log"),
    VECTOR(ROLE_MIXER_SKIP, INNER, 0, "D"),
    VECTOR(ROLE_MIXER_OUT_NORM, INNER, 0, "out_proj.norm.weight"),
    MATRIX(ROLE_MIXER_OUT, HIDDEN, INNER, "out_proj.weight"),
};

static const char *const bitmamba_ignorable[] = {NULL};

const struct source_naming source_naming_bitmamba = {
    .layers = "layers.",
    .embedding = TABLE(ROLE_EMBEDDING, VOCABULARY, "embed.weight"),
    .output_norm = VECTOR(ROLE_OUTPUT_NORM, HIDDEN, 0, "norm_f.weight"),
    .head = TABLE(ROLE_HEAD, VOCABULARY, "lm_head.weight"),
    .head_norm = VECTOR(ROLE_HEAD_NORM, HIDDEN, 0, "lm_head.norm.weight"),
    .layer = bitmamba_layer,
    .layer_count = sizeof bitmamba_layer / sizeof bitmamba_layer[0],
    .ignorable = bitmamba_ignorable,
};
