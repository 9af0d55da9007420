/*
 * container_chat.c: the section CHAT: how messages become one text, as a flat list of segments. Sizes first, then each
 * table, so that core/text can walk any part without looking twice. Never knows what a format is good for.
 */
#include "container_sections.h"

static tercet_status read_stop_tokens(const struct section *s, uint32_t token_count,
                                      struct container_chat *c, tercet_error *error) {
    TERCET_TRY(section_u32(s, CHAT_AT_STOP_COUNT, "stop_count", 0, CHAT_STOP_TOKENS_MAX,
                           &c->stop_count, error));
    for (uint32_t i = 0; i < CHAT_STOP_TOKENS_MAX; i++) {
        size_t at = CHAT_AT_STOP_TOKENS + i * sizeof(uint32_t);
        if (i < c->stop_count)
            TERCET_TRY(
                section_token(s, at, "stop_tokens", token_count, false, &c->stop_tokens[i], error));
        else
            TERCET_TRY(section_u32(s, at, "an unused entry of stop_tokens", TERCET_NO_TOKEN,
                                   TERCET_NO_TOKEN, &c->stop_tokens[i], error));
    }
    return TERCET_OK;
}

static tercet_status read_part_ends(const struct section *s, uint32_t segment_count,
                                    struct container_chat *c, tercet_error *error) {
    uint32_t begin = 0;
    for (uint32_t part = 0; part < CHAT_PARTS; part++) {
        size_t at = CHAT_AT_PART_ENDS + part * sizeof(uint32_t);
        TERCET_TRY(section_u32(s, at, "part_ends", begin, LIMIT_CHAT_SEGMENTS, &c->part_ends[part],
                               error));
        begin = c->part_ends[part];
        if (begin > segment_count)
            return tercet_fail(error, TERCET_BAD_HEADER, s->offset + at,
                               "CHAT: part %u ends at segment %u, but there are only %u", part,
                               begin, segment_count);
    }
    if (begin != segment_count)
        return tercet_fail(error, TERCET_BAD_HEADER,
                           s->offset + CHAT_AT_PART_ENDS + (CHAT_PARTS - 1) * sizeof(uint32_t),
                           "CHAT: the last part ends at segment %u, but there are %u", begin,
                           segment_count);
    return TERCET_OK;
}

/* Tokens are tokens, and the texts fill text_bytes, which lies at the end of the section. */
static tercet_status check_segments(const struct section *s, size_t segments_at, size_t text_at,
                                    uint32_t count, uint32_t token_count, uint32_t text_bytes,
                                    tercet_error *error) {
    uint32_t cursor = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t at = segments_at + (size_t)i * CHAT_SEGMENT_FIELDS * sizeof(uint32_t);
        uint32_t token, bytes;
        TERCET_TRY(section_token(s, at, "a segment", token_count, true, &token, error));
        TERCET_TRY(section_u32(s, at + sizeof(uint32_t), "the length of a segment", 0,
                               LIMIT_CHAT_TEXT_BYTES, &bytes, error));
        if ((token == TERCET_NO_TOKEN) != (bytes > 0))
            return tercet_fail(error, TERCET_BAD_HEADER, s->offset + at,
                               "CHAT: segment %u must be either a token or a text", i);
        if (bytes > text_bytes - cursor)
            return tercet_fail(error, TERCET_BAD_HEADER, s->offset + at + sizeof(uint32_t),
                               "CHAT: the text of segment %u reaches beyond the %u bytes of text",
                               i, text_bytes);
        TERCET_TRY(section_text(s, text_at + cursor, bytes, "the text of a segment", true, error));
        cursor += bytes;
    }
    if (cursor != text_bytes)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + CHAT_AT_TEXT_BYTES,
                           "CHAT: the segments have %u bytes of text, but there are %u", cursor,
                           text_bytes);
    return TERCET_OK;
}

/* Parts that are looked for in a message and shown to hosts: nothing or one short text, a token's or their own, which
 * begins at `text` of the section. */
static tercet_status check_thinking_part(const struct section *s,
                                         const struct container_tokenizer *t,
                                         const struct container_chat *c, uint32_t part, size_t text,
                                         tercet_error *error) {
    uint32_t first = c->part_ends[part - 1], count = c->part_ends[part] - first;
    size_t at = CHAT_HEAD_BYTES + (size_t)first * CHAT_SEGMENT_FIELDS * sizeof(uint32_t);
    if (count > 1)
        return tercet_fail(error, TERCET_BAD_HEADER,
                           s->offset + CHAT_AT_PART_ENDS + part * sizeof(uint32_t),
                           "CHAT: part %u has more than one segment", part);
    if (count == 0)
        return TERCET_OK;
    uint32_t token = c->segments[(size_t)first * CHAT_SEGMENT_FIELDS],
             bytes = c->segments[(size_t)first * CHAT_SEGMENT_FIELDS + 1];
    struct section own = {{s->bytes.bytes + text, bytes}, s->offset + at, "CHAT"};
    if (token != TERCET_NO_TOKEN)
        own.bytes = (untrusted_bytes){t->text + t->text_offsets[token],
                                      t->text_offsets[token + 1] - t->text_offsets[token]};
    if (own.bytes.count == 0 || own.bytes.count > LIMIT_CHAT_THINKING_BYTES)
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, s->offset + at,
                           "CHAT: what marks thinking has %u bytes, but must have 1 to %u",
                           (uint32_t)own.bytes.count, LIMIT_CHAT_THINKING_BYTES);
    if (section_text(&own, 0, own.bytes.count, "what marks thinking", false, NULL) != TERCET_OK)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + at,
                           "CHAT: what marks thinking is no UTF-8 text");
    return TERCET_OK;
}

static tercet_status check_thinking(const struct section *s, const struct container_tokenizer *t,
                                    const struct container_chat *c, size_t text_at,
                                    tercet_error *error) {
    uint32_t begin = c->part_ends[CHAT_PART_THINKING_BEGIN - 1],
             end = c->part_ends[CHAT_PART_THINKING_BEGIN];
    size_t text = text_at;
    for (uint32_t i = 0; i < end; i++) {
        if (i == begin)
            TERCET_TRY(check_thinking_part(s, t, c, CHAT_PART_THINKING_BEGIN, text, error));
        text += c->segments[(size_t)i * CHAT_SEGMENT_FIELDS + 1];
    }
    TERCET_TRY(check_thinking_part(s, t, c, CHAT_PART_THINKING_END, text, error));
    bool ends = c->part_ends[CHAT_PART_THINKING_END] > end;
    if ((end > begin) != ends || ((c->flags & CHAT_FLAG_DROP_THINKING) != 0 && !ends))
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + CHAT_AT_FLAGS,
                           "CHAT: thinking that begins must end, and what is dropped must end");
    return TERCET_OK;
}

static bool name_character(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* People type it: one spelling, no surprises. */
static tercet_status check_name(const struct section *s, size_t at, uint32_t bytes,
                                tercet_error *error) {
    for (uint32_t i = 0; i < bytes; i++) {
        uint8_t c = s->bytes.bytes[at + i];
        if (i + 1 < bytes ? !name_character(c) : c != 0)
            return tercet_fail(error, TERCET_BAD_HEADER, s->offset + at + i,
                               "CHAT: the name is not small letters, digits, '-' and '.' with a "
                               "zero byte at the end");
    }
    return TERCET_OK;
}

tercet_status container_read_chat(const struct section *s, const struct container_tokenizer *t,
                                  struct container_chat *c, tercet_error *error) {
    uint32_t token_count = t->token_count;
    uint32_t name_bytes, segment_count, text_bytes;
    TERCET_TRY(section_flags(s, CHAT_AT_FLAGS, "flags", CHAT_FLAGS_ALL, &c->flags, error));
    TERCET_TRY(section_u32(s, CHAT_AT_NAME_BYTES, "name_bytes", 2, LIMIT_CHAT_NAME_BYTES,
                           &name_bytes, error));
    TERCET_TRY(section_u32(s, CHAT_AT_SYSTEM_BYTES, "system_bytes", 0, LIMIT_CHAT_SYSTEM_BYTES,
                           &c->system_bytes, error));
    TERCET_TRY(read_stop_tokens(s, token_count, c, error));
    TERCET_TRY(section_u32(s, CHAT_AT_SEGMENT_COUNT, "segment_count", 0, LIMIT_CHAT_SEGMENTS,
                           &segment_count, error));
    TERCET_TRY(section_u32(s, CHAT_AT_TEXT_BYTES, "text_bytes", 0, LIMIT_CHAT_TEXT_BYTES,
                           &text_bytes, error));
    TERCET_TRY(read_part_ends(s, segment_count, c, error));
    TERCET_TRY(section_zero(s, CHAT_AT_RESERVED, CHAT_HEAD_BYTES - CHAT_AT_RESERVED, error));
    size_t segments_at = CHAT_HEAD_BYTES;
    size_t name_at = segments_at + (size_t)segment_count * CHAT_SEGMENT_FIELDS * sizeof(uint32_t);
    size_t system_at = name_at + name_bytes, text_at = system_at + c->system_bytes;
    TERCET_TRY(section_size(s, text_at + text_bytes, error));
    TERCET_TRY(
        check_segments(s, segments_at, text_at, segment_count, token_count, text_bytes, error));
    TERCET_TRY(check_name(s, name_at, name_bytes, error));
    TERCET_TRY(section_text(s, system_at, c->system_bytes, "the default system text", true, error));
    /* The section begins at a multiple of 64 in a header that does too. */
    c->segments = (const uint32_t *)(const void *)(s->bytes.bytes + segments_at);
    c->name = (const char *)(s->bytes.bytes + name_at);
    c->system = (const char *)(s->bytes.bytes + system_at);
    c->text = s->bytes.bytes + text_at;
    return check_thinking(s, t, c, text_at, error);
}
