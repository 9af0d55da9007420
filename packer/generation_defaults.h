/*
 * generation_defaults.h: what config.json and generation_config.json say about ending a text and about sampling.
 */
#ifndef TERCET_PACKER_GENERATION_DEFAULTS_H
#define TERCET_PACKER_GENERATION_DEFAULTS_H

#include "../core/container/container_reader.h"
#include "json.h"

/* Fills stop_tokens (the union of eos_token_id of both files), temperature, top_k, top_p and min_p. config->vocabulary is
 * set. Without generation_config.json, or with do_sample false, the default is greedy (temperature 0); a rule that the file
 * does not name is off. BAD_SOURCE, LIMIT_EXCEEDED and what reading a file answers. */
tercet_status generation_defaults_read(const char *folder, const struct json_document *model_config,
                                       struct container_config *config, tercet_error *error);

#endif
