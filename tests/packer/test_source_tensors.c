/*
 * test_source_tensors.c: which tensors a model must have, in which shape, and that nothing is left over or skipped.
 */
#define _GNU_SOURCE 1
#include "architectures.h"
#include "read_npz.h"
#include "source_copy.h"

#define MLX "qwen3-mlx"
#define LLAMA "llama-packed-bitlinear"
#define BITNET "bitnet-packed-autobitlinear"
#define GRID "llama-grid-f16-group"
#define Q "model.layers.0.self_attn.q_proj.weight"

/* Writes the changed copy, expects `want` with `named` in the sentence, and closes it. */
static void expect(struct source_copy *copy, tercet_status want, const char *named,
                   const char *what) {
    struct source_weights source;
    struct architecture a;
    tercet_error error = {0};
    copy_write(copy);
    REQUIRE(safetensors_open(copy->folder, &source, NULL) == TERCET_OK);
    tercet_status status = architecture_read(copy->folder, &source, &a, &error);
    if (!CHECK_EQ(status, want) || !CHECK(strstr(error.detail, named) != NULL)) {
        fprintf(stderr, "    case: %s: %s\n", what, error.detail);
    }
    if (status == TERCET_OK) {
        architecture_free(&a);
    }
    source_weights_close(&source);
    source_copy_close(copy);
}

static void test_order(void) {
    struct source_weights source;
    struct architecture a;
    REQUIRE(safetensors_open("golden/models/" BITNET, &source, NULL) == TERCET_OK);
    REQUIRE(architecture_read("golden/models/" BITNET, &source, &a, NULL) == TERCET_OK);
    for (uint32_t i = 1; i < a.tensor_count; i++) {
        const struct planned_tensor *before = &a.tensors[i - 1], *after = &a.tensors[i];
        CHECK(before->stage < after->stage ||
              (before->stage == after->stage && before->role < after->role));
    }
    CHECK(a.tensors[0].role == ROLE_EMBEDDING && a.tensors[0].rows == 301 &&
          a.tensors[0].columns == 48);
    CHECK(a.tensors[2].role == ROLE_Q && a.tensors[2].linear && a.tensors[2].rows == 64);
    CHECK_STR(a.tensors[2].weight->name, Q);
    CHECK_STR(a.tensors[2].weight_scale->name, Q "_scale");
    CHECK(a.tensors[1].role == ROLE_ATTENTION_NORM && !a.tensors[1].linear &&
          a.tensors[1].weight_scale == NULL);
    architecture_free(&a);
    source_weights_close(&source);
}

static void test_missing(void) {
    static const char *const names[] = {
        "model.embed_tokens.weight",
        "model.norm.weight",
        Q,
        Q "_scale",
        "model.layers.1.mlp.down_proj.weight",
        "model.layers.1.input_layernorm.weight",
    };
    struct source_copy copy;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        source_copy_open(&copy, LLAMA);
        copy_remove(&copy, names[i]);
        expect(&copy, TERCET_BAD_SOURCE, names[i], "a missing tensor");
    }
    source_copy_open(&copy, BITNET);
    copy_remove(&copy, "model.layers.1.mlp.ffn_sub_norm.weight");
    expect(&copy, TERCET_BAD_SOURCE, "model.layers.1.mlp.ffn_sub_norm.weight",
           "one sub-norm of four");
}

static void test_leftovers(void) {
    static const struct {
        const char *name, *dtype;
        tercet_status want;
    } cases[] = {
        {"model.layers.0.self_attn.q_proj.bias", "F16", TERCET_UNSUPPORTED_SOURCE},
        {"model.layers.0.self_attn.q_proj.norm.weight", "F32", TERCET_BAD_SOURCE},
        {"model.layers.0.self_attn.q_norm.weight", "F32", TERCET_UNSUPPORTED_SOURCE},
        {"model.layers.0.self_attn.attn_sub_norm.weight", "F32", TERCET_UNSUPPORTED_SOURCE},
        {"model.layers.2.mlp.up_proj.weight", "F16", TERCET_UNSUPPORTED_SOURCE},
        {"something", "I64", TERCET_UNSUPPORTED_SOURCE},
        {"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", TERCET_OK},
        {"model.layers.0.self_attn.masked_bias", "F32", TERCET_OK},
    };
    struct source_copy copy;
    const uint64_t shape = 8;
    source_copy_open(&copy, LLAMA);
    (void)copy_add(&copy, "model.layers.0.mlp.experts.3.up_proj.weight", "F16", 1, &shape, 16);
    expect(&copy, TERCET_UNSUPPORTED_SOURCE, "mixture of experts, which Tercet does not run: take",
           "a reason and a way out");
    source_copy_open(&copy, LLAMA);
    (void)copy_add(&copy, "model.layers.0.attn_q_norm_in.weight", "F16", 1, &shape, 16);
    expect(&copy, TERCET_UNSUPPORTED_SOURCE, "is a norm of one linear layer, which is read from",
           "a norm by GGUF's name");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size = strcmp(cases[i].dtype, "I64") == 0   ? 8
                      : strcmp(cases[i].dtype, "F32") == 0 ? 4
                                                           : 2;
        source_copy_open(&copy, LLAMA);
        (void)copy_add(&copy, cases[i].name, cases[i].dtype, 1, &shape, 8 * size);
        expect(&copy, cases[i].want, cases[i].want == TERCET_OK ? "" : cases[i].name,
               cases[i].name);
    }
}

static void test_shapes_and_types(void) {
    struct source_copy copy;
    source_copy_open(&copy, LLAMA);
    struct copy_tensor *q = copy_find(&copy, Q);
    q->shape[0] /= 2; /* as many bytes, another shape */
    q->shape[1] *= 2;
    expect(&copy, TERCET_BAD_SOURCE, Q, "a packed tensor of another shape");
    source_copy_open(&copy, GRID);
    q = copy_find(&copy, Q);
    uint64_t rows = q->shape[0];
    q->shape[0] = q->shape[1];
    q->shape[1] = rows;
    expect(&copy, TERCET_BAD_SOURCE, Q, "a transposed tensor");
    source_copy_open(&copy, GRID);
    q = copy_find(&copy, Q);
    q->rank = 3;
    q->shape[2] = 1;
    expect(&copy, TERCET_BAD_SOURCE, Q, "a third dimension");
    source_copy_open(&copy, GRID);
    q = copy_find(&copy, Q);
    strcpy(q->dtype, "I16");
    expect(&copy, TERCET_UNSUPPORTED_SOURCE, "I16", "integers in place of f16");
    source_copy_open(&copy, LLAMA);
    struct copy_tensor *norm = copy_find(&copy, "model.norm.weight");
    norm->rank = 2;
    norm->shape[1] = norm->shape[0];
    norm->shape[0] = 1;
    expect(&copy, TERCET_BAD_SOURCE, "model.norm.weight", "a norm that is a matrix");
    source_copy_open(&copy, LLAMA);
    struct copy_tensor *scale = copy_find(&copy, Q "_scale");
    copy_remove(&copy, Q "_scale");
    uint64_t two = 2;
    scale = copy_add(&copy, Q "_scale", "F32", 1, &two, 8);
    copy_set_f32(scale, 0, 1.0f);
    copy_set_f32(scale, 1, 1.0f);
    expect(&copy, TERCET_BAD_SOURCE, Q "_scale", "two scales");
    source_copy_open(&copy, LLAMA);
    scale = copy_find(&copy, Q "_scale");
    scale->rank = 0; /* a scalar is one value too */
    expect(&copy, TERCET_OK, "", "a scalar scale");
    source_copy_open(&copy, LLAMA);
    struct copy_tensor *embedding = copy_find(&copy, "model.embed_tokens.weight");
    embedding->rank = 1;
    embedding->shape[0] *= embedding->shape[1];
    expect(&copy, TERCET_BAD_SOURCE, "model.embed_tokens.weight", "an embedding that is a vector");
}

static void test_packed_rules(void) {
    struct source_copy copy;
    source_copy_open(&copy, LLAMA);
    copy_config(&copy, "\"quantization_config\"", "\"x\"");
    expect(&copy, TERCET_UNSUPPORTED_SOURCE, "quantization_config",
           "packed weights without a word on how");
    source_copy_open(&copy, LLAMA);
    copy_config(&copy, "\"modules_to_not_convert\": null",
                "\"modules_to_not_convert\": [\"lm_head\", \"q_proj\"]");
    expect(&copy, TERCET_BAD_SOURCE, Q, "packed though not to be converted");
    source_copy_open(&copy, LLAMA);
    copy_config(&copy, "\"modules_to_not_convert\": null",
                "\"modules_to_not_convert\": [\"lm_head\", 7]");
    expect(&copy, TERCET_OK, "", "an entry that is no string");
    source_copy_open(&copy, LLAMA);
    copy_config(&copy, "\"modules_to_not_convert\": null",
                "\"modules_to_not_convert\": \"lm_head\"");
    expect(&copy, TERCET_BAD_SOURCE, "modules_to_not_convert", "a string in place of the list");
    /* The packed form belongs to linears: a U8 embedding is something else. */
    source_copy_open(&copy, LLAMA);
    struct copy_tensor *embedding = copy_find(&copy, "model.embed_tokens.weight");
    strcpy(embedding->dtype, "U8");
    embedding->count /= 2;
    expect(&copy, TERCET_UNSUPPORTED_SOURCE, "U8", "a U8 embedding");
}

/* 47 columns fill as many words as 48 do, so their number has to be compared too. */
static void test_npz_columns(void) {
    static const char *const folder = "golden/models/llama-npz";
    struct source_weights source;
    struct architecture a;
    tercet_error error = {0};
    uint32_t index;
    REQUIRE(npz_open(folder, &source, NULL) == TERCET_OK);
    REQUIRE(source_weights_find(&source, Q, &index));
    for (uint32_t i = 0; i < source.shards[source.tensors[index]->shard].table.count; i++) {
        struct source_tensor *tensor =
            &source.shards[source.tensors[index]->shard].table.tensors[i];
        tensor->columns -= tensor == source.tensors[index] ? 1 : 0;
    }
    CHECK_STATUS(architecture_read(folder, &source, &a, &error), TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, Q " has 47 columns, and the model asks for 48") != NULL);
    source_weights_close(&source);
}

/* MLX: codes without their numbers, and shapes that belong to nothing. */
static void test_affine_rules(void) {
    static const char *const beside[] = {"scales", "biases"};
    struct source_copy copy;
    source_copy_open(&copy, MLX);
    expect(&copy, TERCET_OK, "", "MLX as it is");
    for (size_t i = 0; i < 2; i++) {
        char name[96];
        (void)snprintf(name, sizeof name, "%.*s%s", (int)(strlen(Q) - strlen("weight")), Q,
                       beside[i]);
        source_copy_open(&copy, MLX);
        copy_remove(&copy, name);
        expect(&copy, TERCET_UNSUPPORTED_SOURCE, Q, name);
        source_copy_open(&copy, MLX);
        strcpy(copy_find(&copy, name)->dtype, "I16");
        expect(&copy, TERCET_UNSUPPORTED_SOURCE, name, "integers in place of scales");
        source_copy_open(&copy, MLX);
        struct copy_tensor *numbers = copy_find(&copy, name);
        numbers->shape[1] = numbers->shape[0];
        numbers->shape[0] = 1;
        expect(&copy, TERCET_BAD_SOURCE, name, "scales of another shape");
    }
    source_copy_open(&copy, MLX);
    struct copy_tensor *q = copy_find(&copy, Q);
    q->shape[0] *= 2; /* one bit a weight, but twice the rows */
    q->shape[1] /= 2;
    expect(&copy, TERCET_BAD_SOURCE, Q, "codes of another shape");
    source_copy_open(&copy, MLX);
    strcpy(copy_find(&copy, "model.norm.weight")->dtype, "U32");
    copy_find(&copy, "model.norm.weight")->shape[0] /= 2;
    expect(&copy, TERCET_UNSUPPORTED_SOURCE, "U32", "a norm of codes");
}

/* More rows than a vocabulary may have; nothing else is looked at before. */
static void test_long_embedding(void) {
    const uint64_t shape[2] = {LIMIT_VOCABULARY + 1, 1};
    struct source_copy copy;
    source_copy_open(&copy, LLAMA);
    copy_remove(&copy, "model.embed_tokens.weight");
    (void)copy_add(&copy, "model.embed_tokens.weight", "F16", 2, shape, (size_t)shape[0] * 2);
    expect(&copy, TERCET_LIMIT_EXCEEDED, "model.embed_tokens.weight has more than 1048576 rows",
           "a long embedding");
}

static void test_head(void) {
    struct source_copy copy;
    source_copy_open(&copy, LLAMA); /* has a head of its own */
    copy_remove(&copy, "lm_head.weight");
    expect(&copy, TERCET_OK, "", "no head means tied");
    source_copy_open(&copy, LLAMA);
    copy_config(&copy, "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
    expect(&copy, TERCET_BAD_SOURCE, "lm_head.weight", "tied, but another head");
    source_copy_open(&copy, LLAMA);
    copy_config(&copy, "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
    struct copy_tensor *embedding = copy_find(&copy, "model.embed_tokens.weight");
    struct copy_tensor *head = copy_find(&copy, "lm_head.weight");
    memcpy(head->bytes, embedding->bytes, embedding->count);
    expect(&copy, TERCET_OK, "", "tied, and the head is the embedding again");
}

static void test_other_names(void) {
    struct source_copy copy;
    source_copy_open(&copy, BITNET);
    for (uint32_t i = 0; i < copy.tensor_count; i++) {
        char *at = strstr(copy.tensors[i].name, "attn_sub_norm");
        if (at != NULL) {
            strcpy(at, "inner_attn_ln.weight");
        }
        at = strstr(copy.tensors[i].name, "ffn_sub_norm");
        if (at != NULL) {
            strcpy(at, "ffn_layernorm.weight");
        }
    }
    expect(&copy, TERCET_OK, "", "1bitLLM's names");
}

int main(void) {
    test_order();
    test_missing();
    test_leftovers();
    test_shapes_and_types();
    test_packed_rules();
    test_affine_rules();
    test_npz_columns();
    test_long_embedding();
    test_head();
    test_other_names();
    return check_done();
}
