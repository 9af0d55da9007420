/*
 * folder_rope.c: see folder_rope.h. gguf_rope.h finds base and kind of the rule; numbers that people choose are round, so a
 * rounded number goes before the computed one wherever it gives the frequencies back.
 */
#include "folder_rope.h"

#include "gguf_rope.h"
#include "rope_frequencies.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TAU 6.283185307179586476925286766559
/* As gguf_rope.c: a wrong rule is far worse than this. */
#define AGREES 1e-6
/* Llama 3's factors for its fast and slow waves, as in every file so far. */
#define LLAMA3_LOW 1.0
#define LLAMA3_HIGH 4.0

/* The numbers of one rule. */
struct rule {
    const char *type; /* "default", "linear", "yarn", "llama3" */
    double theta, factor, original;
};

static double frequency(const struct container *container, uint32_t pair) {
    double value;
    memcpy(&value, container->rope_frequencies + (size_t)pair * sizeof value, sizeof value);
    return value;
}

/* Adds a rule to the object, replacing what an earlier try left. */
static bool write_rule(const struct container *container, const struct rule *rule, cJSON *config) {
    cJSON_DeleteItemFromObjectCaseSensitive(config, "rope_theta");
    cJSON_DeleteItemFromObjectCaseSensitive(config, "rope_scaling");
    bool done = cJSON_AddNumberToObject(config, "rope_theta", rule->theta) != NULL;
    if (strcmp(rule->type, "default") == 0) {
        return done;
    }
    cJSON *scaling = cJSON_AddObjectToObject(config, "rope_scaling");
    done = done && cJSON_AddStringToObject(scaling, "rope_type", rule->type) != NULL &&
           cJSON_AddNumberToObject(scaling, "factor", rule->factor) != NULL;
    if (strcmp(rule->type, "llama3") == 0) {
        done = done && cJSON_AddNumberToObject(scaling, "low_freq_factor", LLAMA3_LOW) != NULL &&
               cJSON_AddNumberToObject(scaling, "high_freq_factor", LLAMA3_HIGH) != NULL;
    }
    if (strcmp(rule->type, "yarn") == 0) {
        done = done &&
               cJSON_AddNumberToObject(scaling, "attention_factor", container->rope_scale) != NULL;
    }
    if (strcmp(rule->type, "linear") != 0) {
        done = done && cJSON_AddNumberToObject(scaling, "original_max_position_embeddings",
                                               rule->original) != NULL;
    }
    return done;
}

/* Largest relative difference of a frequency that reading the object gives; infinite when it cannot be read. */
static double measure(const struct container *container, const cJSON *config, double *room) {
    struct json_document document = {(cJSON *)(uintptr_t)config, "config.json"};
    double scale = 0, worst = 0;
    if (rope_frequencies_read(&document, container->config.head_dim, container->config.context,
                              room, &scale, NULL) != TERCET_OK ||
        scale != container->rope_scale) {
        return INFINITY;
    }
    for (uint32_t p = 0; p < container->rope_count; p++) {
        double off = fabs(room[p] / frequency(container, p) - 1);
        worst = off > worst ? off : worst;
    }
    return worst;
}

/* Tries each number as it is and rounded, and leaves the first choice that is exact, else the best. */
static bool settle(const struct container *container, const struct rule *found, cJSON *config,
                   double *room, double *off) {
    struct rule best = *found;
    *off = INFINITY;
    for (unsigned i = 0; i < 8 && *off > 0; i++) {
        struct rule rule = *found;
        rule.theta = i & 1 ? rule.theta : round(rule.theta);
        rule.factor = i & 2 ? rule.factor : round(rule.factor * 64) / 64;
        rule.original = i & 4 ? rule.original : round(rule.original);
        if (!write_rule(container, &rule, config)) {
            return false;
        }
        double there = measure(container, config, room);
        if (there < *off) {
            *off = there;
            best = rule;
        }
    }
    return write_rule(container, &best, config);
}

/* Llama 3's rule for a base: the largest divisor is the factor; a wave between fast and slow tells the original context, and
 * without one any context that puts no wave between them will do. */
static bool settle_llama3_of(const struct container *container, double base, cJSON *config,
                             double *room, double *off) {
    struct rule rule = {"llama3", base, 1, 0};
    uint32_t pairs = container->rope_count;
    for (uint32_t p = 0; p < pairs; p++) {
        room[p] = pow(base, -(double)p / pairs) / frequency(container, p);
        rule.factor = room[p] > rule.factor ? room[p] : rule.factor;
    }
    for (uint32_t p = 0; p < pairs && rule.original == 0; p++) {
        double blend = (1 / room[p] - 1 / rule.factor) / (1 - 1 / rule.factor);
        if (room[p] > 1 + AGREES && room[p] < rule.factor * (1 - AGREES)) {
            rule.original = TAU * pow(base, (double)p / pairs) *
                            (LLAMA3_LOW + blend * (LLAMA3_HIGH - LLAMA3_LOW));
        }
    }
    if (rule.original > 0) {
        return settle(container, &rule, config, room, off);
    }
    *off = INFINITY;
    for (rule.original = 16; rule.original <= LIMIT_CONTEXT && *off > AGREES; rule.original *= 2) {
        if (!settle(container, &rule, config, room, off)) {
            return false;
        }
    }
    return true;
}

/* The base shows in a pair that was not stretched, as the second mostly is, or in the last two, which mostly were alike. */
static bool settle_llama3(const struct container *container, double base, cJSON *config,
                          double *room, double *off) {
    uint32_t pairs = container->rope_count;
    const double bases[] = {
        base, pairs > 2 ? pow(frequency(container, pairs - 2) / frequency(container, pairs - 1),
                              (double)pairs)
                        : base};
    *off = INFINITY;
    for (int i = 0; i < 2 && *off > AGREES; i++) {
        double whole = round(bases[i]);
        bool near = fabs(whole / bases[i] - 1) <= AGREES;
        if (!settle_llama3_of(container, near ? whole : bases[i], config, room, off)) {
            return false;
        }
    }
    return true;
}

tercet_status folder_rope_add(const struct container *container, cJSON *config, bool *exact,
                              tercet_error *error) {
    struct gguf_rope rope;
    double off = INFINITY;
    TERCET_TRY(gguf_rope_find(container, true, &rope, error));
    double *room = malloc(container->rope_count * sizeof *room);
    struct rule rule = {"default", rope.base, 1, 0};
    bool done = room != NULL;
    if (done && rope.divisors != NULL) {
        done = settle_llama3(container, rope.base, config, room, &off);
    } else if (done) {
        if (rope.yarn_factor != 1) {
            rule = (struct rule){"yarn", rope.base, rope.yarn_factor, rope.yarn_context};
        } else if (rope.linear_factor != 1) {
            rule = (struct rule){"linear", rope.base, rope.linear_factor, 0};
        }
        done = settle(container, &rule, config, room, &off);
    }
    free(room);
    free(rope.divisors);
    if (!done) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the configuration");
    }
    *exact = off == 0;
    return off <= AGREES ? TERCET_OK
                         : tercet_fail(error, TERCET_CANNOT_EXPORT, 0,
                                       "no rule of config.json gives the rotation frequencies of "
                                       "this model");
}
