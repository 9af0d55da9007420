/*
 * tokenizer_json.h: a Hugging Face tokenizer.json with a BPE model -> tokens, merges and flags of a tokenizer_builder.
 */
#ifndef TERCET_PACKER_TOKENIZER_JSON_H
#define TERCET_PACKER_TOKENIZER_JSON_H

#include "tokenizer_builder.h"

#define TOKENIZER_JSON_BYTES_MAX (64u << 20)

/* Opens and fills the builder from folder/tokenizer.json; the caller closes it in any case (it is zeroed first).
 * builder->beginning is the token that the post_processor puts in front of a text, if it does. FILE_NOT_FOUND and what
 * json_load, tokenizer_pipeline_read and the builder answer. */
tercet_status tokenizer_json_read(const char *folder, uint32_t vocabulary,
                                  struct tokenizer_builder *builder, tercet_error *error);

#endif
