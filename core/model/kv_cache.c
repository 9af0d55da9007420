/*
 * kv_cache.c: see kv_cache.h.
 */
#include "kv_cache.h"
#include "../base/math.h"

#include <string.h>

static uint32_t element_bytes(const struct kv_cache *cache) {
    return cache->form == TERCET_KV_F32 ? 4 : cache->form == TERCET_KV_F16 ? 2 : 1;
}

void kv_cache_layout(struct kv_cache *cache, const struct model_config *config, uint32_t form,
                     uint32_t context, struct arena *arena) {
    bool int8 = form == TERCET_KV_INT8;
    cache->form = form;
    cache->kv_heads = config->kv_heads;
    cache->context = context;
    cache->head_dim = config->head_dim;
    cache->positions = int8 ? (context + KV_BLOCK - 1) / KV_BLOCK * KV_BLOCK : context;
    cache->padded = int8 ? tile_pad(config->head_dim) : config->head_dim;
    /* At most 256 x 2^20 (layers x kv width) and padding: the rest is the arena's checked product. */
    uint64_t heads = (uint64_t)config->layers * config->kv_heads;
    uint64_t row_bytes = heads * cache->padded * element_bytes(cache);
    cache->keys = arena_take(arena, row_bytes, cache->positions);
    cache->values = arena_take(arena, row_bytes, cache->positions);
    cache->key_steps = cache->value_steps = NULL;
    if (int8) {
        cache->key_steps = arena_take(arena, heads * cache->positions, sizeof(float));
        cache->value_steps = arena_take(arena, heads * cache->positions, sizeof(float));
    }
}

/* Number of the first row of (layer, kv_head). */
static size_t first_row(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head) {
    return ((size_t)layer * cache->kv_heads + kv_head) * cache->positions;
}

void kv_cache_store_floats(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head,
                           uint32_t position, const float *key, const float *value) {
    size_t at = (first_row(cache, layer, kv_head) + position) * cache->head_dim;
    if (cache->form == TERCET_KV_F32) {
        memcpy((float *)cache->keys + at, key, cache->head_dim * sizeof *key);
        memcpy((float *)cache->values + at, value, cache->head_dim * sizeof *value);
        return;
    }
    uint16_t *keys = (uint16_t *)cache->keys + at, *values = (uint16_t *)cache->values + at;
    for (uint32_t i = 0; i < cache->head_dim; i++) {
        keys[i] = math_float_to_half(key[i]);
        values[i] = math_float_to_half(value[i]);
    }
}

void kv_cache_store_int8(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head,
                         uint32_t position, const struct activations *key,
                         const struct activations *value, uint32_t row) {
    size_t first = first_row(cache, layer, kv_head);
    const int8_t *key_codes = key->codes + (size_t)row * key->stride;
    const int8_t *value_codes = value->codes + (size_t)row * value->stride;
    cache->key_steps[first + position] = key->step[row];
    cache->value_steps[first + position] = value->step[row];

    uint8_t *keys = cache->keys + first * cache->padded;
    for (uint32_t i = 0; i < cache->padded; i += 4) /* the columns of a tile lie side by side */
        memcpy(keys + int8_byte(position, i, cache->head_dim), key_codes + i, 4);
    uint32_t in_block = position % KV_BLOCK;
    uint8_t *block = cache->values + (first + position - in_block) * cache->padded;
    for (uint32_t i = 0; i < cache->padded; i++)
        block[int8_byte(i, in_block, KV_BLOCK)] = (uint8_t)value_codes[i];
}

struct kv_floats kv_cache_floats(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head) {
    size_t at = first_row(cache, layer, kv_head) * cache->head_dim * element_bytes(cache);
    return (struct kv_floats){cache->keys + at, cache->values + at, cache->form == TERCET_KV_F16};
}

struct kv_int8 kv_cache_int8(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head) {
    size_t first = first_row(cache, layer, kv_head);
    return (struct kv_int8){
        .keys = (const int8_t *)cache->keys + first * cache->padded,
        .values = (const int8_t *)cache->values + first * cache->padded,
        .key_steps = cache->key_steps + first,
        .value_steps = cache->value_steps + first,
        .head_dim = cache->head_dim,
    };
}
