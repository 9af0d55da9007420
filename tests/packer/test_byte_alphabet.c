/*
 * test_byte_alphabet.c: the alphabet of byte-level BPE against the table that GPT-2's encoder.py builds, and code points outside
 * of it.
 */
#include "byte_alphabet.h"
#include "check.h"

#include <stdbool.h>

/* encoder.py: the visible bytes as they are; the others, in rising order, take U+0100 and on. */
static void make_table(uint32_t characters[256]) {
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; byte++) {
        bool visible = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
                       (byte >= 0xAE && byte <= 0xFF);
        characters[byte] = visible ? byte : next++;
    }
    CHECK_EQ(next, 0x144);
}

int main(void) {
    uint32_t characters[256], known = 0;
    make_table(characters);
    for (uint32_t byte = 0; byte < 256; byte++) {
        CHECK_EQ(byte_alphabet_character((uint8_t)byte), characters[byte]);
        CHECK_EQ(byte_alphabet_byte(characters[byte]), byte);
    }
    /* As every file shows them: a space, a line's end, the soft hyphen that comes last. */
    CHECK_EQ(byte_alphabet_character(' '), 0x120);
    CHECK_EQ(byte_alphabet_character('\n'), 0x10A);
    CHECK_EQ(byte_alphabet_character(0xAD), 0x143);
    /* Nothing else is a byte: the invisible ones as they are, what follows the last one, the end of Unicode. */
    for (uint32_t code_point = 0; code_point <= 0x10FFFF; code_point++) {
        known += byte_alphabet_byte(code_point) >= 0;
    }
    CHECK_EQ(known, 256);
    CHECK_EQ(byte_alphabet_byte(' '), -1);
    CHECK_EQ(byte_alphabet_byte(0x7F), -1);
    CHECK_EQ(byte_alphabet_byte(0xAD), -1);
    CHECK_EQ(byte_alphabet_byte(0x144), -1);
    CHECK_EQ(byte_alphabet_byte(UINT32_MAX), -1);
    return check_done();
}
