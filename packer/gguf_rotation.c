/*
 * gguf_rotation.c: see gguf_rotation.h. What the keys mean: ggml-org/llama.cpp, src/llama-model.cpp and llama-context.cpp;
 * ggml, src/ggml-cpu/ops.cpp.
 */
#include "gguf_rotation.h"

#include "../core/base/math.h"
#include "rope_frequencies.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct rotation {
    const struct gguf_header *header;
    const char *architecture;
    tercet_error *error;
};

/* A number between bounds that keep every frequency finite and above zero; *found as in gguf_header.h. */
static tercet_status read_positive(const struct rotation *rotation, const char *name, double *out,
                                   bool *found) {
    char key[96];
    (void)snprintf(key, sizeof key, "%s.rope.%s", rotation->architecture, name);
    TERCET_TRY(gguf_get_number(rotation->header, key, out, found, rotation->error));
    if (*found && !(*out >= 1e-9 && *out <= 1e12)) {
        return tercet_fail(rotation->error, TERCET_BAD_SOURCE, 0, "%s: the key %s is out of range",
                           rotation->header->file, key);
    }
    return TERCET_OK;
}

/* "none", "linear" or "yarn"; older files have only a factor, which then is linear. */
static tercet_status read_kind(const struct rotation *rotation, bool *linear, bool *yarn) {
    char key[96];
    struct gguf_text kind;
    char shown[GGUF_SHOWN_BYTES];
    bool found;
    (void)snprintf(key, sizeof key, "%s.rope.scaling.type", rotation->architecture);
    TERCET_TRY(gguf_get_text(rotation->header, key, &kind, &found, rotation->error));
    *yarn = found && gguf_text_is(kind, "yarn");
    *linear = !found || gguf_text_is(kind, "linear");
    if (found && !*yarn && !*linear && !gguf_text_is(kind, "none")) {
        return tercet_fail(rotation->error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: the key %s is %s, which is not supported: none, linear and yarn "
                           "are",
                           rotation->header->file, key, gguf_show_text(kind, shown));
    }
    return TERCET_OK;
}

static tercet_status stretch_by_yarn(const struct rotation *rotation, double factor,
                                     uint32_t head_dim, double base, double context,
                                     double *frequencies, double *scale) {
    static const char *const refused[] = {"scaling.yarn_ext_factor", "scaling.yarn_log_multiplier",
                                          "scaling.yarn_attn_factor"};
    char key[96];
    uint32_t original = 0;
    double attention = 1;
    bool found;
    struct rope_yarn yarn = {.factor = factor, .fast = 32, .slow = 1};
    (void)snprintf(key, sizeof key, "%s.rope.scaling.original_context_length",
                   rotation->architecture);
    TERCET_TRY(gguf_get_u32(rotation->header, key, UINT32_MAX, &original, &found, rotation->error));
    yarn.original = found && original > 0 ? original : context;
    TERCET_TRY(read_positive(rotation, "scaling.attn_factor", &attention, &found));
    TERCET_TRY(read_positive(rotation, "scaling.yarn_beta_fast", &yarn.fast, &found));
    TERCET_TRY(read_positive(rotation, "scaling.yarn_beta_slow", &yarn.slow, &found));
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        (void)snprintf(key, sizeof key, "%s.rope.%s", rotation->architecture, refused[i]);
        if (gguf_find_key(rotation->header, key) != NULL) {
            return tercet_fail(rotation->error, TERCET_UNSUPPORTED_SOURCE, 0,
                               "%s: the key %s is not supported", rotation->header->file, key);
        }
    }
    rope_stretch_by_yarn(&yarn, base, head_dim, frequencies);
    *scale = rope_yarn_attention(factor) * attention;
    return TERCET_OK;
}

/* Divisors of each pair (Llama 3's scaling). */
static tercet_status divide_by_tensor(const struct rotation *rotation,
                                      const struct source_weights *source, uint32_t head_dim,
                                      double *frequencies) {
    uint32_t index;
    if (!source_weights_find(source, "rope_freqs.weight", &index)) {
        return TERCET_OK;
    }
    const struct source_tensor *tensor = source->tensors[index];
    if (tensor->dtype != SOURCE_F32 || tensor->elements != head_dim / 2) {
        return tercet_fail(rotation->error, TERCET_BAD_SOURCE, tensor->elements,
                           "tensor %s is not F32 with %u values", tensor->name, head_dim / 2);
    }
    for (uint32_t p = 0; p < head_dim / 2; p++) {
        uint8_t bytes[4];
        TERCET_TRY(source_weights_read(source, tensor, (uint64_t)p * 4, bytes, 4, rotation->error));
        float divisor = math_float_from_bits((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
                                             (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
        if (!(divisor >= 1e-9f && divisor <= 1e12f)) {
            return tercet_fail(rotation->error, TERCET_BAD_SOURCE, p,
                               "tensor %s holds a value out of range at %u", tensor->name, p);
        }
        frequencies[p] /= (double)divisor;
    }
    return TERCET_OK;
}

tercet_status gguf_rotation_read(const struct gguf_header *header,
                                 const struct source_weights *source, const char *architecture,
                                 uint32_t head_dim, double context, double *frequencies,
                                 double *scale, tercet_error *error) {
    struct rotation rotation = {header, architecture, error};
    double base = 10000, factor = 1;
    bool found, linear, yarn;
    *scale = 1;
    TERCET_TRY(read_positive(&rotation, "freq_base", &base, &found));
    if (base <= 1) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "%s: the key %s.rope.freq_base is out of range", header->file,
                           architecture);
    }
    rope_plain_frequencies(base, head_dim, frequencies);
    TERCET_TRY(read_kind(&rotation, &linear, &yarn));
    TERCET_TRY(read_positive(&rotation, "scaling.factor", &factor, &found));
    if (!found) { /* its name in older files */
        TERCET_TRY(read_positive(&rotation, "scale_linear", &factor, &found));
    }
    if (yarn) {
        TERCET_TRY(stretch_by_yarn(&rotation, factor, head_dim, base, context, frequencies, scale));
    }
    for (uint32_t p = 0; linear && p < head_dim / 2; p++) {
        frequencies[p] /= factor;
    }
    return divide_by_tensor(&rotation, source, head_dim, frequencies);
}
