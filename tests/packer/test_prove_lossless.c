/*
 * test_prove_lossless.c: the proof holds for what tensor_writer.h writes, in every form, and fails for any byte of a weight, a
 * scale or the padding that is changed on its way to the file.
 */
#define _GNU_SOURCE 1
#include "prove_lossless.h"
#include "source_copy.h"
#include "tokenizer_tables.h"

/* Rows and columns that fill no tile, so that there is padding on both sides. */
enum { ROWS = 21, COLUMNS = 150, VOCABULARY = 301 };

struct bench {
    struct source_copy copy;
    struct source_weights source;
    struct planned_tensor planned;
    struct source_matrix matrix;
    struct tokenizer_section tokenizer;
    char path[COPY_PATH_BYTES];
};

static void bench_open(struct bench *bench, bool dense) {
    const uint64_t shape[2] = {ROWS, COLUMNS};
    uint32_t index, state = 9;
    memset(bench, 0, sizeof *bench);
    folder_make(bench->copy.folder);
    struct copy_tensor *tensor = copy_add(&bench->copy, "w", "F32", 2, shape, ROWS * COLUMNS * 4);
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        state = state * 1664525u + 1013904223u;
        float trit = (float)((int)((state >> 8) % 3) - 1);
        copy_set_f32(tensor, i, dense ? (float)(state >> 8) * 0x1p-24f : trit * 0.75f);
    }
    copy_write_shard(&bench->copy, "model.safetensors", 0, 1);
    REQUIRE(safetensors_open(bench->copy.folder, &bench->source, NULL) == TERCET_OK);
    REQUIRE(source_weights_find(&bench->source, "w", &index));
    bench->planned = (struct planned_tensor){.stage = 1,
                                             .role = ROLE_Q,
                                             .rows = ROWS,
                                             .columns = COLUMNS,
                                             .linear = true,
                                             .weight = bench->source.tensors[index]};
    REQUIRE(source_matrix_open(&bench->source, SOURCE_PLAIN, &bench->planned, &bench->matrix,
                               NULL) == TERCET_OK);
    REQUIRE(tokenizer_section_build("golden/models/llama-dense-f32", VOCABULARY, TERCET_NO_TOKEN,
                                    &bench->tokenizer, NULL) == TERCET_OK);
    (void)folder_path(bench->copy.folder, "out.tercet", bench->path);
}

static void bench_close(struct bench *bench) {
    tokenizer_section_free(&bench->tokenizer);
    source_matrix_close(&bench->matrix);
    source_weights_close(&bench->source);
    source_copy_close(&bench->copy);
}

/* A writer for one tensor of this form. The file is never committed, so the rest of the plan need not fit. */
static struct container_writer *open_writer(const struct bench *bench,
                                            const struct tensor_form *form) {
    static const double frequency = 1;
    struct writer_tensor tensor = {1, ROLE_Q, form->type, form->scale, ROWS, COLUMNS};
    struct writer_plan plan = {.rope_scale = 1,
                               .rope_frequencies = &frequency,
                               .tensors = &tensor,
                               .tensor_count = 1,
                               .tokenizer_section = bench->tokenizer.bytes,
                               .tokenizer_bytes = bench->tokenizer.count};
    struct container_writer *writer = NULL;
    tercet_error error = {0};
    plan.config = (struct container_config){.family = FAMILY_LLAMA,
                                            .layers = 1,
                                            .hidden = COLUMNS,
                                            .inner = 16,
                                            .heads = 1,
                                            .kv_heads = 1,
                                            .head_dim = 2,
                                            .vocabulary = VOCABULARY,
                                            .context = 16,
                                            .activation = ACTIVATION_SILU,
                                            .activation_bits = 8,
                                            .norm_epsilon = 1e-5f,
                                            .top_p = 1};
    memset(plan.config.stop_tokens, 0xFF, sizeof plan.config.stop_tokens);
    tercet_status opened = container_writer_open(bench->path, &plan, &writer, &error);
    if (opened != TERCET_OK) {
        fprintf(stderr, "%s\n", error.detail);
    }
    REQUIRE(opened == TERCET_OK);
    return writer;
}

/* The tensor as it should be, then with one changed byte at a time. */
static void check_form(const char *what, bool dense, const struct pack_options *options,
                       uint32_t type, uint32_t scale) {
    struct bench bench;
    struct tensor_form form;
    struct proof proof = {0};
    uint64_t bytes;
    bench_open(&bench, dense);
    REQUIRE(tensor_form_choose(&bench.matrix, options, false, &form, NULL) == TERCET_OK);
    if (!CHECK_EQ(form.type, type) || !CHECK_EQ(form.scale, scale)) {
        fprintf(stderr, "    form: %s\n", what);
    }
    REQUIRE(container_tensor_bytes(form.type, form.scale, ROWS, COLUMNS, &bytes));
    uint8_t *whole = malloc((size_t)bytes);
    struct container_writer *writer = open_writer(&bench, &form);
    CHECK_STATUS(tensor_write(&bench.matrix, &form, writer, NULL), TERCET_OK);
    CHECK_STATUS(container_writer_read_back(writer, 0, whole, (size_t)bytes, NULL), TERCET_OK);
    CHECK_STATUS(container_writer_append(writer, "x", 1, NULL),
                 TERCET_BAD_ARGUMENT); /* the size was exact */
    CHECK_STATUS(prove_tensor(&bench.matrix, &form, writer, 0, &proof, NULL), TERCET_OK);
    CHECK_EQ(form.exact ? proof.equal : proof.as_intended, ROWS * COLUMNS);
    CHECK_EQ(form.exact ? proof.as_intended : proof.equal, 0);
    CHECK_EQ(proof.error_squares > 0, !form.exact);
    container_writer_abort(writer);

    size_t seen = 0, tail = 0;
    size_t codes = type == TENSOR_INT8 || type == TENSOR_TERNARY
                       ? (size_t)container_scales_offset(type, ROWS, COLUMNS)
                       : (size_t)bytes;
    for (size_t at = 0; at < bytes; at += at < codes - 300 ? 37 : 1) {
        tercet_error error = {0};
        whole[at] ^= 0x40;
        writer = open_writer(&bench, &form);
        CHECK_STATUS(container_writer_append(writer, whole, (size_t)bytes, NULL), TERCET_OK);
        tercet_status status = prove_tensor(&bench.matrix, &form, writer, 0, &proof, &error);
        CHECK(status == TERCET_NOT_LOSSLESS || status == TERCET_OK);
        seen += status == TERCET_NOT_LOSSLESS;
        tail += status == TERCET_OK;
        CHECK(status == TERCET_OK || strstr(error.detail, "tensor w, row") != NULL);
        container_writer_abort(writer);
        whole[at] ^= 0x40;
    }
    CHECK(seen > 100);
    /* What passes can only be the zeros behind the tensor: there is no weight in them. */
    size_t used = type == TENSOR_F32      ? ROWS * COLUMNS * 4
                  : type == TENSOR_F16    ? ROWS * COLUMNS * 2
                  : scale == SCALE_TENSOR ? codes + 4
                                          : codes + 2 * tensor_scale_bytes(&form, COLUMNS);
    if (!CHECK_EQ(tail, (size_t)bytes - used)) {
        fprintf(stderr, "    form: %s\n", what);
    }
    free(whole);
    bench_close(&bench);
}

int main(void) {
    struct pack_options options;
    pack_options_init(&options);
    check_form("ternary", false, &options, TENSOR_TERNARY, SCALE_TENSOR);
    options.group = 64;
    check_form("ternary in groups", false, &options, TENSOR_TERNARY, SCALE_GROUP64);
    options.quantize = PACK_QUANTIZE_ABSMEAN;
    check_form("absmean in groups", true, &options, TENSOR_TERNARY, SCALE_GROUP64);
    options.group = 0;
    check_form("absmean", true, &options, TENSOR_TERNARY, SCALE_TENSOR);
    options.quantize = PACK_QUANTIZE_NONE;
    options.dense = PACK_DENSE_F32;
    check_form("f32", true, &options, TENSOR_F32, SCALE_NONE);
    options.dense = PACK_DENSE_F16;
    check_form("f16", true, &options, TENSOR_F16, SCALE_NONE);
    options.dense = PACK_DENSE_Q8;
    check_form("int8", true, &options, TENSOR_INT8, SCALE_ROW);
    return check_done();
}
