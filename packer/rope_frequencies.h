/*
 * rope_frequencies.h: config.json's rope_theta and rope_scaling -> the radians per position of each pair, which is all
 * that the engine knows of them. Refuses, by name, every rule that it does not compute. The rules themselves serve GGUF's
 * keys as well.
 */
#ifndef TERCET_PACKER_ROPE_FREQUENCIES_H
#define TERCET_PACKER_ROPE_FREQUENCIES_H

#include "json.h"

/* Writes head_dim / 2 frequencies and the factor on cosines and sines (YaRN's attention factor, else 1).
 * `context` is max_position_embeddings as config.json has it. BAD_SOURCE, UNSUPPORTED_SOURCE. */
tercet_status rope_frequencies_read(const struct json_document *config, uint32_t head_dim,
                                    double context, double *frequencies, double *scale,
                                    tercet_error *error);

/* theta^(-2p/head_dim) for each pair. */
void rope_plain_frequencies(double theta, uint32_t head_dim, double *frequencies);

struct rope_yarn {
    double factor, original; /* context of the model before it was stretched */
    double fast, slow;       /* turns over that context: mostly 32 and 1 */
};

/* Stretches the plain frequencies of `theta`. */
void rope_stretch_by_yarn(const struct rope_yarn *yarn, double theta, uint32_t head_dim,
                          double *frequencies);
/* The factor on cosines and sines that goes with it, unless a model names another. */
double rope_yarn_attention(double factor);

#endif
