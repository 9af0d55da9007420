/*
 * vocab_merges.h: vocab.json and merges.txt, as OpenAI published GPT-2's tokenizer and as old Hugging Face folders hold it,
 * as the tokenizer.json that says the same. So one reader serves both.
 */
#ifndef TERCET_PACKER_VOCAB_MERGES_H
#define TERCET_PACKER_VOCAB_MERGES_H

#include "json.h"

/* How sentences about the two name them. */
#define VOCAB_MERGES_FILES "vocab.json and merges.txt"

/* Whether a folder has both files. */
bool vocab_merges_exist(const char *folder);
/* UNSUPPORTED_SOURCE where tokenizer_config.json (root NULL: there is none) says that they are not a GPT-2 tokenizer's. */
tercet_status vocab_merges_check(const struct json_document *config, tercet_error *error);
/* With the tokens that the files beside them add. BAD_SOURCE, LIMIT_EXCEEDED, errors of source_file_read. After a failure
 * there is nothing to free. */
tercet_status vocab_merges_load(const char *folder, struct json_document *document,
                                tercet_error *error);

/* The tokenizer.json that goes with GPT-2's `vocab` (taken over in any case) and has no merges yet: *merges is the list
 * for them. `file` is for sentences. OUT_OF_MEMORY. */
tercet_status vocab_merges_frame(cJSON *vocab, const char *file, struct json_document *document,
                                 cJSON **merges, tercet_error *error);

#endif
