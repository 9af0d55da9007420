/*
 * npz_names.h: the tensor that a file of a Ternary-Zero folder holds. Its patcher writes every dot of a tensor's name as an
 * underscore ("model_layers_0_self_attn_q_proj_weight.npz"), so the modules whose own names have underscores must be known.
 */
#ifndef TERCET_PACKER_NPZ_NAMES_H
#define TERCET_PACKER_NPZ_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NPZ_NAME_BYTES 128u

/* "model.layers.0.self_attn.q_proj.weight"; false for what does not end in ".npz", is too long or is not printable ASCII. */
bool npz_tensor_name(const char *file, char name[NPZ_NAME_BYTES]);

#endif
