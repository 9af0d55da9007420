/*
 * known_answers.c: the check that a kernel set must pass on this machine before it is used. It
 * exists because an instruction can be there and wrong: Node 20's relaxed dot product is, on
 * machines with AVX-VNNI. Sizes are small but reach every instruction: four strips and one, eight tokens
 * and fewer, whole blocks of 128 columns and tails. Sums that are split only in rows beyond 16,384 columns are left to
 * check_kernels. Must never allocate, and never fail for lack of time.
 */
#include "known_answers.h"
#include "../base/math.h"

enum {
    ROWS = 80,      /* five strips: four at once, and one */
    COLUMNS = 295,  /* two blocks of 128, two whole tiles, a tile of 7 */
    STRIDE = 320,   /* activation_stride(COLUMNS) */
    TILES = 19,     /* tile_pad(COLUMNS) / 16 */
    GROUPS = 5,     /* of 64 columns */
    TOKENS = 15,    /* eight at once, four, two and one */
    INT8_ROWS = 32, /* two strips */
    FLOAT_ROWS = 7, /* four at once, and three */
    POSITIONS = 21, /* of keys: two vectors of 8 and a tail */
    HEAD_DIM = 40,  /* two groups of 16 lanes and a half */
    ROWS_KEPT = 90, /* of an int8 cache: a block of 64 and a part of one */
    QUERIES = 7,    /* four at once, two and one */
    VALUES = 67     /* of element-wise slots */
};

struct bench {
    _Alignas(64) uint8_t ternary[ROWS / 16 * TILES * TILE_BYTES];
    _Alignas(64) int8_t int8[INT8_ROWS * TILES * 16];
    _Alignas(64) float row_scales[ROWS];
    _Alignas(64) uint16_t group_scales[ROWS / 16 * GROUPS * 16];
    _Alignas(64) float weights[FLOAT_ROWS * COLUMNS];
    _Alignas(64) uint16_t halves[FLOAT_ROWS * COLUMNS];
    _Alignas(64) float x[TOKENS * COLUMNS];
    _Alignas(64) int8_t codes[2][TOKENS * STRIDE];
    float step[2][TOKENS];
    int32_t sums[2][TOKENS * GROUPS];
    _Alignas(64) float y[2][TOKENS * ROWS];
    float scores[2][POSITIONS];
    float key_steps[2 * KV_BLOCK], value_steps[2 * KV_BLOCK];
    _Alignas(64) float scratch[ATTEND_QUERIES * (2 * KV_BLOCK + 48)];
    uint32_t random;
};

static uint32_t next_random(struct bench *b) { /* Numerical Recipes' LCG; the upper bits are good */
    b->random = b->random * 1664525u + 1013904223u;
    return b->random >> 8;
}

/* In [-8, 8) in steps of 2^-13, with exact zeros now and then. */
static float next_float(struct bench *b) {
    uint32_t r = next_random(b);
    return r % 17 == 0 ? 0.0f : (float)((int32_t)(r & 0x1FFFFu) - 0x10000) * 0x1p-13f;
}

static void fill_inputs(struct bench *b) {
    b->random = 1;
    for (size_t i = 0; i < sizeof b->ternary; i++) {
        uint32_t r = next_random(b);
        uint32_t byte = 0;
        for (uint32_t f = 0; f < 4; f++) {
            byte |= (r >> 4 * f) % 3u << 2 * f;
        }
        b->ternary[i] = (uint8_t)byte;
    }
    for (size_t i = 0; i < sizeof b->int8; i++) {
        b->int8[i] = (int8_t)((int32_t)(next_random(b) & 255u) - 128);
    }
    for (size_t i = 0; i < ROWS; i++) {
        b->row_scales[i] = next_float(b);
    }
    for (size_t i = 0; i < sizeof b->group_scales / sizeof b->group_scales[0]; i++) {
        b->group_scales[i] = math_float_to_half(next_float(b));
    }
    for (size_t i = 0; i < FLOAT_ROWS * COLUMNS; i++) {
        b->weights[i] = next_float(b);
        b->halves[i] = math_float_to_half(next_float(b) * 0x1p-14f); /* some subnormal */
    }
    for (size_t i = 0; i < TOKENS * COLUMNS; i++) {
        b->x[i] = next_float(b);
    }
}

static bool same(const float *a, const float *b, size_t n) {
    return memcmp(a, b, n * sizeof *a) == 0;
}

static struct activations activations_of(struct bench *b, uint32_t side, uint32_t count) {
    return (struct activations){.codes = b->codes[side],
                                .step = b->step[side],
                                .group_sums = b->sums[side],
                                .count = count,
                                .columns = COLUMNS,
                                .stride = STRIDE};
}

static bool quantise_agrees(const struct tercet_kernels *set, struct bench *b) {
    struct activations want = activations_of(b, 0, TOKENS), got = activations_of(b, 1, TOKENS);
    want.added = got.added = 0.25f; /* as large as to show */
    kernels_portable.quantise(b->x, COLUMNS, &want);
    set->quantise(b->x, COLUMNS, &got);
    return memcmp(b->codes[0], b->codes[1], sizeof b->codes[0]) == 0 &&
           memcmp(b->sums[0], b->sums[1], sizeof b->sums[0]) == 0 &&
           same(b->step[0], b->step[1], TOKENS);
}

/* One scale kind, with one token and with all, whole and from the second strip on. */
static bool ternary_kind_agrees(const struct tercet_kernels *set, struct bench *b,
                                enum kernel_scale kind) {
    bool groups = kind == KERNEL_SCALE_GROUP64 || kind == KERNEL_SCALE_GROUP128;
    struct ternary_matrix w = {.codes = b->ternary,
                               .scales = groups ? (const void *)b->group_scales : b->row_scales,
                               .scale = kind,
                               .rows = ROWS,
                               .columns = COLUMNS};
    for (uint32_t count = 1; count <= TOKENS; count += TOKENS - 1) {
        struct activations x = activations_of(b, 0, count);
        uint32_t first_strip = count == 1 ? 0 : 1;
        memset(b->y, 0, sizeof b->y);
        kernels_portable.ternary_matmul(&w, &x, first_strip, ROWS / 16, b->y[0], ROWS);
        set->ternary_matmul(&w, &x, first_strip, ROWS / 16, b->y[1], ROWS);
        if (!same(b->y[0], b->y[1], TOKENS * ROWS)) {
            return false;
        }
    }
    return true;
}

static bool ternary_agrees(const struct tercet_kernels *set, struct bench *b) {
    return ternary_kind_agrees(set, b, KERNEL_SCALE_TENSOR) &&
           ternary_kind_agrees(set, b, KERNEL_SCALE_ROW) &&
           ternary_kind_agrees(set, b, KERNEL_SCALE_GROUP64) &&
           ternary_kind_agrees(set, b, KERNEL_SCALE_GROUP128);
}

static bool int8_agrees(const struct tercet_kernels *set, struct bench *b) {
    struct int8_matrix w = {
        .codes = b->int8, .scales = b->row_scales, .rows = INT8_ROWS, .columns = COLUMNS};
    for (uint32_t count = 1; count <= TOKENS; count += TOKENS - 1) {
        struct activations x = activations_of(b, 0, count);
        memset(b->y, 0, sizeof b->y);
        kernels_portable.int8_matmul(&w, &x, 0, INT8_ROWS / 16, b->y[0], ROWS);
        set->int8_matmul(&w, &x, 0, INT8_ROWS / 16, b->y[1], ROWS);
        if (!same(b->y[0], b->y[1], TOKENS * ROWS)) {
            return false;
        }
    }
    return true;
}

/* Subnormals and infinities too, which some sets take another way. */
static bool widen_agrees(const struct tercet_kernels *set, struct bench *b) {
    uint16_t halves[VALUES];
    memcpy(halves, b->halves, sizeof halves);
    for (uint32_t infinite = 0; infinite < 2; infinite++) {
        halves[20] = infinite != 0 ? 0xFC00u : halves[20];
        kernels_portable.widen(halves, VALUES, b->y[0]);
        set->widen(halves, VALUES, b->y[1]);
        if (!same(b->y[0], b->y[1], VALUES)) {
            return false;
        }
    }
    return true;
}

/* The largest sums there are: every code 2 (or every weight -128), every activation +-127. */
static bool extremes_agree(const struct tercet_kernels *set, struct bench *b,
                           bool (*agrees)(const struct tercet_kernels *, struct bench *)) {
    for (int32_t sign = -1; sign <= 1; sign += 2) {
        memset(b->ternary, 0xAA, sizeof b->ternary);
        memset(b->int8, -128, sizeof b->int8);
        for (uint32_t t = 0; t < TOKENS; t++) {
            for (uint32_t i = 0; i < STRIDE; i++) {
                b->codes[0][t * STRIDE + i] = (int8_t)(i < COLUMNS ? 127 * sign : 0);
            }
            for (uint32_t g = 0; g < GROUPS; g++) {
                int32_t columns = g == GROUPS - 1 ? COLUMNS % 64 : 64;
                b->sums[0][t * GROUPS + g] = columns * 127 * sign;
            }
        }
        if (!agrees(set, b)) {
            return false;
        }
    }
    return true;
}

static bool float_agrees(const struct tercet_kernels *set, struct bench *b) {
    for (uint32_t half = 0; half < 2; half++) {
        struct float_matrix w = {.values = half ? (const void *)b->halves : b->weights,
                                 .half = half != 0,
                                 .rows = FLOAT_ROWS,
                                 .columns = COLUMNS};
        for (uint32_t count = 1; count <= TOKENS; count += TOKENS - 1) {
            memset(b->y, 0, sizeof b->y);
            kernels_portable.float_matmul(&w, b->x, COLUMNS, count, 0, FLOAT_ROWS, b->y[0], ROWS);
            set->float_matmul(&w, b->x, COLUMNS, count, 0, FLOAT_ROWS, b->y[1], ROWS);
            if (!same(b->y[0], b->y[1], TOKENS * ROWS)) {
                return false;
            }
        }
    }
    return true;
}

static bool rms_norm_agrees(const struct tercet_kernels *set, struct bench *b) {
    kernels_portable.rms_norm(b->x, b->weights, COLUMNS, 1e-5f, b->y[0]);
    set->rms_norm(b->x, b->weights, COLUMNS, 1e-5f, b->y[1]);
    return same(b->y[0], b->y[1], COLUMNS);
}

/* In place, as rms_norm is not: the differences from the mean are kept where the answer goes. */
static bool layer_norm_agrees(const struct tercet_kernels *set, struct bench *b) {
    const float *bias = b->weights + COLUMNS;
    memcpy(b->y[1], b->x, sizeof(float) * COLUMNS);
    kernels_portable.layer_norm(b->x, b->weights, bias, COLUMNS, 1e-5f, b->y[0]);
    set->layer_norm(b->y[1], b->weights, bias, COLUMNS, 1e-5f, b->y[1]);
    return same(b->y[0], b->y[1], COLUMNS);
}

static bool gelu_agrees(const struct tercet_kernels *set, struct bench *b) {
    memcpy(b->y[0], b->x, sizeof(float) * VALUES);
    memcpy(b->y[1], b->x, sizeof(float) * VALUES);
    kernels_portable.gelu(b->y[0], VALUES);
    set->gelu(b->y[1], VALUES);
    return same(b->y[0], b->y[1], VALUES);
}

static bool rope_agrees(const struct tercet_kernels *set, struct bench *b) {
    for (uint32_t interleaved = 0; interleaved < 2; interleaved++) {
        memcpy(b->y[0], b->x, sizeof(float) * COLUMNS);
        memcpy(b->y[1], b->x, sizeof(float) * COLUMNS);
        kernels_portable.rope(b->y[0], b->weights, VALUES, interleaved != 0);
        set->rope(b->y[1], b->weights, VALUES, interleaved != 0);
        if (!same(b->y[0], b->y[1], COLUMNS)) {
            return false;
        }
    }
    return true;
}

static bool attend_agrees(const struct tercet_kernels *set, struct bench *b) {
    const float *q = b->x, *k = b->weights, *v = b->weights + HEAD_DIM;
    const size_t stride = 2 * HEAD_DIM + 1; /* rows of keys and values need no alignment */
    kernels_portable.attend(q, k, v, false, stride, POSITIONS, HEAD_DIM, 0.125f, b->scores[0],
                            b->y[0]);
    set->attend(q, k, v, false, stride, POSITIONS, HEAD_DIM, 0.125f, b->scores[1], b->y[1]);
    if (!same(b->y[0], b->y[1], HEAD_DIM)) {
        return false;
    }
    const uint16_t *halves = b->halves;
    kernels_portable.attend(q, halves, halves + HEAD_DIM, true, stride, POSITIONS, HEAD_DIM, 0.125f,
                            b->scores[0], b->y[0]);
    set->attend(q, halves, halves + HEAD_DIM, true, stride, POSITIONS, HEAD_DIM, 0.125f,
                b->scores[1], b->y[1]);
    return same(b->y[0], b->y[1], HEAD_DIM);
}

/* The codes of int8 weights serve as a cache, where -128 becomes -127. */
static bool attend_int8_agrees(const struct tercet_kernels *set, struct bench *b) {
    for (size_t i = 0; i < sizeof b->int8; i++) {
        b->int8[i] = b->int8[i] == -128 ? -127 : b->int8[i];
    }
    for (uint32_t p = 0; p < 2 * KV_BLOCK; p++) {
        b->key_steps[p] = 0x1p-8f + (float)(p % 7) * 0x1p-11f;
        b->value_steps[p] = 0x1p-9f + (float)(p % 11) * 0x1p-10f;
    }
    struct kv_int8 kv = {.keys = b->int8,
                         .values = b->int8 + sizeof b->int8 - 2 * KV_BLOCK * 48, /* they overlap */
                         .key_steps = b->key_steps,
                         .value_steps = b->value_steps,
                         .head_dim = HEAD_DIM};
    struct activations rows = activations_of(b, 0, QUERIES);
    rows.columns = HEAD_DIM;
    for (uint32_t t = 0; t < QUERIES; t++) { /* a row is a query and zeros */
        memset(rows.codes + t * STRIDE + HEAD_DIM, 0, STRIDE - HEAD_DIM);
        for (uint32_t g = 0; g < GROUPS; g++) {
            rows.group_sums[t * GROUPS + g] = 0;
            for (uint32_t i = 0; i < 64; i++) {
                rows.group_sums[t * GROUPS + g] += rows.codes[t * STRIDE + g * 64 + i];
            }
        }
    }
    struct attend_queries queries = {&rows, 0, QUERIES, 1, QUERIES, ROWS_KEPT};
    kernels_portable.attend_int8(&kv, &queries, 0.125f, b->scratch, b->y[0], 0);
    set->attend_int8(&kv, &queries, 0.125f, b->scratch, b->y[1], 0);
    return same(b->y[0], b->y[1], QUERIES * HEAD_DIM);
}

static bool elementwise_agrees(struct bench *b, void (*want)(float *, const float *, size_t),
                               void (*got)(float *, const float *, size_t)) {
    memcpy(b->y[0], b->x, sizeof(float) * VALUES);
    memcpy(b->y[1], b->x, sizeof(float) * VALUES);
    want(b->y[0], b->weights, VALUES);
    got(b->y[1], b->weights, VALUES);
    return same(b->y[0], b->y[1], VALUES);
}

const char *known_answers_fault(const struct tercet_kernels *set) {
    struct bench b;
    memset(&b, 0, sizeof b);
    fill_inputs(&b);
    if (!quantise_agrees(set, &b)) {
        return "quantise";
    }
    if (!ternary_agrees(set, &b)) {
        return "ternary_matmul";
    }
    if (!int8_agrees(set, &b)) {
        return "int8_matmul";
    }
    if (!float_agrees(set, &b)) {
        return "float_matmul";
    }
    if (!rms_norm_agrees(set, &b)) {
        return "rms_norm";
    }
    if (!layer_norm_agrees(set, &b)) {
        return "layer_norm";
    }
    if (!rope_agrees(set, &b)) {
        return "rope";
    }
    if (!attend_agrees(set, &b)) {
        return "attend";
    }
    if (!elementwise_agrees(&b, kernels_portable.silu_mul, set->silu_mul)) {
        return "silu_mul";
    }
    if (!elementwise_agrees(&b, kernels_portable.relu2_mul, set->relu2_mul)) {
        return "relu2_mul";
    }
    if (!gelu_agrees(set, &b)) {
        return "gelu";
    }
    if (!elementwise_agrees(&b, kernels_portable.add, set->add)) {
        return "add";
    }
    if (!widen_agrees(set, &b)) {
        return "widen";
    }
    if (!extremes_agree(set, &b, ternary_agrees)) {
        return "ternary_matmul";
    }
    if (!extremes_agree(set, &b, int8_agrees)) {
        return "int8_matmul";
    }
    if (!attend_int8_agrees(set, &b) || !extremes_agree(set, &b, attend_int8_agrees)) {
        return "attend_int8";
    }
    return NULL;
}

bool kernels_check(const struct tercet_kernels *set) {
    return known_answers_fault(set) == NULL;
}
