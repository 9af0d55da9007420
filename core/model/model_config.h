/*
 * model_config.h: the shape of the network as the graph uses it, made from a checked container and cross-checked against
 * its tensor table: after model_config_read every tensor that the graph needs is there, with the right shape, and no other.
 */
#ifndef TERCET_MODEL_CONFIG_H
#define TERCET_MODEL_CONFIG_H

#include "../container/container_reader.h"

struct model_config {
    uint32_t layers, hidden, inner, heads, kv_heads, head_dim, vocabulary, context;
    uint32_t query_width; /* heads * head_dim: outputs of q, inputs of o */
    uint32_t kv_width;    /* kv_heads * head_dim */
    uint32_t activation;  /* ACTIVATION_* */
    bool tied_head, sub_norms, rope_interleaved;
    bool layer_norms; /* attention_norm, ffn_norm and output_norm; else RMS norms */
    bool learned_positions, qkv_biases, o_bias, ffn_biases, qk_norms;
    bool gate;        /* false: one matrix in front of the activation */
    bool state_space; /* layers have a mixer in place of attention and feed-forward part */
    bool head_bias, head_norm, linear_norms;
    float activation_added; /* to the largest magnitude when activations are quantised */
    float norm_epsilon, linear_norm_epsilon;
    float attention_scale; /* 1 / sqrt(head_dim) */
};

/* BAD_HEADER naming the tensor that is missing, extra or of the wrong shape or type; UNSUPPORTED for a ternary or int8
 * matrix of a layer whose activations are to stay floats. */
tercet_status model_config_read(const struct container *container, struct model_config *config,
                                tercet_error *error);

#endif
