/*
 * sampling_options.c: see sampling_options.h.
 */
#define _GNU_SOURCE 1 /* getrandom */
#include "sampling_options.h"
#include "clock.h"

#include <sys/random.h>

/* Seeds stay below 2^53, the largest range that JavaScript's numbers hold exactly: a seed of one
 * twin must work in the other. */
#define SEED_MAX (((uint64_t)1 << 53) - 1)

#define TOP_K_MAX (1u << 20)

void sampling_options_init(struct sampling_options *options) {
    *options = (struct sampling_options){.repetition_penalty = 1, .repetition_window = 64};
}

struct argument sampling_argument_temperature(struct sampling_options *options) {
    return argument_noting(argument_number("temperature", &options->temperature, 0, 100,
                                           "0: always the likeliest token; higher: more surprise "
                                           "(defaults for sampling come with the model)."),
                           &options->temperature_given);
}

struct argument sampling_argument_top_k(struct sampling_options *options) {
    return argument_noting(argument_count("top-k", 0, &options->top_k, 0, TOP_K_MAX,
                                          "Choose among the N likeliest tokens only; 0: all."),
                           &options->top_k_given);
}

struct argument sampling_argument_top_p(struct sampling_options *options) {
    return argument_noting(argument_number("top-p", &options->top_p, 0.000001, 1,
                                           "Choose among the likeliest tokens that together have "
                                           "this probability; 1: all."),
                           &options->top_p_given);
}

struct argument sampling_argument_min_p(struct sampling_options *options) {
    return argument_noting(
        argument_number("min-p", &options->min_p, 0, 1,
                        "Drop tokens less likely than X times the best; 0: off."),
        &options->min_p_given);
}

struct argument sampling_argument_repetition_penalty(struct sampling_options *options) {
    return argument_number("repetition-penalty", &options->repetition_penalty, 0.01, 100,
                           "Above 1: makes recent tokens less likely (default 1).");
}

struct argument sampling_argument_repetition_window(struct sampling_options *options) {
    return argument_count("repetition-window", 0, &options->repetition_window, 0, 4096,
                          "How many tokens count as recent (default 64).");
}

struct argument sampling_argument_seed(struct sampling_options *options) {
    return argument_noting(argument_integer("seed", &options->seed, SEED_MAX,
                                            "Same seed, same text, here and in the browser "
                                            "(default: a new one, printed at the end)."),
                           &options->seed_given);
}

void sampling_options_apply(const struct sampling_options *options, tercet_sampling *sampling) {
    if (options->temperature_given) {
        sampling->temperature = options->temperature;
    }
    if (options->top_k_given) {
        sampling->top_k = options->top_k;
    }
    if (options->top_p_given) {
        sampling->top_p = options->top_p;
    }
    if (options->min_p_given) {
        sampling->min_p = options->min_p;
    }
    sampling->repetition_penalty = options->repetition_penalty;
    sampling->repetition_window = options->repetition_window;
    sampling->seed = options->seed;
    if (!options->seed_given) {
        uint32_t seed = 0; /* 32 bits are enough to differ and short enough to type */
        if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
            seed = (uint32_t)(clock_seconds() * 1e6);
        }
        sampling->seed = seed;
    }
}
