/*
 * kv_cache.c: see kv_cache.h.
 */
#include "kv_cache.h"

void kv_cache_layout(struct kv_cache *cache, const struct model_config *config, uint32_t context,
                     struct arena *arena) {
    cache->kv_heads = config->kv_heads;
    cache->context = context;
    cache->head_dim = config->head_dim;
    /* At most 256 x 2^20 (layers x kv width): the rest is the arena's checked product. */
    uint64_t row_floats = (uint64_t)config->layers * config->kv_width;
    cache->keys = arena_take(arena, row_floats * sizeof(float), context);
    cache->values = arena_take(arena, row_floats * sizeof(float), context);
}
