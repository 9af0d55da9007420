/*
 * tokenizer_bin.h: the tokenizer.bin beside a BitMamba-2 model: GPT-2's tokens in the order of their ids, and nothing else. As a
 * tokenizer.json that says the same, so that there is one reader of both.
 */
#ifndef TERCET_PACKER_TOKENIZER_BIN_H
#define TERCET_PACKER_TOKENIZER_BIN_H

#include "json.h"

#define TOKENIZER_BIN_FILE "tokenizer.bin"

bool tokenizer_bin_exists(const char *folder);
/* json_free the document. FILE_NOT_FOUND, FILE_READ_FAILED, BAD_SOURCE, LIMIT_EXCEEDED, OUT_OF_MEMORY. */
tercet_status tokenizer_bin_load(const char *folder, struct json_document *document,
                                 tercet_error *error);

#endif
