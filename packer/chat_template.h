/*
 * chat_template.h: which of the chat formats that Tercet knows a model's own chat template (Jinja text, of a Hugging Face
 * folder or a GGUF file) stands for. Reads the pieces of text that the template can put out, and compares them with those
 * of each format; runs nothing. In doubt it says no: a conversation in a wrong format makes a model worse without a sign.
 */
#ifndef TERCET_PACKER_CHAT_TEMPLATE_H
#define TERCET_PACKER_CHAT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#define CHAT_TEMPLATE_BYTES_MAX (1u << 20)
#define CHAT_TEMPLATE_PIECE_MAX 4096u

struct chat_template {
    const char *format; /* a name of core/text/chat_format.h, or NULL: not known */
    char
        system[CHAT_TEMPLATE_PIECE_MAX]; /* text of its default system message; "" if it has none */
};

/* BitNet's GGUF brings a template of its own making, which counts as "bitnet". What is there for tools is passed over, since Tercet calls none. The text may be anything. */
void chat_template_read(const char *text, size_t bytes, struct chat_template *template);

#endif
