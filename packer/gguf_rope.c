/*
 * gguf_rope.c: rotation frequencies -> the numbers that llama.cpp computes them from. The container stores the frequencies
 * themselves; this finds the rule back (plain, linear, YaRN, or a divisor for each pair) and checks it against every one of
 * them, so that nothing is guessed. See ggml-org/llama.cpp, src/llama-model.cpp, and ggml/src/ggml-cpu/ops.cpp.
 */
#include "gguf_rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* llama.cpp's own angles are f32 products; a rule that is right agrees far better than this, another one far worse. */
#define AGREES 1e-6

static double frequency(const struct container *container, uint32_t pair) {
    double value;
    memcpy(&value, container->rope_frequencies + (size_t)pair * sizeof value, sizeof value);
    return value;
}

static double plain(double base, uint32_t pair, uint32_t pairs) {
    return pow(base, -(double)pair / pairs);
}

static bool agrees(double a, double b) {
    return fabs(a - b) <= AGREES * fabs(b);
}

static bool is_plain(const struct container *container, double base, double factor) {
    for (uint32_t p = 0; p < container->rope_count; p++) {
        if (!agrees(frequency(container, p) * factor, plain(base, p, container->rope_count))) {
            return false;
        }
    }
    return true;
}

/* YaRN's frequency of a pair (beta_fast 32 and beta_slow 1, as everybody's): between the plain one and that divided by
 * the factor. */
static double yarn(double base, double factor, double context, uint32_t pair, uint32_t pairs) {
    const double pi = 3.14159265358979323846, dimensions = 2.0 * pairs;
    double low = floor(dimensions * log(context / (32 * 2 * pi)) / (2 * log(base)));
    double high = ceil(dimensions * log(context / (1 * 2 * pi)) / (2 * log(base)));
    low = low < 0 ? 0 : low;
    high = high > dimensions - 1 ? dimensions - 1 : high;
    double ramp = (pair - low) / (high - low < 0.001 ? 0.001 : high - low);
    double keep = 1 - (ramp < 0 ? 0 : ramp > 1 ? 1 : ramp);
    double theta = plain(base, pair, pairs);
    return theta / factor * (1 - keep) + theta * keep;
}

/* Whether YaRN with this base, factor and original context gives every frequency. */
static bool yarn_gives_all(const struct container *container, double base, double factor,
                           double context) {
    for (uint32_t p = 0; p < container->rope_count; p++) {
        if (!agrees(frequency(container, p),
                    yarn(base, factor, context, p, container->rope_count))) {
            return false;
        }
    }
    return true;
}

static double rounded_if_near(double value) {
    return fabs(value - round(value)) <= AGREES * fabs(value) ? round(value) : value;
}

/* The attention factor tells YaRN's factor, 1 + 0.1 ln(factor). The base shows in a pair that was not stretched, as the
 * second mostly is, or in the last, which mostly was as a whole. The context that the model was trained for before is one of
 * the usual ones. */
static bool is_yarn(const struct container *container, struct gguf_rope *rope) {
    uint32_t pairs = container->rope_count, last = pairs - 1;
    double factor = exp((container->rope_scale - 1) / 0.1), context = container->config.context;
    factor = fabs(factor - round(factor)) < 1e-3 ? round(factor) : factor;
    const double bases[] = {rope->base,
                            pow(frequency(container, last) * factor, -(double)pairs / last)};
    for (int i = 0; i < 2 && pairs > 1; i++) {
        double base = rounded_if_near(bases[i]), original = 0;
        if (!(base > 1)) {
            continue;
        }
        const double guesses[] = {round(context / factor), context};
        for (int g = 0; g < 2 && original == 0; g++) {
            bool gives = guesses[g] >= 1 && yarn_gives_all(container, base, factor, guesses[g]);
            original = gives ? guesses[g] : 0;
        }
        for (double guess = 16; guess <= LIMIT_CONTEXT && original == 0; guess *= 2) {
            original = yarn_gives_all(container, base, factor, guess) ? guess : 0;
        }
        if (original > 0) {
            rope->base = base;
            rope->yarn_factor = factor;
            rope->yarn_context = (uint32_t)original;
            return true;
        }
    }
    return false;
}

static tercet_status make_divisors(const struct container *container, double base,
                                   struct gguf_rope *rope, tercet_error *error) {
    rope->divisors = malloc(container->rope_count * sizeof *rope->divisors);
    if (rope->divisors == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for %u frequencies",
                           container->rope_count);
    }
    for (uint32_t p = 0; p < container->rope_count; p++) {
        rope->divisors[p] =
            (float)(plain(base, p, container->rope_count) / frequency(container, p));
    }
    return TERCET_OK;
}

tercet_status gguf_rope_find(const struct container *container, bool divisors_allowed,
                             struct gguf_rope *rope, tercet_error *error) {
    uint32_t pairs = container->rope_count, last = pairs - 1;
    *rope = (struct gguf_rope){.base = 10000, .linear_factor = 1, .yarn_factor = 1};
    for (uint32_t p = 0; p < pairs; p++) {
        if (!(frequency(container, p) > 0)) {
            return tercet_fail(error, TERCET_CANNOT_EXPORT, p,
                               "rotation frequency %u is 0, which no rule of llama.cpp gives", p);
        }
    }
    double first = frequency(container, 0);
    if (pairs > 1) {
        rope->base = pow(frequency(container, last) / first, -(double)pairs / last);
    }
    if (container->rope_scale == 1 && is_plain(container, rope->base, 1 / first)) {
        rope->linear_factor = agrees(first, 1) ? 1 : 1 / first;
        return TERCET_OK;
    }
    if (pairs > 1) { /* long contexts leave the fast pairs as they were */
        rope->base = pow(frequency(container, 1), -(double)pairs);
    }
    if (container->rope_scale > 1 && is_yarn(container, rope)) {
        return TERCET_OK;
    }
    if (container->rope_scale == 1 && agrees(first, 1) && rope->base > 1 && divisors_allowed) {
        return make_divisors(container, rope->base, rope, error);
    }
    return tercet_fail(error, TERCET_CANNOT_EXPORT, 0,
                       "no rule of llama.cpp gives the rotation frequencies of this model");
}
