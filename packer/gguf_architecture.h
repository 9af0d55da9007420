/*
 * gguf_architecture.h: which architecture of llama.cpp computes what a model of ours computes, and how it calls things:
 * keys, tensor names. What none of them computes is refused. Writes no tensor.
 */
#ifndef TERCET_PACKER_GGUF_ARCHITECTURE_H
#define TERCET_PACKER_GGUF_ARCHITECTURE_H

#include "export.h"
#include "gguf_rope.h"
#include "gguf_writer.h"

#include "../core/container/container_reader.h"

struct gguf_architecture {
    const char *name;
    bool interleaved; /* pairs (2p, 2p + 1) are turned, else (p, p + head_dim / 2) */
    bool fused_qkv;   /* one matrix of the rows of q, then k, then v */
    struct gguf_rope rope;
};

/* CANNOT_EXPORT with the reason. */
tercet_status gguf_architecture_choose(const struct container *container,
                                       struct gguf_architecture *architecture,
                                       struct export_report *report, tercet_error *error);
void gguf_architecture_release(struct gguf_architecture *architecture);
void gguf_architecture_add_keys(const struct container *container,
                                const struct gguf_architecture *architecture,
                                struct gguf_writer *writer);
/* "blk.3.attn_q.weight"; false for a role that has no name there. */
bool gguf_tensor_name(const struct gguf_architecture *architecture, uint32_t stage, uint32_t role,
                      char name[GGUF_NAME_BYTES]);
/* Whether this tensor follows the one before it in the same tensor of theirs. */
bool gguf_is_fused(const struct gguf_architecture *architecture, uint32_t role);

#endif
