/*
 * byte_alphabet.h: the 256 visible characters in which files of byte-level BPE write bytes (OpenAI's GPT-2 encoder.py,
 * bytes_to_unicode): 33..126, 161..172 and 174..255 as they are, the others, in rising order, from U+0100 on.
 */
#ifndef TERCET_PACKER_BYTE_ALPHABET_H
#define TERCET_PACKER_BYTE_ALPHABET_H

#include <stddef.h>
#include <stdint.h>

uint32_t byte_alphabet_character(uint8_t byte);
/* The byte that a code point stands for; -1 for one outside of the alphabet. */
int byte_alphabet_byte(uint32_t code_point);

#endif
