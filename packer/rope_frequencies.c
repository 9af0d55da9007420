/*
 * rope_frequencies.c: see rope_frequencies.h. The rules are those of github huggingface/transformers,
 * modeling_rope_utils.py (default, linear, llama3, yarn), in double precision.
 */
#include "rope_frequencies.h"

#include <math.h>
#include <string.h>

#define TAU 6.283185307179586476925286766559

void rope_plain_frequencies(double theta, uint32_t head_dim, double *frequencies) {
    for (uint32_t p = 0; p < head_dim / 2; p++) {
        frequencies[p] = pow(theta, -2.0 * p / head_dim);
    }
}

/* What one rule needs, read and checked. */
struct rope_rule {
    const struct json_document *config;
    const cJSON
        *object; /* rope_scaling, or rope_parameters of newer files; NULL if there is none */
    const char *object_name;
    const char *type;
    double theta, context;
    uint32_t head_dim;
};

static tercet_status bad_rope(const struct rope_rule *rule, const char *key, const char *what,
                              tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: \"%s\" of \"%s\" %s", rule->config->file,
                       key, rule->object_name, what);
}

/* A positive number of the object; `fallback` 0 means that it must be there. */
static tercet_status get_positive(const struct rope_rule *rule, const char *key, double fallback,
                                  double *out, tercet_error *error) {
    *out = fallback;
    TERCET_TRY(json_get_number(rule->config, rule->object, key,
                               fallback == 0 ? JSON_REQUIRED : JSON_OPTIONAL, out, error));
    /* The bounds keep every frequency finite and above zero. */
    return *out >= 1e-9 && *out <= 1e12 ? TERCET_OK : bad_rope(rule, key, "is out of range", error);
}

static tercet_status scale_linear(const struct rope_rule *rule, double *frequencies,
                                  tercet_error *error) {
    double factor;
    TERCET_TRY(get_positive(rule, "factor", 0, &factor, error));
    for (uint32_t p = 0; p < rule->head_dim / 2; p++) {
        frequencies[p] /= factor;
    }
    return TERCET_OK;
}

/* Long waves are stretched by the factor, short ones kept, those between blended. */
static tercet_status scale_llama3(const struct rope_rule *rule, double *frequencies,
                                  tercet_error *error) {
    double factor, low, high, original;
    TERCET_TRY(get_positive(rule, "factor", 0, &factor, error));
    TERCET_TRY(get_positive(rule, "low_freq_factor", 0, &low, error));
    TERCET_TRY(get_positive(rule, "high_freq_factor", 0, &high, error));
    TERCET_TRY(get_positive(rule, "original_max_position_embeddings", 0, &original, error));
    if (high <= low) {
        return bad_rope(rule, "high_freq_factor", "is not above low_freq_factor", error);
    }
    for (uint32_t p = 0; p < rule->head_dim / 2; p++) {
        double wavelength = TAU / frequencies[p];
        double divisor;
        if (wavelength < original / high) {
            divisor = 1;
        } else if (wavelength > original / low) {
            divisor = factor;
        } else {
            double blend = (original / wavelength - low) / (high - low);
            divisor = 1 / ((1 - blend) / factor + blend);
        }
        frequencies[p] /= divisor;
    }
    return TERCET_OK;
}

/* YaRN's growth of attention with the factor. */
static double yarn_mscale(double factor, double mscale) {
    return factor > 1 ? 0.1 * mscale * log(factor) + 1 : 1;
}

static tercet_status read_yarn_attention(const struct rope_rule *rule, double factor, double *scale,
                                         tercet_error *error) {
    double mscale = 0, all = 0, attention = 0;
    TERCET_TRY(json_get_number(rule->config, rule->object, "attention_factor", JSON_OPTIONAL,
                               &attention, error));
    TERCET_TRY(
        json_get_number(rule->config, rule->object, "mscale", JSON_OPTIONAL, &mscale, error));
    TERCET_TRY(
        json_get_number(rule->config, rule->object, "mscale_all_dim", JSON_OPTIONAL, &all, error));
    if (attention != 0) {
        *scale = attention;
    } else if (mscale != 0 && all != 0) {
        *scale = yarn_mscale(factor, mscale) / yarn_mscale(factor, all);
    } else {
        *scale = yarn_mscale(factor, 1);
    }
    return isfinite(*scale) && *scale > 0
               ? TERCET_OK
               : bad_rope(rule, "attention_factor", "is out of range", error);
}

double rope_yarn_attention(double factor) {
    return yarn_mscale(factor, 1);
}

/* The pair that turns `fast` (`slow`) times over the original context: pairs before the first keep their frequency, pairs
 * behind the second are stretched, with a ramp between. */
void rope_stretch_by_yarn(const struct rope_yarn *yarn, double theta, uint32_t head_dim,
                          double *frequencies) {
    double dim = head_dim;
    double low = floor(dim * log(yarn->original / (TAU * yarn->fast)) / (2 * log(theta)));
    double high = ceil(dim * log(yarn->original / (TAU * yarn->slow)) / (2 * log(theta)));
    low = low > 0 ? low : 0;
    high = high < dim - 1 ? high : dim - 1;
    double width = high - low > 0.001 ? high - low : 0.001;
    for (uint32_t p = 0; p < head_dim / 2; p++) {
        double along = (p - low) / width;
        double keep = 1 - (along < 0 ? 0 : along > 1 ? 1 : along);
        frequencies[p] = frequencies[p] / yarn->factor * (1 - keep) + frequencies[p] * keep;
    }
}

static tercet_status scale_yarn(const struct rope_rule *rule, double *frequencies, double *scale,
                                tercet_error *error) {
    struct rope_yarn yarn;
    bool truncate = true;
    TERCET_TRY(get_positive(rule, "original_max_position_embeddings", rule->context, &yarn.original,
                            error));
    TERCET_TRY(get_positive(rule, "factor", rule->context / yarn.original, &yarn.factor, error));
    TERCET_TRY(get_positive(rule, "beta_fast", 32, &yarn.fast, error));
    TERCET_TRY(get_positive(rule, "beta_slow", 1, &yarn.slow, error));
    TERCET_TRY(
        json_get_bool(rule->config, rule->object, "truncate", JSON_OPTIONAL, &truncate, error));
    TERCET_TRY(read_yarn_attention(rule, yarn.factor, scale, error));
    if (!truncate) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: \"truncate\" false of YaRN is not supported", rule->config->file);
    }
    rope_stretch_by_yarn(&yarn, rule->theta, rule->head_dim, frequencies);
    return TERCET_OK;
}

/* Where the rule stands, its type, and theta. */
static tercet_status read_rule(struct rope_rule *rule, tercet_error *error) {
    const cJSON *root = rule->config->root;
    double partial = 1;
    rule->object_name = "rope_scaling";
    TERCET_TRY(
        json_get_object(rule->config, root, "rope_scaling", JSON_OPTIONAL, &rule->object, error));
    if (rule->object == NULL) {
        rule->object_name = "rope_parameters";
        TERCET_TRY(json_get_object(rule->config, root, "rope_parameters", JSON_OPTIONAL,
                                   &rule->object, error));
    }
    TERCET_TRY(
        json_get_number(rule->config, root, "rope_theta", JSON_OPTIONAL, &rule->theta, error));
    TERCET_TRY(json_get_number(rule->config, root, "partial_rotary_factor", JSON_OPTIONAL, &partial,
                               error));
    if (rule->object != NULL) {
        TERCET_TRY(json_get_number(rule->config, rule->object, "rope_theta", JSON_OPTIONAL,
                                   &rule->theta, error));
        TERCET_TRY(json_get_number(rule->config, rule->object, "partial_rotary_factor",
                                   JSON_OPTIONAL, &partial, error));
        TERCET_TRY(
            json_get_string(rule->config, rule->object, "type", JSON_OPTIONAL, &rule->type, error));
        TERCET_TRY(json_get_string(rule->config, rule->object, "rope_type", JSON_OPTIONAL,
                                   &rule->type, error));
    }
    if (rule->type == NULL) {
        if (rule->object != NULL && cJSON_HasObjectItem(rule->object, "factor")) {
            return bad_rope(rule, "factor", "is of no \"rope_type\"", error);
        }
        rule->type = "default";
    }
    if (partial != 1) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: \"partial_rotary_factor\" other than 1 is not supported",
                           rule->config->file);
    }
    if (!(rule->theta > 1 && rule->theta <= 1e12)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: \"rope_theta\" is out of range",
                           rule->config->file);
    }
    return TERCET_OK;
}

tercet_status rope_frequencies_read(const struct json_document *config, uint32_t head_dim,
                                    double context, double *frequencies, double *scale,
                                    tercet_error *error) {
    struct rope_rule rule = {config, NULL, "", NULL, 10000.0, context, head_dim};
    TERCET_TRY(read_rule(&rule, error));
    *scale = 1;
    rope_plain_frequencies(rule.theta, head_dim, frequencies);
    if (strcmp(rule.type, "default") == 0) {
        return TERCET_OK;
    }
    if (strcmp(rule.type, "linear") == 0) {
        return scale_linear(&rule, frequencies, error);
    }
    if (strcmp(rule.type, "llama3") == 0) {
        return scale_llama3(&rule, frequencies, error);
    }
    if (strcmp(rule.type, "yarn") == 0) {
        return scale_yarn(&rule, frequencies, scale, error);
    }
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                       "%s: RoPE scaling of type \"%s\" is not supported", config->file, rule.type);
}
