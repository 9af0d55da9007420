/*
 * gguf_chat.h: the chat format of a container as the Jinja template that other programs want (tokenizer.chat_template). What it
 * puts out is what core/text/chat_text.h renders, but that a template knows only text: special tokens stand there spelled out.
 */
#ifndef TERCET_PACKER_GGUF_CHAT_H
#define TERCET_PACKER_GGUF_CHAT_H

#include "gguf_writer.h"

#include "../core/container/container_reader.h"

/* Nothing for a container without a format. OUT_OF_MEMORY. */
tercet_status gguf_chat_add_key(const struct container *container, struct gguf_writer *writer,
                                tercet_error *error);

#endif
