/*
 * container_config.c: the sections CONFIG, ROPE and ABOUT: the model's shape, its rotation frequencies, and what people read
 * about it. Never compares the shape with the tensors: core/model does.
 */
#include "container_sections.h"

static tercet_status read_shape(const struct section *s, struct container_config *c,
                                tercet_error *error) {
    TERCET_TRY(section_u32(s, CONFIG_AT_LAYERS, "layers", 1, LIMIT_LAYERS, &c->layers, error));
    TERCET_TRY(section_u32(s, CONFIG_AT_HIDDEN, "hidden", 1, LIMIT_HIDDEN, &c->hidden, error));
    TERCET_TRY(section_u32(s, CONFIG_AT_INNER, "inner", 1, LIMIT_INNER, &c->inner, error));
    TERCET_TRY(section_u32(s, CONFIG_AT_HEADS, "heads", 1, LIMIT_HEADS, &c->heads, error));
    TERCET_TRY(section_u32(s, CONFIG_AT_KV_HEADS, "kv_heads", 1, LIMIT_HEADS, &c->kv_heads, error));
    TERCET_TRY(
        section_u32(s, CONFIG_AT_HEAD_DIM, "head_dim", 2, LIMIT_HEAD_DIM, &c->head_dim, error));
    TERCET_TRY(section_u32(s, CONFIG_AT_VOCABULARY, "vocabulary", 1, LIMIT_VOCABULARY,
                           &c->vocabulary, error));
    TERCET_TRY(section_u32(s, CONFIG_AT_CONTEXT, "context", 1, LIMIT_CONTEXT, &c->context, error));
    if (c->heads % c->kv_heads != 0)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + CONFIG_AT_KV_HEADS,
                           "CONFIG: kv_heads is %u, which does not divide the %u heads",
                           c->kv_heads, c->heads);
    if (c->head_dim % 2 != 0 && (c->flags & CONFIG_FLAGS_UNROTATED) == 0)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + CONFIG_AT_HEAD_DIM,
                           "CONFIG: head_dim is %u, but must be even to be rotated in pairs",
                           c->head_dim);
    if (c->heads * c->head_dim > LIMIT_ATTENTION_WIDTH) /* at most 1024 * 1024 */
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, s->offset + CONFIG_AT_HEADS,
                           "CONFIG: heads times head_dim is %u, but may be at most %u",
                           c->heads * c->head_dim, LIMIT_ATTENTION_WIDTH);
    return TERCET_OK;
}

/* What a state-space model leaves open, so that each has one form only. */
static tercet_status check_state_space(const struct section *s, const struct container_config *c,
                                       tercet_error *error) {
    const uint32_t allowed = CONFIG_FLAG_STATE_SPACE | CONFIG_FLAG_TIED_HEAD |
                             CONFIG_FLAG_HEAD_BIAS | CONFIG_FLAG_HEAD_NORM |
                             CONFIG_FLAG_ADDED_FLOOR;
    if ((c->flags & CONFIG_FLAG_STATE_SPACE) == 0)
        return TERCET_OK;
    if ((c->flags & ~allowed) != 0)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + CONFIG_AT_FLAGS,
                           "CONFIG: flags are %u, but layers of states have no part of attention",
                           c->flags);
    if (c->kv_heads != c->heads)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + CONFIG_AT_KV_HEADS,
                           "CONFIG: kv_heads is %u, but must be the %u heads in layers of states",
                           c->kv_heads, c->heads);
    if (c->heads * c->head_dim != c->inner)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + CONFIG_AT_INNER,
                           "CONFIG: inner is %u, but %u heads of %u are %u channels", c->inner,
                           c->heads, c->head_dim, c->heads * c->head_dim);
    if (c->activation != ACTIVATION_SILU)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + CONFIG_AT_ACTIVATION,
                           "CONFIG: activation is %u, but must be 1 in layers of states",
                           c->activation);
    return TERCET_OK;
}

static tercet_status read_sampling(const struct section *s, struct container_config *c,
                                   tercet_error *error) {
    TERCET_TRY(section_f32(s, CONFIG_AT_TEMPERATURE, "temperature", 0.0f, LIMIT_TEMPERATURE,
                           &c->temperature, error));
    TERCET_TRY(section_u32(s, CONFIG_AT_TOP_K, "top_k", 0, LIMIT_VOCABULARY, &c->top_k, error));
    TERCET_TRY(
        section_f32(s, CONFIG_AT_TOP_P, "top_p", LEAST_POSITIVE_F32, 1.0f, &c->top_p, error));
    return section_f32(s, CONFIG_AT_MIN_P, "min_p", 0.0f, 1.0f, &c->min_p, error);
}

static tercet_status read_stop_tokens(const struct section *s, struct container_config *c,
                                      tercet_error *error) {
    TERCET_TRY(section_u32(s, CONFIG_AT_STOP_COUNT, "stop_count", 0, CONFIG_STOP_TOKENS_MAX,
                           &c->stop_count, error));
    for (uint32_t i = 0; i < CONFIG_STOP_TOKENS_MAX; i++) {
        size_t at = CONFIG_AT_STOP_TOKENS + i * sizeof(uint32_t);
        if (i < c->stop_count) {
            TERCET_TRY(section_token(s, at, "stop_tokens", c->vocabulary, false, &c->stop_tokens[i],
                                     error));
            continue;
        }
        TERCET_TRY(section_u32(s, at, "an unused entry of stop_tokens", TERCET_NO_TOKEN,
                               TERCET_NO_TOKEN, &c->stop_tokens[i], error));
    }
    return TERCET_OK;
}

tercet_status container_read_config(const struct section *s, struct container_config *c,
                                    tercet_error *error) {
    TERCET_TRY(section_size(s, CONFIG_BYTES, error));
    TERCET_TRY(section_choice(s, CONFIG_AT_FAMILY, "family", FAMILY_LAST, &c->family, error));
    TERCET_TRY(section_flags(s, CONFIG_AT_FLAGS, "flags", CONFIG_FLAGS_ALL, &c->flags, error));
    const uint32_t both = CONFIG_FLAG_LEARNED_POSITIONS | CONFIG_FLAG_ROPE_INTERLEAVED;
    if ((c->flags & both) == both)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + CONFIG_AT_FLAGS,
                           "CONFIG: flags ask for learned positions and an order of rotation, but "
                           "learned positions are not rotated");
    TERCET_TRY(read_shape(s, c, error));
    TERCET_TRY(section_choice(s, CONFIG_AT_ACTIVATION, "activation", ACTIVATION_LAST,
                              &c->activation, error));
    TERCET_TRY(check_state_space(s, c, error));
    TERCET_TRY(section_u32(s, CONFIG_AT_ACTIVATION_BITS, "activation_bits", 0, UINT32_MAX,
                           &c->activation_bits, error));
    if (c->activation_bits != 8 && c->activation_bits != 32)
        return tercet_fail(error, TERCET_UNSUPPORTED, s->offset + CONFIG_AT_ACTIVATION_BITS,
                           "CONFIG: activation_bits is %u, but this version knows only 8 and 32",
                           c->activation_bits);
    TERCET_TRY(section_f32(s, CONFIG_AT_NORM_EPSILON, "norm_epsilon", LEAST_POSITIVE_F32,
                           LIMIT_NORM_EPSILON, &c->norm_epsilon, error));
    c->linear_norm_epsilon = 0.0f;
    if ((c->flags & CONFIG_FLAG_LINEAR_NORMS) != 0)
        TERCET_TRY(section_f32(s, CONFIG_AT_LINEAR_NORM_EPSILON, "linear_norm_epsilon",
                               LEAST_POSITIVE_F32, LIMIT_NORM_EPSILON, &c->linear_norm_epsilon,
                               error));
    else
        TERCET_TRY(section_zero(s, CONFIG_AT_LINEAR_NORM_EPSILON,
                                CONFIG_AT_RESERVED - CONFIG_AT_LINEAR_NORM_EPSILON, error));
    TERCET_TRY(read_sampling(s, c, error));
    TERCET_TRY(read_stop_tokens(s, c, error));
    return section_zero(s, CONFIG_AT_RESERVED, CONFIG_BYTES - CONFIG_AT_RESERVED, error);
}

tercet_status container_read_rope(const struct section *s, struct container *container,
                                  tercet_error *error) {
    const struct container_config *config = &container->config;
    bool rotated = (config->flags & CONFIG_FLAGS_UNROTATED) == 0;
    uint32_t pairs = rotated ? config->head_dim / 2 : 0;
    uint32_t count;
    TERCET_TRY(section_u32(s, ROPE_AT_COUNT, "count", 0, UINT32_MAX, &count, error));
    if (count != pairs)
        return tercet_fail(
            error, TERCET_BAD_HEADER, s->offset + ROPE_AT_COUNT,
            rotated
                ? "ROPE: there are %u frequencies, but a head has %u pairs"
                : "ROPE: there are %u frequencies, but where nothing is rotated there must be %u",
            count, pairs);
    TERCET_TRY(section_size(s, ROPE_AT_FREQUENCIES + (uint64_t)count * sizeof(double), error));
    TERCET_TRY(section_zero(s, ROPE_AT_RESERVED, ROPE_AT_SCALE - ROPE_AT_RESERVED, error));
    TERCET_TRY(section_f64(s, ROPE_AT_SCALE, "scale", rotated ? (double)LEAST_POSITIVE_F32 : 1.0,
                           rotated ? LIMIT_ROPE_SCALE : 1.0, &container->rope_scale, error));
    for (uint32_t i = 0; i < count; i++) {
        double frequency;
        TERCET_TRY(section_f64(s, ROPE_AT_FREQUENCIES + i * sizeof(double), "a frequency", 0.0,
                               LIMIT_ROPE_FREQUENCY, &frequency, error));
    }
    container->rope_count = count;
    container->rope_frequencies = s->bytes.bytes + ROPE_AT_FREQUENCIES;
    return TERCET_OK;
}

/* `at` is where the string begins; its NUL is counted in `bytes`, which is at least 1. */
static tercet_status read_string(const struct section *s, size_t at, uint32_t bytes,
                                 const char *field, const char **out, tercet_error *error) {
    /* Inside: the section's size was compared with the sum of the lengths. */
    const uint8_t *text = s->bytes.bytes + at;
    size_t length = bytes - 1;
    TERCET_TRY(section_text(s, at, length, field, false, error));
    if (text[length] != 0)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + at + length,
                           "ABOUT: %s does not end with a zero byte", field);
    *out = (const char *)text;
    return TERCET_OK;
}

tercet_status container_read_about(const struct section *s, struct container *container,
                                   tercet_error *error) {
    uint32_t name_bytes, licence_bytes, source_bytes;
    TERCET_TRY(section_u32(s, ABOUT_AT_NAME_BYTES, "name_bytes", 1, ABOUT_STRING_BYTES_MAX,
                           &name_bytes, error));
    TERCET_TRY(section_u32(s, ABOUT_AT_LICENCE_BYTES, "licence_bytes", 1, ABOUT_STRING_BYTES_MAX,
                           &licence_bytes, error));
    TERCET_TRY(section_u32(s, ABOUT_AT_SOURCE_BYTES, "source_bytes", 1, ABOUT_STRING_BYTES_MAX,
                           &source_bytes, error));
    TERCET_TRY(section_zero(s, ABOUT_AT_RESERVED, ABOUT_HEAD_BYTES - ABOUT_AT_RESERVED, error));
    TERCET_TRY(
        section_size(s, ABOUT_HEAD_BYTES + name_bytes + licence_bytes + source_bytes, error));
    size_t at = ABOUT_HEAD_BYTES;
    TERCET_TRY(read_string(s, at, name_bytes, "the name", &container->name, error));
    at += name_bytes;
    TERCET_TRY(read_string(s, at, licence_bytes, "the licence", &container->licence, error));
    at += licence_bytes;
    return read_string(s, at, source_bytes, "the source", &container->source, error);
}
