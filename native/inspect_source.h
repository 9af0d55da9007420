/*
 * inspect_source.h: `tercet inspect` of what is not packed yet: a GGUF file or a Hugging Face folder. Says what it is, whether
 * it can be packed, and if not, why.
 */
#ifndef TERCET_NATIVE_INSPECT_SOURCE_H
#define TERCET_NATIVE_INSPECT_SOURCE_H

#include <stdbool.h>

/* An exit code; reports its own errors. What cannot be packed is an answer, no error. */
int inspect_source(const char *path, bool with_tensors, bool as_json);

#endif
