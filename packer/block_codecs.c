/*
 * block_codecs.c: see block_codecs.h. Scales are halves; a product of a half and a code of up to 8 bits is exact in f32.
 */
#include "block_codecs.h"

#include "../core/base/math.h"
#include "wide_vectors.h"

#include <string.h>

struct block_size block_size_of(enum source_type type) {
    switch (type) {
    case SOURCE_F32:
        return (struct block_size){1, 4};
    case SOURCE_F16:
    case SOURCE_BF16:
        return (struct block_size){1, 2};
    case SOURCE_Q4_0:
        return (struct block_size){32, 18};
    case SOURCE_Q8_0:
        return (struct block_size){32, 34};
    case SOURCE_Q6_K:
        return (struct block_size){256, 210};
    case SOURCE_TQ1_0:
        return (struct block_size){256, 54};
    case SOURCE_TQ2_0:
        return (struct block_size){256, 66};
    case SOURCE_Q2_0:
        return (struct block_size){64, 18};
    case SOURCE_PQ2_0:
        return (struct block_size){128, 34};
    case SOURCE_PTQ1_0:
        return (struct block_size){128, 28};
    case SOURCE_U8:
    case SOURCE_U32:
    case SOURCE_QUADS:
    case SOURCE_OTHER:
    case SOURCE_I2_S:
        break;
    }
    return (struct block_size){1, 0};
}

bool block_is_plain(enum source_type type) {
    return type == SOURCE_F32 || type == SOURCE_F16 || type == SOURCE_BF16;
}

static float read_half(const uint8_t *p) {
    return math_half_to_float((uint16_t)(p[0] | p[1] << 8));
}

/* Half d, then 16 bytes: element j in the low nibble of byte j, element j + 16 in the high one; d (n - 8). */
static void decode_q4_0(const uint8_t *block, float *values) {
    float scale = read_half(block);
    for (uint32_t j = 0; j < 16; j++) {
        values[j] = scale * (float)((block[2 + j] & 15) - 8);
        values[j + 16] = scale * (float)((block[2 + j] >> 4) - 8);
    }
}

/* Half d, then 32 signed bytes. */
static void decode_q8_0(const uint8_t *block, float *values) {
    float scale = read_half(block);
    for (uint32_t j = 0; j < 32; j++) {
        values[j] = scale * (float)(int8_t)block[2 + j];
    }
}

/* 128 bytes of low nibbles, 64 of high pairs of bits, 16 signed scales, half d. In each half of 128 elements byte l of the
 * nibbles serves elements l and l + 64, byte l + 32 elements l + 32 and l + 96; byte l of the pairs serves all four. Scales
 * belong to 16 neighbours. */
static void decode_q6_k(const uint8_t *block, float *values) {
    float scale = read_half(block + 208);
    for (uint32_t half = 0; half < 2; half++) {
        const uint8_t *low = block + 64 * half, *high = block + 128 + 32 * half,
                      *scales = block + 192 + 8 * half;
        for (uint32_t l = 0; l < 32; l++) {
            const int32_t codes[4] = {
                (low[l] & 15) | (high[l] & 3) << 4, (low[l + 32] & 15) | (high[l] >> 2 & 3) << 4,
                low[l] >> 4 | (high[l] >> 4 & 3) << 4, low[l + 32] >> 4 | (high[l] >> 6) << 4};
            for (uint32_t quarter = 0; quarter < 4; quarter++) {
                float step = scale * (float)(int8_t)scales[2 * quarter + l / 16];
                values[128 * half + 32 * quarter + l] = step * (float)(codes[quarter] - 32);
            }
        }
    }
}

/* Codes are looked up: exact, and no arithmetic. Base-3 digits have no code 3. */
static void decode_ternary(enum source_type type, const uint8_t *block, uint32_t columns,
                           float *values) {
    uint8_t codes[TERNARY_BLOCK_MAX];
    float scale;
    (void)ternary_row_codes(type, block, columns, codes, &scale);
    bool digits = type == SOURCE_TQ1_0 || type == SOURCE_PTQ1_0;
    /* ggml multiplies: there a scale that is no number spoils zeros too. */
    const float weight[4] = {-scale, digits ? scale * 0.0f : 0.0f, scale, 2.0f * scale};
    for (uint32_t i = 0; i < columns; i++) {
        values[i] = weight[codes[i]];
    }
}

static void decode_block(enum source_type type, const uint8_t *block, float *values) {
    switch (type) {
    case SOURCE_Q4_0:
        decode_q4_0(block, values);
        break;
    case SOURCE_Q8_0:
        decode_q8_0(block, values);
        break;
    case SOURCE_Q6_K:
        decode_q6_k(block, values);
        break;
    default: /* plain numbers go by rows */
        decode_ternary(type, block, block_size_of(type).columns, values);
        break;
    }
}

/* The types that most folders have, a row at once. */
WIDE_VECTORS static void decode_bf16_row(const uint8_t *bytes, uint32_t columns, float *values) {
    for (uint32_t i = 0; i < columns; i++) {
        uint16_t half;
        memcpy(&half, bytes + (size_t)i * 2, sizeof half);
        values[i] = math_float_from_bits((uint32_t)half << 16);
    }
}

/* Exponent and fraction moved to their places in an f32 are 2^112 too small; multiplying is exact, for subnormal halves too.
 * Infinities and NaN would become numbers: rows that have any go one by one. */
WIDE_VECTORS static void decode_f16_row(const uint8_t *bytes, uint32_t columns, float *values) {
    uint32_t special = 0;
    for (uint32_t i = 0; i < columns; i++) {
        uint16_t half;
        memcpy(&half, bytes + (size_t)i * 2, sizeof half);
        uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13;
        float value = math_float_from_bits(magnitude) * 0x1p112f;
        values[i] = math_float_from_bits(math_float_bits(value) | (uint32_t)(half & 0x8000) << 16);
        special |= (half & 0x7C00u) == 0x7C00u;
    }
    for (uint32_t i = 0; i < columns && special != 0; i++) {
        values[i] = read_half(bytes + (size_t)i * 2);
    }
}

void block_decode_row(enum source_type type, const uint8_t *bytes, uint32_t columns,
                      float *values) {
    struct block_size size = block_size_of(type);
    if (type == SOURCE_F32) {
        memcpy(values, bytes, (size_t)columns * sizeof *values);
        return;
    }
    if (type == SOURCE_BF16) {
        decode_bf16_row(bytes, columns, values);
        return;
    }
    if (type == SOURCE_F16) {
        decode_f16_row(bytes, columns, values);
        return;
    }
    for (uint32_t first = 0; first < columns; first += size.columns, bytes += size.bytes) {
        decode_block(type, bytes, values + first);
    }
}

/* Where the codes of two bits stand in a block, and which of its elements a pair is. */
static uint32_t first_code_3(enum source_type type, const uint8_t *block, uint32_t columns) {
    const uint8_t *codes = type == SOURCE_TQ2_0 ? block : block + 2;
    uint32_t first = columns, threes = 0;
    for (uint32_t i = 0; i < columns / 4; i++) {
        threes |= (uint32_t)codes[i] & (uint32_t)codes[i] >> 1;
    }
    if ((threes & 0x55u) == 0) {
        return columns;
    }
    for (uint32_t i = 0; i < columns / 4; i++) {
        for (uint32_t pair = 0; pair < 4; pair++) {
            if ((codes[i] >> (2 * pair) & 3) == 3) {
                uint32_t element =
                    type == SOURCE_TQ2_0 ? i / 32 * 128 + 32 * pair + i % 32 : 4 * i + pair;
                first = element < first ? element : first;
            }
        }
    }
    return first;
}

uint32_t block_find_code_3(enum source_type type, const uint8_t *bytes, uint32_t columns) {
    struct block_size size = block_size_of(type);
    if (type != SOURCE_TQ2_0 && type != SOURCE_Q2_0 && type != SOURCE_PQ2_0) {
        return columns;
    }
    for (uint32_t first = 0; first < columns; first += size.columns, bytes += size.bytes) {
        uint32_t found = first_code_3(type, bytes, size.columns);
        if (found < size.columns) {
            return first + found;
        }
    }
    return columns;
}
