/*
 * ternary_blocks.c: see ternary_blocks.h. Loops over bytes without branches, of counts that compilers see: they become
 * vectors, and packing is as fast as the disk rather than as the arithmetic.
 */
#include "ternary_blocks.h"

#include "../core/base/math.h"
#include "wide_vectors.h"

#include <string.h>

bool block_is_ternary(enum source_type type) {
    return type == SOURCE_TQ1_0 || type == SOURCE_TQ2_0 || type == SOURCE_Q2_0 ||
           type == SOURCE_PQ2_0 || type == SOURCE_PTQ1_0;
}

/* `bytes` bytes of four codes each, that far apart, the first in the lowest bits. */
static inline void spread_low_first(const uint8_t *restrict packed, uint32_t bytes,
                                    uint8_t *restrict codes) {
    for (uint32_t i = 0; i < bytes; i++) {
        codes[i] = packed[i] & 3;
        codes[i + bytes] = packed[i] >> 2 & 3;
        codes[i + 2 * bytes] = packed[i] >> 4 & 3;
        codes[i + 3 * bytes] = packed[i] >> 6;
    }
}

/* The same with the first in the highest bits. */
static inline void spread_high_first(const uint8_t *restrict packed, uint32_t bytes,
                                     uint8_t *restrict codes) {
    for (uint32_t i = 0; i < bytes; i++) {
        codes[i] = packed[i] >> 6;
        codes[i + bytes] = packed[i] >> 4 & 3;
        codes[i + 2 * bytes] = packed[i] >> 2 & 3;
        codes[i + 3 * bytes] = packed[i] & 3;
    }
}

/* Four neighbours a byte: copies of the byte at 0, 6, 12 and 18 leave each pair of bits at the bottom of a byte. */
static inline uint32_t spread_byte(uint32_t byte) {
    return (byte | byte << 6 | byte << 12 | byte << 18) & 0x03030303u;
}

WIDE_VECTORS static void spread_neighbours(const uint8_t *restrict packed, uint32_t bytes,
                                           uint8_t *restrict codes) {
    for (uint32_t i = 0; i < bytes; i++) {
        uint32_t four = spread_byte(packed[i]);
        memcpy(codes + (size_t)i * 4, &four, sizeof four);
    }
}

/* `bytes` bytes of `digits` base-3 digits each, the first most significant: digit n of byte m is element m + n * bytes. A
 * byte is a fraction of 3^5 in 256ths, rounded up, so digits come out by multiplying and taking the carry. */
static inline void spread_digits(const uint8_t *restrict packed, uint32_t bytes, uint32_t digits,
                                 uint8_t *restrict codes) {
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    for (uint32_t n = 0; n < digits; n++) {
        for (uint32_t m = 0; m < bytes; m++) {
            uint8_t rest = (uint8_t)(packed[m] * powers[n]);
            codes[n * bytes + m] = (uint8_t)((uint16_t)(rest * 3) >> 8);
        }
    }
}

/* Most blocks have the scale of the one before. */
struct half_scale {
    uint16_t bits;
    float value;
};

static inline float read_scale(const uint8_t *at, struct half_scale *last) {
    uint16_t bits = (uint16_t)(at[0] | at[1] << 8);
    if (bits != last->bits) {
        last->bits = bits;
        last->value = math_half_to_float(bits);
    }
    return last->value;
}

/* Pairs of bits that are both set leave their lower one, in some word; `bytes` is a multiple of 8. */
static inline uint64_t find_threes(const uint8_t *packed, uint32_t bytes) {
    uint64_t threes = 0;
    for (uint32_t i = 0; i < bytes; i += 8) {
        uint64_t word;
        memcpy(&word, packed + i, sizeof word);
        threes |= word & word >> 1;
    }
    return threes & 0x5555555555555555u;
}

/* Half d and four neighbours a byte, block by block. The bytes of many blocks are put together first: one long loop is made
 * of vectors, many short ones are not. */
#define GATHERED_BYTES 1024u

static inline bool spread_blocks(const uint8_t *restrict bytes, uint32_t block_bytes,
                                 uint32_t columns, uint8_t *restrict codes,
                                 float *restrict scales) {
    uint8_t packed[GATHERED_BYTES];
    struct half_scale last = {0, 0};
    uint64_t threes = 0;
    for (uint32_t left = columns / 4; left > 0;) {
        uint32_t count = left < GATHERED_BYTES ? left : GATHERED_BYTES;
        for (uint32_t at = 0; at < count; at += block_bytes, bytes += block_bytes + 2) {
            *scales++ = read_scale(bytes, &last);
            memcpy(packed + at, bytes + 2, block_bytes);
        }
        threes |= find_threes(packed, count);
        spread_neighbours(packed, count, codes);
        codes += (size_t)count * 4;
        left -= count;
    }
    return threes == 0;
}

WIDE_VECTORS
bool ternary_row_codes(enum source_type type, const uint8_t *restrict bytes, uint32_t columns,
                       uint8_t *restrict codes, float *restrict scales) {
    const uint8_t *end = codes + columns;
    struct half_scale last = {0, 0};
    uint64_t threes = 0;
    switch (type) {
    case SOURCE_TQ2_0: /* byte m of half h: elements 128 h + m, + 32, + 64, + 96; half d behind them */
        for (; codes < end; codes += 256, bytes += 66) {
            spread_low_first(bytes, 32, codes);
            spread_low_first(bytes + 32, 32, codes + 128);
            threes |= find_threes(bytes, 64);
            *scales++ = read_scale(bytes + 64, &last);
        }
        break;
    case SOURCE_TQ1_0: /* 32 bytes of five digits, 16 of five, 4 of four; half d */
        for (; codes < end; codes += 256, bytes += 54) {
            spread_digits(bytes, 32, 5, codes);
            spread_digits(bytes + 32, 16, 5, codes + 160);
            spread_digits(bytes + 48, 4, 4, codes + 240);
            *scales++ = read_scale(bytes + 52, &last);
        }
        break;
    case SOURCE_Q2_0: /* half d, then four neighbours a byte */
        return spread_blocks(bytes, 16, columns, codes, scales);
    case SOURCE_PQ2_0:
        return spread_blocks(bytes, 32, columns, codes, scales);
    case SOURCE_PTQ1_0: /* 16 bytes of five digits, 8 of five, 2 of four; half d (PrismML-Eng/llama.cpp) */
        for (; codes < end; codes += 128, bytes += 28) {
            spread_digits(bytes, 16, 5, codes);
            spread_digits(bytes + 16, 8, 5, codes + 80);
            spread_digits(bytes + 24, 2, 4, codes + 120);
            *scales++ = read_scale(bytes + 26, &last);
        }
        break;
    default: /* no ternary blocks */
        break;
    }
    return threes == 0;
}

WIDE_VECTORS void ternary_quads_codes(const uint8_t *bytes, uint32_t columns, uint8_t *codes) {
    spread_neighbours(bytes, columns / 4, codes);
    for (uint32_t c = columns & ~3u; c < columns; c++) {
        codes[c] = bytes[c / 4] >> (2 * (c % 4)) & 3;
    }
}

/* ---------------------------------------------------------------- I2_S */

const char *i2s_layout_name(enum i2s_layout layout) {
    static const char *const names[I2S_LAYOUTS] = {"x86", "arm", "row4"};
    return names[layout];
}

uint32_t i2s_block_columns(enum i2s_layout layout) {
    return layout == I2S_X86 ? 128 : layout == I2S_ARM ? 64 : 1;
}

WIDE_VECTORS void i2s_row_codes(enum i2s_layout layout, const uint8_t *bytes, uint32_t row,
                                uint32_t columns, uint8_t *codes) {
    uint32_t shift = 6 - 2 * (row % 4);
    switch (layout) {
    case I2S_X86:
        for (uint32_t first = 0; first < columns; first += 128) {
            spread_high_first(bytes + first / 4, 32, codes + first);
        }
        break;
    case I2S_ARM:
        for (uint32_t first = 0; first < columns; first += 64) {
            spread_high_first(bytes + first / 4, 16, codes + first);
        }
        break;
    default:
        for (uint32_t c = 0; c < columns; c++) {
            codes[c] = bytes[c] >> shift & 3;
        }
        break;
    }
}

/* ---------------------------------------------------------------- looking at codes */

WIDE_VECTORS bool ternary_codes_sound(const uint8_t *codes, size_t count) {
    uint8_t threes = 0;
    for (size_t i = 0; i < count; i++) {
        threes |= (uint8_t)(codes[i] & codes[i] >> 1);
    }
    return threes == 0;
}

bool ternary_codes_any(const uint8_t *codes, size_t count) {
    uint64_t other = 0;
    for (; count >= 64; count -= 64, codes += 64) { /* a group of scales, mostly the only one */
        uint64_t words[8];
        memcpy(words, codes, sizeof words);
        for (size_t i = 0; i < 8; i++) {
            other |= words[i] ^ 0x0101010101010101u;
        }
    }
    for (size_t i = 0; i < count; i++) {
        other |= codes[i] ^ 1u;
    }
    return other != 0;
}

WIDE_VECTORS uint64_t ternary_codes_zeros(const uint8_t *codes, size_t count) {
    uint64_t zeros = 0;
    for (size_t first = 0; first < count; first += 128) { /* as many as a byte can count */
        size_t end = count - first < 128 ? count : first + 128;
        uint8_t few = 0;
        for (size_t i = first; i < end; i++) {
            few = (uint8_t)(few + (codes[i] == 1));
        }
        zeros += few;
    }
    return zeros;
}
