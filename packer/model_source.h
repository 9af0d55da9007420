/*
 * model_source.h: a model as other people publish it, opened and understood: a Hugging Face folder, a GGUF file or the .bin of
 * BitMamba-2. The one
 * place that knows which formats there are; behind it are tensors, a shape and a tokenizer.
 */
#ifndef TERCET_PACKER_MODEL_SOURCE_H
#define TERCET_PACKER_MODEL_SOURCE_H

#include "about_source.h"
#include "architectures.h"
#include "chat_section.h"
#include "read_bitmamba.h"
#include "read_gguf.h"
#include "tokenizer_tables.h"

enum source_format { SOURCE_FOLDER, SOURCE_GGUF, SOURCE_BITMAMBA };

struct model_source {
    const char *path; /* the caller's */
    enum source_format format;
    struct gguf_file gguf;          /* of GGUF */
    struct bitmamba_shape bitmamba; /* of BITMAMBA */
    struct source_weights weights;
    struct architecture architecture;
    struct tokenizer_section tokenizer;
};

/* FOLDER for whatever is no file of the other two. */
enum source_format model_source_format(const char *path);
/* Whether `path` is one of these, a folder included: something to be packed, not a packed model. */
bool model_source_is(const char *path);
/* Opens and checks the files; no tensor is looked at. Errors of the readers. After a failure there is nothing to close. */
tercet_status model_source_open(const char *path, struct model_source *source, tercet_error *error);
/* Fills the architecture and the tokenizer. Errors of the readers; close the source in any case. */
tercet_status model_source_read(struct model_source *source, enum i2s_layout layout,
                                tercet_error *error);
/* The chat format of a source that was read: the one of that name ("none": none), or with NULL that of its template.
 * Errors of chat_section.h. */
tercet_status model_source_read_chat(const struct model_source *source, const char *name,
                                     struct chat_section *chat, tercet_error *error);
void model_source_close(struct model_source *source);

/* The name that the model gives itself, else that of its folder or file; and its licence, "" without one. */
void model_source_describe(const struct model_source *source, char name[ABOUT_TEXT_BYTES],
                           char licence[ABOUT_TEXT_BYTES]);

#endif
