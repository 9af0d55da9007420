/*
 * folder_numbers.h: the types of number in which a safetensors file may hold weights: rounding to them, writing them, and
 * finding the smallest that loses nothing. Works on numbers in memory; knows no tensors.
 */
#ifndef TERCET_PACKER_FOLDER_NUMBERS_H
#define TERCET_PACKER_FOLDER_NUMBERS_H

#include "export.h"

/* What safetensors and torch call a type, and its bytes. */
struct folder_number {
    const char *dtype, *torch;
    uint32_t bytes;
};
const struct folder_number *folder_number(enum export_number number);

/* To nearest, ties to even. */
float folder_number_round(enum export_number number, float value);
/* Little-endian. */
void folder_number_write(enum export_number number, const float *values, uint32_t count,
                         uint8_t *out);

/* Which types still hold every number that was seen; begins all true. */
struct folder_exactness {
    bool bf16, f16;
};
void folder_exactness_see(struct folder_exactness *seen, float value);
/* The smallest of them. */
enum export_number folder_exactness_number(const struct folder_exactness *seen);

#endif
