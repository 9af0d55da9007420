/*
 * gguf_model.h: the keys and tensors of a GGUF file -> what Tercet's container says of a model: the counterpart of
 * architectures.h for that format. Refuses by name whatever it does not know.
 */
#ifndef TERCET_PACKER_GGUF_MODEL_H
#define TERCET_PACKER_GGUF_MODEL_H

#include "architectures.h"
#include "gguf_header.h"

/* `header` and `source` must outlive the result; `layout` is how I2_S tensors are to be read. BAD_SOURCE (a key or tensor is
 * missing or wrong), UNSUPPORTED_SOURCE (another architecture, a feature, anything left over), LIMIT_EXCEEDED,
 * OUT_OF_MEMORY. After a failure there is nothing to free. The beginning token and the stop tokens are the tokenizer's
 * (tokenizer_gguf.h). */
tercet_status gguf_model_read(const struct gguf_header *header, const struct source_weights *source,
                              enum i2s_layout layout, struct architecture *architecture,
                              tercet_error *error);
/* UNSUPPORTED_SOURCE when keys announce what no reader may run past: a model of another kind, rotated weights. */
tercet_status gguf_model_check(const struct gguf_header *header, tercet_error *error);

#endif
