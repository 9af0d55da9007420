/*
 * kv_cache.c: see kv_cache.h.
 */
#include "kv_cache.h"
#include "../base/math.h"

#include <string.h>

static uint32_t row_bytes_of(uint32_t form, uint32_t head_dim) {
    switch (form) {
    case TERCET_KV_F32:
        return head_dim * 4;
    case TERCET_KV_F16:
        return head_dim * 2;
    case TERCET_KV_INT4:
        return kv_int4_row_bytes(head_dim);
    default:
        return tile_pad(head_dim);
    }
}

void kv_cache_layout(struct kv_cache *cache, const struct model_config *config, uint32_t form,
                     uint32_t context, struct arena *arena) {
    cache->form = form;
    cache->kv_heads = config->kv_heads;
    cache->context = context;
    cache->head_dim = config->head_dim;
    cache->positions =
        kv_cache_quantised(form) ? (context + KV_BLOCK - 1) / KV_BLOCK * KV_BLOCK : context;
    cache->row_bytes = row_bytes_of(form, config->head_dim);
    /* At most 256 x 2^20 (layers x kv width) and padding: the rest is the arena's checked product. */
    uint64_t heads = (uint64_t)config->layers * config->kv_heads;
    cache->keys = arena_take(arena, heads * cache->row_bytes, cache->positions);
    cache->values = arena_take(arena, heads * cache->row_bytes, cache->positions);
    cache->key_steps = cache->value_steps = NULL;
    cache->key_short_steps = cache->value_short_steps = NULL;
    if (form == TERCET_KV_INT8) {
        cache->key_steps = arena_take(arena, heads * cache->positions, sizeof(float));
        cache->value_steps = arena_take(arena, heads * cache->positions, sizeof(float));
    }
    if (form == TERCET_KV_INT4) {
        cache->key_short_steps = arena_take(arena, heads * cache->positions, sizeof(uint16_t));
        cache->value_short_steps = arena_take(arena, heads * cache->positions, sizeof(uint16_t));
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

void kv_cache_store_codes(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head,
                          uint32_t position, const struct activations *key,
                          const struct activations *value, uint32_t row) {
    size_t first = first_row(cache, layer, kv_head);
    uint32_t padded = tile_pad(cache->head_dim);
    const int8_t *key_codes = key->codes + (size_t)row * key->stride;
    const int8_t *value_codes = value->codes + (size_t)row * value->stride;
    if (cache->form == TERCET_KV_INT4) {
        struct kv_int4_rows keys =
            kv_cache_int4_rows(cache, cache->keys, cache->key_short_steps, first);
        struct kv_int4_rows values =
            kv_cache_int4_rows(cache, cache->values, cache->value_short_steps, first);
        kv_int4_store_key(&keys, position, key_codes, key->step[row]);
        kv_int4_store_value(&values, position, value_codes, value->step[row]);
        return;
    }
    cache->key_steps[first + position] = key->step[row];
    cache->value_steps[first + position] = value->step[row];

    uint8_t *keys = cache->keys + first * padded;
    for (uint32_t i = 0; i < padded; i += 4) /* the columns of a tile lie side by side */
        memcpy(keys + int8_byte(position, i, cache->head_dim), key_codes + i, 4);
    uint32_t in_block = position % KV_BLOCK;
    uint8_t *block = cache->values + (first + position - in_block) * padded;
    for (uint32_t i = 0; i < padded; i++)
        block[int8_byte(i, in_block, KV_BLOCK)] = (uint8_t)value_codes[i];
}

struct kv_floats kv_cache_floats(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head) {
    size_t at = first_row(cache, layer, kv_head) * cache->row_bytes;
    return (struct kv_floats){cache->keys + at, cache->values + at, cache->form == TERCET_KV_F16};
}

size_t kv_cache_scratch(const struct kv_cache *cache) {
    if (cache->form != TERCET_KV_INT4)
        return 0;
    /* Keys, values and two steps of each position. */
    return (size_t)cache->positions * (2 * tile_pad(cache->head_dim) / sizeof(float) + 2);
}

struct kv_int8 kv_cache_int8(const struct kv_cache *cache, uint32_t layer, uint32_t kv_head,
                             uint32_t positions, float *scratch) {
    size_t first = first_row(cache, layer, kv_head);
    if (cache->form == TERCET_KV_INT4) {
        size_t bytes = (size_t)cache->positions * tile_pad(cache->head_dim);
        float *key_steps = scratch, *value_steps = scratch + cache->positions;
        int8_t *keys = (int8_t *)(value_steps + cache->positions), *values = keys + bytes;
        struct kv_int4_rows key_rows =
            kv_cache_int4_rows(cache, cache->keys, cache->key_short_steps, first);
        struct kv_int4_rows value_rows =
            kv_cache_int4_rows(cache, cache->values, cache->value_short_steps, first);
        kv_int4_unpack_keys(&key_rows, positions, keys, key_steps);
        kv_int4_unpack_values(&value_rows, positions, values, value_steps);
        return (struct kv_int8){keys, values, key_steps, value_steps, cache->head_dim};
    }
    return (struct kv_int8){
        .keys = (const int8_t *)cache->keys + first * cache->row_bytes,
        .values = (const int8_t *)cache->values + first * cache->row_bytes,
        .key_steps = cache->key_steps + first,
        .value_steps = cache->value_steps + first,
        .head_dim = cache->head_dim,
    };
}
