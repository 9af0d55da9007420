/*
 * attention.c: see attention.h. Parallel steps split tokens, or queries of a few tokens and heads; no sum is ever split.
 */
#include "attention.h"
#include "../base/math.h"

#include <string.h>

/* At most 512 tokens x 1024 heads: the count fits. */
static void take_codes(struct activations *rows, uint32_t columns, uint32_t count,
                       struct arena *arena) {
    uint32_t stride = activation_stride(columns);
    rows->count = count;
    rows->columns = columns;
    rows->stride = stride;
    rows->codes = arena_take(arena, count, stride);
    rows->step = arena_take(arena, count, sizeof(float));
    rows->group_sums = arena_take(arena, (uint64_t)count * (stride / 64), sizeof(int32_t));
}

/* Rows [first, first + count) of `rows` from consecutive heads of one token. */
static void quantise_heads(const struct attention *a, const struct activations *rows,
                           uint32_t first, uint32_t count, const float *heads) {
    struct activations some = *rows;
    some.codes += (size_t)first * rows->stride;
    some.step += first;
    some.group_sums += (size_t)first * (rows->stride / 64);
    some.count = count;
    a->kernels->quantise(heads, rows->columns, &some);
}

void attention_layout(struct attention *a, const struct tercet_model *model, uint32_t kv,
                      uint32_t context, uint32_t slice, struct arena *arena) {
    const struct model_config *c = &model->config;
    uint32_t threads = thread_pool_threads(model->engine->pool);
    a->model = model;
    a->kernels = &model->engine->kernels;
    a->pool = model->engine->pool;
    a->query_stride = tile_pad(c->query_width);
    a->kv_stride = tile_pad(c->kv_width);
    kv_cache_layout(&a->cache, c, kv, context, arena);
    a->q = arena_take(arena, (uint64_t)slice * a->query_stride, sizeof(float));
    a->k = arena_take(arena, (uint64_t)slice * a->kv_stride, sizeof(float));
    a->v = arena_take(arena, (uint64_t)slice * a->kv_stride, sizeof(float));
    a->output = arena_take(arena, (uint64_t)slice * a->query_stride, sizeof(float));
    a->cos_sin = arena_take(arena, (uint64_t)slice * c->head_dim, sizeof(float));
    a->scratch_stride = tile_pad(context);
    if (kv_cache_quantised(kv)) {
        take_codes(&a->query_codes, c->head_dim, slice * c->heads, arena);
        take_codes(&a->key_codes, c->head_dim, slice * c->kv_heads, arena);
        take_codes(&a->value_codes, c->head_dim, slice * c->kv_heads, arena);
        a->scratch_stride = attend_scratch(context, c->head_dim) + kv_cache_scratch(&a->cache);
    }
    a->scratch = arena_take(arena, (uint64_t)threads * a->scratch_stride, sizeof(float));
}

void attention_place(struct attention *a, uint32_t count, uint32_t position) {
    const struct container *container = &a->model->file.container;
    for (uint32_t t = 0; t < count; t++) {
        float *row = a->cos_sin + (size_t)t * a->model->config.head_dim;
        for (uint32_t p = 0; p < container->rope_count; p++) {
            double frequency, sine, cosine;
            memcpy(&frequency, container->rope_frequencies + (size_t)p * sizeof frequency,
                   sizeof frequency);
            math_sincos((double)(position + t) * frequency, &sine, &cosine);
            row[2 * p] = (float)(cosine * container->rope_scale);
            row[2 * p + 1] = (float)(sine * container->rope_scale);
        }
    }
}

/* Norm and rotation of the heads of one token, each where the model has it. */
static void turn_heads(const struct attention *a, float *heads, uint32_t count, const float *norm,
                       const float *cos_sin) {
    const struct model_config *c = &a->model->config;
    for (uint32_t h = 0; h < count; h++) {
        float *head = heads + (size_t)h * c->head_dim;
        if (norm != NULL)
            a->kernels->rms_norm(head, norm, c->head_dim, c->norm_epsilon, head);
        if (!c->learned_positions)
            a->kernels->rope(head, cos_sin, c->head_dim / 2, c->rope_interleaved);
    }
}

static void store(const struct attention *a, uint32_t t, const float *k, const float *v) {
    const struct model_config *c = &a->model->config;
    uint32_t row = t * c->kv_heads;
    if (kv_cache_quantised(a->cache.form)) {
        quantise_heads(a, &a->key_codes, row, c->kv_heads, k);
        quantise_heads(a, &a->value_codes, row, c->kv_heads, v);
    }
    for (uint32_t h = 0; h < c->kv_heads; h++) {
        size_t column = (size_t)h * c->head_dim;
        if (kv_cache_quantised(a->cache.form))
            kv_cache_store_codes(&a->cache, a->layer, h, a->position + t, &a->key_codes,
                                 &a->value_codes, row + h);
        else
            kv_cache_store_floats(&a->cache, a->layer, h, a->position + t, k + column, v + column);
    }
}

static void rotate_and_store(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    (void)thread;
    const struct attention *a = context;
    const struct model_config *c = &a->model->config;
    for (uint32_t t = begin; t < end; t++) {
        const float *cos_sin = a->cos_sin + (size_t)t * c->head_dim;
        float *q = a->q + t * a->query_stride;
        float *k = a->k + t * a->kv_stride;
        float *v = a->v + t * a->kv_stride;
        if (c->qkv_biases) {
            a->kernels->add(q, a->biases[0], c->query_width);
            a->kernels->add(k, a->biases[1], c->kv_width);
            a->kernels->add(v, a->biases[2], c->kv_width);
        }
        turn_heads(a, q, c->heads, a->norms[0], cos_sin);
        turn_heads(a, k, c->kv_heads, a->norms[1], cos_sin);
        if (kv_cache_quantised(a->cache.form))
            quantise_heads(a, &a->query_codes, t * c->heads, c->heads, q);
        store(a, t, k, v);
    }
}

/* f32 and f16: items are (head, token) pairs, so that the heads of a thread share what it has just read. */
static void attend_floats(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    const struct attention *a = context;
    const struct model_config *c = &a->model->config;
    float *scores = a->scratch + thread * a->scratch_stride;
    for (uint32_t item = begin; item < end; item++) {
        uint32_t h = item / a->count, t = item % a->count;
        struct kv_floats kv = kv_cache_floats(&a->cache, a->layer, h / (c->heads / c->kv_heads));
        size_t column = t * a->query_stride + (size_t)h * c->head_dim;
        a->kernels->attend(a->q + column, kv.keys, kv.values, kv.half, c->head_dim,
                           a->position + t + 1, c->head_dim, c->attention_scale, scores,
                           a->output + column);
    }
}

/* int8, int4: an item is a few tokens and heads that read one head of the cache: all items of it follow each other, and what
 * is unpacked serves those of one call. */
static void attend_int8(void *context, uint32_t first_share, uint32_t end_share, uint32_t thread) {
    const struct attention *a = context;
    uint32_t begin = (uint32_t)((uint64_t)first_share * a->items / a->shares);
    uint32_t end = (uint32_t)((uint64_t)end_share * a->items / a->shares);
    const struct model_config *c = &a->model->config;
    float *unpacked = a->scratch + thread * a->scratch_stride;
    float *scratch = unpacked + kv_cache_scratch(&a->cache);
    struct kv_int8 kv = {0};
    uint32_t parts = c->heads / c->kv_heads / a->heads_together;
    uint32_t blocks = (a->count + a->tokens_together - 1) / a->tokens_together;
    for (uint32_t item = begin; item < end; item++) {
        uint32_t kv_head = item / (parts * blocks);
        if (item == begin || item % (parts * blocks) == 0)
            kv = kv_cache_int8(&a->cache, a->layer, kv_head, a->position + a->count, unpacked);
        uint32_t head = (item / blocks) * a->heads_together;
        uint32_t t = item % blocks * a->tokens_together;
        struct attend_queries queries = {
            .rows = &a->query_codes,
            .first = t * c->heads + head,
            .heads = c->heads,
            .tokens = a->count - t < a->tokens_together ? a->count - t : a->tokens_together,
            .group = a->heads_together,
            .positions = a->position + t + 1,
        };
        a->kernels->attend_int8(&kv, &queries, c->attention_scale, scratch,
                                a->output + t * a->query_stride + (size_t)head * c->head_dim,
                                a->query_stride);
    }
}

static uint32_t smallest_divisor(uint32_t n) {
    for (uint32_t d = 2; d * d <= n; d++)
        if (n % d == 0)
            return d;
    return n;
}

/* As many queries together as a call takes, since they share every row that is loaded: first the heads of a group, then
 * tokens. When that leaves too few items to keep all threads busy to the end, a group is taken apart. The pool gives out ranges of
 * four, of which few items make unequal shares: ten become 4, 4, 2. So each thread then gets one share. */
static void share_out(struct attention *a, uint32_t count) {
    const struct model_config *c = &a->model->config;
    uint32_t threads = thread_pool_threads(a->pool);
    uint32_t heads = c->heads / c->kv_heads;
    while (heads > ATTEND_QUERIES)
        heads /= smallest_divisor(heads);
    for (;;) {
        uint32_t tokens = ATTEND_QUERIES / heads;
        uint32_t blocks = (count + tokens - 1) / tokens;
        uint32_t items = c->heads / heads * blocks;
        a->heads_together = heads;
        a->tokens_together = tokens;
        if (heads == 1 || items >= 4 * threads || items % threads == 0) {
            a->items = items;
            a->shares = items % threads == 0 && items < 16 * threads ? threads : items;
            return;
        }
        heads /= smallest_divisor(heads);
    }
}

static void widen_vectors(struct attention *a) {
    const struct layer_weights *w = &a->model->weights.layers[a->layer];
    const struct vector *const vectors[ATTENTION_VECTORS] = {&w->q_bias, &w->k_bias, &w->v_bias,
                                                             &w->q_norm, &w->k_norm};
    for (uint32_t i = 0; i < ATTENTION_VECTORS; i++) {
        const float *floats =
            vector_floats(vectors[i], a->kernels, a->widened + i * a->widened_stride);
        if (i < 3)
            a->biases[i] = floats;
        else
            a->norms[i - 3] = floats;
    }
}

void attention_run(struct attention *a, uint32_t layer, uint32_t count, uint32_t position) {
    a->layer = layer;
    a->position = position;
    a->count = count;
    widen_vectors(a);
    thread_pool_run(a->pool, rotate_and_store, a, count);
    if (kv_cache_quantised(a->cache.form)) {
        share_out(a, count);
        thread_pool_run(a->pool, attend_int8, a, a->shares);
    } else {
        thread_pool_run(a->pool, attend_floats, a, count * a->model->config.heads);
    }
}
