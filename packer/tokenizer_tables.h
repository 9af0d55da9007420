/*
 * tokenizer_tables.h: other people's tokenizer files -> the TOKENIZER section of a container (container_layout.h). Reads
 * tokenizer.json (byte-level BPE, SentencePiece-style BPE, WordPiece), a SentencePiece tokenizer.model (BPE) or GPT-2's vocab.json and merges.txt, plus
 * tokenizer_config.json where it decides (add_bos_token). Refuses what it cannot reproduce, by name.
 */
#ifndef TERCET_PACKER_TOKENIZER_TABLES_H
#define TERCET_PACKER_TOKENIZER_TABLES_H

#include "../core/base/status.h"
#include <stdbool.h>

struct tokenizer_section {
    uint8_t *bytes; /* malloc'ed; tokenizer_section_free */
    size_t count;
    uint32_t token_count;
    uint32_t beginning_token; /* or TERCET_NO_TOKEN */
    uint32_t
        end_token; /* "<|endoftext|>", "[SEP]" or TERCET_NO_TOKEN: for sources that say nothing of the end */
    const char *source; /* "tokenizer.json" or "tokenizer.model" */
};

/* `folder` holds the files; vocabulary = rows of the embedding (token_count must not exceed it); bos = the id that
 * config.json names or TERCET_NO_TOKEN. FILE_NOT_FOUND when the folder has no tokenizer, BAD_SOURCE,
 * UNSUPPORTED_SOURCE (with the name of the feature), LIMIT_EXCEEDED, OUT_OF_MEMORY. */
tercet_status tokenizer_section_build(const char *folder, uint32_t vocabulary, uint32_t bos,
                                      struct tokenizer_section *section, tercet_error *error);
void tokenizer_section_free(struct tokenizer_section *section);

#endif
