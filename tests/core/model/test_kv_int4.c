/* test_kv_int4.c - rows of int8 in four bits: what comes back against a second reading of the layout, how far it may be from what
 * went in, that a row written twice leaves no trace of the first, and that no row touches another. */
#include "model/kv_int4.h"
#include "base/math.h"
#include "check.h"

#include <math.h>

enum { POSITIONS = 2 * KV_BLOCK, DIM_MOST = 256 };

struct cache {
    struct kv_int4_rows rows;
    uint8_t codes[POSITIONS * DIM_MOST], multipliers[POSITIONS * DIM_MOST / 32];
    uint16_t steps[POSITIONS];
};

static uint32_t random_state = 1;
static uint32_t random_u32(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static void clear(struct cache *cache, uint32_t dim, int filler) {
    memset(cache, filler, sizeof *cache);
    cache->rows = (struct kv_int4_rows){cache->codes, cache->multipliers, cache->steps, dim};
}

/* Some rows small, some with one large group, some at the ends of the range. */
static void fill_row(int8_t *codes, uint32_t dim, uint32_t position) {
    memset(codes, 0, DIM_MOST);
    for (uint32_t i = 0; i < dim; i++) {
        int32_t most = position % 3 == 0 ? 127 : position % 3 == 1 ? 5 : i / 16 == 0 ? 127 : 20;
        codes[i] = (int8_t)((int32_t)(random_u32() % (2 * (uint32_t)most + 1)) - most);
    }
    if (position % 5 == 0)
        codes[dim - 1] = position % 2 ? 127 : -127;
}

static int32_t greatest_of_group(const int8_t *codes, uint32_t i) {
    int32_t most = 0;
    for (uint32_t at = i / 16 * 16; at < i / 16 * 16 + 16; at++)
        most = abs(codes[at]) > most ? abs(codes[at]) : most;
    return most;
}

static void check_rows(uint32_t dim) {
    static struct cache keys, values;
    static int8_t rows[POSITIONS][DIM_MOST], key_tiles[POSITIONS * DIM_MOST],
        value_tiles[POSITIONS * DIM_MOST];
    float key_steps[POSITIONS], value_steps[POSITIONS];
    clear(&keys, dim, 0xA5);
    clear(&values, dim, 0x5A);
    for (uint32_t turn = 0; turn < 2; turn++) { /* what the first turn wrote is gone */
        for (uint32_t p = 0; p < POSITIONS; p++) {
            uint32_t position = p * 77 % POSITIONS; /* in any order */
            fill_row(rows[position], dim, position + turn);
            float step = 0.01f + (float)position * 0.37f;
            kv_int4_store_key(&keys.rows, position, rows[position], step);
            kv_int4_store_value(&values.rows, position, rows[position], step);
        }
    }
    kv_int4_unpack_keys(&keys.rows, POSITIONS, key_tiles, key_steps);
    kv_int4_unpack_values(&values.rows, POSITIONS, value_tiles, value_steps);
    for (uint32_t p = 0; p < POSITIONS; p++) {
        float step = 0.01f + (float)p * 0.37f;
        CHECK_NEAR(key_steps[p], step, step * 0x1p-8f);
        CHECK_EQ(math_float_bits(key_steps[p]) & 0xFFFF, 0);
        CHECK(key_steps[p] == value_steps[p]);
        for (uint32_t i = 0; i < tile_pad(dim); i++) {
            int32_t key = key_tiles[int8_byte(p, i, dim)];
            int32_t value = value_tiles[(size_t)(p / KV_BLOCK) * KV_BLOCK * tile_pad(dim) +
                                        int8_byte(i, p % KV_BLOCK, KV_BLOCK)];
            int32_t most = greatest_of_group(rows[p], i);
            CHECK_EQ(key, value);
            /* Half a multiplier: most / 7 rounded up, then at most 16 / 15 of it by the table; at 127 one more. */
            double m = most <= 98 ? ceil(most / 7.0) : most <= 112 ? 16 : 18;
            CHECK_NEAR(key, rows[p][i], (m > 1 ? m : 1) / 2 + (most == 127));
            CHECK(abs(key) <= 126);
            if (i >= dim || most <= 7)
                CHECK_EQ(key, rows[p][i]); /* small codes and padding stay as they are */
        }
    }
}

/* One row is written; no byte that another one reads changes. */
static void rows_are_alone(void) {
    static struct cache before, after;
    static int8_t codes_before[POSITIONS * DIM_MOST], codes_after[POSITIONS * DIM_MOST];
    float steps[POSITIONS];
    const uint32_t dim = 48, written = 70;
    int8_t row[DIM_MOST];
    for (uint32_t of_values = 0; of_values < 2; of_values++) {
        clear(&before, dim, 0x37);
        clear(&after, dim, 0x37);
        fill_row(row, dim, 0);
        (of_values ? kv_int4_store_value : kv_int4_store_key)(&after.rows, written, row, 0.5f);
        void (*unpack)(const struct kv_int4_rows *, uint32_t, int8_t *, float *) =
            of_values ? kv_int4_unpack_values : kv_int4_unpack_keys;
        unpack(&before.rows, POSITIONS, codes_before, steps);
        unpack(&after.rows, POSITIONS, codes_after, steps);
        CHECK(steps[written] == 0.5f);
        uint32_t changed = 0;
        for (uint32_t p = 0; p < POSITIONS; p++) {
            for (uint32_t i = 0; i < dim; i++) {
                size_t at = of_values ? (size_t)(p / KV_BLOCK) * KV_BLOCK * dim +
                                            int8_byte(i, p % KV_BLOCK, KV_BLOCK)
                                      : int8_byte(p, i, dim);
                if (p == written)
                    changed += codes_before[at] != codes_after[at];
                else
                    CHECK_EQ(codes_before[at], codes_after[at]);
            }
        }
        CHECK(changed > dim / 2);
        /* Not even a byte: threads write rows side by side. */
        uint32_t bytes = 0;
        for (size_t i = 0; i < sizeof before.codes; i++)
            bytes += before.codes[i] != after.codes[i];
        CHECK(bytes <= 16 * kv_int4_pairs(dim));
    }
}

static void steps_at_the_ends(void) {
    static struct cache cache;
    const float steps[] = {1e-5f / 127, 3e38f / 127, INFINITY, 0x1.01p0f, 0x1.03p0f};
    const float want[] = {1e-5f / 127, 3e38f / 127, INFINITY, 1.0f, 0x1.04p0f};
    int8_t row[DIM_MOST] = {127, -127, 1};
    static int8_t codes[KV_BLOCK * 16];
    float got[KV_BLOCK];
    clear(&cache, 3, 0);
    for (uint32_t p = 0; p < 5; p++)
        kv_int4_store_key(&cache.rows, p, row, steps[p]);
    kv_int4_unpack_keys(&cache.rows, KV_BLOCK, codes, got);
    for (uint32_t p = 0; p < 5; p++) {
        if (p >= 2)
            CHECK(got[p] == want[p]); /* ties to even; infinity stays */
        else
            CHECK_NEAR(got[p] / want[p], 1, 0x1p-8);
        CHECK_EQ(codes[int8_byte(p, 0, 3)], 126);
        CHECK_EQ(codes[int8_byte(p, 1, 3)], -126);
        CHECK_EQ(codes[int8_byte(p, 2, 3)], 0);
    }
}

int main(void) {
    static const uint32_t dims[] = {1, 2, 7, 16, 17, 32, 33, 48, 64, 80, 100, 128, 256};
    for (uint32_t d = 0; d < sizeof dims / sizeof *dims; d++)
        check_rows(dims[d]);
    rows_are_alone();
    steps_at_the_ends();
    return check_done();
}
