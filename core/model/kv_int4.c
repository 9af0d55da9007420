/*
 * kv_int4.c: see kv_int4.h. A tile here is a tile of int8 (16 x 4 codes in 64 bytes), with the tile of the next group of 16
 * columns in the upper four bits. Plain loops over bytes, which compilers turn into vectors; integers only, so the result is the same everywhere.
 */
#include "kv_int4.h"
#include "../base/math.h"

enum {
    GROUP = 16, /* columns that share a multiplier */
    MOST = 7,   /* |n| */
    ZERO = 8    /* n is stored as n + 8 */
};

/* Every multiplier to 14, then every other: 7 * 18 = 126 is the most that int8 takes. */
static const uint8_t multiplier_table[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18};

/* Place of the smallest multiplier that reaches `most`; 127 is 126 then. */
static uint32_t multiplier_place(uint32_t most) {
    uint32_t place = 0;
    while (place < 15 && (uint32_t)MOST * multiplier_table[place] < most)
        place++;
    return place;
}

/* n + 8 for c / m, halves away from zero. */
static uint8_t nibble_of(int32_t code, int32_t m) {
    int32_t size = code < 0 ? -code : code;
    int32_t n = (2 * size + m) / (2 * m);
    n = n < MOST ? n : MOST;
    return (uint8_t)(ZERO + (code < 0 ? -n : n));
}

/* The upper half of an f32, rounded half to even; the step is never a NaN, infinity stays. */
static uint16_t short_step(float step) {
    uint32_t bits = math_float_bits(step);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

/* Groups first and first + 1 of a row of `groups`: nibbles of 32 columns and a place for each group. */
static void quantise_pair(const int8_t *codes, uint32_t first, uint32_t groups, uint8_t *nibbles,
                          uint8_t *places) {
    for (uint32_t g = 0; g < 2; g++) {
        const int8_t *group = codes + (size_t)(first + g) * GROUP;
        uint32_t most = 0, columns = first + g < groups ? GROUP : 0;
        for (uint32_t i = 0; i < columns; i++) {
            uint32_t size = (uint32_t)(group[i] < 0 ? -group[i] : group[i]);
            most = size > most ? size : most;
        }
        uint32_t place = multiplier_place(most);
        places[g] = (uint8_t)place;
        for (uint32_t i = 0; i < GROUP; i++)
            nibbles[g * GROUP + i] =
                columns == 0 ? ZERO : nibble_of(group[i], multiplier_table[place]);
    }
}

static size_t multiplier_byte(const struct kv_int4_rows *rows, uint32_t position, uint32_t pair) {
    return ((size_t)(position / TILE_ROWS) * kv_int4_pairs(rows->head_dim) + pair) * TILE_ROWS +
           position % TILE_ROWS;
}

/* Column i of pair k lies at begin + k * pair + i / 4 * four + i % 4 * one. */
struct places {
    size_t begin, pair, four, one;
};

static void store_row(const struct kv_int4_rows *rows, uint32_t position,
                      const struct places *places, const int8_t *codes, float step) {
    uint8_t nibbles[2 * GROUP], multipliers[2];
    for (uint32_t k = 0; k < kv_int4_pairs(rows->head_dim); k++) {
        quantise_pair(codes, 2 * k, tile_pad(rows->head_dim) / GROUP, nibbles, multipliers);
        rows->multipliers[multiplier_byte(rows, position, k)] =
            (uint8_t)(multipliers[0] | multipliers[1] << 4);
        uint8_t *at = rows->codes + places->begin + k * places->pair;
        for (uint32_t i = 0; i < GROUP; i++)
            at[i / 4 * places->four + i % 4 * places->one] =
                (uint8_t)(nibbles[i] | nibbles[GROUP + i] << 4);
    }
    rows->steps[position] = short_step(step);
}

void kv_int4_store_key(const struct kv_int4_rows *rows, uint32_t position, const int8_t *codes,
                       float step) {
    const size_t pair = GROUP / INT8_TILE_COLUMNS * TILE_BYTES;
    const struct places places = {
        .begin = position / TILE_ROWS * kv_int4_pairs(rows->head_dim) * pair +
                 position % TILE_ROWS * INT8_TILE_COLUMNS,
        .pair = pair,
        .four = TILE_BYTES,
        .one = 1,
    };
    store_row(rows, position, &places, codes, step);
}

void kv_int4_store_value(const struct kv_int4_rows *rows, uint32_t position, const int8_t *codes,
                         float step) {
    const size_t pair = KV_BLOCK / INT8_TILE_COLUMNS * TILE_BYTES;
    const struct places places = {
        .begin = position / KV_BLOCK * kv_int4_pairs(rows->head_dim) * pair +
                 position % KV_BLOCK / INT8_TILE_COLUMNS * TILE_BYTES +
                 position % INT8_TILE_COLUMNS,
        .pair = pair,
        .four = 4 * INT8_TILE_COLUMNS,
        .one = INT8_TILE_COLUMNS,
    };
    store_row(rows, position, &places, codes, step);
}

/* One tile of each group of a pair; high is NULL where there is no second group. Rubbish that nobody stored wraps. */
static void unpack_tile(const uint8_t *packed, const int8_t *low_m, const int8_t *high_m,
                        int8_t *low, int8_t *high) {
    for (uint32_t b = 0; b < TILE_BYTES; b++)
        low[b] = (int8_t)(uint8_t)(((packed[b] & 15) - ZERO) * low_m[b]);
    for (uint32_t b = 0; b < TILE_BYTES && high != NULL; b++)
        high[b] = (int8_t)(uint8_t)(((packed[b] >> 4) - ZERO) * high_m[b]);
}

static void unpack_steps(const struct kv_int4_rows *rows, uint32_t positions, float *steps) {
    for (uint32_t p = 0; p < positions; p++)
        steps[p] = math_float_from_bits((uint32_t)rows->steps[p] << 16);
}

void kv_int4_unpack_keys(const struct kv_int4_rows *rows, uint32_t positions, int8_t *codes,
                         float *steps) {
    uint32_t pairs = kv_int4_pairs(rows->head_dim), groups = tile_pad(rows->head_dim) / GROUP;
    const uint8_t *packed = rows->codes;
    for (uint32_t p = 0; p < positions; p += TILE_ROWS) {
        for (uint32_t k = 0; k < pairs; k++) {
            const uint8_t *m = rows->multipliers + multiplier_byte(rows, p, k);
            int8_t low[TILE_BYTES], high[TILE_BYTES]; /* of a row in each of its four bytes */
            for (uint32_t b = 0; b < TILE_BYTES; b++) {
                low[b] = (int8_t)multiplier_table[m[b / 4] & 15];
                high[b] = (int8_t)multiplier_table[m[b / 4] >> 4];
            }
            for (uint32_t tile = 0; tile < 4; tile++) {
                int8_t *to = codes + (size_t)(8 * k + tile) * TILE_BYTES;
                unpack_tile(packed, low, high, to, 2 * k + 1 < groups ? to + 4 * TILE_BYTES : NULL);
                packed += TILE_BYTES;
            }
        }
        codes += (size_t)groups * 4 * TILE_BYTES;
    }
    unpack_steps(rows, positions, steps);
}

void kv_int4_unpack_values(const struct kv_int4_rows *rows, uint32_t positions, int8_t *codes,
                           float *steps) {
    enum { TILES = KV_BLOCK / INT8_TILE_COLUMNS };
    uint32_t pairs = kv_int4_pairs(rows->head_dim), groups = tile_pad(rows->head_dim) / GROUP;
    const uint8_t *packed = rows->codes;
    for (uint32_t begin = 0; begin < positions; begin += KV_BLOCK) {
        for (uint32_t k = 0; k < pairs; k++) {
            for (uint32_t tile = 0; tile < TILES; tile++) {
                uint32_t p = begin + tile * INT8_TILE_COLUMNS;
                const uint8_t *m = rows->multipliers + multiplier_byte(rows, p, k);
                int8_t low[TILE_BYTES], high[TILE_BYTES]; /* of four positions, over and over */
                for (uint32_t b = 0; b < TILE_BYTES; b++) {
                    low[b] = (int8_t)multiplier_table[m[b % 4] & 15];
                    high[b] = (int8_t)multiplier_table[m[b % 4] >> 4];
                }
                int8_t *to = codes + (size_t)(2 * k * TILES + tile) * TILE_BYTES;
                unpack_tile(packed, low, high, to,
                            2 * k + 1 < groups ? to + (size_t)TILES * TILE_BYTES : NULL);
                packed += TILE_BYTES;
            }
        }
        codes += (size_t)groups * TILES * TILE_BYTES;
    }
    unpack_steps(rows, positions, steps);
}
