/*
 * bitmamba_model.h: the shape in a BitMamba-2 file -> what Tercet's container says of such a model (architectures.h).
 */
#ifndef TERCET_PACKER_BITMAMBA_MODEL_H
#define TERCET_PACKER_BITMAMBA_MODEL_H

#include "architectures.h"
#include "read_bitmamba.h"

/* `source` must outlive the result. LIMIT_EXCEEDED, UNSUPPORTED_SOURCE, OUT_OF_MEMORY; architecture_free in any case. */
tercet_status bitmamba_model_read(const struct bitmamba_shape *shape,
                                  const struct source_weights *source,
                                  struct architecture *architecture, tercet_error *error);

#endif
