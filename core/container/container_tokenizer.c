/*
 * container_tokenizer.c: the section TOKENIZER. Sizes first, then each table against the ones before it, so that
 * core/text can follow any id and any offset without looking twice. Costs one pass over every table. Never trusts an
 * element before its own check; never needs a text to be valid UTF-8 (tokens are pieces of characters).
 */
#include "container_sections.h"

#define BYTE_VALUES 256u
#define MERGE_FIELDS 4u

/* An element of a table, still untrusted. The tables are u32-aligned: see place_tables. */
static untrusted_u32 element(const uint32_t *table, size_t index) {
    return (untrusted_u32){table[index]};
}

/* Offset in the file of an element. */
static uint64_t where(const struct section *s, const void *element_address) {
    return s->offset + (uint64_t)((const uint8_t *)element_address - s->bytes.bytes);
}

/* Text of a token; only after check_texts. */
static const uint8_t *text_of(const struct container_tokenizer *t, uint32_t token,
                              uint32_t *bytes) {
    *bytes = t->text_offsets[token + 1] - t->text_offsets[token];
    return t->text + t->text_offsets[token];
}

static tercet_status read_head(const struct section *s, uint32_t vocabulary,
                               struct container_tokenizer *t, uint32_t *text_bytes,
                               tercet_error *error) {
    TERCET_TRY(section_choice(s, TOKENIZER_AT_KIND, "kind", TOKENIZER_WORDPIECE, &t->kind, error));
    TERCET_TRY(
        section_u32(s, TOKENIZER_AT_SPLITTER, "splitter", 0, UINT32_MAX, &t->splitter, error));
    if (t->splitter > SPLITTER_QWEN2)
        return tercet_fail(error, TERCET_UNSUPPORTED, s->offset + TOKENIZER_AT_SPLITTER,
                           "TOKENIZER: splitter is %u, which this version does not know",
                           t->splitter);
    if (t->kind != TOKENIZER_BYTE_BPE && t->splitter != SPLITTER_NONE)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + TOKENIZER_AT_SPLITTER,
                           "TOKENIZER: splitter is %u, but only a byte-level tokenizer has one",
                           t->splitter);
    TERCET_TRY(
        section_flags(s, TOKENIZER_AT_FLAGS, "flags", TOKENIZER_FLAGS_ALL, &t->flags, error));
    TERCET_TRY(section_u32(s, TOKENIZER_AT_TOKEN_COUNT, "token_count", 1, LIMIT_VOCABULARY,
                           &t->token_count, error));
    if (t->token_count > vocabulary)
        return tercet_fail(
            error, TERCET_BAD_HEADER, s->offset + TOKENIZER_AT_TOKEN_COUNT,
            "TOKENIZER: token_count is %u, but the vocabulary of the model has only %u",
            t->token_count, vocabulary);
    TERCET_TRY(section_u32(s, TOKENIZER_AT_SORTED_COUNT, "sorted_count", 0, LIMIT_VOCABULARY,
                           &t->sorted_count, error));
    TERCET_TRY(section_u32(s, TOKENIZER_AT_MERGE_COUNT, "merge_count", 0, LIMIT_MERGES,
                           &t->merge_count, error));
    if (t->kind == TOKENIZER_WORDPIECE && t->merge_count != 0)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + TOKENIZER_AT_MERGE_COUNT,
                           "TOKENIZER: there are %u merges, but WordPiece has none",
                           t->merge_count);
    TERCET_TRY(section_u32(s, TOKENIZER_AT_SPECIAL_COUNT, "special_count", 0, LIMIT_SPECIALS,
                           &t->special_count, error));
    TERCET_TRY(section_u32(s, TOKENIZER_AT_TEXT_BYTES, "text_bytes", 0, LIMIT_TOKEN_TEXT_BYTES,
                           text_bytes, error));
    TERCET_TRY(section_token(s, TOKENIZER_AT_BEGINNING, "beginning", t->token_count, true,
                             &t->beginning, error));
    TERCET_TRY(section_token(s, TOKENIZER_AT_UNKNOWN, "unknown", t->token_count, true, &t->unknown,
                             error));
    if ((t->flags & TOKENIZER_FLAG_ADD_BEGINNING) != 0 && t->beginning == TERCET_NO_TOKEN)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + TOKENIZER_AT_BEGINNING,
                           "TOKENIZER: the flags ask for a beginning token, but there is none");
    return section_zero(s, TOKENIZER_AT_RESERVED, TOKENIZER_HEAD_BYTES - TOKENIZER_AT_RESERVED,
                        error);
}

/* Points the tables into the section, whose size must be exactly their sum. Every count is limited, so the sum is below
 * 2^28. The section begins at a multiple of 64 in a header that does too, hence every u32 table at a multiple of 4. */
static tercet_status place_tables(const struct section *s, struct container_tokenizer *t,
                                  uint32_t text_bytes, tercet_error *error) {
    uint64_t kinds = ((uint64_t)t->token_count + 3u) & ~(uint64_t)3u;
    uint64_t words = (uint64_t)t->token_count + 1 + t->sorted_count + BYTE_VALUES +
                     (uint64_t)t->merge_count * MERGE_FIELDS + t->special_count;
    TERCET_TRY(section_size(s, TOKENIZER_HEAD_BYTES + words * sizeof(uint32_t) + kinds + text_bytes,
                            error));
    const uint32_t *at = (const uint32_t *)(const void *)(s->bytes.bytes + TOKENIZER_HEAD_BYTES);
    t->text_offsets = at;
    t->sorted = at += t->token_count + 1;
    t->byte_tokens = at += t->sorted_count;
    t->merges = at += BYTE_VALUES;
    t->specials = at += (size_t)t->merge_count * MERGE_FIELDS;
    t->kinds = (const uint8_t *)(at + t->special_count);
    t->text = t->kinds + kinds;
    return section_zero(s, (size_t)(t->kinds + t->token_count - s->bytes.bytes),
                        (size_t)(kinds - t->token_count), error);
}

static tercet_status check_texts(const struct section *s, const struct container_tokenizer *t,
                                 uint32_t text_bytes, tercet_error *error) {
    uint32_t begin, end;
    if (!take_u32_at_most(element(t->text_offsets, 0), 0, &begin))
        return tercet_fail(error, TERCET_BAD_HEADER, where(s, t->text_offsets),
                           "TOKENIZER: the text of the first token must begin at 0");
    for (uint32_t token = 0; token < t->token_count; token++, begin = end) {
        const uint32_t *next = &t->text_offsets[token + 1];
        if (!take_u32_between(element(next, 0), begin, text_bytes, &end))
            return tercet_fail(
                error, TERCET_BAD_HEADER, where(s, next),
                "TOKENIZER: the text of token %u ends in front of its begin or beyond all texts",
                token);
        if (end - begin > LIMIT_TOKEN_BYTES)
            return tercet_fail(error, TERCET_LIMIT_EXCEEDED, where(s, next),
                               "TOKENIZER: token %u has %u bytes, but may have at most %u", token,
                               end - begin, LIMIT_TOKEN_BYTES);
    }
    if (begin != text_bytes)
        return tercet_fail(error, TERCET_BAD_HEADER, where(s, &t->text_offsets[t->token_count]),
                           "TOKENIZER: the last text ends at %u, but there are %u bytes of text",
                           begin, text_bytes);
    return TERCET_OK;
}

static tercet_status check_kinds(const struct section *s, const struct container_tokenizer *t,
                                 tercet_error *error) {
    for (uint32_t token = 0; token < t->token_count; token++) {
        uint32_t kind = t->kinds[token];
        if (kind < TOKEN_NORMAL || kind > TOKEN_BYTE)
            return tercet_fail(error, TERCET_UNSUPPORTED, where(s, &t->kinds[token]),
                               "TOKENIZER: token %u has kind %u, which this version does not know",
                               token, kind);
        if (kind == TOKEN_BYTE && t->text_offsets[token + 1] - t->text_offsets[token] != 1)
            return tercet_fail(
                error, TERCET_BAD_HEADER, where(s, &t->kinds[token]),
                "TOKENIZER: token %u stands for one byte, but its text is not one byte", token);
    }
    return TERCET_OK;
}

/* True when the text of a comes before that of b: by bytes, a prefix first. */
static bool text_before(const struct container_tokenizer *t, uint32_t a, uint32_t b) {
    uint32_t a_bytes, b_bytes;
    const uint8_t *a_text = text_of(t, a, &a_bytes), *b_text = text_of(t, b, &b_bytes);
    int order = memcmp(a_text, b_text, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order != 0 ? order < 0 : a_bytes < b_bytes;
}

static tercet_status check_sorted(const struct section *s, const struct container_tokenizer *t,
                                  tercet_error *error) {
    uint32_t previous = 0;
    for (uint32_t i = 0; i < t->sorted_count; i++) {
        uint32_t token, bytes;
        if (!take_u32_at_most(element(t->sorted, i), t->token_count - 1, &token))
            return tercet_fail(error, TERCET_BAD_HEADER, where(s, &t->sorted[i]),
                               "TOKENIZER: entry %u of sorted is no token", i);
        (void)text_of(t, token, &bytes);
        if (bytes == 0 || t->kinds[token] == TOKEN_BYTE)
            return tercet_fail(error, TERCET_BAD_HEADER, where(s, &t->sorted[i]),
                               "TOKENIZER: entry %u of sorted is token %u, which no text can match",
                               i, token);
        if (i > 0 && !text_before(t, previous, token))
            return tercet_fail(
                error, TERCET_BAD_HEADER, where(s, &t->sorted[i]),
                "TOKENIZER: entry %u of sorted does not come behind the one before it", i);
        previous = token;
    }
    return TERCET_OK;
}

static tercet_status check_byte_tokens(const struct section *s, const struct container_tokenizer *t,
                                       tercet_error *error) {
    for (uint32_t value = 0; value < BYTE_VALUES; value++) {
        uint32_t token, bytes;
        untrusted_u32 entry = element(t->byte_tokens, value);
        if (take_u32_between(entry, TERCET_NO_TOKEN, TERCET_NO_TOKEN, &token))
            continue;
        if (!take_u32_at_most(entry, t->token_count - 1, &token))
            return tercet_fail(error, TERCET_BAD_HEADER, where(s, &t->byte_tokens[value]),
                               "TOKENIZER: the entry of byte %u is no token", value);
        const uint8_t *text = text_of(t, token, &bytes);
        if (bytes != 1 || text[0] != value)
            return tercet_fail(
                error, TERCET_BAD_HEADER, where(s, &t->byte_tokens[value]),
                "TOKENIZER: the entry of byte %u is token %u, which has another text", value,
                token);
    }
    return TERCET_OK;
}

/* text(result) = text(left) text(right) */
static bool joins(const struct container_tokenizer *t, uint32_t left, uint32_t right,
                  uint32_t result) {
    uint32_t left_bytes, right_bytes, bytes;
    const uint8_t *left_text = text_of(t, left, &left_bytes),
                  *right_text = text_of(t, right, &right_bytes);
    const uint8_t *text = text_of(t, result, &bytes);
    return bytes == left_bytes + right_bytes && memcmp(text, left_text, left_bytes) == 0 &&
           memcmp(text + left_bytes, right_text, right_bytes) == 0;
}

static tercet_status check_merges(const struct section *s, const struct container_tokenizer *t,
                                  tercet_error *error) {
    uint32_t previous_left = 0, previous_right = 0, last = t->token_count - 1;
    for (uint32_t i = 0; i < t->merge_count; i++) {
        const uint32_t *merge = &t->merges[(size_t)i * MERGE_FIELDS];
        uint32_t left, right, result;
        if (!take_u32_at_most(element(merge, 0), last, &left) ||
            !take_u32_at_most(element(merge, 1), last, &right) ||
            !take_u32_at_most(element(merge, 3), last, &result)) /* a rank (2) may be any number */
            return tercet_fail(error, TERCET_BAD_HEADER, where(s, merge),
                               "TOKENIZER: merge %u names no token", i);
        if (i > 0 && (left < previous_left || (left == previous_left && right <= previous_right)))
            return tercet_fail(error, TERCET_BAD_HEADER, where(s, merge),
                               "TOKENIZER: merge %u does not come behind the one before it", i);
        if (!joins(t, left, right, result))
            return tercet_fail(error, TERCET_BAD_HEADER, where(s, merge),
                               "TOKENIZER: merge %u does not give the text of token %u", i, result);
        previous_left = left;
        previous_right = right;
    }
    return TERCET_OK;
}

static tercet_status check_specials(const struct section *s, const struct container_tokenizer *t,
                                    tercet_error *error) {
    uint32_t previous = 0, previous_bytes = 0;
    for (uint32_t i = 0; i < t->special_count; i++) {
        uint32_t token, bytes;
        if (!take_u32_at_most(element(t->specials, i), t->token_count - 1, &token))
            return tercet_fail(error, TERCET_BAD_HEADER, where(s, &t->specials[i]),
                               "TOKENIZER: entry %u of specials is no token", i);
        (void)text_of(t, token, &bytes);
        if (bytes == 0) /* it would be found everywhere */
            return tercet_fail(error, TERCET_BAD_HEADER, where(s, &t->specials[i]),
                               "TOKENIZER: special token %u has no text", token);
        if (i > 0 && (bytes > previous_bytes || (bytes == previous_bytes && token <= previous)))
            return tercet_fail(
                error, TERCET_BAD_HEADER, where(s, &t->specials[i]),
                "TOKENIZER: entry %u of specials does not come behind the one before it", i);
        previous = token;
        previous_bytes = bytes;
    }
    return TERCET_OK;
}

tercet_status container_read_tokenizer(const struct section *s, uint32_t vocabulary,
                                       struct container_tokenizer *t, tercet_error *error) {
    uint32_t text_bytes;
    TERCET_TRY(read_head(s, vocabulary, t, &text_bytes, error));
    TERCET_TRY(place_tables(s, t, text_bytes, error));
    TERCET_TRY(check_texts(s, t, text_bytes, error));
    TERCET_TRY(check_kinds(s, t, error));
    TERCET_TRY(check_sorted(s, t, error));
    TERCET_TRY(check_byte_tokens(s, t, error));
    TERCET_TRY(check_merges(s, t, error));
    return check_specials(s, t, error);
}

tercet_status container_view_tokenizer(untrusted_bytes bytes, uint32_t vocabulary,
                                       struct container_tokenizer *tokenizer, tercet_error *error) {
    struct section section = {bytes, 0, "TOKENIZER"};
    return container_read_tokenizer(&section, vocabulary, tokenizer, error);
}
