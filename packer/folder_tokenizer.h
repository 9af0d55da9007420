/*
 * folder_tokenizer.h: the tokenizer of a container as the tokenizer.json and tokenizer_config.json of a Hugging Face folder.
 */
#ifndef TERCET_PACKER_FOLDER_TOKENIZER_H
#define TERCET_PACKER_FOLDER_TOKENIZER_H

#include "export.h"

#include "../core/container/container_reader.h"

/* Texts of the files, malloc'ed (cJSON_free). CANNOT_EXPORT for a tokenizer that tokenizer.json cannot express; notes where
 * rare texts are cut otherwise. */
tercet_status folder_tokenizer_write(const struct container *container,
                                     struct export_report *report, char **text,
                                     tercet_error *error);
tercet_status folder_tokenizer_config_write(const struct container *container, char **text,
                                            tercet_error *error);

#endif
