/*
 * kv_runs.h: the cache of keys and values as runs of memory, for who saves and restores a text; and whether what was restored can
 * have come from a text. Apart from kv_cache.h because it runs once a conversation, not once a token.
 */
#ifndef TERCET_MODEL_KV_RUNS_H
#define TERCET_MODEL_KV_RUNS_H

#include "kv_cache.h"

/* What positions [0, positions) of a head take, for saving: `unit` is layer x kv_heads + kv_head. Whole blocks of codes: what is
 * behind the last position in its block counts for nothing. Returns how many runs; their sizes do not depend on the unit. */
uint32_t kv_cache_runs(const struct kv_cache *cache, uint32_t unit, uint32_t positions,
                       struct memory_run runs[MEMORY_RUNS_MAX]);
/* Zeros behind the last position in its block, so that the same text always saves the same bytes. */
void kv_cache_clear_tail(const struct kv_cache *cache, uint32_t layers, uint32_t positions);
/* Whether these positions hold only values that a text can give: after they were restored. */
bool kv_cache_sound(const struct kv_cache *cache, uint32_t layers, uint32_t positions);

#endif
