/*
 * gguf_tokenizer.h: the tokenizer of a container as the keys that llama.cpp makes the same tokens from.
 */
#ifndef TERCET_PACKER_GGUF_TOKENIZER_H
#define TERCET_PACKER_GGUF_TOKENIZER_H

#include "export.h"
#include "gguf_writer.h"

#include "../core/container/container_reader.h"

/* CANNOT_EXPORT for a tokenizer that llama.cpp does not have; notes where rare texts are cut otherwise there. */
tercet_status gguf_tokenizer_add_keys(const struct container *container, struct gguf_writer *writer,
                                      struct export_report *report, tercet_error *error);

#endif
