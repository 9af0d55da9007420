/*
 * chat_jinja.h: the chat format of a container as the Jinja template that other programs want. What it puts out is what
 * core/text/chat_text.h renders, but that a template knows only text: special tokens stand there spelled out.
 */
#ifndef TERCET_PACKER_CHAT_JINJA_H
#define TERCET_PACKER_CHAT_JINJA_H

#include "../core/container/container_reader.h"

/* *text is malloc'ed, NULL for a container without a format. OUT_OF_MEMORY. */
tercet_status chat_jinja_write(const struct container *container, char **text, tercet_error *error);

#endif
