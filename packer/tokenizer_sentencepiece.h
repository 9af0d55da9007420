/*
 * tokenizer_sentencepiece.h: a SentencePiece tokenizer.model of type BPE -> tokens, derived merges and flags of a
 * tokenizer_builder.
 */
#ifndef TERCET_PACKER_TOKENIZER_SENTENCEPIECE_H
#define TERCET_PACKER_TOKENIZER_SENTENCEPIECE_H

#include "json.h"
#include "read_sentencepiece.h"
#include "tokenizer_builder.h"

#define TOKENIZER_MODEL_BYTES_MAX (64u << 20)

/* Opens and fills the builder from folder/tokenizer.model; the caller closes it in any case (it is zeroed first).
 * `config` is tokenizer_config.json (its root NULL where there is none): its added_tokens_decoder may name tokens behind
 * the pieces. builder->beginning is the piece that the model names as such. */
tercet_status tokenizer_sentencepiece_read(const char *folder, uint32_t vocabulary,
                                           const struct json_document *config,
                                           struct tokenizer_builder *builder, tercet_error *error);
/* The same from pieces in memory, into an open builder (GGUF files have such); `config` may be NULL. */
tercet_status tokenizer_sentencepiece_fill(struct tokenizer_builder *builder,
                                           const struct sentencepiece_model *model,
                                           const struct json_document *config, tercet_error *error);

#endif
