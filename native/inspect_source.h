/*
 * inspect_source.h: `tercet inspect` of what is not packed yet: a GGUF file or a Hugging Face folder. Says what it is, whether
 * it can be packed, and if not, why.
 */
#ifndef TERCET_NATIVE_INSPECT_SOURCE_H
#define TERCET_NATIVE_INSPECT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

/* An exit code; reports its own errors. What cannot be packed is an answer, no error. */
/* context: whose memory is told, 0 for what the model was made for; kv: TERCET_KV_*. */
int inspect_source(const char *path, uint32_t context, uint32_t kv, bool with_tensors,
                   bool as_json);

#endif
