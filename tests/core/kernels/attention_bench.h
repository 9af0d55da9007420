/*
 * attention_bench.h: `check_kernels --bench attention`: what attention over the cache of one layer after the other takes, f32 and
 * int8 in turn, with as many heads as make the cache larger than any last cache. Processor time of one thread.
 */
#ifndef TERCET_TESTS_ATTENTION_BENCH_H
#define TERCET_TESTS_ATTENTION_BENCH_H

#include "kernel_bench.h"

struct attention_shape {
    const char *name;
    uint32_t context, head_dim, kv_heads, group;
};

struct attention_bench {
    const struct tercet_kernels *set;
    struct kv_int8 kv; /* of head 0 */
    struct activations *codes;
    const float *keys, *values, *q;
    float *scratch, *out;
    uint32_t heads, positions, tokens, group;
    uint32_t turn; /* heads so far */
};

/* The next head: all queries of a group and slice. */
static inline void attend_head_floats(struct attention_bench *b) {
    uint32_t dim = b->kv.head_dim;
    size_t at = (size_t)(b->turn++ % b->heads) * b->positions * dim;
    for (uint32_t j = 0; j < b->tokens * b->group; j++) {
        b->set->attend(b->q, b->keys + at, b->values + at, false, dim, b->positions - b->tokens + 1,
                       dim, 0.1f, b->scratch, b->out);
    }
}

static inline void attend_head_int8(struct attention_bench *b) {
    uint32_t dim = b->kv.head_dim;
    size_t at = (size_t)(b->turn++ % b->heads) * b->positions * dim;
    struct kv_int8 kv = b->kv;
    kv.keys += at;
    kv.values += at;
    for (uint32_t t = 0; t < b->tokens;) {
        uint32_t together = ATTEND_QUERIES / b->group;
        together = together < b->tokens - t ? together : b->tokens - t;
        struct attend_queries queries = {.rows = b->codes,
                                         .first = t * b->group,
                                         .heads = b->group,
                                         .tokens = together,
                                         .group = b->group,
                                         .positions = b->positions - b->tokens + t + 1};
        b->set->attend_int8(&kv, &queries, 0.1f, b->scratch, b->out, b->group * dim);
        t += together;
    }
}

/* One pass over every head of the cache, `turn` after `turn`: microseconds for the heads of a layer and one token. */
static inline void bench_attention(const struct tercet_kernels *set,
                                   const struct attention_shape *shape, uint32_t positions,
                                   uint32_t tokens) {
    const uint32_t dim = shape->head_dim, group = shape->group;
    const size_t row = (size_t)positions * dim;
    /* 128 MB in f32 of either, 32 MB in int8: from memory. */
    uint32_t heads = (uint32_t)((32u << 20) / row) + 1, count = tokens * group;
    float *k = bench_memory(heads * row * sizeof *k, 0x3C);
    float *v = bench_memory(heads * row * sizeof *v, 0x3C);
    int8_t *keys = bench_memory(heads * row, 3), *values = bench_memory(heads * row, 5);
    float *steps = bench_memory(positions * sizeof *steps, 0x3C);
    float *scratch = bench_memory(attend_scratch(positions, dim) * sizeof *scratch, 0);
    float *q = bench_memory(dim * sizeof *q, 0x3C);
    float *out = bench_memory((size_t)count * dim * sizeof *out, 0);
    struct activations codes = bench_activations(count, dim);
    struct attention_bench bench = {
        .set = set,
        .kv = {keys, values, steps, steps, dim},
        .codes = &codes,
        .keys = k,
        .values = v,
        .q = q,
        .scratch = scratch,
        .out = out,
        .heads = heads,
        .positions = positions,
        .tokens = tokens,
        .group = group,
    };
    double floats, int8;
    BENCH_RATE(floats, attend_head_floats(&bench));
    BENCH_RATE(int8, attend_head_int8(&bench));
    double layer_floats = shape->kv_heads / floats / tokens;
    double layer_int8 = shape->kv_heads / int8 / tokens;
    printf("%-15s %-10s %5u positions, %2u tokens: f32 %8.1f us a layer and token, int8 %7.1f us "
           "(%5.1f GB/s, %6.1f G multiply-adds/s), %.2f x\n",
           set->name, shape->name, positions, tokens, 1e6 * layer_floats, 1e6 * layer_int8,
           2e-9 * (double)row * int8, 2e-9 * (double)row * count * int8, layer_floats / layer_int8);
    free(k);
    free(v);
    free(keys);
    free(values);
    free(steps);
    free(scratch);
    free(q);
    free(out);
    bench_drop(&codes);
}

static inline void bench_attentions(const struct tercet_kernels *set) {
    static const uint32_t contexts[] = {128, 1024, 4096};
    static const struct attention_shape shapes[] = {{"bitnet-2b", 4096, 128, 5, 4},
                                                    {"llama-729m", 4096, 96, 16, 1},
                                                    {"gpt2-xl", 1024, 64, 25, 1}};
    if (set->attend_int8 == kernels_portable.attend_int8)
        return; /* minutes, and nobody's figure */
    for (uint32_t s = 0; s < 3; s++) {
        for (uint32_t c = 0; c < 3 && contexts[c] <= shapes[s].context; c++) {
            uint32_t positions = contexts[c];
            bench_attention(set, &shapes[s], positions, 1);
            bench_attention(set, &shapes[s], positions, 32);
        }
    }
}

#endif
