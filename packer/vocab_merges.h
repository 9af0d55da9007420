/*
 * vocab_merges.h: vocab.json and merges.txt, as OpenAI published GPT-2's tokenizer and as old Hugging Face folders hold it,
 * as the tokenizer.json that says the same. So one reader serves both.
 */
#ifndef TERCET_PACKER_VOCAB_MERGES_H
#define TERCET_PACKER_VOCAB_MERGES_H

#include "json.h"

/* Whether a folder has both files. */
bool vocab_merges_exist(const char *folder);
/* BAD_SOURCE, UNSUPPORTED_SOURCE (an added_tokens.json beside them), errors of source_file_read. After a failure there is
 * nothing to free. */
tercet_status vocab_merges_load(const char *folder, struct json_document *document,
                                tercet_error *error);

#endif
