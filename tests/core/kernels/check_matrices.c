/*
 * check_matrices.c: the matrix products of every kernel set against portable, bit by bit, and portable against plain
 * mathematics: ternary with every kind of scale, int8, f32 and f16. Rows and columns from 1 to 300, the shapes of real
 * models, every count of tokens that a block of some set ends at, all weights and activations at their extremes. Every
 * buffer ends where the next byte faults, or begins where the one before it does. Also runs as WebAssembly.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "kernel_cases.h"

/* ---- integer matrices -------------------------------------------------------------------- */

static void check_ternary_case(const struct tercet_kernels *set, const struct ternary_matrix *w,
                               const struct activations *x, uint32_t begin, uint32_t end) {
    size_t stride = tile_pad(w->rows), n = stride * x->count;
    float *want = guarded(SLOT_WANT, n * sizeof *want);
    float *got = guarded(SLOT_Y, n * sizeof *got);
    set->ternary_matmul(w, x, begin, end, got, stride);
    if (set->ternary_matmul != kernels_portable.ternary_matmul) {
        kernels_portable.ternary_matmul(w, x, begin, end, want, stride);
    } else {
        for (uint32_t t = 0; t < x->count; t++) {
            for (uint32_t row = begin * 16; row < end * 16; row++) {
                want[t * stride + row] = reference_ternary(w, x, t, row);
            }
        }
    }
    CHECK_CASE(same_floats(want, got, n), "%s: scale %d, %u rows, %u columns, %u tokens, %u to %u",
               set->name, (int)w->scale, w->rows, w->columns, x->count, begin, end);
}

static void check_ternary(const struct tercet_kernels *set) {
    for (uint32_t i = 0; i < SIZES; i++) {
        for (int scale = KERNEL_SCALE_TENSOR; scale <= KERNEL_SCALE_GROUP128; scale++) {
            uint32_t strips = 1 + (i + (uint32_t)scale) % 9;
            if (size_at(i) > 1600) {
                strips = 5;
            }
            struct ternary_matrix w = random_ternary(strips * 16 - i % 16, size_at(i),
                                                     (enum kernel_scale)scale, CODES_RANDOM);
            for (uint32_t c = 0; c < COUNTS; c++) {
                if (size_at(i) > 1600 && counts[c] > 9 && (c + i + (uint32_t)scale) % 4 != 0) {
                    continue; /* the same code as for less of them: a sample will do */
                }
                struct activations x = random_activations(counts[c], size_at(i), X_RANDOM);
                uint32_t begin = c % 3 == 1 ? strips / 2 : 0;
                uint32_t end = c % 3 == 2 ? strips - strips / 3 : strips;
                check_ternary_case(set, &w, &x, begin, end);
            }
        }
    }
}

static void check_ternary_extremes(const struct tercet_kernels *set) {
    /* The last is wider than what any set sums up without a break. */
    static const uint32_t columns[] = {64, 128, 1040, 6912, 33040};
    for (uint32_t i = 0; i < 5; i++) {
        for (int codes = CODES_ALL_0; codes < CODE_KINDS; codes++) {
            for (int kind = X_ALL_127; kind < ACTIVATION_KINDS; kind++) {
                for (uint32_t count = 1; count <= 8; count += count < 4 ? 3 : 4) {
                    for (int scale = KERNEL_SCALE_TENSOR; scale <= KERNEL_SCALE_GROUP128; scale++) {
                        uint32_t strips = columns[i] > 6912 ? 5 : 1;
                        struct ternary_matrix w =
                            random_ternary(strips * 16, columns[i], (enum kernel_scale)scale,
                                           (enum code_kind)codes);
                        struct activations x =
                            random_activations(count, columns[i], (enum activation_kind)kind);
                        check_ternary_case(set, &w, &x, 0, strips);
                    }
                }
            }
        }
    }
}

static void check_int8_case(const struct tercet_kernels *set, const struct int8_matrix *w,
                            const struct activations *x, uint32_t begin, uint32_t end) {
    size_t stride = tile_pad(w->rows), n = stride * x->count;
    float *want = guarded(SLOT_WANT, n * sizeof *want);
    float *got = guarded(SLOT_Y, n * sizeof *got);
    set->int8_matmul(w, x, begin, end, got, stride);
    if (set->int8_matmul != kernels_portable.int8_matmul) {
        kernels_portable.int8_matmul(w, x, begin, end, want, stride);
    } else {
        for (uint32_t t = 0; t < x->count; t++) {
            for (uint32_t row = begin * 16; row < end * 16; row++) {
                want[t * stride + row] = reference_int8(w, x, t, row);
            }
        }
    }
    CHECK_CASE(same_floats(want, got, n), "%s: %u rows, %u columns, %u tokens, %u to %u", set->name,
               w->rows, w->columns, x->count, begin, end);
}

static void check_int8(const struct tercet_kernels *set) {
    for (uint32_t i = 0; i < SIZES; i++) {
        uint32_t strips = size_at(i) > 1600 ? 5 : 1 + i % 9;
        struct int8_matrix w = random_int8(strips * 16 - i % 16, size_at(i), CODES_RANDOM);
        for (uint32_t c = 0; c < COUNTS; c++) {
            struct activations x = random_activations(counts[c], size_at(i), X_RANDOM);
            check_int8_case(set, &w, &x, c % 3 == 1 ? strips / 2 : 0,
                            c % 3 == 2 ? strips - strips / 3 : strips);
        }
    }
    for (int codes = CODES_ALL_0; codes < CODE_KINDS; codes++) {
        for (int kind = X_ALL_127; kind < ACTIVATION_KINDS; kind++) {
            for (uint32_t count = 1; count <= 4; count += 3) {
                struct int8_matrix w = random_int8(16, 6912, (enum code_kind)codes);
                struct activations x = random_activations(count, 6912, (enum activation_kind)kind);
                check_int8_case(set, &w, &x, 0, 1);
            }
        }
    }
}

/* ---- float matrices ---------------------------------------------------------------------- */

static void check_float_matmul(const struct tercet_kernels *set) {
    for (uint32_t i = 0; i < SIZES; i++) {
        for (uint32_t half = 0; half < 2; half++) {
            uint32_t rows = 1 + i % 11, columns = size_at(i), count = counts[(i + half) % COUNTS];
            size_t n = (size_t)rows * columns, x_stride = columns + i % 3;
            size_t x_count = x_stride * (count - 1) + columns;
            float *values = guarded(SLOT_VALUES, n * sizeof *values);
            uint16_t *halves = guarded(SLOT_CODES, n * sizeof *halves);
            float *x = guarded(SLOT_X, x_count * sizeof *x);
            fill_floats(values, n);
            fill_floats(x, x_count);
            for (size_t j = 0; half && j < n;
                 j++) { /* some subnormal; as floats for the reference */
                halves[j] = math_float_to_half(values[j] * 0x1p-8f);
                values[j] = math_half_to_float(halves[j]);
            }
            struct float_matrix w = {.values = half ? (const void *)halves : values,
                                     .half = half != 0,
                                     .rows = rows,
                                     .columns = columns};
            float *want = guarded(SLOT_WANT, count * rows * sizeof *want);
            float *got = guarded(SLOT_Y, count * rows * sizeof *got);
            uint32_t begin = i % 4 == 3 ? rows / 2 : 0, end = i % 4 == 2 ? rows - rows / 3 : rows;
            set->float_matmul(&w, x, x_stride, count, begin, end, got, rows);
            if (set->float_matmul == kernels_portable.float_matmul) {
                for (uint32_t t = 0; t < count; t++) {
                    for (uint32_t row = begin; row < end; row++) {
                        check_dot(got[t * rows + row], x + t * x_stride,
                                  values + (size_t)row * columns, columns);
                    }
                }
                continue;
            }
            kernels_portable.float_matmul(&w, x, x_stride, count, begin, end, want, rows);
            CHECK_CASE(same_floats(want, got, count * rows), "%s: half %u, %ux%u, %u tokens",
                       set->name, half, rows, columns, count);
        }
    }
}

/* All 65536 halves as the first of 16 weights, which one-hot activations bring out. */
static void check_all_halves(const struct tercet_kernels *set) {
    const uint32_t rows = 65536, columns = 16;
    uint16_t *halves = guarded(SLOT_CODES, (size_t)rows * columns * sizeof *halves);
    float *got = guarded(SLOT_Y, rows * sizeof *got);
    const float x[16] = {1.0f};
    memset(halves, 0, (size_t)rows * columns * sizeof *halves);
    for (uint32_t row = 0; row < rows; row++) {
        halves[(size_t)row * columns] = (uint16_t)row;
    }
    struct float_matrix w = {.values = halves, .half = true, .rows = rows, .columns = columns};
    set->float_matmul(&w, x, columns, 1, 0, rows, got, rows);
    bool equal = true;
    for (uint32_t row = 0; row < rows && equal; row++) {
        float want = 0.0f + math_half_to_float((uint16_t)row); /* a lane starts from +0 */
        equal = same_floats(&want, &got[row], 1);
    }
    CHECK_CASE(equal, "%s", set->name);
}

/* ---- shapes ------------------------------------------------------------------------------ */

/* Rows [begin, end) in strips of `rows` x `columns`, of which memory holds the first `held` rows only: a kernel that reads
 * beyond the strips that it was given ends the test. */
struct shape {
    uint32_t rows, columns, held, begin, end;
};

static void check_ternary_shape(const struct tercet_kernels *set, const struct shape *shape,
                                enum kernel_scale scale, uint32_t count) {
    struct ternary_matrix w = random_ternary(shape->held, shape->columns, scale, CODES_RANDOM);
    struct activations x = random_activations(count, shape->columns, X_RANDOM);
    w.rows = shape->rows;
    check_ternary_case(set, &w, &x, shape->begin, shape->end);
}

static void check_int8_shape(const struct tercet_kernels *set, const struct shape *shape,
                             uint32_t count) {
    struct int8_matrix w = random_int8(shape->held, shape->columns, CODES_RANDOM);
    struct activations x = random_activations(count, shape->columns, X_RANDOM);
    w.rows = shape->rows;
    check_int8_case(set, &w, &x, shape->begin, shape->end);
}

static void check_float_shape(const struct tercet_kernels *set, const struct shape *shape,
                              bool half, uint32_t count) {
    uint32_t begin = shape->begin * 16, end = shape->end * 16;
    end = end < shape->held ? end : shape->held;
    size_t n = (size_t)shape->held * shape->columns, x_count = (size_t)count * shape->columns;
    size_t y_count = (size_t)count * shape->rows;
    float *values = guarded(SLOT_VALUES, n * sizeof *values);
    float *x = guarded(SLOT_X, x_count * sizeof *x);
    fill_floats(values, n);
    fill_floats(x, x_count);
    uint16_t *halves = guarded(SLOT_CODES, n * sizeof *halves);
    for (size_t i = 0; half && i < n; i++) {
        halves[i] = math_float_to_half(values[i]);
    }
    struct float_matrix w = {.values = half ? (const void *)halves : values,
                             .half = half,
                             .rows = shape->rows,
                             .columns = shape->columns};
    float *want = guarded(SLOT_WANT, y_count * sizeof *want);
    float *got = guarded(SLOT_Y, y_count * sizeof *got);
    kernels_portable.float_matmul(&w, x, shape->columns, count, begin, end, want, shape->rows);
    set->float_matmul(&w, x, shape->columns, count, begin, end, got, shape->rows);
    CHECK_CASE(same_floats(want, got, y_count), "%s: half %d, %u rows, %u columns, %u tokens",
               set->name, half, shape->rows, shape->columns, count);
}

/* Each number of rows and each number of columns from 1 to 300 once for each type, paired as a permutation does, with any
 * range of strips and any count of tokens. */
static void check_random_shapes(const struct tercet_kernels *set) {
    enum { MOST = 300 };
    for (uint32_t i = 0; i < MOST; i++) {
        uint32_t rows = i * 7 % MOST + 1, strips = tile_pad(rows) / 16;
        uint32_t begin = random_u32() % strips, end = begin + 1 + random_u32() % (strips - begin);
        struct shape shape = {rows, i + 1, rows, begin, end};
        guarded_from_start = i % 2 != 0;
        for (int scale = KERNEL_SCALE_TENSOR; scale <= KERNEL_SCALE_GROUP128; scale++) {
            check_ternary_shape(set, &shape, (enum kernel_scale)scale,
                                counts[random_u32() % COUNTS]);
        }
        check_int8_shape(set, &shape, counts[random_u32() % COUNTS]);
        check_float_shape(set, &shape, false, counts[random_u32() % COUNTS]);
        check_float_shape(set, &shape, true, counts[random_u32() % COUNTS]);
    }
    guarded_from_start = false;
}

/* GPT-2 XL, TernaryLM, BitNet 2B with its head, and a head of 50257 rows: some strips of each, at the beginning. */
static void check_real_shapes(const struct tercet_kernels *set) {
    static const uint32_t shapes[][2] = {{1600, 1600}, {6400, 1600}, {1600, 6400},  {2050, 2050},
                                         {2560, 6912}, {6912, 2560}, {50257, 1600}, {128256, 2560}};
    static const uint32_t tokens[] = {1, 3, 4, 8};
    for (uint32_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        guarded_from_start = i % 2 != 0;
        for (uint32_t t = 0; t < 4; t++) {
            uint32_t strips = t % 2 == 0 ? 9 : 5;
            struct shape shape = {shapes[i][0], shapes[i][1], strips * 16, t / 2, strips};
            for (int scale = KERNEL_SCALE_TENSOR; scale <= KERNEL_SCALE_GROUP128; scale++) {
                check_ternary_shape(set, &shape, (enum kernel_scale)scale, tokens[t]);
            }
            check_int8_shape(set, &shape, tokens[t]);
            check_float_shape(set, &shape, t % 2 != 0, tokens[t]);
        }
    }
    guarded_from_start = false;
}

static void check_set(const struct tercet_kernels *set) {
    check_ternary(set);
    check_ternary_extremes(set);
    check_int8(set);
    check_float_matmul(set);
    check_all_halves(set);
    check_random_shapes(set);
    check_real_shapes(set);
}

int main(int argc, char **argv) {
    take_seed(argc, argv);
    return check_each_set(check_set);
}
