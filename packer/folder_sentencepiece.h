/*
 * folder_sentencepiece.h: a folder's SentencePiece tokenizer.model of type BPE -> a tokenizer_builder.
 */
#ifndef TERCET_PACKER_FOLDER_SENTENCEPIECE_H
#define TERCET_PACKER_FOLDER_SENTENCEPIECE_H

#include "json.h"
#include "tokenizer_builder.h"

#define TOKENIZER_MODEL_BYTES_MAX (64u << 20)

/* Opens and fills the builder from folder/tokenizer.model; the caller closes it in any case (it is zeroed first).
 * `config` is tokenizer_config.json (its root NULL where there is none): its added_tokens_decoder may name tokens behind
 * the pieces. builder->beginning is the piece that the model names as such. */
tercet_status folder_sentencepiece_read(const char *folder, uint32_t vocabulary,
                                        const struct json_document *config,
                                        struct tokenizer_builder *builder, tercet_error *error);

#endif
