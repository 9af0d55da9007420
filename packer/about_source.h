/*
 * about_source.h: what people want to know of a packed model that no forward pass needs: its name and its licence.
 */
#ifndef TERCET_PACKER_ABOUT_SOURCE_H
#define TERCET_PACKER_ABOUT_SOURCE_H

#include "gguf_header.h"

#include <stddef.h>

#define ABOUT_TEXT_BYTES 256u

/* The last part of a file's path as it is given: a link has its own name. */
void about_file_name(const char *path, char name[ABOUT_TEXT_BYTES]);
/* The last part of the folder's real path; "" if it has none. Printable UTF-8: anything else becomes '?'. */
void about_source_name(const char *folder, char name[ABOUT_TEXT_BYTES]);
/* "license:" of the front matter of the folder's README.md, as Hugging Face's model cards have it; "" without one. */
void about_source_licence(const char *folder, char licence[ABOUT_TEXT_BYTES]);
/* Both from the keys of a GGUF file: general.name and general.license; "" without one. */
void about_gguf(const struct gguf_header *header, char name[ABOUT_TEXT_BYTES],
                char licence[ABOUT_TEXT_BYTES]);

#endif
