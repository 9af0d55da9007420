/*
 * kv_cache.h: keys and values of all earlier tokens, a run of positions per layer and kv head. f32 and f16 are rows;
 * int8 is laid out in tiles (kernels.h), so that attention multiplies it like a matrix; int4 (kv_int4.h) is unpacked to the same.
 * The size of every form is kv_cache_layout's, and nobody else's.
 */
#ifndef TERCET_MODEL_KV_CACHE_H
#define TERCET_MODEL_KV_CACHE_H

#include "../base/arena.h"
#include "../kernels/kernels.h"
#include "kv_int4.h"
#include "model_config.h"

struct kv_cache {
    uint32_t form; /* TERCET_KV_*, never the default */
    uint32_t kv_heads, context, head_dim;
    uint32_t positions; /* context, padded to whole blocks for int8 and int4 */
    uint32_t row_bytes; /* of one position, its step apart */
    uint8_t *keys, *values;
    float *key_steps, *value_steps;                /* int8: [layer][kv_head][positions] */
    uint16_t *key_short_steps, *value_short_steps; /* int4, likewise */
};

/* int8 and int4, which attention takes as struct kv_int8. */
static inline bool kv_cache_quantised(uint32_t form) {
    return form == TERCET_KV_INT8 || form == TERCET_KV_INT4;
}

/* The codes of a head lie in front of its multipliers. */
static inline struct kv_int4_rows kv_cache_int4_rows(const struct kv_cache *cache, uint8_t *rows,
                                                     uint16_t *steps, size_t first) {
    uint8_t *codes = rows + first * cache->row_bytes;
    return (struct kv_int4_rows){
        .codes = codes,
        .multipliers = codes + (size_t)cache->positions * 16 * kv_int4_pairs(cache->head_dim),
        .steps = steps + first,
        .head_dim = cache->head_dim,
    };
}

/* form: TERCET_KV_*, not the default. */
void kv_cache_layout(struct kv_cache *cache, const struct model_config *config, uint32_t form,
                     uint32_t context, struct arena *arena);

/* One token's key and value of one head, f32 [head_dim], as f32 or f16. */
void kv_cache_store_floats(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head,
                           uint32_t position, const float *key, const float *value);
/* The same for int8 and int4: row `row` of each, quantised. */
void kv_cache_store_codes(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head,
                          uint32_t position, const struct activations *key,
                          const struct activations *value, uint32_t row);

/* What attend takes: the first key and value of a head; rows are head_dim elements apart. */
struct kv_floats {
    const void *keys, *values;
    bool half;
};
struct kv_floats kv_cache_floats(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head);
/* int8: where it lies. int4: unpacked into `scratch` for positions [0, positions). */
struct kv_int8 kv_cache_int8(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head,
                             uint32_t positions, float *scratch);
/* Floats of scratch that kv_cache_int8 takes; a multiple of 16. */
size_t kv_cache_scratch(const struct kv_cache *cache);

#endif
