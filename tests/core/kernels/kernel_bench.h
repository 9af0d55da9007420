/*
 * kernel_bench.h: `check_kernels --bench`: what one thread of each set does, on synthetic weights of
 * real shapes. G weights/s for one token (in cache and from memory), G multiply-adds/s for many.
 * Figures of a shared machine: compare within one run only.
 */
#ifndef TERCET_TESTS_KERNEL_BENCH_H
#define TERCET_TESTS_KERNEL_BENCH_H

#include "check.h"
#include "kernels/kernels.h"
#include <stdlib.h>
#include <time.h>
#ifdef __EMSCRIPTEN__
#include <emscripten.h>
#endif

/* Processor time, so that other programs disturb less. Emscripten's clock() is the wall's; Node
 * knows better, a page does not. */
#ifdef __EMSCRIPTEN__
EM_JS(double, bench_seconds, (void),
      { return globalThis.process ? process.cpuUsage().user * 1e-6 : performance.now() * 1e-3; })
#else
static inline double bench_seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}
#endif

/* The best of five, each of repeated calls for 60 ms or more, in calls a second. */
#define BENCH_RATE(rate, call)                                                                     \
    do {                                                                                           \
        (rate) = 0;                                                                                \
        for (int bench_round = 0; bench_round < 5; bench_round++) {                                \
            double bench_start = bench_seconds(), bench_elapsed = 0;                               \
            int bench_calls = 0;                                                                   \
            while (bench_elapsed < 0.06) {                                                         \
                call;                                                                              \
                bench_calls++;                                                                     \
                bench_elapsed = bench_seconds() - bench_start;                                     \
            }                                                                                      \
            double bench_rate = bench_calls / bench_elapsed;                                       \
            (rate) = bench_rate > (rate) ? bench_rate : (rate);                                    \
        }                                                                                          \
    } while (0)

static inline void *bench_memory(size_t bytes, unsigned char fill) {
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    REQUIRE(memory != NULL);
    return memset(memory, fill, bytes);
}

static inline struct activations bench_activations(uint32_t count, uint32_t columns) {
    struct activations x = {
        .count = count, .columns = columns, .stride = activation_stride(columns)};
    x.codes = bench_memory((size_t)count * x.stride, 3);
    x.step = bench_memory(count * sizeof *x.step, 0);
    x.group_sums = bench_memory((size_t)count * (x.stride / 64) * sizeof *x.group_sums, 0);
    return x;
}

static inline void bench_drop(struct activations *x) {
    free(x->codes);
    free(x->step);
    free(x->group_sums);
}

static inline void bench_ternary(const struct tercet_kernels *set, uint32_t rows, uint32_t columns,
                                 enum kernel_scale scale, uint32_t tokens) {
    static const char *const scales[] = {"", "tensor", "row", "group64", "group128"};
    size_t bytes = (size_t)rows * columns / 4;
    struct ternary_matrix w = {.codes = bench_memory(bytes, 0x64),
                               .scales = bench_memory((size_t)rows * columns / 32 + 4096, 0),
                               .scale = scale,
                               .rows = rows,
                               .columns = columns};
    struct activations x = bench_activations(tokens, columns);
    float *y = bench_memory((size_t)rows * tokens * sizeof *y, 0);
    double rate;
    BENCH_RATE(rate, set->ternary_matmul(&w, &x, 0, rows / 16, y, rows));
    printf("%-13s ternary %5ux%-5u %5.1f MB %-8s %2u tokens: %7.2f G/s\n", set->name, rows, columns,
           (double)bytes / 1e6, scales[scale], tokens, rate * rows * columns * tokens / 1e9);
    free((void *)w.codes);
    free((void *)w.scales);
    free(y);
    bench_drop(&x);
}

static inline void bench_int8(const struct tercet_kernels *set, uint32_t rows, uint32_t columns,
                              uint32_t tokens) {
    struct int8_matrix w = {.codes = bench_memory((size_t)rows * columns, 7),
                            .scales = bench_memory(rows * sizeof(float), 0),
                            .rows = rows,
                            .columns = columns};
    struct activations x = bench_activations(tokens, columns);
    float *y = bench_memory((size_t)rows * tokens * sizeof *y, 0);
    double rate;
    BENCH_RATE(rate, set->int8_matmul(&w, &x, 0, rows / 16, y, rows));
    printf("%-13s int8    %5ux%-5u %5.1f MB          %2u tokens: %7.2f G/s\n", set->name, rows,
           columns, (double)rows * columns / 1e6, tokens, rate * rows * columns * tokens / 1e9);
    free((void *)w.codes);
    free((void *)w.scales);
    free(y);
    bench_drop(&x);
}

static inline void bench_float(const struct tercet_kernels *set, bool half, uint32_t rows,
                               uint32_t columns, uint32_t tokens) {
    size_t bytes = (size_t)rows * columns * (half ? 2 : 4);
    struct float_matrix w = {
        .values = bench_memory(bytes, 0x30), .half = half, .rows = rows, .columns = columns};
    float *x = bench_memory((size_t)columns * tokens * sizeof *x, 0x3C);
    float *y = bench_memory((size_t)rows * tokens * sizeof *y, 0);
    double rate;
    BENCH_RATE(rate, set->float_matmul(&w, x, columns, tokens, 0, rows, y, rows));
    printf("%-13s %s     %5ux%-5u %5.1f MB          %2u tokens: %7.2f G/s\n", set->name,
           half ? "f16" : "f32", rows, columns, (double)bytes / 1e6, tokens,
           rate * rows * columns * tokens / 1e9);
    free((void *)w.values);
    free(x);
    free(y);
}

static inline void bench_rest(const struct tercet_kernels *set) {
    enum { DIM = 128, POSITIONS = 512, N = 6912 };
    float *k = bench_memory(sizeof(float) * DIM * POSITIONS, 0x3C);
    float *a = bench_memory(sizeof(float) * N, 0x3C), *b = bench_memory(sizeof(float) * N, 0x3C);
    float *scores = bench_memory(sizeof(float) * POSITIONS, 0);
    struct activations x = bench_activations(1, N);
    double attend, silu, quantise, norm;
    BENCH_RATE(attend, set->attend(a, k, k, false, DIM, POSITIONS, DIM, 0.1f, scores, b));
    BENCH_RATE(silu, set->silu_mul(a, b, N));
    BENCH_RATE(quantise, set->quantise(a, N, &x));
    BENCH_RATE(norm, set->rms_norm(a, b, N, 1e-5f, a));
    printf("%-13s attend %d x %d: %.1f us; %d values: silu_mul %.2f us, quantise %.2f us, rms_norm "
           "%.2f us\n",
           set->name, POSITIONS, DIM, 1e6 / attend, N, 1e6 / silu, 1e6 / quantise, 1e6 / norm);
    free(k);
    free(a);
    free(b);
    free(scores);
    bench_drop(&x);
}

static inline void bench_set(const struct tercet_kernels *set) {
    bench_ternary(set, 768, 768, KERNEL_SCALE_TENSOR, 1);
    bench_ternary(set, 2560, 2560, KERNEL_SCALE_TENSOR, 1);
    bench_ternary(set, 2560, 2560, KERNEL_SCALE_GROUP128, 1);
    bench_ternary(set, 2560, 2560, KERNEL_SCALE_GROUP64, 1);
    bench_ternary(set, 6912 * 8, 2560, KERNEL_SCALE_TENSOR, 1);
    for (uint32_t tokens = 1; tokens <= 4; tokens *= 2) { /* 177 MB: more than any last cache */
        bench_ternary(set, 6912 * 40, 2560, KERNEL_SCALE_TENSOR, tokens);
    }
    bench_ternary(set, 2560, 2560, KERNEL_SCALE_TENSOR, 8);
    bench_ternary(set, 2560, 2560, KERNEL_SCALE_TENSOR, 64);
    bench_ternary(set, 2560, 2560, KERNEL_SCALE_GROUP128, 64);
    bench_int8(set, 640, 2560, 1);
    bench_int8(set, 32000, 2560, 1);
    bench_int8(set, 640, 2560, 16);
    bench_float(set, false, 256, 2560, 1);
    bench_float(set, true, 256, 2560, 1);
    bench_float(set, false, 256, 2560, 16);
    bench_float(set, true, 256, 2560, 16);
    bench_rest(set);
}

#endif
