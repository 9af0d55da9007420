/*
 * kv_runs.c: see kv_runs.h.
 */
#include "kv_runs.h"
#include "../container/container_layout.h"

static uint32_t whole_blocks(uint32_t positions) {
    return (positions + KV_BLOCK - 1) / KV_BLOCK * KV_BLOCK;
}

uint32_t kv_cache_runs(const struct kv_cache *cache, uint32_t unit, uint32_t positions,
                       struct memory_run runs[MEMORY_RUNS_MAX]) {
    size_t first = (size_t)unit * cache->positions;
    uint8_t *keys = cache->keys + first * cache->row_bytes;
    uint8_t *values = cache->values + first * cache->row_bytes;
    uint64_t blocks = whole_blocks(positions);
    if (cache->form == TERCET_KV_INT4) {
        struct kv_int4_rows key_rows =
            kv_cache_int4_rows(cache, cache->keys, cache->key_short_steps, first);
        struct kv_int4_rows value_rows =
            kv_cache_int4_rows(cache, cache->values, cache->value_short_steps, first);
        uint32_t pairs = kv_int4_pairs(cache->head_dim);
        runs[0] = (struct memory_run){keys, blocks * 16 * pairs};
        runs[1] = (struct memory_run){key_rows.multipliers, blocks * pairs};
        runs[2] = (struct memory_run){values, blocks * 16 * pairs};
        runs[3] = (struct memory_run){value_rows.multipliers, blocks * pairs};
        runs[4] = (struct memory_run){(uint8_t *)key_rows.steps, positions * sizeof(uint16_t)};
        runs[5] = (struct memory_run){(uint8_t *)value_rows.steps, positions * sizeof(uint16_t)};
        return 6;
    }
    if (cache->form != TERCET_KV_INT8)
        blocks = positions; /* rows, each of its own */
    runs[0] = (struct memory_run){keys, blocks * cache->row_bytes};
    runs[1] = (struct memory_run){values, blocks * cache->row_bytes};
    if (cache->form != TERCET_KV_INT8)
        return 2;
    runs[2] = (struct memory_run){(uint8_t *)(cache->key_steps + first), positions * sizeof(float)};
    runs[3] =
        (struct memory_run){(uint8_t *)(cache->value_steps + first), positions * sizeof(float)};
    return 4;
}

void kv_cache_clear_tail(const struct kv_cache *cache, uint32_t layers, uint32_t positions) {
    int8_t codes[LIMIT_HEAD_DIM] = {0};
    float step = 0.0f;
    const struct activations zero = {
        .codes = codes, .step = &step, .count = 1, .columns = cache->head_dim};
    if (!kv_cache_quantised(cache->form))
        return;
    for (uint32_t unit = 0; unit < layers * cache->kv_heads; unit++)
        for (uint32_t p = positions; p < whole_blocks(positions); p++)
            kv_cache_store_codes(cache, unit / cache->kv_heads, unit % cache->kv_heads, p, &zero,
                                 &zero, 0);
}

static bool all_finite(const struct memory_run *run, bool half) {
    bool finite = true;
    const uint16_t *halves = (const uint16_t *)(const void *)run->at;
    const uint32_t *floats = (const uint32_t *)(const void *)run->at;
    for (uint64_t i = 0; half && i < run->bytes / 2; i++)
        finite &= (halves[i] & 0x7C00u) != 0x7C00u;
    for (uint64_t i = 0; !half && i < run->bytes / 4; i++)
        finite &= (floats[i] & 0x7F800000u) != 0x7F800000u;
    return finite;
}

/* Steps are the upper halves of floats, or floats; of magnitudes. */
static bool all_steps(const struct memory_run *run, bool shortened) {
    bool sound = true;
    const uint16_t *halves = (const uint16_t *)(const void *)run->at;
    uint64_t count = run->bytes / 2;
    for (uint64_t i = shortened ? 0 : 1; i < count; i += shortened ? 1 : 2)
        sound &= halves[i] < 0x7F80u;
    return sound;
}

/* `quantise` gives -127..127. */
static bool all_codes(const struct memory_run *run) {
    bool sound = true;
    for (uint64_t i = 0; i < run->bytes; i++)
        sound &= run->at[i] != 0x80;
    return sound;
}

bool kv_cache_sound(const struct kv_cache *cache, uint32_t layers, uint32_t positions) {
    struct memory_run runs[MEMORY_RUNS_MAX];
    bool sound = true;
    for (uint32_t unit = 0; sound && unit < layers * cache->kv_heads; unit++) {
        (void)kv_cache_runs(cache, unit, positions, runs);
        switch (cache->form) {
        case TERCET_KV_INT8:
            sound = all_codes(&runs[0]) && all_codes(&runs[1]) && all_steps(&runs[2], false) &&
                    all_steps(&runs[3], false);
            break;
        case TERCET_KV_INT4: /* any nibble unpacks to a code */
            sound = all_steps(&runs[4], true) && all_steps(&runs[5], true);
            break;
        default:
            sound = all_finite(&runs[0], cache->form == TERCET_KV_F16) &&
                    all_finite(&runs[1], cache->form == TERCET_KV_F16);
            break;
        }
    }
    return sound;
}
