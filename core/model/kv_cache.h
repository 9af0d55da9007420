/*
 * kv_cache.h: keys and values of all earlier tokens, f32, one contiguous run of positions per layer and kv head, so that
 * attention of a head reads straight ahead. The size formula is here, once: 2 * layers * kv_heads * context * head_dim * 4.
 */
#ifndef TERCET_MODEL_KV_CACHE_H
#define TERCET_MODEL_KV_CACHE_H

#include "../base/arena.h"
#include "model_config.h"

struct kv_cache {
    float *keys, *values; /* [layer][kv_head][position][head_dim] */
    uint32_t kv_heads, context, head_dim;
};

void kv_cache_layout(struct kv_cache *cache, const struct model_config *config, uint32_t context,
                     struct arena *arena);

/* First element of (layer, kv_head, position). */
static inline size_t kv_cache_index(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head,
                                    uint32_t position) {
    return (((size_t)layer * cache->kv_heads + kv_head) * cache->context + position) *
           cache->head_dim;
}

#endif
