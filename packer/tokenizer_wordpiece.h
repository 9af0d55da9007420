/*
 * tokenizer_wordpiece.h: a tokenizer.json whose model is WordPiece, as core/text/wordpiece.c reproduces it: uncased BERT's.
 */
#ifndef TERCET_PACKER_TOKENIZER_WORDPIECE_H
#define TERCET_PACKER_TOKENIZER_WORDPIECE_H

#include "json.h"
#include "tokenizer_builder.h"

/* Whether that is its model. */
bool tokenizer_wordpiece_is(const struct json_document *document);
/* Fills an opened builder, all but finish. BAD_SOURCE, UNSUPPORTED_SOURCE with the name of what is not known, LIMIT_EXCEEDED,
 * OUT_OF_MEMORY. */
tercet_status tokenizer_wordpiece_read(const struct json_document *document,
                                       struct tokenizer_builder *builder, tercet_error *error);

#endif
