/*
 * test_block_codecs.c: every block type against the bytes that its description gives by hand, against a table of its own for
 * random bytes, and against the packer's encoder.
 */
#include "block_codecs.h"
#include "check.h"
#include "gguf_blocks.h"

#include <math.h>

#define HALF_ONE 0x3C00u

static void put_half(uint8_t *at, uint32_t bits) {
    at[0] = (uint8_t)bits;
    at[1] = (uint8_t)(bits >> 8);
}

/* The elements 0, 1, 2, 3 that were named here are -1, 0, +1, +1; the rest 0. */
static void check_four(const float *values, uint32_t count, const uint32_t at[4], float scale) {
    static const float wanted[4] = {-1, 0, 1, 1};
    for (uint32_t i = 0; i < count; i++) {
        float want = 0;
        for (uint32_t k = 0; k < 4; k++) {
            want = i == at[k] ? wanted[k] * scale : want;
        }
        CHECK(values[i] == want);
    }
}

static void test_vectors(void) {
    static const uint32_t neighbours[4] = {0, 1, 2, 3}, apart[4] = {0, 32, 64, 96};
    uint8_t block[256];
    float values[256];
    uint8_t codes[128];
    memset(block, 0x55, sizeof block);
    put_half(block, HALF_ONE + 0x400); /* 2 */
    block[2] = 0xA4;
    block_decode_row(SOURCE_Q2_0, block, 64, values);
    check_four(values, 64, neighbours, 2);
    block_decode_row(SOURCE_PQ2_0, block, 128, values);
    check_four(values, 128, neighbours, 2);
    block[2] = 0xAA;
    block_decode_row(SOURCE_Q2_0, block, 64, values);
    CHECK(values[0] == 2 && values[1] == 2 && values[2] == 2 && values[3] == 2 && values[4] == 0);
    memset(block, 0x55, sizeof block);
    block[0] = 0xA4;
    put_half(block + 64, HALF_ONE);
    block_decode_row(SOURCE_TQ2_0, block, 256, values);
    check_four(values, 256, apart, 1);
    memset(block, 0x55, sizeof block);
    block[0] = 0x1A;
    i2s_row_codes(I2S_X86, block, 0, 128, codes);
    CHECK(ternary_codes_sound(codes, 128));
    for (uint32_t i = 0; i < 128; i++) {
        values[i] = (float)codes[i] - 1;
    }
    check_four(values, 128, apart, 1);
    put_half(block, HALF_ONE);
    block_decode_row(SOURCE_F16, block, 1, values);
    CHECK(values[0] == 1.0f);
    put_half(block, 0xBF80); /* BF16 */
    block_decode_row(SOURCE_BF16, block, 1, values);
    CHECK(values[0] == -1.0f);
}

/* 0,0,0,0,0 -> 0; 1,1,1,1,1 -> 128; 2,2,2,2,2 -> 255; 2,1,0,1,2 -> 205; four digits 2,0,1,1 -> 184. */
static void test_digits(void) {
    static const struct {
        uint8_t byte;
        int digits[5];
    } cases[] = {{0, {0, 0, 0, 0, 0}},
                 {128, {1, 1, 1, 1, 1}},
                 {255, {2, 2, 2, 2, 2}},
                 {205, {2, 1, 0, 1, 2}}};
    uint8_t block[54] = {0};
    float values[256];
    put_half(block + 52, HALF_ONE);
    for (uint32_t i = 0; i < 4; i++) {
        block[i] = cases[i].byte;
        block[32 + i] = cases[i].byte;
    }
    block[48] = 184;
    block_decode_row(SOURCE_TQ1_0, block, 256, values);
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t n = 0; n < 5; n++) {
            CHECK(values[32 * n + i] == (float)(cases[i].digits[n] - 1));
            CHECK(values[160 + 16 * n + i] == (float)(cases[i].digits[n] - 1));
        }
    }
    CHECK(values[240] == 1 && values[244] == -1 && values[248] == 0 && values[252] == 0);
    memset(block, 0, sizeof block);
    put_half(block + 26, HALF_ONE);
    block[3] = block[16 + 3] = 205;
    block[24] = 184;
    block_decode_row(SOURCE_PTQ1_0, block, 128, values);
    for (uint32_t n = 0; n < 5; n++) {
        CHECK(values[16 * n + 3] == (float)(cases[3].digits[n] - 1));
        CHECK(values[80 + 8 * n + 3] == (float)(cases[3].digits[n] - 1));
    }
    CHECK(values[120] == 1 && values[122] == -1 && values[124] == 0 && values[126] == 0);
}

static uint32_t random_state = 12345;
static uint8_t random_byte(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return (uint8_t)(random_state >> 24);
}

/* Element e of a Q6_K block, field by field from its description. */
static float q6_k_element(const uint8_t *block, uint32_t e) {
    uint32_t half = e / 128, quarter = e % 128 / 32, l = e % 32;
    uint32_t low = block[64 * half + (quarter % 2) * 32 + l];
    uint32_t nibble = quarter < 2 ? low & 15 : low >> 4;
    uint32_t pair = block[128 + 32 * half + l] >> (2 * quarter) & 3;
    int8_t scale = (int8_t)block[192 + 8 * half + 2 * quarter + l / 16];
    return 0.25f * (float)scale * (float)((int32_t)(nibble | pair << 4) - 32);
}

static void test_dense_blocks(void) {
    uint8_t block[210];
    float values[256];
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof block; i++) {
            block[i] = random_byte();
        }
        put_half(block + 208, 0x3400); /* 0.25 */
        block_decode_row(SOURCE_Q6_K, block, 256, values);
        for (uint32_t e = 0; e < 256; e++) {
            CHECK(values[e] == q6_k_element(block, e));
        }
        put_half(block, 0x3400);
        block_decode_row(SOURCE_Q8_0, block, 32, values);
        for (uint32_t e = 0; e < 32; e++) {
            CHECK(values[e] == 0.25f * (float)(int8_t)block[2 + e]);
        }
        block_decode_row(SOURCE_Q4_0, block, 32, values);
        for (uint32_t e = 0; e < 32; e++) {
            int32_t nibble = e < 16 ? block[2 + e] & 15 : block[2 + e - 16] >> 4;
            CHECK(values[e] == 0.25f * (float)(nibble - 8));
        }
    }
}

/* What the packer's own encoder writes comes back, several blocks a row. */
static void test_round_trips(void) {
    static const struct {
        enum gguf_type written;
        enum source_type read;
    } pairs[] = {{GGUF_Q4_0, SOURCE_Q4_0},
                 {GGUF_Q8_0, SOURCE_Q8_0},
                 {GGUF_TQ1_0, SOURCE_TQ1_0},
                 {GGUF_TQ2_0, SOURCE_TQ2_0},
                 {GGUF_Q2_0, SOURCE_Q2_0}};
    enum { COLUMNS = 768 };
    uint8_t codes[COLUMNS], bytes[COLUMNS * 4];
    float scales[COLUMNS], values[COLUMNS];
    for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
        struct block_size size = block_size_of(pairs[p].read);
        CHECK_EQ(size.columns, gguf_block_columns(pairs[p].written));
        CHECK_EQ((size_t)COLUMNS / size.columns * size.bytes,
                 gguf_row_bytes(pairs[p].written, COLUMNS));
        CHECK_EQ(block_is_ternary(pairs[p].read), p >= 2);
        for (uint32_t c = 0; c < COLUMNS; c++) {
            codes[c] = random_byte() % 3;
            scales[c] = (float)(1 + random_byte() % 16) / 64;
        }
        gguf_encode_ternary(pairs[p].written, codes, scales, COLUMNS, bytes);
        block_decode_row(pairs[p].read, bytes, COLUMNS, values);
        for (uint32_t c = 0; c < COLUMNS; c++) {
            CHECK(values[c] == ((float)codes[c] - 1) * scales[c / size.columns]);
        }
        CHECK_EQ(block_find_code_3(pairs[p].read, bytes, COLUMNS), COLUMNS);
    }
}

static void test_code_3(void) {
    uint8_t bytes[132];
    float values[512];
    memset(bytes, 0x55, sizeof bytes);
    put_half(bytes + 64, HALF_ONE);
    put_half(bytes + 130, HALF_ONE);
    bytes[66 + 33] = 0x5D; /* second block, second half, m 1, pair 1: element 256 + 128 + 32 + 1 */
    CHECK_EQ(block_find_code_3(SOURCE_TQ2_0, bytes, 512), 256 + 128 + 33);
    block_decode_row(SOURCE_TQ2_0, bytes, 512, values);
    CHECK(values[256 + 128 + 33] == 2.0f);
    memset(bytes, 0x55, sizeof bytes);
    bytes[18 + 2 + 5] = 0xD5; /* second block, element 4 * 5 + 3 */
    put_half(bytes + 18, HALF_ONE);
    CHECK_EQ(block_find_code_3(SOURCE_Q2_0, bytes, 128), 64 + 23);
    block_decode_row(SOURCE_Q2_0, bytes, 128, values);
    CHECK(values[64 + 23] == 2.0f);
    memset(bytes, 0x55, sizeof bytes);
    bytes[2 + 31] = 0xD5;
    CHECK_EQ(block_find_code_3(SOURCE_PQ2_0, bytes, 128), 127);
    memset(bytes, 0xFF, sizeof bytes); /* all bytes are digits there */
    CHECK_EQ(block_find_code_3(SOURCE_TQ1_0, bytes, 512), 512);
}

/* The three orders of the same codes, by their descriptions. */
static void test_i2s(void) {
    enum { COLUMNS = 256, ROWS = 4 };
    uint8_t codes[ROWS][COLUMNS], bytes[I2S_LAYOUTS][ROWS * COLUMNS / 4];
    uint8_t row_codes[COLUMNS];
    memset(bytes, 0, sizeof bytes);
    for (uint32_t r = 0; r < ROWS; r++) {
        for (uint32_t c = 0; c < COLUMNS; c++) {
            uint32_t flat = r * COLUMNS + c, code = random_byte() % 3;
            codes[r][c] = (uint8_t)code;
            bytes[I2S_X86][flat / 128 * 32 + flat % 32] |=
                (uint8_t)(code << (6 - 2 * (flat % 128 / 32)));
            bytes[I2S_ARM][flat / 64 * 16 + flat % 16] |=
                (uint8_t)(code << (6 - 2 * (flat % 64 / 16)));
            bytes[I2S_ROW4][c] |= (uint8_t)(code << (6 - 2 * r));
        }
    }
    for (int layout = 0; layout < I2S_LAYOUTS; layout++) {
        for (uint32_t r = 0; r < ROWS; r++) {
            const uint8_t *row = bytes[layout] + (layout == I2S_ROW4 ? 0 : r * COLUMNS / 4);
            i2s_row_codes((enum i2s_layout)layout, row, r, COLUMNS, row_codes);
            CHECK_MEM(row_codes, codes[r], COLUMNS);
        }
    }
    bytes[I2S_X86][32 + 7] = 0x0C; /* elements 128 + 7 + 64 */
    i2s_row_codes(I2S_X86, bytes[I2S_X86], 0, COLUMNS, row_codes);
    CHECK(!ternary_codes_sound(row_codes, COLUMNS) && row_codes[128 + 7 + 64] == 3);
    bytes[I2S_ROW4][9] = 0x03;
    i2s_row_codes(I2S_ROW4, bytes[I2S_ROW4], 3, COLUMNS, row_codes);
    CHECK(!ternary_codes_sound(row_codes, COLUMNS) && row_codes[9] == 3);
    i2s_row_codes(I2S_ROW4, bytes[I2S_ROW4], 2, COLUMNS, row_codes);
    CHECK(ternary_codes_sound(row_codes, COLUMNS));
}

/* One other code among many, at every place of every length. */
static void test_looking(void) {
    uint8_t codes[300];
    memset(codes, 1, sizeof codes);
    for (size_t count = 1; count <= sizeof codes; count += 13) {
        CHECK(!ternary_codes_any(codes, count) && ternary_codes_sound(codes, count));
        CHECK_EQ(ternary_codes_zeros(codes, count), count);
        for (size_t at = 0; at < count; at++) {
            codes[at] = at % 2 == 0 ? 0 : 2;
            CHECK(ternary_codes_any(codes, count) && ternary_codes_sound(codes, count));
            CHECK_EQ(ternary_codes_zeros(codes, count), count - 1);
            codes[at] = 3;
            CHECK(!ternary_codes_sound(codes, count));
            codes[at] = 1;
        }
    }
}

int main(void) {
    test_vectors();
    test_digits();
    test_dense_blocks();
    test_round_trips();
    test_code_3();
    test_i2s();
    test_looking();
    return check_done();
}
