/*
 * sampling_options.h: the options of every command that writes text: how the next token is chosen, over the defaults that
 * came with the model.
 */
#ifndef TERCET_NATIVE_SAMPLING_OPTIONS_H
#define TERCET_NATIVE_SAMPLING_OPTIONS_H

#include "arguments.h"
#include "tercet.h"

struct sampling_options {
    uint32_t top_k, repetition_window;
    float temperature, top_p, min_p, repetition_penalty;
    bool temperature_given, top_k_given, top_p_given, min_p_given, seed_given;
    uint64_t seed;
};

void sampling_options_init(struct sampling_options *options);

/* The rows of a command's argument table that fill the options. */
struct argument sampling_argument_temperature(struct sampling_options *options);
struct argument sampling_argument_top_k(struct sampling_options *options);
struct argument sampling_argument_top_p(struct sampling_options *options);
struct argument sampling_argument_min_p(struct sampling_options *options);
struct argument sampling_argument_repetition_penalty(struct sampling_options *options);
struct argument sampling_argument_repetition_window(struct sampling_options *options);
struct argument sampling_argument_seed(struct sampling_options *options);

/* Over the model's defaults in *sampling; without a seed one is drawn. */
void sampling_options_apply(const struct sampling_options *options, tercet_sampling *sampling);

#endif
