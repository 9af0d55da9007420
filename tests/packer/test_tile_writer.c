/*
 * test_tile_writer.c: the tiles against the address formula of the format (which the writer does not use), padding,
 * and the rounding of int8 and f16.
 */
#include "base/math.h"
#include "check.h"
#include "kernels/ternary_tile.h"
#include "tile_writer.h"

#include <math.h>

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Every shape of a strip: full, one short, one column past a tile. */
static const uint32_t widths[] = {1, 2, 3, 4, 5, 15, 16, 17, 50, 64, 2050};

static void test_ternary(void) {
    uint32_t state = 1;
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        uint32_t columns = widths[w];
        size_t bytes = tile_ternary_strip_bytes(columns);
        CHECK_EQ(bytes, tile_pad(columns) * 4u);
        for (uint32_t rows = 1; rows <= 16; rows += 5) {
            uint8_t *codes = malloc((size_t)rows * columns);
            uint8_t *strip = malloc(bytes);
            int wrong = 0;
            for (size_t i = 0; i < (size_t)rows * columns; i++) {
                codes[i] = (uint8_t)(next_random(&state) % 3);
            }
            tile_write_ternary(codes, rows, columns, strip);
            for (uint32_t r = 0; r < 16; r++) {
                for (uint32_t c = 0; c < tile_pad(columns); c++) {
                    int code = strip[ternary_byte(r, c, columns)] >> ternary_shift(c) & 3;
                    int want = r < rows && c < columns ? codes[(size_t)r * columns + c] : 1;
                    wrong += code != want;
                }
            }
            CHECK_EQ(wrong, 0);
            free(codes);
            free(strip);
        }
    }
}

/* Bytes worked out by hand from the layout: row 0 is (-1, 0, +1, +1), then zeros; row 1 has +1 in column 4. */
static void test_ternary_bytes(void) {
    uint8_t codes[32], strip[64];
    memset(codes, 1, sizeof codes);
    codes[0] = 0;
    codes[2] = codes[3] = 2;
    codes[16 + 4] = 2;
    tile_write_ternary(codes, 2, 16, strip);
    CHECK_EQ(strip[0], 0x54);
    CHECK_EQ(strip[1], 0x55);
    CHECK_EQ(strip[2], 0x56);
    CHECK_EQ(strip[3], 0x56);
    CHECK_EQ(strip[4], 0x59);
    CHECK_EQ(strip[63], 0x55);
}

static void test_int8(void) {
    uint32_t state = 7;
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        uint32_t columns = widths[w], rows = 13;
        size_t bytes = tile_int8_strip_bytes(columns);
        CHECK_EQ(bytes, tile_pad(columns) * 16u);
        int8_t *codes = malloc((size_t)rows * columns);
        uint8_t *strip = malloc(bytes);
        int wrong = 0;
        for (size_t i = 0; i < (size_t)rows * columns; i++) {
            codes[i] = (int8_t)((int)(next_random(&state) % 255) - 127);
        }
        tile_write_int8(codes, rows, columns, strip);
        for (uint32_t r = 0; r < 16; r++) {
            for (uint32_t c = 0; c < tile_pad(columns); c++) {
                int8_t want = r < rows && c < columns ? codes[(size_t)r * columns + c] : 0;
                wrong += (int8_t)strip[int8_byte(r, c, columns)] != want;
            }
        }
        CHECK_EQ(wrong, 0);
        free(codes);
        free(strip);
    }
}

static void test_quantise_row(void) {
    int8_t codes[5];
    const float plain[5] = {127, -127, 2.5f, 3.5f, -2.5f};
    CHECK(tile_quantise_row(plain, 5, codes) == 1.0f);
    CHECK(codes[0] == 127 && codes[1] == -127);
    CHECK(codes[2] == 2 && codes[3] == 4 && codes[4] == -2); /* half to even */
    const float zeros[5] = {0, -0.0f, 0, 0, 0};
    CHECK(tile_quantise_row(zeros, 5, codes) == 0.0f);
    CHECK(codes[0] == 0 && codes[1] == 0);
    const float tiny[2] = {1e-45f,
                           -3e-45f}; /* the scale is no longer a full float: still in range */
    (void)tile_quantise_row(tiny, 2, codes);
    CHECK(codes[0] >= -127 && codes[1] >= -127);
    uint32_t state = 3;
    float values[300];
    int8_t many[300];
    for (int i = 0; i < 300; i++) {
        values[i] = (float)(next_random(&state) % 20001) / 1000.0f - 10.0f;
    }
    float scale = tile_quantise_row(values, 300, many);
    for (int i = 0; i < 300; i++) {
        CHECK_NEAR((float)many[i] * scale, values[i], scale * 0.5001f);
    }
}

/* Rows that are long enough for the quick way have the codes of the exact quotients: halves go to even, and what is one step of
 * f32 beside a half to the nearer side. */
static void test_quantise_long_rows(void) {
    static const float scales[] = {1.0f, 0.1f, 0x1p-10f, 3e-5f, 2e35f, 0x1p-121f, 1e-43f};
    enum { COLUMNS = 64 * 17 + 13 };
    float values[COLUMNS];
    int8_t codes[COLUMNS];
    for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++) {
        for (int i = 0; i < COLUMNS; i++) {
            float half = (float)(i / 3 % 254 - 127) + 0.5f, exact = half * scales[s];
            values[i] = i % 3 == 0 ? exact : nextafterf(exact, i % 3 == 1 ? INFINITY : -INFINITY);
        }
        values[5] = 127 * scales[s];
        float scale = tile_quantise_row(values, COLUMNS, codes);
        int wrong = 0;
        for (int i = 0; i < COLUMNS; i++) {
            double quotient = (double)values[i] / (double)scale;
            quotient = quotient > 127 ? 127 : quotient < -127 ? -127 : quotient;
            wrong += codes[i] != (int)nearbyint(quotient);
        }
        CHECK_EQ(wrong, 0);
    }
}

static void test_floats(void) {
    const float values[] = {1.0f, -2.0f, 65504.0f, 0.1f, 1e-8f};
    uint8_t bytes[20];
    tile_write_f32(values, 5, bytes);
    CHECK(bytes[0] == 0 && bytes[2] == 0x80 && bytes[3] == 0x3F && bytes[7] == 0xC0);
    tile_write_f16(values, 5, bytes);
    CHECK(bytes[0] == 0x00 && bytes[1] == 0x3C); /* 1.0 */
    CHECK(bytes[2] == 0x00 && bytes[3] == 0xC0); /* -2.0 */
    CHECK(bytes[4] == 0xFF && bytes[5] == 0x7B); /* the largest */
    CHECK(bytes[6] == 0x66 && bytes[7] == 0x2E); /* 0.1 rounds to 0x2E66 */
    CHECK(bytes[8] == 0x00 && bytes[9] == 0x00); /* too small */
}

/* All halves and what lies around them in f32, against the conversion of one number. */
static void test_halves(void) {
    uint32_t wrong = 0;
    float values[7];
    uint8_t bytes[14];
    for (uint32_t half = 0; half < 0x10000; half++) {
        uint32_t bits = math_float_bits(math_half_to_float((uint16_t)half));
        const uint32_t around[7] = {bits,           bits + 1,       bits - 1,      bits + 0x0FFF,
                                    bits + 0x1000u, bits + 0x1001u, bits ^ 0x1800u};
        for (int i = 0; i < 7; i++) {
            values[i] = math_float_from_bits(around[i]);
        }
        tile_write_f16(values, 7, bytes);
        for (int i = 0; i < 7; i++) {
            wrong += (bytes[2 * i] | bytes[2 * i + 1] << 8) != math_float_to_half(values[i]);
        }
    }
    CHECK_EQ(wrong, 0);
}

int main(void) {
    test_halves();
    test_ternary();
    test_ternary_bytes();
    test_int8();
    test_quantise_row();
    test_quantise_long_rows();
    test_floats();
    return check_done();
}
