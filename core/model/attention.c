/*
 * attention.c: see attention.h. Parallel steps split tokens or (token, head) pairs; no sum is ever split.
 */
#include "attention.h"
#include "../base/math.h"

#include <string.h>

void attention_layout(struct attention *a, const struct tercet_model *model, uint32_t context,
                      uint32_t slice, struct arena *arena) {
    const struct model_config *c = &model->config;
    uint32_t threads = thread_pool_threads(model->engine->pool);
    a->model = model;
    a->kernels = &model->engine->kernels;
    a->pool = model->engine->pool;
    a->query_stride = tile_pad(c->query_width);
    a->kv_stride = tile_pad(c->kv_width);
    a->score_stride = tile_pad(context);
    kv_cache_layout(&a->cache, c, context, arena);
    a->q = arena_take(arena, (uint64_t)slice * a->query_stride, sizeof(float));
    a->k = arena_take(arena, (uint64_t)slice * a->kv_stride, sizeof(float));
    a->v = arena_take(arena, (uint64_t)slice * a->kv_stride, sizeof(float));
    a->output = arena_take(arena, (uint64_t)slice * a->query_stride, sizeof(float));
    a->cos_sin = arena_take(arena, (uint64_t)slice * c->head_dim, sizeof(float));
    a->scores = arena_take(arena, (uint64_t)threads * a->score_stride, sizeof(float));
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

static void rotate_and_store(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    (void)thread;
    const struct attention *a = context;
    const struct model_config *c = &a->model->config;
    const struct layer_weights *w = &a->model->weights.layers[a->layer];
    for (uint32_t t = begin; t < end; t++) {
        const float *cos_sin = a->cos_sin + (size_t)t * c->head_dim;
        float *q = a->q + t * a->query_stride;
        float *k = a->k + t * a->kv_stride;
        float *v = a->v + t * a->kv_stride;
        if (c->qkv_biases) {
            a->kernels->add(q, w->q_bias, c->query_width);
            a->kernels->add(k, w->k_bias, c->kv_width);
            a->kernels->add(v, w->v_bias, c->kv_width);
        }
        turn_heads(a, q, c->heads, w->q_norm, cos_sin);
        turn_heads(a, k, c->kv_heads, w->k_norm, cos_sin);
        for (uint32_t h = 0; h < c->kv_heads; h++) {
            size_t column = (size_t)h * c->head_dim;
            size_t place = kv_cache_index(&a->cache, a->layer, h, a->position + t);
            memcpy(a->cache.keys + place, k + column, c->head_dim * sizeof(float));
            memcpy(a->cache.values + place, v + column, c->head_dim * sizeof(float));
        }
    }
}

/* Items are (token, head) pairs; token t sees positions 0 .. position + t. */
static void attend_heads(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    const struct attention *a = context;
    const struct model_config *c = &a->model->config;
    float *scores = a->scores + thread * a->score_stride;
    for (uint32_t item = begin; item < end; item++) {
        uint32_t t = item / c->heads, h = item % c->heads;
        size_t base = kv_cache_index(&a->cache, a->layer, h / (c->heads / c->kv_heads), 0);
        size_t column = t * a->query_stride + (size_t)h * c->head_dim;
        a->kernels->attend(a->q + column, a->cache.keys + base, a->cache.values + base, c->head_dim,
                           a->position + t + 1, c->head_dim, c->attention_scale, scores,
                           a->output + column);
    }
}

void attention_run(struct attention *a, uint32_t layer, uint32_t count, uint32_t position) {
    a->layer = layer;
    a->position = position;
    thread_pool_run(a->pool, rotate_and_store, a, count);
    thread_pool_run(a->pool, attend_heads, a, count * a->model->config.heads);
}
