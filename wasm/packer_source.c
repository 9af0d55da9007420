/*
 * packer_source.c: model_source.h in a page, where a source is a GGUF file. Readers of Hugging Face folders, and the JSON
 * library with them, stay out of the module.
 */
#include "../packer/model_source.h"

#include "../packer/gguf_source.h"

#include <string.h>

enum source_format model_source_format(const char *path) {
    (void)path;
    return SOURCE_GGUF;
}

bool model_source_is(const char *path) {
    (void)path;
    return true;
}

tercet_status model_source_open(const char *path, struct model_source *source,
                                tercet_error *error) {
    memset(source, 0, sizeof *source);
    source->path = path;
    source->format = SOURCE_GGUF;
    return gguf_open(path, &source->gguf, &source->weights, error);
}

tercet_status model_source_read(struct model_source *source, enum i2s_layout layout,
                                tercet_error *error) {
    return gguf_source_read(source, layout, error);
}

tercet_status model_source_read_chat(const struct model_source *source, const char *name,
                                     struct chat_section *chat, tercet_error *error) {
    return gguf_source_read_chat(source, name, chat, error);
}

void model_source_close(struct model_source *source) {
    tokenizer_section_free(&source->tokenizer);
    architecture_free(&source->architecture);
    source_weights_close(&source->weights);
    gguf_close(&source->gguf);
}

void model_source_describe(const struct model_source *source, char name[ABOUT_TEXT_BYTES],
                           char licence[ABOUT_TEXT_BYTES]) {
    gguf_source_describe(source, name, licence);
}
