/*
 * check_kernels.c: every slot of every kernel set but the matrices (check_matrices.c) against portable, bit by bit, and portable against
 * plain mathematics. Walks the list of compiled sets: a new set is tested without touching this
 * file. Sizes reach every tail, inputs every extreme, and buffers end where the next byte faults.
 * With `--bench` it prints the speed of each set instead; `--seed N` takes other inputs (scripts/torture-kernels.mjs). Also runs as WebAssembly under Node.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "attention_bench.h"
#include "kernel_cases.h"

/* ---- quantise ---------------------------------------------------------------------------- */

enum float_kind {
    FLOATS_RANDOM,
    FLOATS_ZERO,
    FLOATS_TIES,
    FLOATS_TINY,
    FLOATS_SPECIAL,
    FLOAT_KINDS
};

static void fill_kind(float *x, uint32_t n, enum float_kind kind) {
    static const float special[] = {HUGE_VALF, -HUGE_VALF, NAN,   -NAN,     3.4e38f,
                                    -3.4e38f,  0x1p-149f,  -0.0f, 0x1p127f, -1e-5f};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = random_u32();
        switch (kind) {
        case FLOATS_ZERO:
            x[i] = r & 1 ? 0.0f : -0.0f;
            break;
        case FLOATS_TIES: /* with 127 among them the scale is 1: halves are ties */
            x[i] = i == n / 2 ? 127.0f : (float)(int32_t)(r % 253) - 126.5f;
            break;
        case FLOATS_TINY:
            x[i] = random_float() * 0x1p-20f;
            break;
        case FLOATS_SPECIAL:
            x[i] = r % 3 == 0 ? special[r / 3 % 10] : random_float();
            break;
        default:
            x[i] = random_float();
        }
    }
}

static void check_quantise(const struct tercet_kernels *set) {
    for (uint32_t i = 0; i < SIZES; i++) {
        for (int kind = 0; kind < FLOAT_KINDS; kind++) {
            uint32_t columns = size_at(i), count = counts[(i + (uint32_t)kind) % COUNTS];
            struct activations want = random_activations(count, columns, X_RANDOM);
            want.added = (i + (uint32_t)kind) % 3 == 0 ? 1e-5f : 0.0f;
            struct activations got = want;
            size_t code_bytes = (size_t)count * want.stride;
            size_t sum_bytes = code_bytes / 64 * sizeof(int32_t);
            got.codes = guarded(SLOT_OTHER_CODES, code_bytes);
            got.step = guarded(SLOT_OTHER_STEP, count * sizeof(float));
            got.group_sums = guarded(SLOT_OTHER_SUMS, sum_bytes);
            size_t x_stride = columns + i % 5, n = x_stride * (count - 1) + columns;
            float *x = guarded(SLOT_X, n * sizeof *x);
            fill_kind(x, (uint32_t)n, (enum float_kind)kind);

            set->quantise(x, x_stride, &got);
            if (set->quantise == kernels_portable.quantise) {
                for (uint32_t t = 0; t < count; t++) {
                    check_quantised(x + t * x_stride, &got, t);
                }
                continue;
            }
            kernels_portable.quantise(x, x_stride, &want);
            CHECK_CASE(memcmp(want.codes, got.codes, code_bytes) == 0, "%s: kind %d, %u columns",
                       set->name, kind, columns);
            CHECK_MEM(want.group_sums, got.group_sums, sum_bytes);
            CHECK_MEM(want.step, got.step, count * sizeof(float));
        }
    }
}

/* ---- float slots ------------------------------------------------------------------------- */

static void check_rms_norm(const struct tercet_kernels *set) {
    for (uint32_t i = 0; i < SIZES; i++) {
        uint32_t n = size_at(i);
        float *x = guarded(SLOT_X, n * sizeof *x), *weight = guarded(SLOT_SCALES, n * sizeof *x);
        float *want = guarded(SLOT_WANT, n * sizeof *x), *got = guarded(SLOT_Y, n * sizeof *x);
        fill_floats(x, n);
        fill_floats(weight, n);
        set->rms_norm(x, weight, n, 1e-5f, got);
        if (set->rms_norm == kernels_portable.rms_norm) {
            check_normed(x, weight, n, 1e-5f, got);
        } else {
            kernels_portable.rms_norm(x, weight, n, 1e-5f, want);
            CHECK_CASE(same_floats(want, got, n), "%s: %u values", set->name, n);
        }
        set->rms_norm(x, weight, n, 1e-5f, x); /* in place */
        CHECK_CASE(same_floats(got, x, n), "%s: %u values in place", set->name, n);
    }
}

static void check_layer_norm(const struct tercet_kernels *set) {
    for (uint32_t i = 0; i < SIZES; i++) {
        uint32_t n = size_at(i);
        float *x = guarded(SLOT_X, n * sizeof *x), *weight = guarded(SLOT_SCALES, n * sizeof *x);
        float *bias = guarded(SLOT_VALUES, n * sizeof *x);
        float *want = guarded(SLOT_WANT, n * sizeof *x), *got = guarded(SLOT_Y, n * sizeof *x);
        fill_floats(x, n);
        fill_floats(weight, n);
        fill_floats(bias, n);
        set->layer_norm(x, weight, bias, n, 1e-5f, got);
        if (set->layer_norm == kernels_portable.layer_norm) {
            check_layer_normed(x, weight, bias, n, 1e-5f, got);
        } else {
            kernels_portable.layer_norm(x, weight, bias, n, 1e-5f, want);
            CHECK_CASE(same_floats(want, got, n), "%s: %u values", set->name, n);
        }
        set->layer_norm(x, weight, bias, n, 1e-5f, x); /* in place */
        CHECK_CASE(same_floats(got, x, n), "%s: %u values in place", set->name, n);
    }
}

static void check_rope(const struct tercet_kernels *set) {
    for (uint32_t pairs = 1; pairs <= 70; pairs++) {
        for (uint32_t interleaved = 0; interleaved < 2; interleaved++) {
            float *want = guarded(SLOT_WANT, 2 * pairs * sizeof *want);
            float *got = guarded(SLOT_Y, 2 * pairs * sizeof *got);
            float *turns = guarded(SLOT_X, 2 * pairs * sizeof *turns);
            fill_floats(want, 2 * pairs);
            memcpy(got, want, 2 * pairs * sizeof *got);
            for (uint32_t p = 0; p < pairs; p++) {
                double sine, cosine;
                math_sincos(random_float() * 1000.0, &sine, &cosine);
                turns[2 * p] = (float)cosine;
                turns[2 * p + 1] = (float)sine;
            }
            set->rope(got, turns, pairs, interleaved != 0);
            if (set->rope != kernels_portable.rope) {
                kernels_portable.rope(want, turns, pairs, interleaved != 0);
                CHECK_CASE(same_floats(want, got, 2 * pairs), "%s: %u pairs", set->name, pairs);
                continue;
            }
            for (uint32_t p = 0; p < pairs; p++) { /* turning back gives the vector again */
                uint32_t a = interleaved ? 2 * p : p, b = interleaved ? 2 * p + 1 : p + pairs;
                double c = (double)turns[2 * p], s = (double)turns[2 * p + 1];
                double size = hypot((double)want[a], (double)want[b]);
                CHECK_NEAR((double)got[a] * c + (double)got[b] * s, want[a], size * 1e-6);
                CHECK_NEAR((double)got[b] * c - (double)got[a] * s, want[b], size * 1e-6);
            }
        }
    }
}

/* Halves of the values, which become what the halves say. */
static const uint16_t *to_halves(int slot, float *values, size_t n) {
    uint16_t *halves = guarded(slot, n * sizeof *halves);
    for (size_t i = 0; i < n; i++) {
        halves[i] = math_float_to_half(values[i]);
        values[i] = math_half_to_float(halves[i]);
    }
    return halves;
}

static void check_attend(const struct tercet_kernels *set) {
    static const uint32_t dims[] = {1, 2, 7, 8, 15, 16, 17, 33, 48, 64, 80, 96, 100, 128, 256};
    for (uint32_t positions = 1; positions <= 100; positions += positions < 40 ? 1 : 19) {
        for (uint32_t d = 0; d < sizeof dims / sizeof dims[0]; d++) {
            uint32_t dim = dims[d];
            size_t stride = dim + positions % 3, n = stride * (positions - 1) + dim;
            float *q = guarded(SLOT_X, dim * sizeof *q);
            float *k = guarded(SLOT_KEYS, n * sizeof *k), *v = guarded(SLOT_VALUES, n * sizeof *v);
            bool half = (positions + d) % 4 == 0;
            float *scores = guarded(SLOT_SCORES, positions * sizeof *scores);
            float *want = guarded(SLOT_WANT, dim * sizeof *want);
            float *got = guarded(SLOT_Y, dim * sizeof *got);
            fill_floats(q, dim);
            fill_floats(k, n);
            fill_floats(v, n);
            /* Every other time far apart, so that most weights are exactly 0. */
            float scale = positions % 2 ? 0.125f : 10.0f;
            const void *keys = k, *values = v;
            if (half) {
                keys = to_halves(SLOT_CODES, k, n);
                values = to_halves(SLOT_OTHER_CODES, v, n);
            }
            set->attend(q, keys, values, half, stride, positions, dim, scale, scores, got);
            if (set->attend == kernels_portable.attend) {
                if (positions % 2) {
                    check_attended(q, k, v, stride, positions, dim, scale, NULL, got);
                }
                continue;
            }
            scores = guarded(SLOT_OTHER_SCORES, positions * sizeof *scores);
            kernels_portable.attend(q, keys, values, half, stride, positions, dim, scale, scores,
                                    want);
            CHECK_CASE(same_floats(want, got, dim), "%s: %u positions, %u wide", set->name,
                       positions, dim);
        }
    }
}

enum kv_kind { KV_RANDOM, KV_EXTREME, KV_SPECIAL, KV_FAR, KV_KINDS };

/* A cache of `positions` rows; what lies beyond the last one, to the end of its block, is rubbish. */
static struct kv_int8 random_kv(uint32_t positions, uint32_t dim, enum kv_kind kind) {
    uint32_t blocks = (positions + KV_BLOCK - 1) / KV_BLOCK * KV_BLOCK;
    size_t bytes = (size_t)blocks * tile_pad(dim);
    int8_t *keys = guarded(SLOT_KEYS, bytes), *values = guarded(SLOT_VALUES, bytes);
    float *key_steps = guarded(SLOT_SCALES, blocks * sizeof *key_steps);
    float *value_steps = guarded(SLOT_OTHER_STEP, blocks * sizeof *value_steps);
    for (uint32_t p = 0; p < positions; p++) {
        for (uint32_t i = 0; i < tile_pad(dim); i++) {
            int32_t key = (int32_t)(random_u32() % 255) - 127;
            int32_t value = (int32_t)(random_u32() % 255) - 127;
            if (kind == KV_EXTREME) {
                key = p % 3 == 0 ? -127 : 127;
                value = p / KV_BLOCK % 2 ? -127 : 127;
            }
            keys[int8_byte(p, i, dim)] = (int8_t)(i < dim ? key : 0);
            values[(size_t)(p / KV_BLOCK) * KV_BLOCK * tile_pad(dim) +
                   int8_byte(i, p % KV_BLOCK, KV_BLOCK)] = (int8_t)value;
        }
        float key_step = 0.002f + (float)(random_u32() & 1023) * 0x1p-16f;
        key_steps[p] = kind == KV_FAR ? key_step * 100.0f : key_step;
        value_steps[p] = 0.001f + (float)(random_u32() & 1023) * 0x1p-12f;
        if (kind == KV_SPECIAL && random_u32() % 16 == 0) {
            (random_u32() % 2 ? key_steps : value_steps)[p] =
                random_u32() % 2 ? HUGE_VALF : 0x1p-140f;
        }
    }
    return (struct kv_int8){keys, values, key_steps, value_steps, dim};
}

/* The mathematics of one query in double, on the values that the codes stand for. */
static void check_attended_int8(const struct kv_int8 *kv, const struct activations *rows,
                                uint32_t row, uint32_t n, float scale, const float *got) {
    uint32_t dim = kv->head_dim;
    float *q = calloc(dim, sizeof *q);
    float *k = calloc((size_t)n * dim, sizeof *k), *v = calloc((size_t)n * dim, sizeof *v);
    REQUIRE(q != NULL && k != NULL && v != NULL);
    for (uint32_t i = 0; i < dim; i++) {
        q[i] = (float)rows->codes[(size_t)row * rows->stride + i] * rows->step[row];
        for (uint32_t p = 0; p < n; p++) {
            size_t value = (size_t)(p / KV_BLOCK) * KV_BLOCK * tile_pad(dim) +
                           int8_byte(i, p % KV_BLOCK, KV_BLOCK);
            k[(size_t)p * dim + i] = (float)kv->keys[int8_byte(p, i, dim)] * kv->key_steps[p];
            v[(size_t)p * dim + i] = (float)kv->values[value] * kv->value_steps[p];
        }
    }
    check_attended(q, k, v, dim, n, dim, scale, kv->value_steps, got);
    free(q);
    free(k);
    free(v);
}

static void check_attend_int8_case(const struct tercet_kernels *set, uint32_t positions,
                                   uint32_t dim, uint32_t tokens, uint32_t group,
                                   enum kv_kind kind) {
    const float scale = 0.125f;
    uint32_t heads = group + positions % 3, first = positions % 3 ? 1 : 0;
    uint32_t count = first + (tokens - 1) * heads + group, last = positions + tokens - 1;
    struct kv_int8 kv = random_kv(last, dim, kind);
    struct activations rows =
        random_activations(count, dim, kind == KV_EXTREME ? X_MATCHING : X_RANDOM);
    size_t out_stride = (size_t)heads * dim;
    size_t out_count = (tokens - 1) * out_stride + (size_t)group * dim;
    float *want = guarded(SLOT_WANT, out_count * sizeof *want);
    float *got = guarded(SLOT_Y, out_count * sizeof *got);
    size_t scratch_bytes = attend_scratch(last, dim) * sizeof(float);
    struct attend_queries queries = {&rows, first, heads, tokens, group, positions};
    set->attend_int8(&kv, &queries, scale, guarded(SLOT_SCORES, scratch_bytes), got, out_stride);
    if (set->attend_int8 != kernels_portable.attend_int8) {
        kernels_portable.attend_int8(&kv, &queries, scale,
                                     guarded(SLOT_OTHER_SCORES, scratch_bytes), want, out_stride);
        CHECK_CASE(same_floats(want, got, out_count),
                   "%s: %u positions, %u wide, %u tokens, groups of %u, kind %d", set->name,
                   positions, dim, tokens, group, (int)kind);
        return;
    }
    for (uint32_t t = 0; t < tokens && (kind == KV_RANDOM || kind == KV_EXTREME); t++) {
        for (uint32_t g = 0; g < group; g++) {
            check_attended_int8(&kv, &rows, first + t * heads + g, positions + t, scale,
                                got + t * out_stride + (size_t)g * dim);
        }
    }
}

static void check_attend_int8(const struct tercet_kernels *set) {
    static const uint32_t dims[] = {1, 2, 7, 16, 17, 33, 48, 64, 80, 100, 128, 256};
    static const struct {
        uint32_t tokens, group;
    } shapes[] = {{1, 1}, {1, 2}, {1, 3}, {2, 2}, {1, 5}, {3, 2},
                  {1, 7}, {2, 4}, {8, 1}, {1, 6}, {1, 8}};
    uint32_t turn = 0;
    for (uint32_t positions = 1; positions <= 300; positions++) {
        /* Every width up to 70 positions and at the edges of blocks, else some of them in turn. */
        uint32_t step = positions <= 70 || (positions + 1) % KV_BLOCK <= 2 ? 1 : 5;
        for (uint32_t d = turn % step; d < sizeof dims / sizeof dims[0]; d += step, turn++) {
            uint32_t shape = turn % 11;
            check_attend_int8_case(set, positions, dims[d], shapes[shape].tokens,
                                   shapes[shape].group, (enum kv_kind)(turn / 11 % KV_KINDS));
        }
    }
    check_attend_int8_case(set, 1000, 1024, 2, 4, KV_EXTREME);
}

/* A query's result may not depend on the others of its call, nor on rows beyond its own. */
static void check_attend_int8_alone(const struct tercet_kernels *set) {
    enum { POSITIONS = 125, DIM = 48, TOKENS = 4, GROUP = 2 };
    struct kv_int8 kv = random_kv(POSITIONS + TOKENS - 1, DIM, KV_RANDOM);
    struct activations rows = random_activations(TOKENS * GROUP, DIM, X_RANDOM);
    float *scratch =
        guarded(SLOT_SCORES, attend_scratch(POSITIONS + TOKENS - 1, DIM) * sizeof *scratch);
    float together[TOKENS * GROUP * DIM], alone[DIM];
    struct attend_queries queries = {&rows, 0, GROUP, TOKENS, GROUP, POSITIONS};
    set->attend_int8(&kv, &queries, 0.1f, scratch, together, GROUP * DIM);
    for (uint32_t t = 0; t < TOKENS; t++) {
        for (uint32_t g = 0; g < GROUP; g++) {
            struct attend_queries one = {&rows, t * GROUP + g, GROUP, 1, 1, POSITIONS + t};
            set->attend_int8(&kv, &one, 0.1f, scratch, alone, DIM);
            CHECK_CASE(same_floats(together + (t * GROUP + g) * DIM, alone, DIM),
                       "%s: token %u, head %u", set->name, t, g);
        }
    }
}

typedef void (*elementwise)(float *, const float *, size_t);

static void check_elementwise(const struct tercet_kernels *set, elementwise slot,
                              elementwise portable, double (*meaning)(double, double)) {
    for (uint32_t i = 0; i < SIZES; i++) {
        for (int kind = FLOATS_RANDOM; kind < FLOAT_KINDS; kind++) {
            uint32_t n = size_at(i);
            float *x = guarded(SLOT_X, n * sizeof *x), *y = guarded(SLOT_VALUES, n * sizeof *y);
            float *want = guarded(SLOT_WANT, n * sizeof *x), *got = guarded(SLOT_Y, n * sizeof *x);
            fill_kind(x, n, (enum float_kind)kind);
            fill_kind(y, n, kind == FLOATS_SPECIAL && i % 2 ? FLOATS_SPECIAL : FLOATS_RANDOM);
            memcpy(want, x, n * sizeof *x);
            memcpy(got, x, n * sizeof *x);
            slot(got, y, n);
            portable(want, y, n);
            CHECK_CASE(same_floats(want, got, n), "%s: kind %d, %u values", set->name, kind, n);
            for (uint32_t j = 0; kind != FLOATS_SPECIAL && j < n; j++) {
                double right = meaning((double)x[j], (double)y[j]);
                CHECK_NEAR(got[j], right, fabs(right) * 1e-5 + 1e-35);
            }
        }
    }
}

static double silu_of(double g, double u) {
    return g / (1 + exp(-g)) * u;
}
static double relu2_of(double g, double u) {
    return g > 0 ? g * g * u : 0;
}
static double sum_of(double a, double b) {
    return (double)((float)a + (float)b);
}

/* Every half there is, and every length of a tail. */
static void check_widen(const struct tercet_kernels *set) {
    for (uint32_t begin = 0; begin < 65536u; begin += 4096) {
        uint16_t *halves = guarded(SLOT_X, 4096 * sizeof *halves);
        float *want = guarded(SLOT_WANT, 4096 * sizeof *want);
        float *got = guarded(SLOT_Y, 4096 * sizeof *got);
        for (uint32_t i = 0; i < 4096; i++)
            halves[i] = (uint16_t)(begin + i);
        kernels_portable.widen(halves, 4096, want);
        set->widen(halves, 4096, got);
        CHECK_CASE(same_floats(want, got, 4096), "%s: halves from %u on", set->name, begin);
        for (uint32_t i = 0; i < 4096; i++)
            CHECK(want[i] != want[i] || want[i] == math_half_to_float(halves[i]));
    }
    for (uint32_t i = 0; i < SIZES; i++) {
        uint32_t n = size_at(i);
        uint16_t *halves = guarded(SLOT_X, n * sizeof *halves);
        float *want = guarded(SLOT_WANT, n * sizeof *want), *got = guarded(SLOT_Y, n * sizeof *got);
        for (uint32_t j = 0; j < n; j++)
            halves[j] = (uint16_t)(j * 2654435761u >> 16);
        kernels_portable.widen(halves, n, want);
        set->widen(halves, n, got);
        CHECK_CASE(same_floats(want, got, n), "%s: %u halves", set->name, n);
    }
}

static void check_gelu(const struct tercet_kernels *set) {
    for (uint32_t i = 0; i < SIZES; i++) {
        for (int kind = FLOATS_RANDOM; kind < FLOAT_KINDS; kind++) {
            uint32_t n = size_at(i);
            float *x = guarded(SLOT_X, n * sizeof *x);
            float *want = guarded(SLOT_WANT, n * sizeof *x), *got = guarded(SLOT_Y, n * sizeof *x);
            fill_kind(x, n, (enum float_kind)kind);
            memcpy(want, x, n * sizeof *x);
            memcpy(got, x, n * sizeof *x);
            set->gelu(got, n);
            kernels_portable.gelu(want, n);
            CHECK_CASE(same_floats(want, got, n), "%s: kind %d, %u values", set->name, kind, n);
            for (uint32_t j = 0; kind != FLOATS_SPECIAL && j < n; j++) {
                double v = (double)x[j];
                double u = sqrt(2 / acos(-1)) * (v + 0.044715 * v * v * v);
                CHECK_NEAR(got[j], 0.5 * v * (1 + tanh(u)), fabs(v) * 1e-6);
            }
        }
    }
}

/* exp in every lane, by way of silu: a sweep over all float bit patterns, NaNs and infinities
 * included. */
static void check_exp_lanes(const struct tercet_kernels *set) {
    enum { BLOCK = 4096 };
    float x[BLOCK], got[BLOCK], ones[BLOCK];
    for (uint32_t i = 0; i < BLOCK; i++) {
        ones[i] = 1.0f;
    }
    bool equal = true;
    uint64_t bits = 0;
    while (bits < UINT32_MAX && equal) {
        for (uint32_t i = 0; i < BLOCK; i++, bits += 4099) {
            x[i] = math_float_from_bits((uint32_t)bits);
        }
        memcpy(got, x, sizeof got);
        set->silu_mul(got, ones, BLOCK);
        for (uint32_t i = 0; i < BLOCK; i++) {
            x[i] = (x[i] / (1.0f + math_exp(-x[i]))) * 1.0f;
        }
        equal = same_floats(x, got, BLOCK);
    }
    CHECK_CASE(equal, "%s", set->name);
}

/* exp at its lower end, where it becomes 0, which silu cannot show: one score is 0, the others lie
 * around the end, their weights are too small for the sum, and the values pick them one by one. */
static void check_exp_end(const struct tercet_kernels *set) {
    enum { N = 32 };
    float q[N] = {1.0f}, k[N * N] = {0}, v[N * N] = {0}, scores[N], want[N] = {1.0f}, got[N];
    v[0] = 1.0f;
    for (uint32_t p = 1; p < N; p++) {
        k[p * N] = math_float_from_bits(math_float_bits(MATH_EXP_LEAST) + p - N / 2);
        v[p * N + p] = 1.0f;
        want[p] = math_exp(k[p * N]);
    }
    CHECK(want[N / 2 - 1] > 0.0f && want[N / 2] > 0.0f && want[N / 2 + 1] == 0.0f);
    set->attend(q, k, v, false, N, N, N, 1.0f, scores, got);
    CHECK_CASE(same_floats(want, got, N), "%s", set->name);
}

/* ---- rows of embeddings ------------------------------------------------------------------ */

static void check_rows(void) {
    for (uint32_t columns = 1; columns <= 300; columns += 13) {
        float *got = guarded(SLOT_Y, columns * sizeof *got);
        for (int scale = KERNEL_SCALE_TENSOR; scale <= KERNEL_SCALE_GROUP128; scale++) {
            struct ternary_matrix w =
                random_ternary(37, columns, (enum kernel_scale)scale, CODES_RANDOM);
            ternary_row(&w, 35, got);
            for (uint32_t c = 0; c < columns; c++) { /* the column that a one-hot vector selects */
                struct activations x = random_activations(1, columns, X_RANDOM);
                memset(x.codes, 0, x.stride);
                memset(x.group_sums, 0, x.stride / 64 * sizeof *x.group_sums);
                x.codes[c] = 1;
                x.group_sums[c / 64] = 1;
                x.step[0] = 1.0f;
                CHECK(got[c] == reference_ternary(&w, &x, 0, 35));
            }
        }
        struct int8_matrix w = random_int8(37, columns, CODES_RANDOM);
        int8_row(&w, 18, got);
        for (uint32_t c = 0; c < columns; c++) {
            CHECK(got[c] == (float)w.codes[int8_byte(18, c, columns)] * w.scales[18]);
        }
        float *values = guarded(SLOT_VALUES, 3 * columns * sizeof *values);
        uint16_t *halves = guarded(SLOT_CODES, 3 * columns * sizeof *halves);
        fill_floats(values, 3 * columns);
        struct float_matrix f = {.values = values, .rows = 3, .columns = columns};
        float_row(&f, 2, got);
        CHECK_MEM(got, values + 2 * columns, columns * sizeof *got);
        for (uint32_t i = 0; i < 3 * columns; i++) {
            halves[i] = math_float_to_half(values[i]);
        }
        f = (struct float_matrix){.values = halves, .half = true, .rows = 3, .columns = columns};
        float_row(&f, 1, got);
        for (uint32_t c = 0; c < columns; c++) {
            CHECK(got[c] == math_half_to_float(halves[columns + c]));
        }
    }
}

static void check_set(const struct tercet_kernels *set) {
    CHECK(kernels_check(set));
    check_quantise(set);
    check_rms_norm(set);
    check_layer_norm(set);
    check_rope(set);
    check_attend(set);
    check_attend_int8(set);
    check_attend_int8_alone(set);
    check_elementwise(set, set->silu_mul, kernels_portable.silu_mul, silu_of);
    check_elementwise(set, set->relu2_mul, kernels_portable.relu2_mul, relu2_of);
    check_gelu(set);
    check_widen(set);
    check_elementwise(set, set->add, kernels_portable.add, sum_of);
    check_exp_lanes(set);
    check_exp_end(set);
}

static void bench(const struct tercet_kernels *set) {
    bench_set(set);
}

int main(int argc, char **argv) {
    take_seed(argc, argv);
    if (argc > 2 && strcmp(argv[1], "--bench") == 0 && strcmp(argv[2], "attention") == 0)
        return check_each_set(bench_attentions);
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return check_each_set(bench);
    check_rows();
    return check_each_set(check_set);
}
