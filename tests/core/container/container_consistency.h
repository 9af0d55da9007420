/*
 * container_consistency.h: what a caller of container_read_header may rely on, checked again from the outside with other
 * code: every pointer inside the header, every id in range, every order kept. For tests and fuzz targets, which run it on
 * whatever the reader accepts. Touches every byte that a caller may touch, so that AddressSanitizer sees a bad view.
 */
#ifndef TERCET_TESTS_CONTAINER_CONSISTENCY_H
#define TERCET_TESTS_CONTAINER_CONSISTENCY_H

#include "container/container_reader.h"

/* NULL, or the expectation that does not hold. */
#define EXPECT_(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return #condition;                                                                     \
    } while (0)

static inline bool inside_(const uint8_t *header, uint64_t header_bytes, const void *at,
                           uint64_t bytes) {
    uintptr_t begin = (uintptr_t)header, from = (uintptr_t)at;
    return from >= begin && from - begin <= header_bytes && header_bytes - (from - begin) >= bytes;
}

static inline const char *config_inconsistency_(const struct container_config *c) {
    EXPECT_(c->layers >= 1 && c->layers <= 256 && c->hidden >= 1 && c->inner >= 1 &&
            c->vocabulary >= 1);
    EXPECT_(c->vocabulary <= (1u << 20) && c->context >= 1 && c->context <= (1u << 20));
    EXPECT_(c->heads >= 1 && c->kv_heads >= 1 && c->heads % c->kv_heads == 0);
    EXPECT_(c->head_dim >= 2 && (c->head_dim % 2 == 0 || (c->flags & 1040u) != 0) &&
            (uint64_t)c->heads * c->head_dim <= 131072);
    EXPECT_(c->norm_epsilon > 0 && c->norm_epsilon <= 1);
    EXPECT_((c->flags & 8192u) != 0 ? c->linear_norm_epsilon > 0 && c->linear_norm_epsilon <= 1
                                    : c->linear_norm_epsilon == 0);
    EXPECT_(c->temperature >= 0 && c->temperature <= 100 && c->top_p > 0 && c->top_p <= 1);
    EXPECT_(c->min_p >= 0 && c->min_p <= 1 && c->top_k <= (1u << 20));
    EXPECT_(c->stop_count <= CONFIG_STOP_TOKENS_MAX);
    for (uint32_t i = 0; i < CONFIG_STOP_TOKENS_MAX; i++)
        EXPECT_(i < c->stop_count ? c->stop_tokens[i] < c->vocabulary
                                  : c->stop_tokens[i] == TERCET_NO_TOKEN);
    EXPECT_((c->activation_bits == 8 || c->activation_bits == 32) && c->activation >= 1 &&
            c->activation <= 3);
    EXPECT_(c->family >= 1 && c->family <= 6 && c->flags < 16384 && (c->flags & 20) != 20);
    EXPECT_((c->flags & 1024u) == 0 || ((c->flags & 8702u) == 0 && c->kv_heads == c->heads &&
                                        c->activation == 1 && c->inner == c->heads * c->head_dim));
    return NULL;
}

static inline const char *tensors_inconsistency_(const struct container *c) {
    uint64_t cursor = c->prefix.header_bytes, order = 0;
    EXPECT_(c->tensor_count >= 1);
    for (uint32_t i = 0; i < c->tensor_count; i++) {
        struct container_tensor t = container_get_tensor(c, i);
        char name[64];
        uint64_t bytes;
        memset(name, 'x', sizeof name);
        container_tensor_name(t.stage, t.role, name);
        EXPECT_(memchr(name, 0, sizeof name) != NULL && strcmp(name, "unknown") != 0);
        EXPECT_(t.stage <= c->config.layers + 1);
        EXPECT_(i == 0 || ((uint64_t)t.stage << 32 | t.role) > order);
        order = (uint64_t)t.stage << 32 | t.role;
        EXPECT_(t.rows >= 1 && t.columns >= 1 && t.offset == cursor && t.offset % 64 == 0);
        EXPECT_(container_tensor_bytes(t.type, t.scale, t.rows, t.columns, &bytes) &&
                bytes == t.bytes);
        EXPECT_(t.type <= TENSOR_F16 || container_scales_offset(t.type, t.rows, t.columns) < bytes);
        cursor += bytes;
    }
    EXPECT_(cursor == c->prefix.file_bytes);
    uint64_t data_bytes = c->prefix.file_bytes - c->prefix.header_bytes;
    EXPECT_(c->chunk_count == (data_bytes >> 20) + ((data_bytes & 0xFFFFF) != 0));
    return NULL;
}

static inline const char *tokenizer_inconsistency_(const struct container_tokenizer *t,
                                                   const uint8_t *header, uint64_t header_bytes) {
    uint32_t count = t->token_count;
    EXPECT_(count >= 1 && (t->beginning < count || t->beginning == TERCET_NO_TOKEN));
    EXPECT_(t->unknown < count || t->unknown == TERCET_NO_TOKEN);
    EXPECT_(inside_(header, header_bytes, t->text_offsets, 4 * ((uint64_t)count + 1)));
    EXPECT_(inside_(header, header_bytes, t->text, t->text_offsets[count]));
    EXPECT_(inside_(header, header_bytes, t->kinds, count));
    EXPECT_(inside_(header, header_bytes, t->sorted, 4 * (uint64_t)t->sorted_count));
    EXPECT_(inside_(header, header_bytes, t->byte_tokens, 1024));
    EXPECT_(inside_(header, header_bytes, t->merges, 16 * (uint64_t)t->merge_count));
    EXPECT_(inside_(header, header_bytes, t->specials, 4 * (uint64_t)t->special_count));
    EXPECT_((uintptr_t)t->text_offsets % 4 == 0 && (uintptr_t)t->specials % 4 == 0);
    EXPECT_(t->text_offsets[0] == 0);
    for (uint32_t i = 0; i < count; i++) {
        EXPECT_(t->text_offsets[i] <= t->text_offsets[i + 1] &&
                t->text_offsets[i + 1] - t->text_offsets[i] <= 1024);
        EXPECT_(t->kinds[i] >= 1 && t->kinds[i] <= 6);
    }
#define LENGTH_(token) (t->text_offsets[(token) + 1] - t->text_offsets[token])
#define TEXT_(token) (t->text + t->text_offsets[token])
    for (uint32_t i = 0; i < t->sorted_count; i++) {
        EXPECT_(t->sorted[i] < count && LENGTH_(t->sorted[i]) > 0);
        if (i == 0)
            continue;
        uint32_t a = t->sorted[i - 1], b = t->sorted[i],
                 shorter = LENGTH_(a) < LENGTH_(b) ? LENGTH_(a) : LENGTH_(b);
        int order = memcmp(TEXT_(a), TEXT_(b), shorter);
        EXPECT_(order < 0 || (order == 0 && LENGTH_(a) < LENGTH_(b)));
    }
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t token = t->byte_tokens[i];
        EXPECT_(token == TERCET_NO_TOKEN ||
                (token < count && LENGTH_(token) == 1 && *TEXT_(token) == i));
    }
    for (uint32_t i = 0; i < t->merge_count; i++) {
        const uint32_t *m = t->merges + (size_t)i * 4;
        EXPECT_(m[0] < count && m[1] < count && m[3] < count);
        EXPECT_(i == 0 || ((uint64_t)m[0] << 32 | m[1]) > ((uint64_t)m[-4] << 32 | m[-3]));
        EXPECT_(LENGTH_(m[3]) == LENGTH_(m[0]) + LENGTH_(m[1]));
        EXPECT_(memcmp(TEXT_(m[3]) + LENGTH_(m[0]), TEXT_(m[1]), LENGTH_(m[1])) == 0);
    }
    for (uint32_t i = 0; i < t->special_count; i++)
        EXPECT_(t->specials[i] < count && LENGTH_(t->specials[i]) > 0);
#undef LENGTH_
#undef TEXT_
    return NULL;
}

static inline const char *chat_inconsistency_(const struct container_chat *c, uint32_t tokens,
                                              const uint8_t *header, uint64_t header_bytes) {
    uint64_t text_bytes = 0;
    uint32_t begin = 0;
    if (c->name[0] == 0) {
        EXPECT_(c->segments == NULL && c->text == NULL && c->stop_count == 0);
        return NULL;
    }
    EXPECT_(inside_(header, header_bytes, c->name, strlen(c->name) + 1) && strlen(c->name) < 32);
    EXPECT_(inside_(header, header_bytes, c->system, c->system_bytes) && c->flags < 4);
    for (uint32_t i = 0; i < 8; i++)
        EXPECT_(i < c->stop_count ? c->stop_tokens[i] < tokens
                                  : c->stop_tokens[i] == TERCET_NO_TOKEN);
    for (uint32_t i = 0; i < CHAT_PARTS; i++) {
        EXPECT_(c->part_ends[i] >= begin && c->part_ends[i] <= 256);
        begin = c->part_ends[i];
    }
    EXPECT_(inside_(header, header_bytes, c->segments, 8 * (uint64_t)begin));
    EXPECT_((uintptr_t)c->segments % 4 == 0);
    for (uint32_t i = 0; i < begin; i++) {
        const uint32_t *segment = c->segments + (size_t)i * 2;
        EXPECT_(segment[0] == TERCET_NO_TOKEN ? segment[1] > 0
                                              : segment[0] < tokens && segment[1] == 0);
        text_bytes += segment[1];
    }
    EXPECT_(inside_(header, header_bytes, c->text, text_bytes) && text_bytes <= 65536);
    EXPECT_(c->part_ends[9] - c->part_ends[8] <= 1 && c->part_ends[10] - c->part_ends[9] <= 1);
    EXPECT_((c->flags & CHAT_FLAG_DROP_THINKING) == 0 || c->part_ends[10] > c->part_ends[9]);
    return NULL;
}

static inline const char *container_inconsistency(const struct container *c,
                                                  const uint8_t *header) {
    uint64_t header_bytes = c->prefix.header_bytes;
    const char *wrong = config_inconsistency_(&c->config);
    if (wrong == NULL)
        wrong = tensors_inconsistency_(c);
    if (wrong == NULL)
        wrong = tokenizer_inconsistency_(&c->tokenizer, header, header_bytes);
    if (wrong == NULL)
        wrong = chat_inconsistency_(&c->chat, c->tokenizer.token_count, header, header_bytes);
    if (wrong != NULL)
        return wrong;
    EXPECT_(c->model_id == header + 32);
    bool rotated = (c->config.flags & 1040u) == 0;
    EXPECT_(c->rope_count == (rotated ? c->config.head_dim / 2 : 0));
    EXPECT_(rotated || c->rope_scale == 1);
    EXPECT_(inside_(header, header_bytes, c->rope_frequencies, 8 * (uint64_t)c->rope_count));
    EXPECT_((uintptr_t)c->rope_frequencies % 8 == 0);
    for (uint32_t i = 0; i < c->rope_count; i++) {
        double frequency;
        memcpy(&frequency, c->rope_frequencies + (size_t)i * 8, sizeof frequency);
        EXPECT_(frequency >= 0 && frequency <= 128);
    }
    EXPECT_(c->rope_scale > 0 && c->rope_scale <= 128);
    EXPECT_(inside_(header, header_bytes, c->tensor_entries, 48 * (uint64_t)c->tensor_count));
    EXPECT_(inside_(header, header_bytes, c->chunk_sha256, 32 * (uint64_t)c->chunk_count));
    EXPECT_(strlen(c->name) < 4096 && strlen(c->licence) < 4096 && strlen(c->source) < 4096);
    return NULL;
}

#endif
