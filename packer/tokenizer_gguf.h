/*
 * tokenizer_gguf.h: the tokenizer keys of a GGUF file -> the TOKENIZER section of a container: byte-level BPE ("gpt2", cut by
 * the rule that tokenizer.ggml.pre names) and SentencePiece-style BPE with scores ("llama"). Refuses what it cannot
 * reproduce, by name. The way back is gguf_tokenizer.h.
 */
#ifndef TERCET_PACKER_TOKENIZER_GGUF_H
#define TERCET_PACKER_TOKENIZER_GGUF_H

#include "../core/container/container_reader.h"
#include "gguf_header.h"
#include "tokenizer_tables.h"

/* vocabulary: rows of the embedding; 0: as many as there are tokens (files with a vocabulary alone). BAD_SOURCE,
 * UNSUPPORTED_SOURCE with the name of the feature, LIMIT_EXCEEDED, OUT_OF_MEMORY. `header->file` must outlive the section.
 */
tercet_status tokenizer_gguf_build(const struct gguf_header *header, uint32_t vocabulary,
                                   struct tokenizer_section *section, tercet_error *error);
/* Fills config's stop_tokens: those that keys name, and tokens whose texts are known to end a turn. config->vocabulary is
 * set. BAD_SOURCE, LIMIT_EXCEEDED. */
tercet_status tokenizer_gguf_read_stops(const struct gguf_header *header,
                                        struct container_config *config, tercet_error *error);

#endif
