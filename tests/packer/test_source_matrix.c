/*
 * test_source_matrix.c: rows of every stored type, the four-rows-a-byte form with both directions of its scale, and the
 * faults that only the numbers show.
 */
#define _GNU_SOURCE 1
#include "base/arena.h"
#include "base/thread_pool.h"
#include "source_copy.h"
#include "source_matrix.h"

#include <math.h>

struct opened {
    struct source_copy copy;
    struct source_weights source;
    struct planned_tensor planned;
    struct source_matrix matrix;
};

/* The tensor "w" (and "w_scale" if there is one) of the copy, as a matrix. */
static tercet_status open_matrix(struct opened *opened, uint32_t rows, uint32_t columns,
                                 enum source_quantization quantization, tercet_error *error) {
    uint32_t index;
    copy_write_shard(&opened->copy, "model.safetensors", 0, opened->copy.tensor_count);
    REQUIRE(safetensors_open(opened->copy.folder, &opened->source, NULL) == TERCET_OK);
    memset(&opened->planned, 0, sizeof opened->planned);
    opened->planned.rows = rows;
    opened->planned.columns = columns;
    REQUIRE(source_weights_find(&opened->source, "w", &index));
    opened->planned.weight = opened->source.tensors[index];
    if (source_weights_find(&opened->source, "w_scale", &index)) {
        opened->planned.weight_scale = opened->source.tensors[index];
    }
    return source_matrix_open(&opened->source, quantization, &opened->planned, &opened->matrix,
                              error);
}

static void start(struct opened *opened) {
    memset(opened, 0, sizeof *opened);
    folder_make(opened->copy.folder);
}

static void finish(struct opened *opened) {
    source_matrix_close(&opened->matrix);
    source_weights_close(&opened->source);
    source_copy_close(&opened->copy);
}

static void test_floats(void) {
    static const struct {
        const char *dtype;
        uint8_t bytes[12]; /* 1.0, -2.5, smallest number above zero */
        size_t size;
        float smallest;
    } cases[] = {
        {"F32", {0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC0, 1, 0, 0, 0}, 4, 0x1p-149f},
        {"BF16", {0x80, 0x3F, 0x20, 0xC0, 1, 0}, 2, 0x1p-133f},
        {"F16", {0x00, 0x3C, 0x00, 0xC1, 1, 0}, 2, 0x1p-24f},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct opened opened;
        const uint64_t shape[2] = {1, 3};
        float values[3];
        start(&opened);
        struct copy_tensor *tensor =
            copy_add(&opened.copy, "w", cases[i].dtype, 2, shape, cases[i].size * 3);
        memcpy(tensor->bytes, cases[i].bytes, cases[i].size * 3);
        REQUIRE(open_matrix(&opened, 1, 3, SOURCE_PLAIN, NULL) == TERCET_OK);
        CHECK(!opened.matrix.packed);
        CHECK_STATUS(source_matrix_read_values(&opened.matrix, 0, 1, values, NULL), TERCET_OK);
        CHECK(values[0] == 1.0f && values[1] == -2.5f && values[2] == cases[i].smallest);
        enum source_type dtype = opened.planned.weight->dtype;
        CHECK_EQ(source_ordinal(dtype, values[2]), 1);
        CHECK_EQ(source_ordinal(dtype, -values[2]), 1);
        CHECK_EQ(source_ordinal(dtype, 0.0f), 0);
        CHECK(source_ordinal_value(dtype, source_ordinal(dtype, 1.0f)) == 1.0f);
        CHECK(source_ordinal_value(dtype, source_ordinal(dtype, -2.5f) + 1) > 2.5f);
        finish(&opened);
    }
}

/* Rows 0..3 of one column are -1, 0, +1, +1: byte 0xA4. */
static void test_packed_bytes(void) {
    struct opened opened;
    const uint64_t shape[2] = {1, 1}, one = 1;
    static const uint8_t want[4] = {0, 1, 2, 2};
    uint8_t codes[4];
    float values[4], steps[4];
    bool coded = false;
    start(&opened);
    copy_add(&opened.copy, "w", "U8", 2, shape, 1)->bytes[0] = 0xA4;
    copy_set_f32(copy_add(&opened.copy, "w_scale", "F32", 1, &one, 4), 0, 4.0f);
    REQUIRE(open_matrix(&opened, 4, 1, SOURCE_DIVIDE, NULL) == TERCET_OK);
    CHECK(opened.matrix.packed && opened.matrix.scale == 0.25f);
    CHECK_STATUS(source_matrix_read_codes(&opened.matrix, 0, 4, codes, steps, &coded, NULL),
                 TERCET_OK);
    CHECK(coded && steps[0] == 0.25f && steps[3] == 0.25f);
    CHECK_MEM(codes, want, 4);
    CHECK_STATUS(source_matrix_read_values(&opened.matrix, 1, 3, values, NULL), TERCET_OK);
    CHECK(values[0] == 0.0f && values[1] == 0.25f && values[2] == 0.25f);
    source_matrix_close(&opened.matrix);
    REQUIRE(source_matrix_open(&opened.source, SOURCE_MULTIPLY, &opened.planned, &opened.matrix,
                               NULL) == TERCET_OK);
    CHECK(opened.matrix.scale == 4.0f);
    finish(&opened);
}

/* A number beside the matrix, by which all of it is multiplied. */
static void test_multiplier(void) {
    static const struct {
        float multiplier;
        const char *part;
    } cases[] = {{0.5f, NULL}, {INFINITY, "tensor w_factor is no finite number"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct opened opened;
        const uint64_t shape[2] = {1, 2}, one = 1;
        float values[2];
        tercet_error error = {TERCET_OK, 0, ""};
        uint32_t index;
        start(&opened);
        struct copy_tensor *tensor = copy_add(&opened.copy, "w", "F32", 2, shape, 8);
        copy_set_f32(tensor, 0, 3.0f);
        copy_set_f32(tensor, 1, -1.0f);
        copy_set_f32(copy_add(&opened.copy, "w_factor", "F32", 1, &one, 4), 0, cases[i].multiplier);
        REQUIRE(open_matrix(&opened, 1, 2, SOURCE_PLAIN, NULL) == TERCET_OK);
        source_matrix_close(&opened.matrix);
        REQUIRE(source_weights_find(&opened.source, "w_factor", &index));
        opened.planned.multiplier = opened.source.tensors[index];
        tercet_status status = source_matrix_open(&opened.source, SOURCE_PLAIN, &opened.planned,
                                                  &opened.matrix, &error);
        CHECK_STATUS(status, cases[i].part == NULL ? TERCET_OK : TERCET_BAD_SOURCE);
        if (cases[i].part != NULL) {
            CHECK_STR(error.detail, cases[i].part);
        } else if (CHECK_STATUS(source_matrix_read_values(&opened.matrix, 0, 1, values, NULL),
                                TERCET_OK)) {
            CHECK(values[0] == 1.5f && values[1] == -0.5f);
        }
        finish(&opened);
    }
}

/* I2_S has no rows of its own: shapes of which no row could be read alone are refused. */
static void test_i2s_shapes(void) {
    static const struct {
        enum i2s_layout layout;
        uint32_t rows, columns;
        const char *part;
    } cases[] = {
        {I2S_X86, 2, 100, "tensor w (I2_S) has 100 columns, which are no whole blocks"},
        {I2S_ROW4, 6, 128, "tensor w (I2_S) has 6 rows, which are no fours"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct source_weights source = {0};
        const struct source_tensor tensor = {.name = "w", .dtype = SOURCE_I2_S};
        const struct planned_tensor planned = {.weight = &tensor,
                                               .rows = cases[i].rows,
                                               .columns = cases[i].columns,
                                               .i2s_layout = cases[i].layout};
        struct source_matrix matrix;
        tercet_error error = {TERCET_OK, 0, ""};
        CHECK_STATUS(source_matrix_open(&source, SOURCE_PLAIN, &planned, &matrix, &error),
                     TERCET_UNSUPPORTED_SOURCE);
        if (!CHECK(strstr(error.detail, cases[i].part) != NULL)) {
            fprintf(stderr, "    got: %s\n", error.detail);
        }
        CHECK(matrix.bytes == NULL && matrix.codes == NULL);
    }
}

/* Six rows: quarters of two, the last one empty. */
static void test_packed_tail(void) {
    struct opened opened;
    const uint64_t shape[2] = {2, 3}, one = 1;
    uint8_t codes[18], want[18];
    float steps[6];
    bool coded;
    start(&opened);
    struct copy_tensor *tensor = copy_add(&opened.copy, "w", "U8", 2, shape, 6);
    for (uint32_t row = 0; row < 6; row++) {
        for (uint32_t c = 0; c < 3; c++) {
            want[row * 3 + c] = (uint8_t)((row * 7 + c * 2) % 3);
            tensor->bytes[row % 2 * 3 + c] |= (uint8_t)(want[row * 3 + c] << (2 * (row / 2)));
        }
    }
    for (int i = 0; i < 6; i++) {
        tensor->bytes[i] |= 0xC0; /* rubbish where there are no rows */
    }
    copy_set_f32(copy_add(&opened.copy, "w_scale", "F32", 1, &one, 4), 0, 1.0f);
    REQUIRE(open_matrix(&opened, 6, 3, SOURCE_DIVIDE, NULL) == TERCET_OK);
    CHECK_STATUS(source_matrix_read_codes(&opened.matrix, 0, 6, codes, steps, &coded, NULL),
                 TERCET_OK);
    CHECK_MEM(codes, want, 18);
    CHECK_STATUS(source_matrix_read_codes(&opened.matrix, 3, 2, codes, steps, &coded, NULL),
                 TERCET_OK);
    CHECK_MEM(codes, want + 9, 6);
    finish(&opened);
}

/* Two bits a code, groups of 4 columns: 0.5 x code - 0.5 in the first, 2 x code - 1 in the others. */
static void test_affine(void) {
    static const float want[8] = {-0.5f, 0.0f, 0.5f, 1.0f, -1.0f, 1.0f, 3.0f, 5.0f};
    const uint64_t codes_shape[2] = {1, 1}, groups[2] = {1, 4};
    struct opened opened;
    float values[16];
    tercet_error error;
    uint32_t index;
    start(&opened);
    memset(copy_add(&opened.copy, "w", "U32", 2, codes_shape, 4)->bytes, 0xE4, 4);
    struct copy_tensor *scales = copy_add(&opened.copy, "w.scales", "F32", 2, groups, 16);
    struct copy_tensor *biases = copy_add(&opened.copy, "w.biases", "F32", 2, groups, 16);
    for (size_t group = 0; group < 4; group++) {
        copy_set_f32(scales, group, group == 0 ? 0.5f : 2.0f);
        copy_set_f32(biases, group, group == 0 ? -0.5f : group == 3 ? INFINITY : -1.0f);
    }
    REQUIRE(open_matrix(&opened, 1, 16, SOURCE_PLAIN, NULL) == TERCET_OK);
    source_matrix_close(&opened.matrix);
    REQUIRE(source_weights_find(&opened.source, "w.scales", &index));
    opened.planned.affine_scales = opened.source.tensors[index];
    REQUIRE(source_weights_find(&opened.source, "w.biases", &index));
    opened.planned.affine_biases = opened.source.tensors[index];
    opened.planned.affine_bits = 2;
    REQUIRE(source_matrix_open(&opened.source, SOURCE_PLAIN, &opened.planned, &opened.matrix,
                               NULL) == TERCET_OK);
    CHECK(!opened.matrix.packed);
    CHECK_STATUS(source_matrix_read_values(&opened.matrix, 0, 1, values, &error),
                 TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, "row 0, column 12") != NULL);
    CHECK_MEM(values, want, sizeof want);
    finish(&opened);
}

static void test_faults(void) {
    static const float bad_scales[] = {0.0f, -1.0f, INFINITY, NAN, 0x1p-149f};
    const uint64_t shape[2] = {1, 2}, one = 1;
    struct opened opened;
    tercet_error error;
    float values[8], steps[4];
    uint8_t codes[8];
    bool coded;
    for (size_t i = 0; i < sizeof bad_scales / sizeof bad_scales[0]; i++) {
        start(&opened);
        (void)copy_add(&opened.copy, "w", "U8", 2, shape, 2);
        copy_set_f32(copy_add(&opened.copy, "w_scale", "F32", 1, &one, 4), 0, bad_scales[i]);
        CHECK_STATUS(open_matrix(&opened, 4, 2, SOURCE_DIVIDE, &error), TERCET_BAD_SOURCE);
        CHECK(strstr(error.detail, "w_scale") != NULL);
        finish(&opened);
    }
    start(&opened);
    copy_add(&opened.copy, "w", "U8", 2, shape, 2)->bytes[1] = 0x30; /* code 3 in row 2 */
    copy_set_f32(copy_add(&opened.copy, "w_scale", "F32", 1, &one, 4), 0, 1.0f);
    REQUIRE(open_matrix(&opened, 4, 2, SOURCE_MULTIPLY, NULL) == TERCET_OK);
    CHECK_STATUS(source_matrix_read_codes(&opened.matrix, 0, 4, codes, steps, &coded, &error),
                 TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, "tensor w") != NULL &&
          strstr(error.detail, "row 2, column 1") != NULL);
    CHECK_STATUS(source_matrix_read_values(&opened.matrix, 0, 4, values, &error),
                 TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, "row 2, column 1") != NULL);
    CHECK_STATUS(source_matrix_read_codes(&opened.matrix, 0, 2, codes, steps, &coded, NULL),
                 TERCET_OK);
    finish(&opened);

    start(&opened);
    struct copy_tensor *halves = copy_add(&opened.copy, "w", "F16", 2, shape, 4);
    halves->bytes[3] = 0x7E; /* a NaN */
    REQUIRE(open_matrix(&opened, 1, 2, SOURCE_PLAIN, NULL) == TERCET_OK);
    CHECK_STATUS(source_matrix_read_values(&opened.matrix, 0, 1, values, &error),
                 TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, "row 0, column 1") != NULL);
    finish(&opened);
}

/* [3 inputs, 700 outputs], of which 300 from number 350 on are ours: more than the packer reads at once. */
static void test_transposed(void) {
    enum { INPUTS = 3, OUTPUTS = 700, FIRST = 350, ROWS = 300 };
    const uint64_t shape[2] = {INPUTS, OUTPUTS};
    struct opened opened;
    float values[SOURCE_ROWS_MAX * INPUTS];
    start(&opened);
    struct copy_tensor *tensor =
        copy_add(&opened.copy, "w", "F32", 2, shape, sizeof(float) * INPUTS * OUTPUTS);
    for (uint32_t i = 0; i < INPUTS * OUTPUTS; i++) {
        float value = (float)i;
        memcpy(tensor->bytes + i * sizeof value, &value, sizeof value);
    }
    REQUIRE(open_matrix(&opened, ROWS, INPUTS, SOURCE_PLAIN, NULL) == TERCET_OK);
    source_matrix_close(&opened.matrix);
    opened.planned.transposed = true;
    opened.planned.source_outputs = OUTPUTS;
    opened.planned.source_first = FIRST;
    REQUIRE(source_matrix_open(&opened.source, SOURCE_PLAIN, &opened.planned, &opened.matrix,
                               NULL) == TERCET_OK);
    /* In order, and once more from the start. */
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t first = 0; first < ROWS; first += SOURCE_ROWS_MAX) {
            uint32_t count = ROWS - first < SOURCE_ROWS_MAX ? ROWS - first : SOURCE_ROWS_MAX;
            CHECK_STATUS(source_matrix_read_values(&opened.matrix, first, count, values, NULL),
                         TERCET_OK);
            for (uint32_t i = 0; i < count * INPUTS; i++) {
                uint32_t row = first + i / INPUTS, column = i % INPUTS;
                CHECK(values[i] == (float)(column * OUTPUTS + FIRST + row));
            }
        }
    }
    finish(&opened);
}

/* Halves, whose rows are put together by fours, with rows and columns left over. */
static void test_transposed_halves(void) {
    enum { INPUTS = 10, OUTPUTS = 70, FIRST = 5, ROWS = 55 };
    const uint64_t shape[2] = {INPUTS, OUTPUTS};
    struct opened opened;
    float values[SOURCE_ROWS_MAX * INPUTS];
    start(&opened);
    struct copy_tensor *tensor =
        copy_add(&opened.copy, "w", "BF16", 2, shape, sizeof(uint16_t) * INPUTS * OUTPUTS);
    for (uint32_t i = 0; i < INPUTS * OUTPUTS; i++) {
        uint16_t half = (uint16_t)(0x3F80 + i);
        memcpy(tensor->bytes + i * sizeof half, &half, sizeof half);
    }
    REQUIRE(open_matrix(&opened, ROWS, INPUTS, SOURCE_PLAIN, NULL) == TERCET_OK);
    source_matrix_close(&opened.matrix);
    opened.planned.transposed = true;
    opened.planned.source_outputs = OUTPUTS;
    opened.planned.source_first = FIRST;
    REQUIRE(source_matrix_open(&opened.source, SOURCE_PLAIN, &opened.planned, &opened.matrix,
                               NULL) == TERCET_OK);
    for (uint32_t first = 0; first < ROWS; first += SOURCE_ROWS_MAX) {
        uint32_t count = ROWS - first < SOURCE_ROWS_MAX ? ROWS - first : SOURCE_ROWS_MAX;
        CHECK_STATUS(source_matrix_read_values(&opened.matrix, first, count, values, NULL),
                     TERCET_OK);
        for (uint32_t i = 0; i < count * INPUTS; i++) {
            uint32_t row = first + i / INPUTS, column = i % INPUTS, bits;
            memcpy(&bits, &values[i], sizeof bits);
            CHECK_EQ(bits >> 16, 0x3F80 + column * OUTPUTS + FIRST + row);
        }
    }
    finish(&opened);
}

/* Numbers are turned one by one, so a tensor in blocks is refused before anything is loaded. */
static void test_transposed_blocks(void) {
    enum { INPUTS = 3, OUTPUTS = 64 };
    const uint64_t shape[2] = {INPUTS, OUTPUTS};
    struct opened opened;
    tercet_error error;
    start(&opened);
    copy_add(&opened.copy, "w", "F32", 2, shape, sizeof(float) * INPUTS * OUTPUTS);
    REQUIRE(open_matrix(&opened, OUTPUTS, INPUTS, SOURCE_PLAIN, NULL) == TERCET_OK);
    source_matrix_close(&opened.matrix);
    struct source_tensor blocks = *opened.planned.weight;
    blocks.dtype = SOURCE_Q8_0;
    opened.planned.weight = &blocks;
    opened.planned.transposed = true;
    opened.planned.source_outputs = OUTPUTS;
    CHECK_STATUS(
        source_matrix_open(&opened.source, SOURCE_PLAIN, &opened.planned, &opened.matrix, &error),
        TERCET_UNSUPPORTED_SOURCE);
    CHECK(strstr(error.detail, "lies transposed and is stored in blocks") != NULL);
    finish(&opened);
}

/* A file that was cut since it was opened: of all threads' failures the first column's is told, and nothing stays. */
static void test_transposed_cut(void) {
    enum { INPUTS = 200, OUTPUTS = 8, CUT_AT = 130 };
    const uint64_t shape[2] = {INPUTS, OUTPUTS};
    const tercet_allocator allocator = arena_default_allocator();
    struct opened opened;
    struct thread_pool *pool = NULL;
    char path[COPY_PATH_BYTES], want[128];
    start(&opened);
    copy_add(&opened.copy, "w", "F32", 2, shape, sizeof(float) * INPUTS * OUTPUTS);
    REQUIRE(open_matrix(&opened, OUTPUTS, INPUTS, SOURCE_PLAIN, NULL) == TERCET_OK);
    source_matrix_close(&opened.matrix);
    opened.planned.transposed = true;
    opened.planned.source_outputs = OUTPUTS;
    uint64_t left = opened.planned.weight->offset + CUT_AT * sizeof(float) * OUTPUTS;
    REQUIRE(truncate(folder_path(opened.copy.folder, "model.safetensors", path), (off_t)left) == 0);
    (void)snprintf(want, sizeof want,
                   "model.safetensors became shorter while it was packed: it ends before byte %llu",
                   (unsigned long long)left);
    for (uint32_t threads = 0; threads <= 3; threads += 3) {
        tercet_error error = {TERCET_OK, 0, ""};
        if (threads > 0) {
            REQUIRE(thread_pool_create(&allocator, threads, &pool) == TERCET_OK);
        }
        opened.source.pool = pool;
        CHECK_STATUS(source_matrix_open(&opened.source, SOURCE_PLAIN, &opened.planned,
                                        &opened.matrix, &error),
                     TERCET_BAD_SOURCE);
        CHECK_STR(error.detail, want);
        CHECK_EQ(error.where, left);
        CHECK(opened.matrix.whole == NULL && opened.matrix.bytes == NULL);
        CHECK_STATUS(
            source_matrix_open(&opened.source, SOURCE_PLAIN, &opened.planned, &opened.matrix, NULL),
            TERCET_BAD_SOURCE);
    }
    thread_pool_destroy(pool);
    opened.source.pool = NULL;
    finish(&opened);
}

int main(void) {
    test_multiplier();
    test_transposed_cut();
    test_transposed_blocks();
    test_i2s_shapes();
    test_floats();
    test_transposed();
    test_transposed_halves();
    test_packed_bytes();
    test_packed_tail();
    test_affine();
    test_faults();
    return check_done();
}
