/*
 * rope_frequencies.h: config.json's rope_theta and rope_scaling -> the radians per position of each pair, which is all
 * that the engine knows of them. Refuses, by name, every rule that it does not compute.
 */
#ifndef TERCET_PACKER_ROPE_FREQUENCIES_H
#define TERCET_PACKER_ROPE_FREQUENCIES_H

#include "json.h"

/* Writes head_dim / 2 frequencies and the factor on cosines and sines (YaRN's attention factor, else 1).
 * `context` is max_position_embeddings as config.json has it. BAD_SOURCE, UNSUPPORTED_SOURCE. */
tercet_status rope_frequencies_read(const struct json_document *config, uint32_t head_dim,
                                    double context, double *frequencies, double *scale,
                                    tercet_error *error);

#endif
