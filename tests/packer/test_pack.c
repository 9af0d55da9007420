/*
 * test_pack.c: every golden model, packed and decoded again, against what an independent reference says of each tensor; and
 * what each option does to the file and the report.
 */
#define _GNU_SOURCE 1
#include "pack.h"
#include "json.h"
#include "packed_file.h"
#include "source_copy.h"

#include <math.h>

static char folder[COPY_PATH_BYTES], destination[COPY_PATH_BYTES];

static void options_for(struct pack_options *options, const char *source) {
    pack_options_init(options);
    options->source = source;
    options->destination = destination;
}

/* Packs, or says why not. */
static void pack_it(const struct pack_options *options, struct pack_report *report) {
    tercet_error error = {0};
    tercet_status packed = pack(options, report, &error);
    if (packed != TERCET_OK) {
        fprintf(stderr, "%s: %s\n", options->source, error.detail);
    }
    REQUIRE(packed == TERCET_OK);
}

/* One tensor of the file against its entry in expected.json. */
static void check_tensor(const struct packed_file *packed, const struct container_tensor *t,
                         const struct json_document *expected, const cJSON *weights,
                         bool scale_is_near) {
    char name[96], hex[65];
    const cJSON *entry = NULL;
    const char *sha256 = NULL, *trits_sha256 = NULL;
    double scale = 0;
    uint32_t zeros = 0, zeros_found = 0;
    source_name(t, name);
    REQUIRE(json_get_object(expected, weights, name, JSON_REQUIRED, &entry, NULL) == TERCET_OK);
    REQUIRE(json_get_string(expected, entry, "sha256", JSON_REQUIRED, &sha256, NULL) == TERCET_OK);
    REQUIRE(json_get_string(expected, entry, "trits_sha256", JSON_OPTIONAL, &trits_sha256, NULL) ==
            TERCET_OK);
    REQUIRE(json_get_u32(expected, entry, "zeros", JSON_OPTIONAL, UINT32_MAX, &zeros, NULL) ==
            TERCET_OK);
    REQUIRE(json_get_number(expected, entry, "scale", JSON_OPTIONAL, &scale, NULL) == TERCET_OK);
    size_t count = (size_t)t->rows * t->columns;
    int8_t *trits = calloc(count, 1);
    float *values = packed_values(packed, t, trits);
    CHECK_EQ(t->type == TENSOR_TERNARY, trits_sha256 != NULL);
    if (trits_sha256 != NULL) {
        sha256_hex(trits, count, hex);
        CHECK_STR(hex, trits_sha256);
        for (size_t i = 0; i < count; i++) {
            zeros_found += trits[i] == 0;
        }
        CHECK_EQ(zeros_found, zeros);
    }
    if (scale_is_near && trits_sha256 != NULL) {
        CHECK_EQ(t->scale, SCALE_TENSOR);
        CHECK_NEAR(packed_f32(packed->bytes + t->offset +
                              container_scales_offset(t->type, t->rows, t->columns)) /
                       (float)scale,
                   1, 2.5e-7);
    } else {
        for (size_t i = 0; i < count; i++) {
            values[i] += 0.0f; /* -0 and +0 are one weight */
        }
        sha256_hex(values, count * sizeof *values, hex);
        if (!CHECK_STR(hex, sha256)) {
            fprintf(stderr, "    tensor %s\n", name);
        }
    }
    free(values);
    free(trits);
}

static void check_golden(const char *name, bool absmean, enum pack_dense dense) {
    char source[COPY_PATH_BYTES];
    struct pack_options options;
    struct pack_report report;
    struct packed_file packed;
    struct json_document expected;
    const cJSON *weights = NULL;
    uint64_t parameters = 0, ternary = 0, zeros = 0;
    (void)folder_path("golden/models", name, source);
    options_for(&options, source);
    options.quantize = absmean ? PACK_QUANTIZE_ABSMEAN : PACK_QUANTIZE_NONE;
    options.dense = dense;
    pack_it(&options, &report);
    packed_file_open(&packed, destination);
    REQUIRE(json_load(source, "expected.json", 1u << 20, &expected, NULL) == TERCET_OK);
    REQUIRE(json_get_object(&expected, expected.root, "weights", JSON_REQUIRED, &weights, NULL) ==
            TERCET_OK);
    for (uint32_t i = 0; i < packed.container.tensor_count; i++) {
        struct container_tensor t = container_get_tensor(&packed.container, i);
        check_tensor(&packed, &t, &expected, weights, absmean);
        parameters += (uint64_t)t.rows * t.columns;
        ternary += t.type == TENSOR_TERNARY ? (uint64_t)t.rows * t.columns : 0;
    }
    CHECK_EQ(packed.container.tensor_count, cJSON_GetArraySize(weights));
    CHECK_EQ(report.parameters, parameters);
    CHECK_EQ(report.ternary_weights, ternary);
    CHECK_EQ(report.verified_weights + report.rounded_weights, parameters);
    CHECK_EQ(report.rounded_weights, absmean ? ternary : 0);
    CHECK(absmean ? report.quantize_error > 0.1 && report.quantize_error < 1
                  : report.quantize_error == 0);
    CHECK_EQ(report.f16_bytes, 2 * parameters);
    CHECK_EQ(report.file_bytes, packed.count);
    CHECK_MEM(report.model_id, packed.container.model_id, 32);
    CHECK_EQ(report.layers, packed.container.config.layers);
    CHECK_EQ(packed.container.config.activation_bits, dense == PACK_DENSE_F32 ? 32 : 8);
    for (uint32_t i = 0; i < report.layers; i++) {
        ternary -= report.layer[i].weights;
        zeros += report.layer[i].zeros;
    }
    CHECK_EQ(ternary, 0);
    CHECK_EQ(zeros, report.ternary_zeros);
    CHECK_STR(packed.container.name, name);
    json_free(&expected);
    packed_file_close(&packed);
    pack_report_free(&report);
    CHECK_EQ(folder_count(folder, ""), 1); /* the file and nothing else */
}

static void test_goldens(void) {
    check_golden("llama-packed-bitlinear", false, PACK_DENSE_NO);
    check_golden("llama-packed-oldstyle", false, PACK_DENSE_NO);
    check_golden("bitnet-packed-autobitlinear", false, PACK_DENSE_NO);
    check_golden("llama-grid-bf16-sharded", false, PACK_DENSE_NO);
    check_golden("llama-grid-f16-group", false, PACK_DENSE_NO);
    check_golden("bitnet-online-bf16", true, PACK_DENSE_NO);
    check_golden("llama-dense-f32", false, PACK_DENSE_F32);
}

/* Type and scale of the first tensor with this role. */
static struct container_tensor find_role(const struct packed_file *packed, uint32_t role) {
    uint32_t i = 0;
    while (i < packed->container.tensor_count &&
           container_get_tensor(&packed->container, i).role != role) {
        i++;
    }
    REQUIRE(i < packed->container.tensor_count);
    return container_get_tensor(&packed->container, i);
}

static void test_forms(void) {
    static const struct {
        const char *source, *form;
        bool absmean;
    } cases[] = {
        {"golden/models/llama-packed-oldstyle", "packed uint8, scale divides (bitlinear)", false},
        {"golden/models/bitnet-packed-autobitlinear",
         "packed uint8, scale multiplies (autobitlinear)", false},
        {"golden/models/llama-grid-bf16-sharded", "on the ternary grid (bf16)", false},
        {"golden/models/llama-grid-f16-group", "on the ternary grid (f16)", false},
        {"golden/models/bitnet-online-bf16", "quantised by absmean (bf16)", true},
        {"golden/models/llama-dense-f32", "quantised by absmean (f32)", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pack_options options;
        struct pack_report report;
        options_for(&options, cases[i].source);
        options.quantize = cases[i].absmean ? PACK_QUANTIZE_ABSMEAN : PACK_QUANTIZE_NONE;
        pack_it(&options, &report);
        CHECK_STR(report.form, cases[i].form);
        pack_report_free(&report);
    }
}

static void test_dense(void) {
    static const struct {
        enum pack_dense dense;
        uint32_t type, bits;
        double error;
    } cases[] = {
        {PACK_DENSE_F32, TENSOR_F32, 32, 0},
        {PACK_DENSE_F16, TENSOR_F16, 32, 5e-4},
        {PACK_DENSE_Q8, TENSOR_INT8, 8, 0.01},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pack_options options;
        struct pack_report report;
        struct packed_file packed;
        options_for(&options, "golden/models/llama-dense-f32");
        options.dense = cases[i].dense;
        pack_it(&options, &report);
        packed_file_open(&packed, destination);
        CHECK_EQ(find_role(&packed, ROLE_DOWN).type, cases[i].type);
        CHECK_EQ(packed.container.config.activation_bits, cases[i].bits);
        CHECK(report.quantize_error <= cases[i].error);
        CHECK_EQ(report.rounded_weights > 0, cases[i].error > 0);
        CHECK_EQ(report.ternary_weights, 0);
        packed_file_close(&packed);
        pack_report_free(&report);
        /* A packed source is expanded, in any type. */
        options.source = "golden/models/llama-packed-bitlinear";
        pack_it(&options, &report);
        packed_file_open(&packed, destination);
        CHECK_EQ(find_role(&packed, ROLE_Q).type, cases[i].type);
        packed_file_close(&packed);
        pack_report_free(&report);
    }
}

static void test_tables_and_groups(void) {
    static const uint32_t types[] = {TENSOR_F16, TENSOR_F16, TENSOR_F32, TENSOR_INT8};
    struct pack_options options;
    struct pack_report report;
    struct packed_file packed;
    for (uint32_t table = PACK_TABLE_EXACT; table <= PACK_TABLE_Q8; table++) {
        options_for(&options,
                    "golden/models/llama-packed-bitlinear"); /* its numbers are exact in f16 */
        options.embedding = (enum pack_table)table;
        pack_it(&options, &report);
        packed_file_open(&packed, destination);
        CHECK_EQ(find_role(&packed, ROLE_EMBEDDING).type, types[table]);
        CHECK_EQ(find_role(&packed, ROLE_HEAD).type, types[table]);
        CHECK_EQ(report.rounded_weights > 0, table == PACK_TABLE_Q8);
        packed_file_close(&packed);
        pack_report_free(&report);
    }
    options_for(&options, "golden/models/llama-dense-f32"); /* its numbers are not */
    options.dense = PACK_DENSE_F16;
    pack_it(&options, &report);
    packed_file_open(&packed, destination);
    CHECK_EQ(find_role(&packed, ROLE_EMBEDDING).type, TENSOR_F32);
    packed_file_close(&packed);
    pack_report_free(&report);

    options_for(&options, "golden/models/llama-dense-f32");
    options.quantize = PACK_QUANTIZE_ABSMEAN;
    options.group = 64;
    pack_it(&options, &report);
    packed_file_open(&packed, destination);
    CHECK_EQ(find_role(&packed, ROLE_DOWN).scale, SCALE_GROUP64);
    packed_file_close(&packed);
    pack_report_free(&report);
}

/* A layer that modules_to_not_convert names stays dense beside ternary ones. */
static void test_not_converted(void) {
    struct source_copy copy;
    struct pack_options options;
    struct pack_report report;
    struct packed_file packed;
    source_copy_open(&copy, "bitnet-online-bf16");
    copy_config(&copy, "\"modules_to_not_convert\": null",
                "\"modules_to_not_convert\": [\"0.mlp.down\"]");
    copy_write(&copy);
    options_for(&options, copy.folder);
    options.quantize = PACK_QUANTIZE_ABSMEAN;
    pack_it(&options, &report);
    packed_file_open(&packed, destination);
    CHECK(find_role(&packed, ROLE_DOWN).type != TENSOR_TERNARY);
    CHECK_EQ(find_role(&packed, ROLE_UP).type, TENSOR_TERNARY);
    CHECK_EQ(packed.container.config.activation_bits, 8);
    packed_file_close(&packed);
    pack_report_free(&report);
    source_copy_close(&copy);
}

/* One weight a rounding step off the grid: packed, counted, and not called lossless. */
static void test_rounded(void) {
    struct source_copy copy;
    struct pack_options options;
    struct pack_report report;
    source_copy_open(&copy, "llama-grid-bf16-sharded");
    struct copy_tensor *up = copy_find(&copy, "model.layers.0.mlp.up_proj.weight");
    for (size_t i = 0; i < up->count; i += 2) {
        if ((up->bytes[i + 1] & 0x7F) != 0) { /* the first weight that is not zero */
            up->bytes[i] ^= 1;
            break;
        }
    }
    copy_write(&copy);
    options_for(&options, copy.folder);
    pack_it(&options, &report);
    CHECK_STR(report.form, "within a rounding step of the ternary grid (bf16)");
    CHECK_EQ(report.rounded_weights, up->count / 2);
    CHECK_EQ(report.verified_weights, report.parameters - up->count / 2);
    CHECK(report.quantize_error > 0 && report.quantize_error < 0.001);
    pack_report_free(&report);
    source_copy_close(&copy);
}

static void test_sampling_and_repeat(void) {
    struct pack_options options;
    struct pack_report report, again;
    struct packed_file packed;
    options_for(&options, "../models/gutenberg-6m-b158");
    pack_it(&options, &report);
    pack_it(&options, &again);
    CHECK_MEM(report.model_id, again.model_id, 32); /* the same source gives the same file */
    packed_file_open(&packed, destination);
    const struct container_config *c = &packed.container.config;
    CHECK(c->temperature == 0.7f && c->top_p == 0.95f && c->top_k == 0 && c->min_p == 0);
    CHECK(c->stop_count == 1 && c->stop_tokens[0] == 1);
    CHECK_STR(packed.container.name, "gutenberg-6m-b158");
    CHECK_STR(packed.container.licence, "mit");
    CHECK_EQ(report.verified_weights, report.parameters);
    CHECK_NEAR(8.0 * (double)report.ternary_bytes / (double)report.ternary_weights, 2.004, 0.001);
    packed_file_close(&packed);
    pack_report_free(&again);
    options.temperature = 0;
    options.top_k = 40;
    options.top_p = 0.5f;
    options.min_p = 0.05f;
    pack_it(&options, &again);
    packed_file_open(&packed, destination);
    CHECK(c->temperature == 0 && c->top_k == 40 && c->top_p == 0.5f && c->min_p == 0.05f);
    CHECK(memcmp(report.model_id, again.model_id, 32) != 0);
    packed_file_close(&packed);
    pack_report_free(&again);
    pack_report_free(&report);
}

static uint8_t *read_packed(size_t *count) {
    uint8_t *bytes;
    REQUIRE(source_file_read(folder, "model.tercet", (size_t)1 << 30, &bytes, count, NULL) ==
            TERCET_OK);
    return bytes;
}

/* The same file and the same report with any number of threads: of every way from a source to the container. */
static void test_threads(void) {
    static const char *const sources[] = {
        "golden/models/bitmamba2-bin/model.bin",
        "golden/models/bitnet-online-bf16",
        "golden/models/bitnet-packed-autobitlinear",
        "golden/models/gguf-bitnet-i2_s/model.gguf",
        "golden/models/gguf-llama-tq2_0/model.gguf",
        "golden/models/gguf-qwen3-ptq1_0/model.gguf",
        "golden/models/gpt2-grid-f16",
        "golden/models/qwen3-mlx",
        "../models/gutenberg-6m-b158",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        struct pack_options options;
        struct pack_report alone, together;
        size_t count, again_count;
        options_for(&options, sources[i]);
        options.quantize = PACK_QUANTIZE_ABSMEAN;
        options.embedding = i % 2 == 0 ? PACK_TABLE_Q8 : PACK_TABLE_EXACT;
        pack_it(&options, &alone);
        uint8_t *bytes = read_packed(&count);
        for (options.threads = 2; options.threads <= 8; options.threads += 3) {
            pack_it(&options, &together);
            uint8_t *again = read_packed(&again_count);
            CHECK_EQ(count, again_count);
            CHECK_MEM(bytes, again, count < again_count ? count : again_count);
            CHECK_EQ(alone.verified_weights, together.verified_weights);
            CHECK_EQ(alone.ternary_zeros, together.ternary_zeros);
            CHECK(alone.quantize_error == together.quantize_error);
            free(again);
            pack_report_free(&together);
        }
        free(bytes);
        pack_report_free(&alone);
    }
}

int main(void) {
    folder_make(folder);
    (void)folder_path(folder, "model.tercet", destination);
    test_goldens();
    test_forms();
    test_dense();
    test_tables_and_groups();
    test_not_converted();
    test_rounded();
    test_sampling_and_repeat();
    test_threads();
    folder_remove(folder);
    return check_done();
}
