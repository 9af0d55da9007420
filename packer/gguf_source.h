/*
 * gguf_source.h: what model_source.h does of a GGUF file, apart from the other formats: the half of it that a page has too
 * (wasm/packer_source.c).
 */
#ifndef TERCET_PACKER_GGUF_SOURCE_H
#define TERCET_PACKER_GGUF_SOURCE_H

#include "model_source.h"

/* As the functions of model_source.h of these names, of a source that is open and a GGUF file. */
tercet_status gguf_source_read(struct model_source *source, enum i2s_layout layout,
                               tercet_error *error);
tercet_status gguf_source_read_chat(const struct model_source *source, const char *name,
                                    struct chat_section *chat, tercet_error *error);
void gguf_source_describe(const struct model_source *source, char name[ABOUT_TEXT_BYTES],
                          char licence[ABOUT_TEXT_BYTES]);

#endif
