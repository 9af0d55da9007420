/*
 * synthetic_tokenizer.h: tokenizer tables of a real model's counts, over invented words. They
 * tokenize any text, load in the time and memory of the real ones, and mean nothing.
 */
#ifndef TERCET_NATIVE_SYNTHETIC_TOKENIZER_H
#define TERCET_NATIVE_SYNTHETIC_TOKENIZER_H

#include "../packer/tokenizer_tables.h"
#include "synthetic_shapes.h"

/* OUT_OF_MEMORY. The caller frees the section (tokenizer_section_free). */
tercet_status synthetic_tokenizer_build(const struct synthetic_tokenizer *wanted,
                                        struct tokenizer_section *section, tercet_error *error);

#endif
