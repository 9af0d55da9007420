/* test_gguf_blocks.c: the bytes of each block type for known weights. The vectors are worked out by hand from the layouts in
 * ggml-common.h; tests/native/export.test.mjs reads whole files back. */
#include "check.h"
#include "gguf_blocks.h"

#include <string.h>

static void fill(uint8_t *codes, size_t count, uint8_t code) {
    memset(codes, code, count);
}

static void test_q2_0(void) {
    uint8_t codes[64], out[18];
    const float one = 1.0f;
    fill(codes, 64, 1);
    gguf_encode_ternary(GGUF_Q2_0, codes, &one, 64, out);
    CHECK(out[0] == 0x00 && out[1] == 0x3C); /* 1.0 as a half, in front */
    for (int i = 2; i < 18; i++) {
        CHECK(out[i] == 0x55);
    }
    memcpy(codes, (const uint8_t[]){0, 1, 2, 2}, 4); /* -1, 0, +1, +1 */
    fill(codes + 4, 4, 2);
    gguf_encode_ternary(GGUF_Q2_0, codes, &one, 64, out);
    CHECK(out[2] == 0xA4);
    CHECK(out[3] == 0xAA);
}

static void test_tq2_0(void) {
    uint8_t codes[256], out[66];
    const float scale = 0.5f;
    fill(codes, 256, 1);
    codes[0] = 0;
    codes[64] = codes[96] = 2; /* elements 0, 32, 64, 96: -1, 0, +1, +1 */
    codes[128 + 31] = 2;
    gguf_encode_ternary(GGUF_TQ2_0, codes, &scale, 256, out);
    CHECK(out[0] == 0xA4);
    CHECK(out[1] == 0x55);
    CHECK(out[63] == 0x56);
    CHECK(out[64] == 0x00 && out[65] == 0x38); /* 0.5, behind */
}

static void set_digits(uint8_t *codes, size_t first, size_t step, const uint8_t *digits,
                       size_t count) {
    for (size_t i = 0; i < count; i++) {
        codes[first + i * step] = digits[i];
    }
}

static void test_tq1_0(void) {
    uint8_t codes[256], out[54];
    const float one = 1.0f;
    fill(codes, 256, 0);
    set_digits(codes, 1, 32, (const uint8_t[]){1, 1, 1, 1, 1}, 5);
    set_digits(codes, 2, 32, (const uint8_t[]){2, 2, 2, 2, 2}, 5);
    set_digits(codes, 160, 16, (const uint8_t[]){2, 1, 0, 1, 2}, 5);
    set_digits(codes, 240, 4, (const uint8_t[]){2, 0, 1, 1}, 4);
    gguf_encode_ternary(GGUF_TQ1_0, codes, &one, 256, out);
    CHECK(out[0] == 0);
    CHECK(out[1] == 128);
    CHECK(out[2] == 255);
    CHECK(out[32] == 205);
    CHECK(out[48] == 184);
    CHECK(out[52] == 0x00 && out[53] == 0x3C);
}

static void test_nibbles_and_bytes(void) {
    uint8_t codes[64], out[68];
    const float scales[2] = {1.0f, -2.0f};
    fill(codes, 64, 1);
    codes[0] = 2;  /* +1: 9 in the low nibble of byte 0 */
    codes[16] = 0; /* -1: 7 in its high nibble */
    codes[33] = 2;
    gguf_encode_ternary(GGUF_Q4_0, codes, scales, 64, out);
    CHECK(out[2] == 0x79);
    CHECK(out[3] == 0x88);
    CHECK(out[18] == 0x00 && out[19] == 0xC0); /* the second block has the second scale */
    CHECK(out[18 + 3] == 0x89);
    gguf_encode_ternary(GGUF_Q8_0, codes, scales, 64, out);
    CHECK(out[2] == 1 && out[2 + 16] == 0xFF && out[3] == 0);
    CHECK(out[34 + 2 + 1] == 1);
}

static void test_floats(void) {
    const uint8_t codes[3] = {0, 1, 2};
    const float scales[3] = {0.5f, 0.5f, 0.25f};
    uint8_t out[12];
    gguf_encode_ternary(GGUF_F16, codes, scales, 3, out);
    CHECK(memcmp(out, (const uint8_t[]){0x00, 0xB8}, 2) == 0);
    CHECK(memcmp(out + 4, (const uint8_t[]){0x00, 0x34}, 2) == 0);
    gguf_encode_ternary(GGUF_F32, codes, scales, 3, out);
    CHECK(memcmp(out, (const uint8_t[]){0, 0, 0, 0xBF}, 4) == 0);
}

static void test_tables(void) {
    int8_t codes[32];
    float values[64];
    uint8_t out[68];
    for (int i = 0; i < 32; i++) {
        codes[i] = (int8_t)(i - 16);
    }
    gguf_encode_int8(codes, 1.0f, 32, out);
    CHECK(out[0] == 0 && out[1] == 0x3C && out[2] == 0xF0 && out[33] == 15);
    for (int i = 0; i < 64; i++) {
        values[i] = i < 32 ? 0.0f : (float)(i - 32) * 4.0f; /* 0 .. 124 */
    }
    values[63] = -254.0f; /* scale 2 */
    gguf_encode_values(GGUF_Q8_0, values, 64, out);
    CHECK(out[0] == 0 && out[1] == 0); /* a block of zeros */
    CHECK(out[34] == 0x00 && out[35] == 0x40);
    CHECK(out[36] == 0 && out[37] == 2 && out[36 + 31] == (uint8_t)-127);
}

static void test_sizes(void) {
    CHECK(gguf_row_bytes(GGUF_TQ2_0, 1536) == 6 * 66);
    CHECK(gguf_row_bytes(GGUF_TQ2_0, 1600) == 0); /* GPT-2 XL: no whole blocks of 256 */
    CHECK(gguf_row_bytes(GGUF_Q2_0, 1600) == 25 * 18);
    CHECK(gguf_row_bytes(GGUF_Q4_0, 1600) == 50 * 18);
    CHECK(gguf_row_bytes(GGUF_TQ1_0, 256) == 54);
    CHECK(gguf_row_bytes(GGUF_F16, 3) == 6);
    CHECK(strcmp(gguf_type_name(GGUF_TQ1_0), "TQ1_0") == 0);
}

int main(void) {
    test_q2_0();
    test_tq2_0();
    test_tq1_0();
    test_nibbles_and_bytes();
    test_floats();
    test_tables();
    test_sizes();
    return check_done();
}
