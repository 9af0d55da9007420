/*
 * gguf_rope.h: the rule behind a container's rotation frequencies, in llama.cpp's terms. See gguf_rope.c.
 */
#ifndef TERCET_PACKER_GGUF_ROPE_H
#define TERCET_PACKER_GGUF_ROPE_H

#include "../core/base/status.h"
#include "../core/container/container_reader.h"

struct gguf_rope {
    double base;
    double linear_factor; /* 1: none */
    double yarn_factor;   /* 1: none */
    uint32_t yarn_context;
    float *divisors; /* tensor rope_freqs.weight, [head_dim / 2]; NULL: none; malloc'ed */
};

/* `divisors_allowed`: the architecture reads rope_freqs.weight. The container has at least one frequency. */
tercet_status gguf_rope_find(const struct container *container, bool divisors_allowed,
                             struct gguf_rope *rope, tercet_error *error);

#endif
