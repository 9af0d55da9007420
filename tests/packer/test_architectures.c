/*
 * test_architectures.c: config.json of each family, and one refusal for every feature that the forward pass does not have.
 */
#define _GNU_SOURCE 1
#include "architectures.h"
#include "source_copy.h"

static tercet_status read_architecture(const char *folder, struct architecture *architecture,
                                       tercet_error *error) {
    struct source_weights source;
    REQUIRE(safetensors_open(folder, &source, NULL) == TERCET_OK);
    tercet_status status = architecture_read(folder, &source, architecture, error);
    /* The tensors point into the source, which this test does not use further. */
    source_weights_close(&source);
    return status;
}

static void test_llama(void) {
    struct architecture a;
    REQUIRE(read_architecture("golden/models/llama-packed-bitlinear", &a, NULL) == TERCET_OK);
    const struct container_config *c = &a.config;
    CHECK_EQ(c->family, FAMILY_LLAMA);
    CHECK_EQ(c->flags, 0);
    CHECK(c->layers == 2 && c->hidden == 48 && c->inner == 116 && c->heads == 4 &&
          c->kv_heads == 2);
    CHECK(c->head_dim == 16 && c->vocabulary == 301 && c->context == 128);
    CHECK_EQ(c->activation, ACTIVATION_SILU);
    CHECK(c->norm_epsilon == 1e-5f);
    CHECK(c->stop_count == 1 && c->stop_tokens[0] == 297);
    CHECK_EQ(a.beginning_token, 296);
    CHECK_EQ(a.quantization, SOURCE_DIVIDE);
    CHECK_EQ(a.tensor_count, 2 * 9 + 3);
    CHECK(a.rope_scale == 1 && a.rope_frequencies[0] == 1);
    CHECK_STR(a.class_name, "LlamaForCausalLM");
    architecture_free(&a);
    REQUIRE(read_architecture("golden/models/llama-packed-oldstyle", &a, NULL) == TERCET_OK);
    CHECK_EQ(a.quantization, SOURCE_DIVIDE); /* no linear_class: still divide */
    CHECK_EQ(a.config.flags, CONFIG_FLAG_TIED_HEAD);
    architecture_free(&a);
    REQUIRE(read_architecture("golden/models/llama-grid-bf16-sharded", &a, NULL) == TERCET_OK);
    CHECK_EQ(a.quantization, SOURCE_PLAIN);
    CHECK_NEAR(a.rope_scale, 1.1386294361119891, 1e-15);
    architecture_free(&a);
}

static void test_bitnet(void) {
    struct architecture a;
    REQUIRE(read_architecture("golden/models/bitnet-packed-autobitlinear", &a, NULL) == TERCET_OK);
    CHECK_EQ(a.config.family, FAMILY_BITNET);
    CHECK_EQ(a.config.flags, CONFIG_FLAG_TIED_HEAD | CONFIG_FLAG_SUB_NORMS);
    CHECK_EQ(a.config.activation, ACTIVATION_RELU2);
    CHECK_EQ(a.quantization, SOURCE_MULTIPLY);
    CHECK_EQ(a.tensor_count, 2 * 11 + 2);
    architecture_free(&a);
    REQUIRE(read_architecture("golden/models/bitnet-online-bf16", &a, NULL) == TERCET_OK);
    CHECK_EQ(a.quantization, SOURCE_ONLINE);
    architecture_free(&a);
}

/* Replaces `from` by `to` in the configuration of a golden model and expects `want`, with `named` in the sentence. */
static void edit(const char *golden, const char *from, const char *to, tercet_status want,
                 const char *named) {
    struct source_copy copy;
    struct architecture a;
    tercet_error error = {0};
    source_copy_open(&copy, golden);
    copy_config(&copy, from, to);
    copy_write(&copy);
    tercet_status status = read_architecture(copy.folder, &a, &error);
    if (!CHECK_EQ(status, want) || !CHECK(strstr(error.detail, named) != NULL)) {
        fprintf(stderr, "    %s -> %s: %s\n", from, to, error.detail);
    }
    if (status == TERCET_OK) {
        architecture_free(&a);
    } else {
        CHECK(a.tensors == NULL && a.rope_frequencies == NULL);
    }
    source_copy_close(&copy);
}

#define LLAMA "llama-packed-bitlinear"
#define BITNET "bitnet-packed-autobitlinear"
#define GPT2 "gpt2-grid-f16"
#define QWEN3 "qwen3-grid-bf16"

static void test_classes(void) {
    edit(LLAMA, "LlamaForCausalLM", "MistralForCausalLM", TERCET_OK, "");
    edit(LLAMA, "\"LlamaForCausalLM\"", "", TERCET_OK, ""); /* model_type decides */
    edit(LLAMA, "\"model_type\": \"llama\",", "", TERCET_OK, "");
    edit(BITNET, "BitNetForCausalLM", "BitnetForCausalLM", TERCET_OK, ""); /* 1bitLLM's spelling */
    edit(LLAMA, "LlamaForCausalLM", "GPTNeoXForCausalLM", TERCET_UNSUPPORTED_SOURCE,
         "GPTNeoXForCausalLM");
    edit(LLAMA, "\"model_type\": \"llama\"", "\"model_type\": \"gptj\"", TERCET_UNSUPPORTED_SOURCE,
         "gptj");
    /* Another family has other keys or other tensors. */
    edit(LLAMA, "LlamaForCausalLM", "GPT2LMHeadModel", TERCET_BAD_SOURCE, "n_layer");
    edit(LLAMA, "LlamaForCausalLM", "Qwen2ForCausalLM", TERCET_BAD_SOURCE, "q_proj.bias");
    edit(LLAMA, "LlamaForCausalLM", "Qwen3ForCausalLM", TERCET_BAD_SOURCE, "q_norm.weight");
    edit(QWEN3, "Qwen3ForCausalLM", "LlamaForCausalLM", TERCET_UNSUPPORTED_SOURCE, "k_norm");
    edit(GPT2, "\"GPT2LMHeadModel\"", "", TERCET_OK, "");
    edit(LLAMA, "\"model_type\": \"llama\"", "\"model_type\": 3", TERCET_BAD_SOURCE, "model_type");
    /* A mistral that looks back only so far is another model. */
    edit(LLAMA, "\"attention_bias\"", "\"sliding_window\": 64, \"attention_bias\"",
         TERCET_UNSUPPORTED_SOURCE, "sliding_window");
    edit(LLAMA, "\"attention_bias\"", "\"sliding_window\": 4096, \"attention_bias\"", TERCET_OK,
         "");
    edit(LLAMA, "\"attention_bias\"", "\"sliding_window\": null, \"attention_bias\"", TERCET_OK,
         "");
}

static void test_features(void) {
    edit(LLAMA, "\"attention_bias\": false", "\"attention_bias\": true", TERCET_BAD_SOURCE,
         "q_proj.bias");
    edit(LLAMA, "\"mlp_bias\": false", "\"mlp_bias\": true", TERCET_BAD_SOURCE, "gate_proj.bias");
    edit(LLAMA, "\"attention_bias\"",
         "\"sliding_window\": 64, \"use_sliding_window\": false, \"attention_bias\"", TERCET_OK,
         "");
    edit(GPT2, "\"n_embd\": 52", "\"n_embd\": 65536", TERCET_LIMIT_EXCEEDED, "more than the 1024");
    edit(GPT2, "\"scale_attn_weights\": true", "\"scale_attn_weights\": false",
         TERCET_UNSUPPORTED_SOURCE, "scale_attn_weights");
    edit(GPT2, "\"scale_attn_weights\": true", "\"scale_attn_by_inverse_layer_idx\": true",
         TERCET_UNSUPPORTED_SOURCE, "scale_attn_by_inverse_layer_idx");
    edit(GPT2, "\"gelu_new\"", "\"silu\"", TERCET_UNSUPPORTED_SOURCE, "activation_function");
    edit(LLAMA, "\"silu\"", "\"gelu_new\"", TERCET_UNSUPPORTED_SOURCE, "hidden_act");
    edit(GPT2, "\"n_head\": 2", "\"n_head\": 3", TERCET_UNSUPPORTED_SOURCE, "3 heads");
    edit(GPT2, "\"n_positions\": 48", "\"n_positions\": 47", TERCET_BAD_SOURCE, "wpe.weight");
    edit(GPT2, "\"n_positions\": 48", "\"n_positions\": 2000000", TERCET_LIMIT_EXCEEDED,
         "n_positions");
    edit(LLAMA, "\"silu\"", "\"gelu\"", TERCET_UNSUPPORTED_SOURCE, "gelu");
    edit(LLAMA, "\"silu\"", "\"relu2\"", TERCET_OK, "");
    edit(BITNET, "\"relu2\"", "\"silu\"", TERCET_OK, "");
    edit(LLAMA, "\"rope_type\": \"llama3\"", "\"rope_type\": \"longrope\"",
         TERCET_UNSUPPORTED_SOURCE, "longrope");
    edit(LLAMA, "\"quant_method\": \"bitnet\"", "\"quant_method\": \"gptq\"",
         TERCET_UNSUPPORTED_SOURCE, "gptq");
    edit(LLAMA, "\"use_rms_norm\": false", "\"use_rms_norm\": true", TERCET_BAD_SOURCE,
         "q_proj.norm.weight");
    edit(LLAMA, "\"linear_class\": \"bitlinear\"", "\"linear_class\": \"trilinear\"",
         TERCET_UNSUPPORTED_SOURCE, "trilinear");
    edit(BITNET, "\"quantization_mode\": \"offline\"", "\"quantization_mode\": \"sometimes\"",
         TERCET_UNSUPPORTED_SOURCE, "sometimes");
    edit(BITNET, "\"quantization_mode\": \"offline\"", "\"quantization_mode\": \"online\"",
         TERCET_BAD_SOURCE, "packed");
}

static void test_sizes(void) {
    edit(LLAMA, "\"hidden_size\": 48", "\"hidden_size\": 0", TERCET_BAD_SOURCE, "hidden_size");
    edit(LLAMA, "\"hidden_size\": 48", "\"hidden_size\": 4.5", TERCET_BAD_SOURCE, "hidden_size");
    edit(LLAMA, "\"hidden_size\": 48", "\"hidden_size\": -1", TERCET_BAD_SOURCE, "hidden_size");
    edit(LLAMA, "\"hidden_size\": 48,", "", TERCET_BAD_SOURCE, "hidden_size");
    edit(LLAMA, "\"hidden_size\": 48", "\"hidden_size\": 70000", TERCET_LIMIT_EXCEEDED,
         "hidden_size");
    edit(LLAMA, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 257", TERCET_LIMIT_EXCEEDED,
         "num_hidden_layers");
    edit(LLAMA, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", TERCET_BAD_SOURCE,
         "model.layers.2.");
    edit(LLAMA, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", TERCET_UNSUPPORTED_SOURCE,
         "model.layers.1.");
    edit(LLAMA, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", TERCET_BAD_SOURCE,
         "divide");
    edit(LLAMA, "\"head_dim\": 16", "\"head_dim\": 15", TERCET_UNSUPPORTED_SOURCE, "head_dim");
    edit(LLAMA, "\"head_dim\": 16", "\"head_dim\": 2048", TERCET_LIMIT_EXCEEDED, "head_dim");
    edit(LLAMA, "\"head_dim\": 16,", "", TERCET_BAD_SOURCE,
         "self_attn"); /* 48 / 4 = 12: other shapes */
    edit(LLAMA, "\"num_attention_heads\": 4", "\"num_attention_heads\": 1024", TERCET_BAD_SOURCE,
         "self_attn");
    edit(LLAMA, "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 0", TERCET_BAD_SOURCE,
         "rms_norm_eps");
    edit(LLAMA, "4,\n  \"num_key_value_heads\": 2,\n  \"head_dim\": 16",
         "1024, \"num_key_value_heads\": 2, \"head_dim\": 256", TERCET_LIMIT_EXCEEDED,
         "1024 heads of 256 are wider than 131072");
    static const char *const epsilons[] = {"0", "-1e-6", "2", "1e-50"};
    for (size_t i = 0; i < sizeof epsilons / sizeof *epsilons; i++) {
        char to[128];
        (void)snprintf(to, sizeof to, "\"use_rms_norm\": true, \"rms_norm_eps\": %s", epsilons[i]);
        edit(LLAMA, "\"use_rms_norm\": false,\n    \"rms_norm_eps\": 1e-06", to, TERCET_BAD_SOURCE,
             "\"rms_norm_eps\" of quantization_config is out of range");
    }
    edit(LLAMA, "\"vocab_size\": 301", "\"vocab_size\": 9", TERCET_OK,
         ""); /* the embedding's rows count */
    edit(LLAMA, "\"bos_token_id\": 296", "\"bos_token_id\": 301", TERCET_BAD_SOURCE,
         "bos_token_id");
    edit(LLAMA, "\"bos_token_id\": 296", "\"bos_token_id\": null", TERCET_OK, "");
    edit(LLAMA, "\"eos_token_id\": 297", "\"eos_token_id\": 301", TERCET_BAD_SOURCE,
         "eos_token_id");
    edit(LLAMA, "{", "[", TERCET_BAD_SOURCE, "config.json");
    edit(LLAMA, "\"max_position_embeddings\": 128", "\"max_position_embeddings\": 10485760",
         TERCET_OK, "");
}

/* Whether a model says itself how its activations are computed, or the packer's user must. */
static void test_activations(void) {
    struct source_tensor weight = {.name = "w", .dtype = SOURCE_F16};
    struct planned_tensor planned = {.weight = &weight};
    struct architecture a = {.tensors = &planned, .tensor_count = 1, .quantization = SOURCE_PLAIN};
    static const struct {
        uint32_t family;
        bool named;
    } families[] = {{FAMILY_LLAMA, false},
                    {FAMILY_QWEN3, false},
                    {FAMILY_BITNET, true},
                    {FAMILY_TERNARYLM, true},
                    {FAMILY_BITMAMBA2, true}};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        a.config.family = families[i].family;
        CHECK_EQ(architecture_names_activations(&a), families[i].named);
    }
    a.config.family = FAMILY_LLAMA;
    weight.dtype = SOURCE_I2_S;
    CHECK(architecture_names_activations(&a));
    weight.dtype = SOURCE_F16;
    a.quantization = SOURCE_ONLINE;
    CHECK(architecture_names_activations(&a));
}

static void test_missing_config(void) {
    struct source_copy copy;
    struct architecture a;
    tercet_error error;
    char path[COPY_PATH_BYTES];
    source_copy_open(&copy, LLAMA);
    copy_write(&copy);
    REQUIRE(unlink(folder_path(copy.folder, "config.json", path)) == 0);
    CHECK_STATUS(read_architecture(copy.folder, &a, &error), TERCET_FILE_NOT_FOUND);
    CHECK(strstr(error.detail, "config.json") != NULL);
    source_copy_close(&copy);
}

int main(void) {
    test_llama();
    test_bitnet();
    test_classes();
    test_features();
    test_sizes();
    test_activations();
    test_missing_config();
    return check_done();
}
