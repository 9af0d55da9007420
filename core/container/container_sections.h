/*
 * container_sections.h: private to core/container. One section of the header as a window of untrusted bytes that knows its
 * name and place, the checks of single fields that all sections share, and the reader of each section. Every refusal says
 * which field of which section, with its offset in the file. Nothing here keeps state or allocates.
 */
#ifndef TERCET_CONTAINER_SECTIONS_H
#define TERCET_CONTAINER_SECTIONS_H

#include "container_reader.h"

/* The whole format is little-endian and typed views point straight into the header, so a big-endian build would read
 * nonsense. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "Tercet runs on little-endian machines only");

/* The prefix and the section table count as sections here: they are checked the same way. */
struct section {
    untrusted_bytes bytes;
    uint64_t offset;  /* of its first byte in the file */
    const char *name; /* "CONFIG", ... for messages */
};

/* Each takes the field at `at` if it lies within the bounds, both included. A field below `least`, or behind the end of the
 * section: BAD_HEADER; above `limit`: LIMIT_EXCEEDED. */
tercet_status section_u32(const struct section *section, size_t at, const char *field,
                          uint32_t least, uint32_t limit, uint32_t *out, tercet_error *error);
tercet_status section_u64(const struct section *section, size_t at, const char *field,
                          uint64_t least, uint64_t limit, uint64_t *out, tercet_error *error);
/* A choice 1..count. Others may come with newer writers: UNSUPPORTED. */
tercet_status section_choice(const struct section *section, size_t at, const char *field,
                             uint32_t count, uint32_t *out, tercet_error *error);
/* A set of flags; a bit that is not in `all` may come with newer writers: UNSUPPORTED. */
tercet_status section_flags(const struct section *section, size_t at, const char *field,
                            uint32_t all, uint32_t *out, tercet_error *error);
/* A token id below `token_count`; `none` allows TERCET_NO_TOKEN. Else BAD_HEADER. */
tercet_status section_token(const struct section *section, size_t at, const char *field,
                            uint32_t token_count, bool none, uint32_t *out, tercet_error *error);
/* Finite and within the bounds, else BAD_HEADER. */
tercet_status section_f32(const struct section *section, size_t at, const char *field, float least,
                          float limit, float *out, tercet_error *error);
tercet_status section_f64(const struct section *section, size_t at, const char *field, double least,
                          double limit, double *out, tercet_error *error);
/* Bytes [at, at + count) must be zero. */
tercet_status section_zero(const struct section *section, size_t at, size_t count,
                           tercet_error *error);
/* Bytes [at, at + bytes) must be UTF-8 (RFC 3629) without control characters; `lines` allows newline and tab. */
tercet_status section_text(const struct section *section, size_t at, size_t bytes,
                           const char *field, bool lines, tercet_error *error);
/* The section must have exactly this size. */
tercet_status section_size(const struct section *section, uint64_t bytes, tercet_error *error);

tercet_status container_read_config(const struct section *section, struct container_config *config,
                                    tercet_error *error);
/* Needs the config of the container. */
tercet_status container_read_rope(const struct section *section, struct container *container,
                                  tercet_error *error);
/* Needs prefix and config of the container. */
tercet_status container_read_tensors(const struct section *section, struct container *container,
                                     tercet_error *error);
tercet_status container_read_chunks(const struct section *section, struct container *container,
                                    tercet_error *error);
tercet_status container_read_tokenizer(const struct section *section, uint32_t vocabulary,
                                       struct container_tokenizer *tokenizer, tercet_error *error);
tercet_status container_read_chat(const struct section *section,
                                  const struct container_tokenizer *tokenizer,
                                  struct container_chat *chat, tercet_error *error);
tercet_status container_read_about(const struct section *section, struct container *container,
                                   tercet_error *error);

#endif
