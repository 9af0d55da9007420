/*
 * tokenizer_sentencepiece.h: the pieces of a SentencePiece model of type BPE -> tokens, derived merges and flags of a
 * tokenizer_builder. Where the pieces come from (tokenizer.model, GGUF) is not its business.
 */
#ifndef TERCET_PACKER_TOKENIZER_SENTENCEPIECE_H
#define TERCET_PACKER_TOKENIZER_SENTENCEPIECE_H

#include "read_sentencepiece.h"
#include "tokenizer_builder.h"

/* The pieces, into an open builder. Tokens behind them may be added before the next one is called. UNSUPPORTED_SOURCE,
 * BAD_SOURCE, OUT_OF_MEMORY. */
tercet_status tokenizer_sentencepiece_fill(struct tokenizer_builder *builder,
                                           const struct sentencepiece_model *model,
                                           tercet_error *error);
/* Indexes the tokens and derives the merges. builder->beginning is the piece that the model names as such. */
tercet_status tokenizer_sentencepiece_finish(struct tokenizer_builder *builder,
                                             const struct sentencepiece_model *model,
                                             tercet_error *error);

#endif
