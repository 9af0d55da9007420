/*
 * gguf_source.c: see gguf_source.h.
 */
#include "gguf_source.h"

#include "gguf_model.h"
#include "tokenizer_gguf.h"

tercet_status gguf_source_read(struct model_source *source, enum i2s_layout layout,
                               tercet_error *error) {
    struct architecture *architecture = &source->architecture;
    const struct gguf_header *header = &source->gguf.header;
    TERCET_TRY(gguf_model_read(header, &source->weights, layout, architecture, error));
    TERCET_TRY(tokenizer_gguf_read_stops(header, &architecture->config, error));
    return tokenizer_gguf_build(header, architecture->config.vocabulary, &source->tokenizer, error);
}

tercet_status gguf_source_read_chat(const struct model_source *source, const char *name,
                                    struct chat_section *chat, tercet_error *error) {
    const struct tokenizer_section *tokenizer = &source->tokenizer;
    struct gguf_text text = {NULL, 0};
    TERCET_TRY(gguf_get_text(&source->gguf.header, "tokenizer.chat_template", &text, NULL, error));
    return chat_section_from_template(tokenizer->bytes, tokenizer->count,
                                      source->architecture.config.vocabulary, name,
                                      (const char *)text.bytes, text.count, chat, error);
}

void gguf_source_describe(const struct model_source *source, char name[ABOUT_TEXT_BYTES],
                          char licence[ABOUT_TEXT_BYTES]) {
    about_gguf(&source->gguf.header, name, licence);
    if (name[0] == '\0') {
        about_file_name(source->path, name);
    }
}
