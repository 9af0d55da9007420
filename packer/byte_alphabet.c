/*
 * byte_alphabet.c: see byte_alphabet.h.
 */
#include "byte_alphabet.h"

#include <stdbool.h>

static bool is_visible(uint32_t byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) ||
           (byte >= 174 && byte <= 255);
}

/* The invisible ones are 0..32, 127..160 and 173: 33, 34 and 1 of them. */
uint32_t byte_alphabet_character(uint8_t byte) {
    if (is_visible(byte)) {
        return byte;
    }
    return 0x100u + (byte < 33 ? byte : byte < 161 ? byte - 127u + 33u : 67u);
}

int byte_alphabet_byte(uint32_t code_point) {
    if (code_point < 0x100) {
        return is_visible(code_point) ? (int)code_point : -1;
    }
    uint32_t place = code_point - 0x100;
    if (place > 67) {
        return -1;
    }
    return (int)(place < 33 ? place : place < 67 ? place - 33 + 127 : 173);
}
