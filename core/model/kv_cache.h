/*
 * kv_cache.h: keys and values of all earlier tokens, a run of positions per layer and kv head. f32 and f16 are rows;
 * int8 is laid out in tiles (kernels.h), so that attention multiplies it like a matrix.
 * The size of every form is kv_cache_layout's, and nobody else's.
 */
#ifndef TERCET_MODEL_KV_CACHE_H
#define TERCET_MODEL_KV_CACHE_H

#include "../base/arena.h"
#include "../kernels/kernels.h"
#include "model_config.h"

struct kv_cache {
    uint32_t form; /* TERCET_KV_*, never the default */
    uint32_t kv_heads, context, head_dim;
    uint32_t positions; /* context, padded to whole blocks for int8 */
    uint32_t padded;    /* columns of a row, padded to tiles for int8 */
    uint8_t *keys, *values;
    float *key_steps, *value_steps; /* int8: [layer][kv_head][positions] */
};

/* form: TERCET_KV_F32, F16 or INT8. */
void kv_cache_layout(struct kv_cache *cache, const struct model_config *config, uint32_t form,
                     uint32_t context, struct arena *arena);

/* One token's key and value of one head, f32 [head_dim], as f32 or f16. */
void kv_cache_store_floats(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head,
                           uint32_t position, const float *key, const float *value);
/* The same for int8: row `row` of each, quantised. */
void kv_cache_store_int8(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head,
                         uint32_t position, const struct activations *key,
                         const struct activations *value, uint32_t row);

/* What attend takes: the first key and value of a head; rows are head_dim elements apart. */
struct kv_floats {
    const void *keys, *values;
    bool half;
};
struct kv_floats kv_cache_floats(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head);
struct kv_int8 kv_cache_int8(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head);

#endif
