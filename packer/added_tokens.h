/*
 * added_tokens.h: the tokens that the files beside a vocab.json add or call special, as the added_tokens of a tokenizer.json.
 */
#ifndef TERCET_PACKER_ADDED_TOKENS_H
#define TERCET_PACKER_ADDED_TOKENS_H

#include "json.h"

#define ADDED_TOKENS_FILE "added_tokens.json"
#define ADDED_TOKENS_MAX 4096u /* each is compared with those before it */

/* Appends to `list` what the vocabulary (text -> id) has of the texts that are special in every model that has them.
 * OUT_OF_MEMORY. */
tercet_status added_tokens_known(cJSON *list, const cJSON *vocab, tercet_error *error);
/* Appends what tokenizer_config.json and special_tokens_map.json name (special) and what added_tokens.json adds (user-defined
 * unless one of them calls it special). A text that is in `list` stays as it is. BAD_SOURCE, LIMIT_EXCEEDED, OUT_OF_MEMORY and
 * what json_load answers. */
tercet_status added_tokens_read(const char *folder, cJSON *list, const cJSON *vocab,
                                tercet_error *error);

#endif
