/*
 * test_ternarize.c: which matrices are ternary, with which scales, and what is said of those that are not. Also the rows of
 * source_matrix.h in every type. The sources are small files made here.
 */
#define _GNU_SOURCE 1
#include "source_copy.h"
#include "ternarize.h"

#include <math.h>

enum { ROWS = 21, COLUMNS = 200 };

struct bench {
    struct source_copy copy;
    struct source_weights source;
    struct planned_tensor planned;
    struct source_matrix matrix;
    float values[ROWS * COLUMNS];
};

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Stores `values` as one tensor "w" of the type (bf16 values must be exact) and opens it as a matrix. */
static void bench_open(struct bench *bench, const char *dtype) {
    const uint64_t shape[2] = {ROWS, COLUMNS};
    size_t size = strcmp(dtype, "F32") == 0 ? 4 : 2;
    uint32_t index;
    memset(&bench->copy, 0, sizeof bench->copy);
    folder_make(bench->copy.folder);
    struct copy_tensor *tensor =
        copy_add(&bench->copy, "w", dtype, 2, shape, ROWS * COLUMNS * size);
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        uint32_t bits = bits_of(bench->values[i]);
        if (size == 2) {
            REQUIRE((bits & 0xFFFFu) == 0);
            bits >>= 16;
        }
        for (size_t b = 0; b < size; b++) {
            tensor->bytes[i * size + b] = (uint8_t)(bits >> (8 * b));
        }
    }
    copy_write_shard(&bench->copy, "model.safetensors", 0, 1);
    REQUIRE(safetensors_open(bench->copy.folder, &bench->source, NULL) == TERCET_OK);
    REQUIRE(source_weights_find(&bench->source, "w", &index));
    memset(&bench->planned, 0, sizeof bench->planned);
    bench->planned.rows = ROWS;
    bench->planned.columns = COLUMNS;
    bench->planned.linear = true;
    bench->planned.weight = bench->source.tensors[index];
    REQUIRE(source_matrix_open(&bench->source, SOURCE_PLAIN, &bench->planned, &bench->matrix,
                               NULL) == TERCET_OK);
}

static void bench_close(struct bench *bench) {
    source_matrix_close(&bench->matrix);
    source_weights_close(&bench->source);
    source_copy_close(&bench->copy);
}

enum sharing { PER_TENSOR, PER_ROW, PER_128, PER_64 };

static float scale_of(enum sharing sharing, uint32_t row, uint32_t column) {
    uint32_t group = sharing == PER_128 ? column / 128 : sharing == PER_64 ? column / 64 : 0;
    uint32_t of_row = sharing == PER_TENSOR ? 0 : row;
    return 0.03125f * (float)(8 + (of_row * 5 + group * 3) % 11); /* exact in bf16 and f16 */
}

static void fill_grid(struct bench *bench, enum sharing sharing) {
    uint32_t state = 5;
    for (uint32_t r = 0; r < ROWS; r++) {
        for (uint32_t c = 0; c < COLUMNS; c++) {
            float trit = (float)((int)(next_random(&state) % 3) - 1);
            bench->values[r * COLUMNS + c] = trit * scale_of(sharing, r, c);
        }
    }
}

/* Finds the form of the matrix; with OK every row must come back as trit * scale. */
static tercet_status find(struct bench *bench, const char *dtype, uint32_t group, bool absmean,
                          bool online, struct ternary_form *form, tercet_error *error,
                          double *worst) {
    struct ternary_request request = {group, absmean, online};
    bench_open(bench, dtype);
    tercet_status status = ternarize_find(&bench->matrix, &request, form, error);
    *worst = 0;
    for (uint32_t r = 0; r < ROWS && status == TERCET_OK; r++) {
        uint8_t codes[COLUMNS];
        float scales[COLUMNS / 64 + 1];
        const float *row = bench->values + r * COLUMNS;
        ternarize_row(form, bench->planned.weight->dtype, row, COLUMNS, codes, scales);
        for (uint32_t c = 0; c < COLUMNS; c++) {
            double packed =
                (double)((float)(codes[c] - 1) * scales[c / ternary_span(form, COLUMNS)]);
            *worst = fmax(*worst, fabs(packed - (double)row[c]));
        }
    }
    bench_close(bench);
    return status;
}

static void test_exact(struct bench *bench) {
    static const struct {
        enum sharing sharing;
        uint32_t group, want;
    } cases[] = {
        {PER_TENSOR, 0, SCALE_TENSOR},   {PER_ROW, 0, SCALE_ROW},
        {PER_128, 0, SCALE_GROUP128},    {PER_64, 0, SCALE_GROUP64},
        {PER_TENSOR, 64, SCALE_GROUP64}, {PER_TENSOR, 128, SCALE_GROUP128},
        {PER_ROW, 128, SCALE_GROUP128},  {PER_64, 128, SCALE_GROUP64}, /* 128 is not exact: 64 is */
        {PER_128, 64, SCALE_GROUP64},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static const char *const dtypes[] = {"F32", "BF16"};
        for (size_t d = 0; d < 2; d++) {
            struct ternary_form form;
            double worst;
            fill_grid(bench, cases[i].sharing);
            CHECK_STATUS(find(bench, dtypes[d], cases[i].group, false, false, &form, NULL, &worst),
                         TERCET_OK);
            CHECK_EQ(form.method, TERNARY_EXACT);
            CHECK_EQ(form.scale, cases[i].want);
            CHECK(worst == 0);
        }
    }
}

static void test_special_grids(struct bench *bench) {
    struct ternary_form form;
    double worst;
    memset(bench->values, 0, sizeof bench->values); /* all zero */
    bench->values[7] = -0.0f;
    CHECK_STATUS(find(bench, "F32", 0, false, false, &form, NULL, &worst), TERCET_OK);
    CHECK(form.scale == SCALE_TENSOR && form.tensor_scale == 0 && worst == 0);

    bench->values[33] = -0.1f; /* one weight, one sign */
    CHECK_STATUS(find(bench, "F32", 0, false, false, &form, NULL, &worst), TERCET_OK);
    CHECK(form.tensor_scale == 0.1f && worst == 0);

    /* A scale that f16 cannot hold: groups are not exact, so the row's own f32 scale is taken. */
    CHECK_STATUS(find(bench, "F32", 64, false, false, &form, NULL, &worst), TERCET_OK);
    CHECK(form.scale == SCALE_TENSOR && worst == 0);

    fill_grid(bench, PER_64); /* and where only groups would do, nothing is exact */
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        bench->values[i] *= 1.0009765f;
    }
    tercet_error error;
    CHECK_STATUS(find(bench, "F32", 0, false, false, &form, &error, &worst), TERCET_NOT_TERNARY);
}

/* Values one or two steps of the type apart: taken, but not called exact. */
static void test_rounded(struct bench *bench) {
    struct ternary_form form;
    double worst;
    fill_grid(bench, PER_TENSOR);
    float scale = scale_of(PER_TENSOR, 0, 0);
    float above = float_of(bits_of(scale) + 0x10000), below = float_of(bits_of(scale) - 0x10000);
    bench->values[5] = above;
    CHECK_STATUS(find(bench, "BF16", 0, false, false, &form, NULL, &worst), TERCET_OK);
    CHECK(form.method == TERNARY_ROUNDED && form.scale == SCALE_TENSOR &&
          form.tensor_scale == scale);
    CHECK_NEAR(worst, (double)above - (double)scale, 1e-12);
    bench->values[6] = -below;
    CHECK_STATUS(find(bench, "BF16", 0, false, false, &form, NULL, &worst), TERCET_OK);
    CHECK(form.method == TERNARY_ROUNDED && form.tensor_scale == scale);
    bench->values[6] = float_of(bits_of(scale) - 0x20000); /* three steps from `above` */
    tercet_error error;
    CHECK_STATUS(find(bench, "BF16", 0, false, false, &form, &error, &worst), TERCET_NOT_TERNARY);
    /* In f32 one step of bf16 is very many. */
    bench->values[6] = 0;
    CHECK_STATUS(find(bench, "F32", 0, false, false, &form, &error, &worst), TERCET_NOT_TERNARY);
}

static void test_not_ternary(struct bench *bench) {
    struct ternary_form form;
    tercet_error error;
    double worst;
    fill_grid(bench, PER_ROW);
    bench->values[17 * COLUMNS + 101] = 1.5f * scale_of(PER_ROW, 17, 101);
    CHECK_STATUS(find(bench, "F32", 0, false, false, &form, &error, &worst), TERCET_NOT_TERNARY);
    CHECK(strstr(error.detail, "w:") == error.detail);
    CHECK(strstr(error.detail, "row 17, column 101") != NULL);
    CHECK(strstr(error.detail, "0.4") !=
          NULL); /* 0.5 of the scale, which the odd one raised a little */
    CHECK_EQ(error.where, 17 * COLUMNS + 101);

    bench->values[17 * COLUMNS + 101] = NAN;
    CHECK_STATUS(find(bench, "F32", 0, false, false, &form, &error, &worst), TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, "row 17, column 101") != NULL);
    bench->values[17 * COLUMNS + 101] = -INFINITY;
    CHECK_STATUS(find(bench, "F32", 0, true, false, &form, &error, &worst), TERCET_BAD_SOURCE);
}

static void test_absmean(struct bench *bench) {
    struct ternary_form form;
    tercet_error error;
    double worst, sum = 0;
    uint32_t state = 11;
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        bench->values[i] = ((float)(next_random(&state) % 20001) - 10000.0f) / 3333.0f;
        sum += fabs((double)bench->values[i]);
    }
    double mean = sum / (ROWS * COLUMNS);
    CHECK_STATUS(find(bench, "F32", 0, false, false, &form, &error, &worst), TERCET_NOT_TERNARY);
    CHECK_STATUS(find(bench, "F32", 0, true, false, &form, NULL, &worst), TERCET_OK);
    CHECK(form.method == TERNARY_ABSMEAN && form.scale == SCALE_TENSOR);
    CHECK_NEAR(form.tensor_scale, mean, 1e-6);

    /* Half to even, and the clamp: with scale 1 the weights -2.5, -0.5, 0.5, 0.51, 1.5 give -1, 0, 0, 1, 1. */
    struct ternary_form unit = {TERNARY_ABSMEAN, SCALE_TENSOR, 1.0f, 1.0f, false};
    const float row[5] = {-2.5f, -0.5f, 0.5f, 0.51f, 1.5f};
    static const uint8_t want[5] = {0, 1, 1, 2, 2};
    uint8_t codes[5];
    float scale[1];
    ternarize_row(&unit, SOURCE_F32, row, 5, codes, scale);
    CHECK_MEM(codes, want, 5);
    CHECK(scale[0] == 1.0f);

    CHECK_STATUS(find(bench, "F32", 128, true, false, &form, NULL, &worst), TERCET_OK);
    CHECK(form.method == TERNARY_ABSMEAN && form.scale == SCALE_GROUP128);

    /* What is on the grid stays exact, unless the source's own rule is absmean. */
    fill_grid(bench, PER_TENSOR);
    CHECK_STATUS(find(bench, "F32", 0, true, false, &form, NULL, &worst), TERCET_OK);
    CHECK(form.method == TERNARY_EXACT && worst == 0);
    CHECK_STATUS(find(bench, "F32", 0, true, true, &form, NULL, &worst), TERCET_OK);
    CHECK(form.method == TERNARY_ABSMEAN && form.tensor_scale < 0.9f * scale_of(PER_TENSOR, 0, 0));
    CHECK_STATUS(find(bench, "F32", 0, false, true, &form, &error, &worst), TERCET_NOT_TERNARY);
    CHECK(strstr(error.detail, "master weights") != NULL);

    memset(bench->values, 0, sizeof bench->values); /* the floor of the scale, as in torch */
    CHECK_STATUS(find(bench, "F32", 0, true, true, &form, NULL, &worst), TERCET_OK);
    CHECK_NEAR(form.tensor_scale, 1e-5, 1e-11);
    CHECK(worst == 0);
}

int main(void) {
    struct bench *bench = malloc(sizeof *bench);
    REQUIRE(bench != NULL);
    test_exact(bench);
    test_special_grids(bench);
    test_rounded(bench);
    test_not_ternary(bench);
    test_absmean(bench);
    free(bench);
    return check_done();
}
