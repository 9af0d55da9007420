/*
 * test_gguf_model.c: keys of a GGUF file that make no model, or one that Tercet does not run: each is refused with a sentence that
 * names what is wrong. Sound files are in the golden models; where the keys are sound here, the tensors are missing.
 */
#define _GNU_SOURCE 1
#include "check.h"
#include "gguf_bytes.h"
#include "gguf_model.h"
#include "gguf_source.h"

#include <sys/mman.h>
#include <unistd.h>

enum { U32 = 4, F32 = 6, BOOLEAN = 7, F64 = 12, KEYS_MAX = 16, DIVISORS = 8 };

/* A number, or a text. */
struct key {
    const char *name; /* behind "llama."; with a dot in front: whole */
    uint32_t type;
    double number;
    const char *text;
};

static const struct key sound[] = {
    {"block_count", U32, 2, NULL},           {"embedding_length", U32, 64, NULL},
    {"feed_forward_length", U32, 128, NULL}, {"attention.head_count", U32, 4, NULL},
    {"context_length", U32, 512, NULL},
};
#define SOUND (sizeof sound / sizeof sound[0])

static void put_key(struct gguf_bytes *file, const char *architecture, const struct key *key) {
    char name[96];
    uint64_t bits = 0;
    if (key->name[0] == '.') {
        (void)snprintf(name, sizeof name, "%s", key->name + 1);
    } else {
        (void)snprintf(name, sizeof name, "%s.%s", architecture, key->name);
    }
    if (key->text != NULL) {
        gguf_put_key_text(file, name, key->text);
        return;
    }
    if (key->type == F32) {
        float value = (float)key->number;
        memcpy(&bits, &value, sizeof value);
    } else if (key->type == F64) {
        memcpy(&bits, &key->number, sizeof bits);
    } else {
        bits = (uint64_t)key->number;
    }
    gguf_put_key(file, name, key->type, bits, key->type == BOOLEAN ? 1 : key->type == F64 ? 8 : 4);
}

/* Reads a model of these keys, those of `sound` where they do not say otherwise, and a tensor of divisors if there are any. */
static tercet_status read_keys(const char *architecture, const struct key *keys, uint32_t count,
                               const float *divisors, tercet_error *error) {
    struct gguf_bytes file;
    struct gguf_header header;
    struct architecture made;
    const struct key *all[KEYS_MAX];
    uint32_t total = 0;
    bool cut;
    for (uint32_t i = 0; i < SOUND; i++) {
        bool replaced = false;
        for (uint32_t k = 0; k < count; k++) {
            replaced = replaced || strcmp(sound[i].name, keys[k].name) == 0;
        }
        if (!replaced) {
            all[total++] = &sound[i];
        }
    }
    for (uint32_t k = 0; k < count; k++) {
        if (keys[k].type != 0 || keys[k].text != NULL) { /* else: left out */
            all[total++] = &keys[k];
        }
    }
    gguf_start(&file, 3, divisors != NULL, (uint64_t)total + (architecture != NULL));
    if (architecture != NULL) {
        gguf_put_key_text(&file, "general.architecture", architecture);
    }
    for (uint32_t i = 0; i < total; i++) {
        put_key(&file, architecture != NULL ? architecture : "llama", all[i]);
    }
    if (divisors != NULL) {
        gguf_put_tensor(&file, "rope_freqs.weight", DIVISORS, 0, 0, 0);
        gguf_pad(&file, 32);
        gguf_put(&file, divisors, DIVISORS * sizeof *divisors);
    }
    REQUIRE(gguf_parse_header("m.gguf", file.bytes, file.count, file.count, &header, &cut, error) ==
            TERCET_OK);
    struct source_shard shard = {.name = "m.gguf",
                                 .descriptor = memfd_create("test", 0),
                                 .file_bytes = file.count,
                                 .table = header.table};
    struct source_weights weights = {.shards = &shard, .shard_count = 1};
    REQUIRE(shard.descriptor >= 0 &&
            write(shard.descriptor, file.bytes, file.count) == (ssize_t)file.count);
    REQUIRE(source_weights_collect(&weights, error) == TERCET_OK);
    tercet_status checked = gguf_model_check(&header, NULL);
    tercet_status status = gguf_model_read(&header, &weights, I2S_X86, &made, error);
    CHECK(checked == TERCET_OK || checked == status);
    if (status == TERCET_OK) {
        architecture_free(&made);
    }
    free(weights.tensors);
    (void)close(shard.descriptor);
    gguf_header_free(&header);
    gguf_free(&file);
    return status;
}

static void refuse(const char *architecture, struct key key, tercet_status want,
                   const char *named) {
    tercet_error error = {0};
    CHECK_STATUS(read_keys(architecture, &key, 1, NULL, &error), want);
    if (!CHECK(strstr(error.detail, named) != NULL)) {
        fprintf(stderr, "    expected \"%s\" in \"%s\"\n", named, error.detail);
    }
}

/* The keys are sound: the first thing that is wrong is that there is no embedding. */
static void accept(const char *architecture, struct key key) {
    refuse(architecture, key, TERCET_BAD_SOURCE, "token_embd.weight");
}

static void test_architectures(void) {
    const struct key none = {"block_count", U32, 2, NULL};
    accept("llama", none);
    accept("gpt2", none);
    accept("bitnet-25", none);
    refuse(NULL, none, TERCET_BAD_SOURCE, "no key general.architecture");
    refuse("qwen35", none, TERCET_UNSUPPORTED_SOURCE, "gated delta nets");
    refuse("mamba", none, TERCET_UNSUPPORTED_SOURCE, "architecture mamba cannot be packed");
    refuse("llama", (struct key){".prism.hadamard.size", U32, 64, NULL}, TERCET_UNSUPPORTED_SOURCE,
           "rotated");
}

static void test_shapes(void) {
    refuse("llama", (struct key){"block_count", 0, 0, NULL}, TERCET_BAD_SOURCE,
           "llama.block_count is missing");
    refuse("llama", (struct key){"block_count", U32, 0, NULL}, TERCET_BAD_SOURCE,
           "llama.block_count is 0");
    refuse("llama", (struct key){"block_count", U32, 257, NULL}, TERCET_LIMIT_EXCEEDED,
           "llama.block_count is 257");
    refuse("llama", (struct key){"block_count", U32, UINT32_MAX, NULL}, TERCET_LIMIT_EXCEEDED,
           "llama.block_count is 4294967295");
    refuse("llama", (struct key){"embedding_length", U32, 1e9, NULL}, TERCET_LIMIT_EXCEEDED,
           "llama.embedding_length is 1000000000");
    refuse("llama", (struct key){"attention.head_count_kv", U32, 3, NULL},
           TERCET_UNSUPPORTED_SOURCE, "head_count_kv does not divide");
    refuse("llama", (struct key){"attention.key_length", U32, 17, NULL}, TERCET_UNSUPPORTED_SOURCE,
           "odd width");
    refuse("llama", (struct key){"attention.value_length", U32, 32, NULL},
           TERCET_UNSUPPORTED_SOURCE, "value_length differs");
    refuse("llama", (struct key){"rope.dimension_count", U32, 8, NULL}, TERCET_UNSUPPORTED_SOURCE,
           "a part of a head");
    refuse("gpt2", (struct key){"attention.head_count", U32, 5, NULL}, TERCET_UNSUPPORTED_SOURCE,
           "do not make up the width");
    accept("llama", (struct key){"context_length", U32, 4e9, NULL});
}

static void test_forward_pass(void) {
    refuse("llama", (struct key){"attention.layer_norm_rms_epsilon", F32, 0, NULL},
           TERCET_BAD_SOURCE, "layer_norm_rms_epsilon is out of range");
    refuse("gpt2", (struct key){"attention.layer_norm_epsilon", F32, 1e9, NULL}, TERCET_BAD_SOURCE,
           "layer_norm_epsilon is out of range");
    accept("bitnet", (struct key){"hidden_act", 0, 0, "relu2"});
    accept("bitnet", (struct key){"hidden_activation", 0, 0, "silu"});
    accept("gpt2", (struct key){"hidden_act", 0, 0, "gelu_new"});
    refuse("llama", (struct key){"hidden_act", 0, 0, "gelu_new"}, TERCET_UNSUPPORTED_SOURCE,
           "neither silu nor relu2");
    refuse("gpt2", (struct key){"hidden_act", 0, 0, "silu"}, TERCET_UNSUPPORTED_SOURCE,
           "is not gelu_new");
    refuse("llama", (struct key){"expert_count", U32, 8, NULL}, TERCET_UNSUPPORTED_SOURCE,
           "mixture of experts");
    refuse("llama", (struct key){"logit_scale", F32, 2, NULL}, TERCET_UNSUPPORTED_SOURCE,
           "llama.logit_scale changes the forward pass");
    accept("llama", (struct key){"logit_scale", F32, 1, NULL});
    refuse("llama", (struct key){"attention.sliding_window", U32, 100, NULL},
           TERCET_UNSUPPORTED_SOURCE, "below the context");
    refuse("llama", (struct key){"attention.causal", BOOLEAN, 0, NULL}, TERCET_UNSUPPORTED_SOURCE,
           "no language model");
}

static void refuse_rotation(const struct key *keys, uint32_t count, const float *divisors,
                            tercet_status want, const char *named) {
    tercet_error error = {0};
    CHECK_STATUS(read_keys("llama", keys, count, divisors, &error), want);
    if (!CHECK(strstr(error.detail, named) != NULL)) {
        fprintf(stderr, "    expected \"%s\" in \"%s\"\n", named, error.detail);
    }
}

static void test_rotation(void) {
    const char *missing = "token_embd.weight";
    refuse("llama", (struct key){"rope.freq_base", F32, 0.5, NULL}, TERCET_BAD_SOURCE,
           "freq_base is out of range");
    refuse("llama", (struct key){"rope.freq_base", F64, 1e300, NULL}, TERCET_BAD_SOURCE,
           "llama.rope.freq_base is out of range");
    refuse("llama", (struct key){"rope.scaling.type", 0, 0, "longrope"}, TERCET_UNSUPPORTED_SOURCE,
           "is longrope");
    accept("llama", (struct key){"rope.scale_linear", F32, 4, NULL});
    const struct key yarn[] = {{"rope.scaling.type", 0, 0, "yarn"},
                               {"rope.scaling.factor", F32, 4, NULL},
                               {"rope.scaling.original_context_length", U32, 128, NULL},
                               {"rope.scaling.yarn_ext_factor", F32, 1, NULL}};
    refuse_rotation(yarn, 3, NULL, TERCET_BAD_SOURCE, missing);
    refuse_rotation(yarn, 4, NULL, TERCET_UNSUPPORTED_SOURCE, "yarn_ext_factor is not supported");

    float divisors[DIVISORS] = {1, 1, 1, 1, 2, 2, 8, 8};
    const struct key wide = {"attention.head_count", U32, 2, NULL};
    refuse_rotation(NULL, 0, divisors, TERCET_BAD_SOURCE, missing);
    refuse_rotation(&wide, 1, divisors, TERCET_BAD_SOURCE, "is not F32 with 16 values");
    divisors[5] = 0;
    refuse_rotation(NULL, 0, divisors, TERCET_BAD_SOURCE, "value out of range at 5");
}

/* What people see: the keys' words, and the file's name where no key tells one. */
static void test_description(void) {
    char name[ABOUT_TEXT_BYTES], licence[ABOUT_TEXT_BYTES];
    for (int named = 0; named < 2; named++) {
        struct gguf_bytes file;
        struct model_source source = {.path = "models/story.gguf"};
        tercet_error error;
        bool cut;
        gguf_start(&file, 3, 0, (uint64_t)(1 + named));
        gguf_put_key_text(&file, "general.license", "mit");
        if (named) {
            gguf_put_key_text(&file, "general.name", "A story");
        }
        REQUIRE(gguf_parse_header("story.gguf", file.bytes, file.count, file.count,
                                  &source.gguf.header, &cut, &error) == TERCET_OK);
        gguf_source_describe(&source, name, licence);
        CHECK_STR(name, named ? "A story" : "story.gguf");
        CHECK_STR(licence, "mit");
        gguf_header_free(&source.gguf.header);
        gguf_free(&file);
    }
}

int main(void) {
    test_architectures();
    test_description();
    test_shapes();
    test_forward_pass();
    test_rotation();
    return check_done();
}
