/*
 * chat_text.c: see chat_text.h. The whole conversation is laid out as one text with marks, the places where a token of the
 * format stands; then it is encoded once. Text of the format and of a message that touch each other are one part for the
 * tokenizer, as they are where a template renders a string: a newline of both can be one token.
 */
#include "chat_text.h"

#include "chat_format.h"
#include "unicode_ranges.h"
#include "utf8.h"

#define CHAT_BYTES_MAX (1u << 30) /* what the tokenizer takes at once */

struct span {
    const uint8_t *bytes;
    size_t count;
};

/* Without memory it only counts. */
struct sink {
    const struct container_tokenizer *tables;
    uint8_t *text;
    struct tokenizer_mark *marks;
    size_t text_bytes, mark_count;
    uint64_t formed_bytes; /* only counted without memory */
};

static void put_text(struct sink *sink, const uint8_t *bytes, size_t count) {
    if (count == 0)
        return;
    if (sink->text != NULL)
        memcpy(sink->text + sink->text_bytes, bytes, count);
    else
        sink->formed_bytes += tokenizer_formed_bytes(sink->tables, bytes, count);
    sink->text_bytes += count;
}

static void put_part(struct sink *sink, const struct container_chat *chat, uint32_t part) {
    uint32_t first = part == 0 ? 0 : chat->part_ends[part - 1], last = chat->part_ends[part];
    size_t offset = 0;
    for (uint32_t i = 0; i < last; i++) {
        const uint32_t *segment = &chat->segments[(size_t)i * CHAT_SEGMENT_FIELDS];
        if (i >= first && segment[0] == TERCET_NO_TOKEN) {
            put_text(sink, chat->text + offset, segment[1]);
        } else if (i >= first) {
            if (sink->marks != NULL)
                sink->marks[sink->mark_count] =
                    (struct tokenizer_mark){sink->text_bytes, segment[0]};
            sink->mark_count++;
        }
        offset += segment[1];
    }
}

/* What Python's str.strip() takes away, which templates call `trim`. */
static bool is_blank(uint32_t code_point) {
    return unicode_classify(code_point) == UNICODE_SPACE ||
           (code_point >= 0x1C && code_point <= 0x1F);
}

static struct span trim(struct span text) {
    size_t begin = 0, end = 0, length;
    for (size_t at = 0; at < text.count; at += length) {
        if (!is_blank(utf8_decode(text.bytes + at, text.count - at, &length)))
            end = at + length;
        else if (end == 0)
            begin = at + length;
    }
    return (struct span){text.bytes + begin, end > begin ? end - begin : 0};
}

/* What follows the last `mark`, without newlines in front; all of the text if there is none. */
static struct span after_last(struct span text, const uint8_t *mark, size_t mark_bytes) {
    if (mark_bytes == 0)
        return text;
    for (size_t end = text.count; end >= mark_bytes; end--) {
        if (memcmp(text.bytes + end - mark_bytes, mark, mark_bytes) != 0)
            continue;
        while (end < text.count && text.bytes[end] == '\n')
            end++;
        return (struct span){text.bytes + end, text.count - end};
    }
    return text;
}

static struct span message_text(const struct chat_text *t, const tercet_chat_message *message) {
    struct span text = {(const uint8_t *)message->text, message->bytes};
    if (message->role == TERCET_CHAT_ASSISTANT && (t->chat->flags & CHAT_FLAG_DROP_THINKING) != 0) {
        size_t bytes;
        const uint8_t *end = chat_part_text(t->tables, t->chat, CHAT_PART_THINKING_END, &bytes);
        text = after_last(text, end, bytes);
    }
    return (t->chat->flags & CHAT_FLAG_TRIM) != 0 && text.count > 0 ? trim(text) : text;
}

static void put_message(struct sink *sink, const struct container_chat *chat, uint32_t role,
                        struct span text) {
    uint32_t before = role == TERCET_CHAT_SYSTEM ? CHAT_PART_SYSTEM_BEFORE
                      : role == TERCET_CHAT_USER ? CHAT_PART_USER_BEFORE
                                                 : CHAT_PART_ASSISTANT_BEFORE;
    put_part(sink, chat, before);
    put_text(sink, text.bytes, text.count);
    put_part(sink, chat, before + 1);
}

static void put_conversation(struct sink *sink, const struct chat_text *t) {
    const struct container_chat *chat = t->chat;
    put_part(sink, chat, CHAT_PART_BEGINNING);
    if (chat->system_bytes > 0 && t->messages[0].role != TERCET_CHAT_SYSTEM)
        put_message(sink, chat, TERCET_CHAT_SYSTEM,
                    (struct span){(const uint8_t *)chat->system, chat->system_bytes});
    for (size_t i = 0; i < t->count; i++)
        put_message(sink, chat, t->messages[i].role, message_text(t, &t->messages[i]));
    put_part(sink, chat, CHAT_PART_ANSWER);
    if ((t->flags & TERCET_CHAT_NO_THINKING) != 0)
        put_part(sink, chat, CHAT_PART_NO_THINKING);
}

static tercet_status check_message(const tercet_chat_message *message, size_t index,
                                   tercet_error *error) {
    if (message->role < TERCET_CHAT_SYSTEM || message->role > TERCET_CHAT_ASSISTANT)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, index,
                           "message %llu has the unknown role %u", (unsigned long long)index,
                           message->role);
    if (message->text == NULL && message->bytes != 0)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, index, "message %llu has no text",
                           (unsigned long long)index);
    size_t valid =
        message->bytes == 0 ? 0 : utf8_valid_prefix((const uint8_t *)message->text, message->bytes);
    if (valid != message->bytes)
        return tercet_fail(error, TERCET_INVALID_UTF8, index,
                           "message %llu is not valid UTF-8 at byte %llu",
                           (unsigned long long)index, (unsigned long long)valid);
    return TERCET_OK;
}

static tercet_status check_messages(const tercet_chat_message *messages, size_t count,
                                    tercet_error *error) {
    uint64_t bytes = 0;
    bool answered = false; /* an assistant's message with nothing to answer behind it */
    if (count == 0 || messages == NULL)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "a conversation needs a message");
    for (size_t i = 0; i < count; i++) {
        TERCET_TRY(check_message(&messages[i], i, error));
        if (messages[i].role == TERCET_CHAT_ASSISTANT)
            answered = true;
        if (messages[i].role == TERCET_CHAT_USER)
            answered = false;
        /* Branches not counted: more than a gigabyte of text that is valid */
        if (!checked_add_u64(bytes, messages[i].bytes, &bytes) || bytes > CHAT_BYTES_MAX)
            return tercet_fail(error, TERCET_BAD_ARGUMENT, i,
                               "a conversation may have at most %u bytes of text", CHAT_BYTES_MAX);
    }
    if (answered)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, count - 1,
                           "there is nothing to answer: an assistant's message stands behind the "
                           "last one of the user");
    return TERCET_OK;
}

tercet_status chat_text_measure(const struct container_tokenizer *tables,
                                const struct container_chat *chat,
                                const tercet_chat_message *messages, size_t count, uint32_t flags,
                                struct chat_text *text, tercet_error *error) {
    if ((flags & ~TERCET_CHAT_NO_THINKING) != 0)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "unknown chat flags %u", flags);
    if (flags != 0 &&
        chat->part_ends[CHAT_PART_NO_THINKING] == chat->part_ends[CHAT_PART_NO_THINKING - 1])
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "chat format %s has no switch for thinking", chat->name);
    TERCET_TRY(check_messages(messages, count, error));
    struct sink sink = {.tables = tables};
    *text = (struct chat_text){tables, chat, messages, count, flags, 0, 0, 0, 0, 0};
    put_conversation(&sink, text);
    /* Each message brings at most 2 x 64 KiB of the format's text and 2 x 256 of its tokens; what that adds up to is
     * bounded here, before memory is asked for. */
    /* Branches not counted: what is formed is never shorter than the text, and 2^26 marks take a minute */
    if (sink.formed_bytes > CHAT_BYTES_MAX || sink.text_bytes > CHAT_BYTES_MAX ||
        sink.mark_count > CHAT_BYTES_MAX / sizeof *sink.marks)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, count,
                           "a conversation may have at most %u bytes of text", CHAT_BYTES_MAX);
    text->text_bytes = sink.text_bytes;
    text->mark_count = sink.mark_count;
    text->formed_bytes = sink.formed_bytes;
    text->tokenizer_bytes = tokenizer_formed_scratch_bytes(tables, sink.formed_bytes);
    text->scratch_bytes =
        text->tokenizer_bytes + sink.mark_count * sizeof *sink.marks + sink.text_bytes;
    return TERCET_OK;
}

tercet_status chat_text_encode(const struct chat_text *text, uint32_t *tokens, size_t capacity,
                               size_t *count, void *scratch, tercet_error *error) {
    const struct container_chat *chat = text->chat;
    uint8_t *memory = scratch;
    struct sink sink = {.tables = text->tables};
    uint32_t reserved[LIMIT_CHAT_SEGMENTS], reserved_count = 0;
    /* In this order each begins aligned: the tokenizer's scratch may end anywhere, so the marks go first. */
    sink.marks = (struct tokenizer_mark *)(void *)memory;
    memory += text->mark_count * sizeof *sink.marks;
    sink.text = memory + text->tokenizer_bytes;
    put_conversation(&sink, text);
    for (uint32_t i = 0; i < chat->part_ends[CHAT_PARTS - 1]; i++)
        if (chat->segments[(size_t)i * CHAT_SEGMENT_FIELDS] != TERCET_NO_TOKEN)
            reserved[reserved_count++] = chat->segments[(size_t)i * CHAT_SEGMENT_FIELDS];
    const struct tokenizer_marks marks = {sink.marks, sink.mark_count, reserved, reserved_count};
    return tokenizer_encode_marked(text->tables, sink.text, sink.text_bytes, text->formed_bytes,
                                   &marks, tokens, capacity, count, memory, error);
}
