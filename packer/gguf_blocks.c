/*
 * gguf_blocks.c: see gguf_blocks.h. Each type has its own order of elements inside a block; the comments give it, and
 * tests/packer/test_gguf_blocks.c reads every block back by a table of its own.
 */
#include "gguf_blocks.h"

#include "../core/base/math.h"
#include "tile_writer.h"

#include <math.h>
#include <string.h>

static const struct block {
    enum gguf_type type;
    const char *name;
    uint32_t columns, bytes;
} blocks[] = {
    {GGUF_F32, "F32", 1, 4},     {GGUF_F16, "F16", 1, 2},        {GGUF_Q4_0, "Q4_0", 32, 18},
    {GGUF_Q8_0, "Q8_0", 32, 34}, {GGUF_TQ1_0, "TQ1_0", 256, 54}, {GGUF_TQ2_0, "TQ2_0", 256, 66},
    {GGUF_Q2_0, "Q2_0", 64, 18},
};

static const struct block *find_block(enum gguf_type type) {
    const struct block *block = blocks;
    while (block->type != type) {
        block++; /* every value of the enum is in the table */
    }
    return block;
}

uint32_t gguf_block_columns(enum gguf_type type) {
    return find_block(type)->columns;
}

size_t gguf_row_bytes(enum gguf_type type, uint32_t columns) {
    const struct block *block = find_block(type);
    return columns % block->columns == 0 ? (size_t)(columns / block->columns) * block->bytes : 0;
}

const char *gguf_type_name(enum gguf_type type) {
    return find_block(type)->name;
}

static void put_half(float value, uint8_t *out) {
    tile_write_f16(&value, 1, out);
}

/* Half d, then 16 bytes: element j in the low nibble of byte j, element j + 16 in the high one; value d (n - 8). */
static void encode_q4_0(const uint8_t *codes, float scale, uint8_t *out) {
    put_half(scale, out);
    for (uint32_t j = 0; j < 16; j++) {
        out[2 + j] = (uint8_t)((codes[j] + 7) | (codes[j + 16] + 7) << 4);
    }
}

/* Half d, then 32 signed bytes. */
static void encode_q8_0(const uint8_t *codes, float scale, uint8_t *out) {
    put_half(scale, out);
    for (uint32_t j = 0; j < 32; j++) {
        out[2 + j] = (uint8_t)(codes[j] - 1);
    }
}

/* Half d, then 16 bytes of four neighbours each, the first in the lowest bits; value d (code - 1). */
static void encode_q2_0(const uint8_t *codes, float scale, uint8_t *out) {
    put_half(scale, out);
    for (uint32_t j = 0; j < 16; j++, codes += 4) {
        out[2 + j] = (uint8_t)(codes[0] | codes[1] << 2 | codes[2] << 4 | codes[3] << 6);
    }
}

/* 64 bytes, then half d. Byte m of half h holds elements 128 h + m, + 32, + 64 and + 96, the first in the lowest bits. */
static void encode_tq2_0(const uint8_t *codes, float scale, uint8_t *out) {
    for (uint32_t h = 0; h < 2; h++, codes += 128, out += 32) {
        for (uint32_t m = 0; m < 32; m++) {
            out[m] =
                (uint8_t)(codes[m] | codes[m + 32] << 2 | codes[m + 64] << 4 | codes[m + 96] << 6);
        }
    }
    put_half(scale, out);
}

/* `count` base-3 digits, `step` elements apart, the first most significant, as a fraction of 3^5 in 256ths, rounded up:
 * the reader gets digit n back as the integer part of 3 * (byte * 3^n mod 256) / 256. */
static uint8_t pack_trits(const uint8_t *codes, uint32_t count, uint32_t step) {
    uint32_t value = 0;
    for (uint32_t n = 0; n < 5; n++) {
        value = value * 3 + (n < count ? codes[(size_t)n * step] : 0);
    }
    return (uint8_t)((value * 256 + 242) / 243);
}

/* 48 bytes of five trits and 4 of four, then half d: bytes 0..31 elements m + 32 n, 32..47 elements 160 + m + 16 n, the
 * last four 240 + j + 4 n. */
static void encode_tq1_0(const uint8_t *codes, float scale, uint8_t *out) {
    for (uint32_t m = 0; m < 32; m++) {
        out[m] = pack_trits(codes + m, 5, 32);
    }
    for (uint32_t m = 0; m < 16; m++) {
        out[32 + m] = pack_trits(codes + 160 + m, 5, 16);
    }
    for (uint32_t j = 0; j < 4; j++) {
        out[48 + j] = pack_trits(codes + 240 + j, 4, 4);
    }
    put_half(scale, out + 52);
}

static void encode_weight(enum gguf_type type, uint8_t code, float scale, uint8_t *out) {
    float value = ((float)code - 1.0f) * scale;
    if (type == GGUF_F16) {
        tile_write_f16(&value, 1, out);
    } else {
        tile_write_f32(&value, 1, out);
    }
}

void gguf_encode_ternary(enum gguf_type type, const uint8_t *codes, const float *scales,
                         uint32_t columns, uint8_t *out) {
    const struct block *block = find_block(type);
    for (uint32_t first = 0; first < columns;
         first += block->columns, codes += block->columns, scales++, out += block->bytes) {
        switch (type) {
        case GGUF_Q4_0:
            encode_q4_0(codes, *scales, out);
            break;
        case GGUF_Q8_0:
            encode_q8_0(codes, *scales, out);
            break;
        case GGUF_TQ1_0:
            encode_tq1_0(codes, *scales, out);
            break;
        case GGUF_TQ2_0:
            encode_tq2_0(codes, *scales, out);
            break;
        case GGUF_Q2_0:
            encode_q2_0(codes, *scales, out);
            break;
        case GGUF_F32:
        case GGUF_F16:
            encode_weight(type, *codes, *scales, out);
            break;
        }
    }
}

void gguf_encode_int8(const int8_t *codes, float scale, uint32_t columns, uint8_t *out) {
    for (uint32_t first = 0; first < columns; first += 32, codes += 32, out += 34) {
        put_half(scale, out);
        memcpy(out + 2, codes, 32);
    }
}

static void quantise_q8_0(const float *values, uint8_t *out) {
    float most = 0;
    for (uint32_t j = 0; j < 32; j++) {
        most = fabsf(values[j]) > most ? fabsf(values[j]) : most;
    }
    float scale = most / 127.0f, inverse = scale > 0 ? 1.0f / scale : 0.0f;
    put_half(scale, out);
    for (uint32_t j = 0; j < 32; j++) {
        float code = roundf(values[j] * inverse);
        out[2 + j] = (uint8_t)(int8_t)(code > 127 ? 127 : code < -127 ? -127 : code);
    }
}

void gguf_encode_values(enum gguf_type type, const float *values, uint32_t columns, uint8_t *out) {
    if (type == GGUF_F32) {
        tile_write_f32(values, columns, out);
    } else if (type == GGUF_F16) {
        tile_write_f16(values, columns, out);
    } else {
        for (uint32_t first = 0; first < columns; first += 32, values += 32, out += 34) {
            quantise_q8_0(values, out);
        }
    }
}
