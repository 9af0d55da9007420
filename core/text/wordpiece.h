/*
 * wordpiece.h: text to tokens as uncased BERT models do it (huggingface/tokenizers: BertNormalizer, BertPreTokenizer, WordPiece):
 * folded characters, words cut at white space and punctuation, the longest token of a word first, then the longest that goes
 * on. A word that cannot be spelled, or is longer than 100 characters, is the unknown token; without one it is dropped.
 */
#ifndef TERCET_TEXT_WORDPIECE_H
#define TERCET_TEXT_WORDPIECE_H

#include "../container/container_reader.h"

#define WORDPIECE_WORD_CHARACTERS 100u

/* Appends the tokens of valid UTF-8: at most `capacity` of them are written, all are counted. */
void wordpiece_encode(const struct container_tokenizer *tables, const uint8_t *text, size_t bytes,
                      uint32_t *tokens, size_t capacity, size_t *count);

#endif
