/*
 * tokenizer_builder.c: see tokenizer_builder.h. The layout is described in core/container/container_layout.h.
 */
#include "tokenizer_builder.h"

#include <stdlib.h>
#include <string.h>

static tercet_status out_of_memory(const struct tokenizer_builder *builder, tercet_error *error) {
    return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the tables of %s",
                       builder->source);
}

tercet_status tokenizer_builder_open(struct tokenizer_builder *builder, const char *source,
                                     uint32_t vocabulary, tercet_error *error) {
    memset(builder, 0, sizeof *builder);
    builder->source = source;
    builder->beginning = TERCET_NO_TOKEN;
    builder->unknown = TERCET_NO_TOKEN;
    if (vocabulary == 0 || vocabulary > LIMIT_VOCABULARY) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, vocabulary,
                           "a vocabulary of %u tokens is not possible: 1 to %u are", vocabulary,
                           LIMIT_VOCABULARY);
    }
    builder->token_count = vocabulary;
    builder->tokens = calloc(vocabulary, sizeof *builder->tokens);
    return builder->tokens != NULL ? TERCET_OK : out_of_memory(builder, error);
}

void tokenizer_builder_close(struct tokenizer_builder *builder) {
    free(builder->tokens);
    free(builder->texts);
    free(builder->sorted);
    free(builder->merges);
    memset(builder, 0, sizeof *builder);
}

tercet_status tokenizer_builder_add(struct tokenizer_builder *builder, uint32_t id,
                                    const uint8_t *text, size_t bytes, uint8_t kind, bool matchable,
                                    tercet_error *error) {
    if (id >= builder->token_count) {
        return tercet_fail(error, TERCET_BAD_SOURCE, id,
                           "%s has a token %u, but the embedding of the model has only %u rows",
                           builder->source, id, builder->token_count);
    }
    struct builder_token *token = &builder->tokens[id];
    if (token->kind != 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, id, "%s has two tokens with the id %u",
                           builder->source, id);
    }
    if (bytes > LIMIT_TOKEN_BYTES || builder->text_bytes + bytes > LIMIT_TOKEN_TEXT_BYTES) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, id,
                           "%s: token %u has %llu bytes; one token may have %u, all of them %u",
                           builder->source, id, (unsigned long long)bytes, LIMIT_TOKEN_BYTES,
                           LIMIT_TOKEN_TEXT_BYTES);
    }
    if (builder->text_bytes + bytes > builder->text_capacity) {
        size_t capacity = builder->text_capacity > 0 ? 2 * builder->text_capacity : 1u << 16;
        uint8_t *larger = realloc(builder->texts, capacity);
        if (larger == NULL) {
            return out_of_memory(builder, error);
        }
        builder->texts = larger;
        builder->text_capacity = capacity;
    }
    if (bytes > 0) {
        memcpy(builder->texts + builder->text_bytes, text, bytes);
    }
    token->offset = (uint32_t)builder->text_bytes;
    token->bytes = (uint32_t)bytes;
    token->kind = kind;
    token->matchable = matchable && bytes > 0;
    builder->text_bytes += bytes;
    return TERCET_OK;
}

static int compare_bytes(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes) {
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    if (order != 0) {
        return order;
    }
    return a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

static int compare_texts(const void *a, const void *b) {
    const struct builder_text *x = a, *y = b;
    return compare_bytes(x->bytes, x->count, y->bytes, y->count);
}

tercet_status tokenizer_builder_index(struct tokenizer_builder *builder, tercet_error *error) {
    builder->sorted = calloc(builder->token_count, sizeof *builder->sorted);
    if (builder->sorted == NULL) {
        return out_of_memory(builder, error);
    }
    for (uint32_t id = 0; id < builder->token_count; id++) {
        const struct builder_token *token = &builder->tokens[id];
        if (token->matchable) {
            builder->sorted[builder->sorted_count++] =
                (struct builder_text){builder->texts + token->offset, token->bytes, id};
        }
    }
    qsort(builder->sorted, builder->sorted_count, sizeof *builder->sorted, compare_texts);
    for (uint32_t i = 1; i < builder->sorted_count; i++) {
        if (compare_texts(&builder->sorted[i - 1], &builder->sorted[i]) == 0) {
            return tercet_fail(error, TERCET_BAD_SOURCE, builder->sorted[i].token,
                               "%s: tokens %u and %u have the same text", builder->source,
                               builder->sorted[i - 1].token, builder->sorted[i].token);
        }
    }
    return TERCET_OK;
}

uint32_t tokenizer_builder_find(const struct tokenizer_builder *builder, const uint8_t *text,
                                size_t bytes) {
    uint32_t low = 0, high = builder->sorted_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct builder_text *entry = &builder->sorted[middle];
        int order = compare_bytes(entry->bytes, entry->count, text, bytes);
        if (order == 0) {
            return entry->token;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return TERCET_NO_TOKEN;
}

tercet_status tokenizer_builder_add_merge(struct tokenizer_builder *builder, uint32_t left,
                                          uint32_t right, uint32_t rank, tercet_error *error) {
    const struct builder_token *a = &builder->tokens[left], *b = &builder->tokens[right];
    uint8_t joined[2 * LIMIT_TOKEN_BYTES];
    memcpy(joined, builder->texts + a->offset, a->bytes);
    memcpy(joined + a->bytes, builder->texts + b->offset, b->bytes);
    uint32_t result = tokenizer_builder_find(builder, joined, (size_t)a->bytes + b->bytes);
    if (result == TERCET_NO_TOKEN) {
        return tercet_fail(error, TERCET_BAD_SOURCE, rank,
                           "%s: merge %u joins tokens %u and %u to something that is no token",
                           builder->source, rank, left, right);
    }
    if (builder->merge_count == LIMIT_MERGES) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, rank, "%s has more than %u merges",
                           builder->source, LIMIT_MERGES);
    }
    if (builder->merge_count == builder->merge_capacity) {
        uint32_t capacity = builder->merge_capacity > 0 ? 2 * builder->merge_capacity : 1u << 14;
        void *larger = realloc(builder->merges, (size_t)capacity * sizeof *builder->merges);
        if (larger == NULL) {
            return out_of_memory(builder, error);
        }
        builder->merges = larger;
        builder->merge_capacity = capacity;
    }
    uint32_t *merge = builder->merges[builder->merge_count++];
    merge[0] = left;
    merge[1] = right;
    merge[2] = rank;
    merge[3] = result;
    return TERCET_OK;
}

/* Rising by pair; of one pair the highest rank first, so that dropping repetitions keeps it. */
static int compare_merges(const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    for (int i = 0; i < 2; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return x[2] == y[2] ? 0 : x[2] > y[2] ? -1 : 1;
}

static void sort_merges(struct tokenizer_builder *builder) {
    if (builder->merge_count == 0) {
        return;
    }
    qsort(builder->merges, builder->merge_count, sizeof *builder->merges, compare_merges);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < builder->merge_count; i++) {
        const uint32_t *merge = builder->merges[i], *before = builder->merges[kept - 1];
        if (merge[0] != before[0] || merge[1] != before[1]) {
            memmove(builder->merges[kept++], merge, sizeof *builder->merges);
        }
    }
    builder->merge_count = kept;
}

/* Byte-level: the token whose text is that byte; SentencePiece: the byte token. */
static void fill_byte_tokens(const struct tokenizer_builder *builder, uint32_t byte_tokens[256]) {
    for (unsigned value = 0; value < 256; value++) {
        byte_tokens[value] = TERCET_NO_TOKEN;
    }
    for (uint32_t id = 0; id < builder->token_count; id++) {
        const struct builder_token *token = &builder->tokens[id];
        bool stands_for_byte = builder->kind == TOKENIZER_BYTE_BPE
                                   ? token->matchable && token->bytes == 1
                                   : token->kind == TOKEN_BYTE;
        if (stands_for_byte) {
            byte_tokens[builder->texts[token->offset]] = id;
        }
    }
}

uint32_t tokenizer_builder_missing_bytes(const struct tokenizer_builder *builder) {
    uint32_t byte_tokens[256], missing = 0;
    fill_byte_tokens(builder, byte_tokens);
    for (unsigned value = 0; value < 256; value++) {
        missing += byte_tokens[value] == TERCET_NO_TOKEN;
    }
    return missing;
}

static bool is_special(const struct builder_token *token) {
    return token->bytes > 0 && (token->kind == TOKEN_CONTROL || token->kind == TOKEN_UNKNOWN ||
                                token->kind == TOKEN_USER_DEFINED);
}

struct special {
    uint32_t bytes, token;
};

static int compare_specials(const void *a, const void *b) {
    const struct special *x = a, *y = b;
    if (x->bytes != y->bytes) {
        return x->bytes > y->bytes ? -1 : 1;
    }
    return x->token < y->token ? -1 : x->token > y->token;
}

/* Longest first, then rising id: malloc'ed, [*count]; NULL without memory (there is always room for one). */
static struct special *list_specials(const struct tokenizer_builder *builder, uint32_t *count) {
    *count = 0;
    struct special *specials = calloc(builder->token_count, sizeof *specials);
    if (specials == NULL) {
        return NULL;
    }
    for (uint32_t id = 0; id < builder->token_count; id++) {
        if (is_special(&builder->tokens[id])) {
            specials[(*count)++] = (struct special){builder->tokens[id].bytes, id};
        }
    }
    qsort(specials, *count, sizeof *specials, compare_specials);
    return specials;
}

static uint8_t *put_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
    return at + 4;
}

static void put_head(const struct tokenizer_builder *builder, uint32_t special_count,
                     uint8_t *head) {
    put_u32(head + TOKENIZER_AT_KIND, builder->kind);
    put_u32(head + TOKENIZER_AT_SPLITTER, builder->splitter);
    put_u32(head + TOKENIZER_AT_FLAGS, builder->flags);
    put_u32(head + TOKENIZER_AT_TOKEN_COUNT, builder->token_count);
    put_u32(head + TOKENIZER_AT_SORTED_COUNT, builder->sorted_count);
    put_u32(head + TOKENIZER_AT_MERGE_COUNT, builder->merge_count);
    put_u32(head + TOKENIZER_AT_SPECIAL_COUNT, special_count);
    put_u32(head + TOKENIZER_AT_TEXT_BYTES, (uint32_t)builder->text_bytes);
    put_u32(head + TOKENIZER_AT_BEGINNING, builder->beginning);
    put_u32(head + TOKENIZER_AT_UNKNOWN, builder->unknown);
}

/* The arrays behind the head, in the order of the layout. */
static void put_arrays(const struct tokenizer_builder *builder, const struct special *specials,
                       uint32_t special_count, uint8_t *at) {
    uint32_t byte_tokens[256], offset = 0;
    fill_byte_tokens(builder, byte_tokens);
    at = put_u32(at, 0);
    for (uint32_t id = 0; id < builder->token_count; id++) {
        offset += builder->tokens[id].bytes;
        at = put_u32(at, offset);
    }
    for (uint32_t i = 0; i < builder->sorted_count; i++) {
        at = put_u32(at, builder->sorted[i].token);
    }
    for (unsigned value = 0; value < 256; value++) {
        at = put_u32(at, byte_tokens[value]);
    }
    for (uint32_t i = 0; i < builder->merge_count; i++) {
        for (int field = 0; field < 4; field++) {
            at = put_u32(at, builder->merges[i][field]);
        }
    }
    for (uint32_t i = 0; i < special_count; i++) {
        at = put_u32(at, specials[i].token);
    }
    for (uint32_t id = 0; id < builder->token_count; id++) {
        uint8_t kind = builder->tokens[id].kind;
        at[id] = kind != 0 ? kind : (uint8_t)TOKEN_UNUSED;
    }
    at += ((size_t)builder->token_count + 3) & ~(size_t)3;
    for (uint32_t id = 0; id < builder->token_count; id++) {
        const struct builder_token *token = &builder->tokens[id];
        if (token->bytes > 0) {
            memcpy(at, builder->texts + token->offset, token->bytes);
            at += token->bytes;
        }
    }
}

tercet_status tokenizer_builder_finish(struct tokenizer_builder *builder,
                                       struct tokenizer_section *section, tercet_error *error) {
    sort_merges(builder);
    uint32_t special_count;
    struct special *specials = list_specials(builder, &special_count);
    if (specials == NULL) {
        return out_of_memory(builder, error);
    }
    uint64_t words = (uint64_t)builder->token_count + 1 + builder->sorted_count + 256 +
                     4 * (uint64_t)builder->merge_count + special_count;
    uint64_t bytes = TOKENIZER_HEAD_BYTES + 4 * words +
                     (((uint64_t)builder->token_count + 3) & ~(uint64_t)3) + builder->text_bytes;
    if (special_count > LIMIT_SPECIALS || bytes > LIMIT_HEADER_BYTES) {
        free(specials);
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0,
                           "%s: %llu bytes of tables with %u special tokens are more than a file "
                           "can hold (%u, %u)",
                           builder->source, (unsigned long long)bytes, special_count,
                           LIMIT_HEADER_BYTES, LIMIT_SPECIALS);
    }
    section->bytes = calloc(1, (size_t)bytes);
    if (section->bytes == NULL) {
        free(specials);
        return out_of_memory(builder, error);
    }
    put_head(builder, special_count, section->bytes);
    put_arrays(builder, specials, special_count, section->bytes + TOKENIZER_HEAD_BYTES);
    free(specials);
    section->count = (size_t)bytes;
    section->token_count = builder->token_count;
    section->beginning_token = builder->beginning;
    section->source = builder->source;
    return TERCET_OK;
}
