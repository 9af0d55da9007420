/*
 * chat_section.h: the CHAT section of a container (container_layout.h), from a model's own chat template or from the name of
 * a format. A template that is not known is no reason to refuse the model: it is packed without, and the report says so.
 */
#ifndef TERCET_PACKER_CHAT_SECTION_H
#define TERCET_PACKER_CHAT_SECTION_H

#include "../core/container/container_reader.h"

#define CHAT_NOTE_BYTES 320u

struct chat_section {
    uint8_t *bytes; /* malloc'ed, NULL: none; chat_section_free */
    size_t count;
    const char *format; /* its name, or "" */
    /* Why there is none though the source has a template: it is not known, and how it begins; or what its format needs and
     * the vocabulary lacks. Printable; else "". */
    char note[CHAT_NOTE_BYTES];
};

/* `tokenizer`: the bytes of the TOKENIZER section, aligned to 4. `name`: a format to use whatever the source says (then
 * BAD_ARGUMENT and NO_CHAT_FORMAT are possible), "none", or NULL. `text`: the model's template or NULL. */
tercet_status chat_section_from_template(const uint8_t *tokenizer, size_t tokenizer_bytes,
                                         uint32_t vocabulary, const char *name, const char *text,
                                         size_t text_bytes, struct chat_section *section,
                                         tercet_error *error);
/* With the template of a Hugging Face folder: chat_template.jinja, or chat_template of tokenizer_config.json (of several the
 * one that is called "default"). Also what reading a file answers. */
tercet_status chat_section_from_folder(const uint8_t *tokenizer, size_t tokenizer_bytes,
                                       uint32_t vocabulary, const char *name, const char *folder,
                                       struct chat_section *section, tercet_error *error);
void chat_section_free(struct chat_section *section);

#endif
