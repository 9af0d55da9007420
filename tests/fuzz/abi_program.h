/*
 * abi_program.h: the input of a target on a module's exported functions (fuzz_abi.c, fuzz_packer_abi.c) as a program of calls: bytes from
 * which operations and arguments are taken, mostly something sensible, else anything; zeros behind the end.
 */
#ifndef TERCET_TESTS_FUZZ_ABI_PROGRAM_H
#define TERCET_TESTS_FUZZ_ABI_PROGRAM_H

#include "abi_window.h"

#include <stdbool.h>
#include <string.h>

struct program {
    const uint8_t *bytes;
    size_t left;
};

static inline uint64_t take(struct program *program, unsigned width) {
    uint64_t value = 0;
    for (unsigned i = 0; i < width && program->left > 0; i++, program->left--)
        value |= (uint64_t)*program->bytes++ << (8 * i);
    return value;
}

/* One of 128 places in the window, any place of it, or any address. */
static inline uint64_t take_address(struct program *program) {
    uint64_t choice = take(program, 1);
    return choice < 0x80   ? choice * (WINDOW_BYTES / 128)
           : choice < 0xC0 ? take(program, 2)
                           : take(program, 4);
}

/* A count or an option. */
static inline uint64_t take_number(struct program *program) {
    uint64_t choice = take(program, 1);
    return choice < 0xF0 ? choice : take(program, 4);
}

/* What the host writes before the next call. */
static inline void write_window(struct program *program) {
    size_t address = (size_t)take(program, 2) % WINDOW_BYTES, count = (size_t)take(program, 1);
    count = count < program->left ? count : program->left;
    count = count < WINDOW_BYTES - address ? count : WINDOW_BYTES - address;
    uint8_t *window = window_open();
    if (count > 0)
        memcpy(window + address, program->bytes, count);
    program->bytes += count;
    program->left -= count;
    window_close();
}

#endif
