/*
 * packed_file.h: for the packer's tests: a .tercet file in memory, read through core's reader, with every tensor as f32. The
 * decoder is the test's own, straight from CONTAINER.md.
 */
#ifndef TERCET_TESTS_PACKER_PACKED_FILE_H
#define TERCET_TESTS_PACKER_PACKED_FILE_H

#include "base/math.h"
#include "check.h"
#include "container/container_reader.h"

#include <openssl/evp.h>

struct packed_file {
    uint8_t *bytes; /* aligned to 64 */
    size_t count;
    struct container container;
};

static inline void packed_file_open(struct packed_file *packed, const char *path) {
    tercet_error error = {0};
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL);
    REQUIRE(fseek(file, 0, SEEK_END) == 0);
    packed->count = (size_t)ftell(file);
    rewind(file);
    packed->bytes = aligned_alloc(64, (packed->count + 63) / 64 * 64);
    REQUIRE(packed->bytes != NULL && fread(packed->bytes, 1, packed->count, file) == packed->count);
    (void)fclose(file);
    struct container_prefix prefix;
    untrusted_bytes window = {packed->bytes, 64};
    REQUIRE(container_read_prefix(window, packed->count, &prefix, &error) == TERCET_OK);
    window.count = (size_t)prefix.header_bytes;
    tercet_status sound = container_read_header(window, packed->count, &packed->container, &error);
    if (sound != TERCET_OK) {
        fprintf(stderr, "%s: %s\n", path, error.detail);
    }
    REQUIRE(sound == TERCET_OK);
}

static inline void packed_file_close(struct packed_file *packed) {
    free(packed->bytes);
}

static inline float packed_f32(const uint8_t *p) {
    return math_float_from_bits((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                                (uint32_t)p[3] << 24);
}

static inline float packed_f16(const uint8_t *p) {
    return math_half_to_float((uint16_t)(p[0] | p[1] << 8));
}

static inline float packed_scale(const struct container_tensor *t, const uint8_t *scales,
                                 uint32_t row, uint32_t column) {
    uint32_t group = t->scale == SCALE_GROUP64 ? 64 : 128;
    uint32_t groups = (t->columns + group - 1) / group;
    switch (t->scale) {
    case SCALE_TENSOR:
        return packed_f32(scales);
    case SCALE_ROW:
        return packed_f32(scales + (size_t)row * 4);
    default:
        return packed_f16(scales +
                          (((size_t)(row / 16) * groups + column / group) * 16 + row % 16) * 2);
    }
}

/* rows x columns values, malloc'ed; `trits` (may be NULL) gets the ternary ones. */
static inline float *packed_values(const struct packed_file *packed,
                                   const struct container_tensor *t, int8_t *trits) {
    const uint8_t *bytes = packed->bytes + t->offset;
    size_t padded = (t->columns + 15u) / 16 * 16;
    const uint8_t *scales = t->type == TENSOR_INT8 || t->type == TENSOR_TERNARY
                                ? bytes + container_scales_offset(t->type, t->rows, t->columns)
                                : NULL;
    float *values = malloc((size_t)t->rows * t->columns * sizeof *values);
    REQUIRE(values != NULL);
    for (uint32_t r = 0; r < t->rows; r++) {
        for (uint32_t c = 0; c < t->columns; c++) {
            size_t at = (size_t)r * t->columns + c;
            if (t->type == TENSOR_F32) {
                values[at] = packed_f32(bytes + at * 4);
            } else if (t->type == TENSOR_F16) {
                values[at] = packed_f16(bytes + at * 2);
            } else if (t->type == TENSOR_INT8) {
                size_t byte = (r / 16 * (padded / 4) + c / 4) * 64 + r % 16 * 4 + c % 4;
                values[at] = (float)(int8_t)bytes[byte] * packed_scale(t, scales, r, c);
            } else {
                size_t byte = (r / 16 * (padded / 16) + c / 16) * 64 + r % 16 * 4 + c % 4;
                int trit = (bytes[byte] >> (c % 16 / 4 * 2) & 3) - 1;
                values[at] = (float)trit * packed_scale(t, scales, r, c);
                if (trits != NULL) {
                    trits[at] = (int8_t)trit;
                }
            }
        }
    }
    return values;
}

static inline void sha256_hex(const void *bytes, size_t count, char hex[65]) {
    uint8_t digest[32];
    REQUIRE(EVP_Digest(bytes, count, digest, NULL, EVP_sha256(), NULL) == 1);
    for (int i = 0; i < 32; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
}

/* What Hugging Face calls a tensor of ours. */
static inline void source_name(const struct container_tensor *t, char name[96]) {
    static const struct {
        uint32_t role;
        const char *name;
    } names[] = {
        {ROLE_ATTENTION_NORM, "input_layernorm"},
        {ROLE_Q, "self_attn.q_proj"},
        {ROLE_K, "self_attn.k_proj"},
        {ROLE_V, "self_attn.v_proj"},
        {ROLE_O, "self_attn.o_proj"},
        {ROLE_ATTENTION_SUB_NORM, "self_attn.attn_sub_norm"},
        {ROLE_GATE, "mlp.gate_proj"},
        {ROLE_FFN_NORM, "post_attention_layernorm"},
        {ROLE_UP, "mlp.up_proj"},
        {ROLE_FFN_SUB_NORM, "mlp.ffn_sub_norm"},
        {ROLE_DOWN, "mlp.down_proj"},
    };
    (void)snprintf(name, 96, "%s",
                   t->role == ROLE_EMBEDDING     ? "model.embed_tokens.weight"
                   : t->role == ROLE_OUTPUT_NORM ? "model.norm.weight"
                                                 : "lm_head.weight");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].role == t->role) {
            (void)snprintf(name, 96, "model.layers.%u.%s.weight", t->stage - 1, names[i].name);
        }
    }
}

#endif
