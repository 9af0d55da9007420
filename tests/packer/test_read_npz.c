/*
 * test_read_npz.c: the golden Ternary-Zero folder, the two ways in which its scales combine, and single files with every fault
 * that a reader can meet. The arrays are made here.
 */
#include "npz_names.h"
#include "npz_bytes.h"
#include "read_npz.h"
#include "source_copy.h"

#include <math.h>

#define GOLDEN "golden/models/llama-npz"

static struct npz_bytes npz;

/* 2 x 20 weights: row 0 is +1 -1 0 +1 then zeros, row 1 zeros and a last +1. Padded to 32 columns. */
struct arrays {
    uint32_t words[4];
    float rows[2];
    double global;
    int64_t m, n;
    const char *words_type, *words_shape, *rows_type;
    bool deflated;
    const char *sizes_type; /* NULL: "<i8" */
};

static const struct arrays sound = {
    {0x49, 0, 0, 0x40}, {0.5F, 2.0F}, 1.0, 2, 20, "<u4", "(4,)", "<f4", true, NULL};

static void make(const struct arrays *arrays) {
    const char *sizes = arrays->sizes_type != NULL ? arrays->sizes_type : "<i8";
    memset(&npz, 0, sizeof npz);
    npz_add_array(&npz, "packed_weights.npy", arrays->words_type, arrays->words_shape,
                  arrays->words, sizeof arrays->words, arrays->deflated);
    npz_add_array(&npz, "per_row_scale.npy", arrays->rows_type, "(2,)", arrays->rows,
                  sizeof arrays->rows, arrays->deflated);
    npz_add_array(&npz, "global_scale.npy", "<f8", "()", &arrays->global, 8, arrays->deflated);
    npz_add_array(&npz, "m.npy", sizes, "()", &arrays->m, 8, arrays->deflated);
    npz_add_array(&npz, "n.npy", sizes, "()", &arrays->n, 8, arrays->deflated);
    npz_close(&npz);
}

struct folder {
    char path[COPY_PATH_BYTES];
};

static void begin(struct folder *folder) {
    folder_make(folder->path);
    folder_write_text(folder->path, "config.json", "{}");
    folder_write_text(folder->path, "patch_manifest.json", "{}");
}

/* What was made, as the tensor "a.b". */
static tercet_status open_made(struct source_weights *source, tercet_error *error) {
    struct folder folder;
    begin(&folder);
    folder_write(folder.path, "a_b_weight.npz", npz.bytes, npz.count);
    tercet_status status = npz_open(folder.path, source, error);
    folder_remove(folder.path);
    return status;
}

static float read_f32(const struct source_weights *source, const char *name, uint64_t offset) {
    uint32_t index;
    float value = 0;
    REQUIRE(source_weights_find(source, name, &index));
    CHECK(source->tensors[index]->dtype == SOURCE_F32);
    REQUIRE(source_weights_read(source, source->tensors[index], offset, &value, 4, NULL) ==
            TERCET_OK);
    return value;
}

static void test_codes(void) {
    for (int deflated = 0; deflated < 2; deflated++) {
        struct arrays arrays = sound;
        struct source_weights source;
        uint32_t index, words[4];
        arrays.deflated = deflated == 1;
        make(&arrays);
        REQUIRE(open_made(&source, NULL) == TERCET_OK);
        CHECK_EQ(source.tensor_count, 3);
        REQUIRE(source_weights_find(&source, "a.b.weight", &index));
        const struct source_tensor *weight = source.tensors[index];
        CHECK(weight->dtype == SOURCE_U32 && weight->shape[0] == 2 && weight->shape[1] == 2);
        CHECK_EQ(weight->columns, 20); /* the words would hold 17 to 32 */
        REQUIRE(source_weights_read(&source, weight, 0, words, sizeof words, NULL) == TERCET_OK);
        CHECK_EQ(words[0], 0x55555592); /* codes t + 1: 2 0 1 2, then ones */
        CHECK_EQ(words[1], 0x55555555);
        CHECK_EQ(words[3], 0x55555595);
        CHECK(read_f32(&source, "a.b.scales", 4) == 2.0F);
        CHECK(read_f32(&source, "a.b.biases", 4) == -2.0F);
        CHECK_STR(source.form, "codes of Ternary-Zero");
        source_weights_close(&source);
    }
}

/* -1 0 +1 +1 then zeros is the word 0x52. */
static void test_known_word(void) {
    struct arrays arrays = sound;
    struct source_weights source;
    uint32_t index, word;
    arrays.words[0] = 0x52;
    make(&arrays);
    REQUIRE(open_made(&source, NULL) == TERCET_OK);
    REQUIRE(source_weights_find(&source, "a.b.weight", &index));
    REQUIRE(source_weights_read(&source, source.tensors[index], 0, &word, 4, NULL) == TERCET_OK);
    CHECK_EQ(word, 0x555555A4); /* codes 0 1 2 2, as everybody else has them */
    source_weights_close(&source);
}

/* global_scale as a factor, and as the mean that the patcher writes. */
static void test_scales(void) {
    static const struct {
        double global;
        float scale; /* of row 1 */
        const char *form;
    } cases[] = {{1.0, 2.0F, "Ternary-Zero"},
                 {3.0, 6.0F, "multiplies"},
                 {1.25, 2.0F, "mean"},
                 {1.2502, 2.0F, "mean"},
                 {1.26, 2.52F, "multiplies"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arrays arrays = sound;
        struct source_weights source;
        arrays.global = cases[i].global;
        make(&arrays);
        REQUIRE(open_made(&source, NULL) == TERCET_OK);
        CHECK(read_f32(&source, "a.b.scales", 4) == cases[i].scale);
        CHECK(strstr(source.form, cases[i].form) != NULL);
        source_weights_close(&source);
    }
    /* Both rules in one folder: nobody knows which it is. */
    struct folder folder;
    struct arrays arrays = sound;
    struct source_weights source;
    tercet_error error;
    begin(&folder);
    arrays.global = 3;
    make(&arrays);
    folder_write(folder.path, "a_weight.npz", npz.bytes, npz.count);
    arrays.global = 1.25;
    make(&arrays);
    folder_write(folder.path, "b_weight.npz", npz.bytes, npz.count);
    CHECK_STATUS(npz_open(folder.path, &source, &error), TERCET_UNSUPPORTED_SOURCE);
    CHECK(strstr(error.detail, "in some files and not in others") != NULL);
    folder_remove(folder.path);
}

static void expect(tercet_status want, const char *says, const char *name) {
    struct source_weights source;
    tercet_error error = {0};
    tercet_status status = open_made(&source, &error);
    if (!CHECK(status == want && strstr(error.detail, says) != NULL))
        printf("  %s: %d, %s\n", name, (int)status, error.detail);
    if (status == TERCET_OK)
        source_weights_close(&source);
}

static void expect_arrays(struct arrays arrays, tercet_status want, const char *says,
                          const char *name) {
    make(&arrays);
    expect(want, says, name);
}

static void test_faulty_arrays(void) {
    struct arrays a = sound;
    a.words[2] = 0x300;
    expect_arrays(a, TERCET_BAD_SOURCE, "the code 3, which is no ternary weight, in row 1, word 0",
                  "code 3");
    a = sound;
    a.rows[1] = -1;
    expect_arrays(a, TERCET_BAD_SOURCE, "the scale of row 1", "scale below zero");
    a.rows[1] = NAN;
    expect_arrays(a, TERCET_BAD_SOURCE, "the scale of row", "scale that is no number");
    a.rows[1] = 1e38F;
    expect_arrays(a, TERCET_BAD_SOURCE, "the scale of row 1", "scale too large");
    a = sound;
    a.rows[0] = 0; /* a row of zeros */
    expect_arrays(a, TERCET_OK, "", "scale of zero");
    a.global = 0;
    expect_arrays(a, TERCET_BAD_SOURCE, "that of all is 0", "all scaled to zero");
    a.global = NAN;
    expect_arrays(a, TERCET_BAD_SOURCE, "global_scale.npy is not one number", "global NaN");
    a = sound;
    a.m = 0;
    expect_arrays(a, TERCET_BAD_SOURCE, "m.npy is not one number, or out of range", "no rows");
    a.m = -2;
    expect_arrays(a, TERCET_BAD_SOURCE, "m.npy is not one number, or out of range",
                  "rows below zero");
    a.m = 3;
    expect_arrays(a, TERCET_BAD_SOURCE, "does not hold the 6 words", "one row more");
    a = sound;
    a.n = 33;
    expect_arrays(a, TERCET_BAD_SOURCE, "does not hold the 6 words", "more columns");
    a.n = INT64_MAX;
    expect_arrays(a, TERCET_BAD_SOURCE, "n.npy is not one number", "endless columns");
    a = sound;
    a.sizes_type = "<f8";
    const double sizes[2] = {2, 20.7};
    memcpy(&a.m, &sizes[0], sizeof a.m);
    memcpy(&a.n, &sizes[1], sizeof a.n);
    expect_arrays(a, TERCET_BAD_SOURCE, "m and n are no whole numbers", "a part of a column");
    a = sound;
    a.words_type = "<i4";
    expect_arrays(a, TERCET_BAD_SOURCE, "does not hold the 4 words", "words with signs");
    a = sound;
    a.rows_type = "<i4";
    expect_arrays(a, TERCET_BAD_SOURCE, "one float32 for each of 2 rows", "whole scales");
    a = sound;
    a.words_shape = "(3,)";
    expect_arrays(a, TERCET_BAD_SOURCE, "another number of bytes", "shape and bytes differ");
}

/* One number may be written in any type. */
static void test_types_of_numbers(void) {
    static const uint16_t half = 0x4200; /* 3.0 */
    static const uint32_t rows = 2, columns = 20, single = 0x40400000;
    static const uint64_t wide = 2;
    static const struct {
        const char *global_type, *rows_type, *columns_type;
        const void *global, *rows;
        size_t global_bytes, rows_bytes;
    } cases[] = {{"<f2", "<u4", "<i4", &half, &rows, 2, 4},
                 {"<f4", "<i8", "<u4", &single, &wide, 4, 8}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct source_weights source;
        uint32_t index;
        memset(&npz, 0, sizeof npz);
        npz_add_array(&npz, "packed_weights.npy", "<u4", "(4,)", sound.words, sizeof sound.words,
                      true);
        npz_add_array(&npz, "per_row_scale.npy", "<f4", "(2,)", sound.rows, sizeof sound.rows,
                      true);
        npz_add_array(&npz, "global_scale.npy", cases[i].global_type, "()", cases[i].global,
                      cases[i].global_bytes, true);
        npz_add_array(&npz, "m.npy", cases[i].rows_type, "()", cases[i].rows, cases[i].rows_bytes,
                      true);
        npz_add_array(&npz, "n.npy", cases[i].columns_type, "()", &columns, 4, true);
        npz_close(&npz);
        REQUIRE(open_made(&source, NULL) == TERCET_OK);
        REQUIRE(source_weights_find(&source, "a.b.weight", &index));
        CHECK_EQ(source.tensors[index]->shape[0], 2);
        CHECK_EQ(source.tensors[index]->columns, 20);
        CHECK(read_f32(&source, "a.b.scales", 4) == 6.0F);
        source_weights_close(&source);
    }
}

static void test_faulty_archives(void) {
    make(&sound);
    npz_set(&npz, npz.members[0].data + 4, 0xFF, 1);
    expect(TERCET_BAD_SOURCE, "", "damaged deflate");
    make(&sound);
    npz_set(&npz, npz.directory + 16, 7, 4);
    expect(TERCET_BAD_SOURCE, "packed_weights.npy is damaged", "another check sum");
    make(&sound);
    npz_set(&npz, npz.directory + 20, npz.members[0].packed - 3, 4);
    expect(TERCET_BAD_SOURCE, "packed_weights.npy is damaged", "deflated bytes missing");
    make(&sound);
    npz_set(&npz, npz.directory + 24, npz.members[0].size + 16, 4);
    expect(TERCET_BAD_SOURCE, "", "more bytes promised");
    make(&sound);
    npz_set(&npz, npz.directory + 24, 7, 4);
    expect(TERCET_BAD_SOURCE, "too short for a NumPy array", "too short an array");
    make(&sound);
    npz_set(&npz, npz.directory + 20, 10, 4);
    npz_set(&npz, npz.directory + 42, npz.directory - 10, 4);
    expect(TERCET_BAD_SOURCE, "packed_weights.npy is damaged", "no room for a head");
    struct arrays stored = sound;
    stored.deflated = false;
    make(&stored);
    npz.bytes[npz.members[0].data + 130] ^= 1;
    expect(TERCET_BAD_SOURCE, "packed_weights.npy is damaged", "damaged stored bytes");
    make(&sound);
    npz.count -= 5;
    expect(TERCET_BAD_SOURCE, "a_b_weight.npz is no sound zip archive", "cut short");
    memset(&npz, 0, sizeof npz);
    npz.count = 40;
    expect(TERCET_BAD_SOURCE, "no directory at its end", "no archive");
    npz.count = 0;
    expect(TERCET_BAD_SOURCE, "no directory at its end", "empty file");
}

static void test_members(void) {
    static const float weights[] = {1, 2, 3};
    memset(&npz, 0, sizeof npz);
    npz_add_array(&npz, "weight.npy", "<f4", "(3,)", weights, sizeof weights, true);
    npz_close(&npz);
    expect(TERCET_OK, "", "floats");
    memset(&npz, 0, sizeof npz);
    npz_add_array(&npz, "weight.npy", "<i4", "(3,)", weights, sizeof weights, true);
    npz_close(&npz);
    expect(TERCET_UNSUPPORTED_SOURCE, "neither float16 nor float32", "whole numbers");
    memset(&npz, 0, sizeof npz);
    npz_add_array(&npz, "weight.npy", "<f4", "(3,)", weights, sizeof weights, true);
    npz_add_array(&npz, "bias.npy", "<f4", "(3,)", weights, sizeof weights, true);
    npz_close(&npz);
    expect(TERCET_UNSUPPORTED_SOURCE, "neither a weight alone nor packed_weights", "two floats");
    memset(&npz, 0, sizeof npz);
    npz_add_array(&npz, "other.npy", "<f4", "(3,)", weights, sizeof weights, true);
    npz_close(&npz);
    expect(TERCET_BAD_SOURCE, "holds no array weight.npy", "another array");
    make(&sound);
    npz.bytes[npz.directory + 46] = 'q'; /* packed_weights becomes qacked_weights */
    expect(TERCET_UNSUPPORTED_SOURCE, "neither a weight alone", "codes by another name");
    memset(&npz, 0, sizeof npz);
    npz_add_array(&npz, "packed_weights.npy", "<u4", "(3,)", weights, sizeof weights, true);
    npz_close(&npz);
    expect(TERCET_UNSUPPORTED_SOURCE, "holds other arrays than packed_weights", "codes alone");
}

static void test_folders(void) {
    struct folder folder;
    struct source_weights source;
    tercet_error error;
    CHECK(npz_is(GOLDEN));
    CHECK(!npz_is("golden/models/qwen3-mlx"));
    begin(&folder);
    CHECK(npz_is(folder.path));
    folder_write_text(folder.path, "model.safetensors", "");
    CHECK(!npz_is(folder.path)); /* those go first */
    folder_remove(folder.path);
    folder_make(folder.path);
    folder_write_text(folder.path, "patch_manifest.json", "{}");
    CHECK_STATUS(npz_open(folder.path, &source, &error), TERCET_UNSUPPORTED_SOURCE);
    CHECK(strstr(error.detail, "copy config.json and the tokenizer") != NULL);
    folder_write_text(folder.path, "config.json", "{}");
    folder_write_text(folder.path, "caf\xc3\xa9.npz", "");
    CHECK_STATUS(npz_open(folder.path, &source, &error), TERCET_UNSUPPORTED_SOURCE);
    CHECK(strstr(error.detail, "name is no tensor's") != NULL);
    folder_remove(folder.path);
    /* The same tensor under two names. */
    begin(&folder);
    make(&sound);
    folder_write(folder.path, "embed_tokens.npz", npz.bytes, npz.count);
    folder_write(folder.path, "model_embed_tokens_weight.npz", npz.bytes, npz.count);
    CHECK_STATUS(npz_open(folder.path, &source, &error), TERCET_BAD_SOURCE);
    folder_remove(folder.path);
    /* Nowhere to unpack. */
    begin(&folder);
    const char *place = getenv("TMPDIR");
    char *before = place != NULL ? strdup(place) : NULL;
    setenv("TMPDIR", "/proc/no/such/folder", 1);
    CHECK_STATUS(npz_open(folder.path, &source, &error), TERCET_FILE_WRITE_FAILED);
    CHECK(strstr(error.detail, "say another folder in TMPDIR") != NULL);
    if (before != NULL)
        setenv("TMPDIR", before, 1);
    else
        unsetenv("TMPDIR");
    free(before);
    folder_remove(folder.path);
}

static void test_golden(void) {
    struct source_weights source;
    uint32_t index;
    REQUIRE(npz_open(GOLDEN, &source, NULL) == TERCET_OK);
    REQUIRE(source_weights_find(&source, "model.layers.1.mlp.down_proj.weight", &index));
    CHECK(source.tensors[index]->shape[0] == 48 && source.tensors[index]->shape[1] == 7);
    REQUIRE(source_weights_find(&source, "model.embed_tokens.weight", &index));
    CHECK(source.tensors[index]->dtype == SOURCE_F16 && source.tensors[index]->shape[1] == 48);
    REQUIRE(source_weights_find(&source, "model.norm.weight", &index));
    CHECK(source.tensors[index]->dtype == SOURCE_F32 && source.tensors[index]->rank == 1);
    CHECK(strstr(source.form, "mean") != NULL);
    source_weights_close(&source);
}

static void test_names(void) {
    static const char *const pairs[][2] = {
        {"model_layers_31_self_attn_q_proj_weight.npz", "model.layers.31.self_attn.q_proj.weight"},
        {"model_layers_0_self_attn_q_proj_norm_weight.npz",
         "model.layers.0.self_attn.q_proj.norm.weight"},
        {"model_layers_0_post_attention_layernorm_weight.npz",
         "model.layers.0.post_attention_layernorm.weight"},
        {"model_layers_0_mlp_ffn_sub_norm_weight.npz", "model.layers.0.mlp.ffn_sub_norm.weight"},
        {"transformer_h_7_attn_c_attn_bias.npz", "transformer.h.7.attn.c_attn.bias"},
        {"h_0_ln_1_weight.npz", "h.0.ln_1.weight"},
        {"lm_head_weight.npz", "lm_head.weight"},
        {"lm_heads_weight.npz", "lm.heads.weight"},
        {"embed_tokens.npz", "model.embed_tokens.weight"},
        {"_.npz", "."},
    };
    char name[NPZ_NAME_BYTES], endless[200];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        CHECK(npz_tensor_name(pairs[i][0], name));
        CHECK_STR(name, pairs[i][1]);
    }
    CHECK(!npz_tensor_name(".npz", name));
    CHECK(!npz_tensor_name("weight.npy", name));
    CHECK(!npz_tensor_name("a\nb.npz", name));
    memset(endless, 'a', sizeof endless);
    memcpy(endless + 190, ".npz", 5);
    CHECK(!npz_tensor_name(endless, name));
}

int main(void) {
    test_codes();
    test_known_word();
    test_scales();
    test_types_of_numbers();
    test_faulty_arrays();
    test_faulty_archives();
    test_members();
    test_folders();
    test_golden();
    test_names();
    return check_done();
}
