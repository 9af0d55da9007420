/*
 * chat_format.c: see chat_format.h. The table says the formats as the models' own templates render them; compiling one
 * looks its special tokens up in the vocabulary, so that later nothing of a message can become one.
 */
#include "chat_format.h"

#include <string.h>

#define BEGINNING "\x02" /* the model's beginning-of-text token */
#define STOPS_MAX 3u

/* In a part, <|...|> is a special token that must be there; <think> and </think> are tokens where the vocabulary has them,
 * else text. */
struct known_format {
    const char *name;
    uint32_t flags;
    const char *parts[CHAT_PARTS];
    const char *stops[STOPS_MAX]; /* those that the vocabulary has; it has the first */
};

#define CHATML_MESSAGES                                                                            \
    [CHAT_PART_SYSTEM_BEFORE] = "<|im_start|>system\n", [CHAT_PART_SYSTEM_AFTER] = "<|im_end|>\n", \
    [CHAT_PART_USER_BEFORE] = "<|im_start|>user\n", [CHAT_PART_USER_AFTER] = "<|im_end|>\n",       \
    [CHAT_PART_ASSISTANT_BEFORE] = "<|im_start|>assistant\n",                                      \
    [CHAT_PART_ASSISTANT_AFTER] = "<|im_end|>\n", [CHAT_PART_ANSWER] = "<|im_start|>assistant\n"

static const struct known_format known_formats[] = {
    {
        .name = "qwen3", /* Qwen3 and Ternary Bonsai */
        .flags = CHAT_FLAG_DROP_THINKING,
        .parts = {CHATML_MESSAGES, [CHAT_PART_NO_THINKING] = "<think>\n\n</think>\n\n",
                  [CHAT_PART_THINKING_BEGIN] = "<think>", [CHAT_PART_THINKING_END] = "</think>"},
        .stops = {"<|im_end|>", "<|endoftext|>"},
    },
    {
        .name = "chatml",
        .parts = {CHATML_MESSAGES},
        .stops = {"<|im_end|>", "<|endoftext|>"},
    },
    {
        .name = "llama3",
        .flags = CHAT_FLAG_TRIM,
        .parts = {[CHAT_PART_BEGINNING] = BEGINNING,
                  [CHAT_PART_SYSTEM_BEFORE] = "<|start_header_id|>system<|end_header_id|>\n\n",
                  [CHAT_PART_SYSTEM_AFTER] = "<|eot_id|>",
                  [CHAT_PART_USER_BEFORE] = "<|start_header_id|>user<|end_header_id|>\n\n",
                  [CHAT_PART_USER_AFTER] = "<|eot_id|>",
                  [CHAT_PART_ASSISTANT_BEFORE] =
                      "<|start_header_id|>assistant<|end_header_id|>\n\n",
                  [CHAT_PART_ASSISTANT_AFTER] = "<|eot_id|>",
                  [CHAT_PART_ANSWER] = "<|start_header_id|>assistant<|end_header_id|>\n\n"},
        .stops = {"<|eot_id|>", "<|end_of_text|>", "<|eom_id|>"},
    },
    {
        .name = "bitnet", /* BitNet b1.58 2B-4T */
        .flags = CHAT_FLAG_TRIM,
        .parts = {[CHAT_PART_BEGINNING] = BEGINNING,
                  [CHAT_PART_SYSTEM_BEFORE] = "System: ",
                  [CHAT_PART_SYSTEM_AFTER] = "<|eot_id|>",
                  [CHAT_PART_USER_BEFORE] = "User: ",
                  [CHAT_PART_USER_AFTER] = "<|eot_id|>",
                  [CHAT_PART_ASSISTANT_BEFORE] = "Assistant: ",
                  [CHAT_PART_ASSISTANT_AFTER] = "<|eot_id|>",
                  [CHAT_PART_ANSWER] = "Assistant: "},
        .stops = {"<|eot_id|>", "<|end_of_text|>"},
    },
};

enum { KNOWN_FORMATS = sizeof known_formats / sizeof *known_formats };

const char *chat_format_name(uint32_t index) {
    return index < KNOWN_FORMATS ? known_formats[index].name : NULL;
}

static const struct known_format *find_format(const char *name) {
    for (uint32_t i = 0; i < KNOWN_FORMATS; i++)
        if (strcmp(known_formats[i].name, name) == 0)
            return &known_formats[i];
    return NULL;
}

/* The special token with exactly this text, or TERCET_NO_TOKEN. */
static uint32_t find_special(const struct container_tokenizer *tables, const char *text,
                             size_t bytes) {
    for (uint32_t i = 0; i < tables->special_count; i++) {
        uint32_t token = tables->specials[i], start = tables->text_offsets[token];
        if (tables->text_offsets[token + 1] - start == bytes &&
            memcmp(tables->text + start, text, bytes) == 0)
            return token;
    }
    return TERCET_NO_TOKEN;
}

/* Bytes of the marker that text begins with, 0 if it does not. */
static size_t marker_bytes(const char *text) {
    static const char *const thinking[] = {"<think>", "</think>"};
    if (strncmp(text, "<|", 2) == 0) {
        size_t bytes = 2;
        /* Branches not counted: the texts are the tables of this file, and close every mark */
        while (text[bytes] != '\0' && strncmp(text + bytes, "|>", 2) != 0)
            bytes++;
        /* Branches not counted: likewise */
        return text[bytes] == '\0' ? 0 : bytes + 2;
    }
    for (uint32_t i = 0; i < 2; i++)
        if (strncmp(text, thinking[i], strlen(thinking[i])) == 0)
            return strlen(thinking[i]);
    return text[0] == BEGINNING[0] ? 1 : 0;
}

/* What is under construction. */
struct builder {
    struct chat_known *known;
    uint32_t segments, text_bytes;
    bool open; /* the last segment is a text of this part, and more text joins it */
};

static void add_token(struct builder *builder, uint32_t token) {
    uint32_t *segment = &builder->known->segments[builder->segments++ * CHAT_SEGMENT_FIELDS];
    segment[0] = token;
    segment[1] = 0;
    builder->open = false;
}

static void add_text(struct builder *builder, const char *text, size_t bytes) {
    struct chat_known *known = builder->known;
    if (!builder->open) {
        add_token(builder, TERCET_NO_TOKEN);
        builder->open = true;
    }
    memcpy(known->text + builder->text_bytes, text, bytes);
    known->segments[(builder->segments - 1) * CHAT_SEGMENT_FIELDS + 1] += (uint32_t)bytes;
    builder->text_bytes += (uint32_t)bytes;
}

/* The table is ours, and a test builds every row: what a row needs is within the limits of struct chat_known. */
static tercet_status add_part(struct builder *builder, const struct container_tokenizer *tables,
                              const struct known_format *format, const char *text,
                              tercet_error *error) {
    builder->open = false;
    for (size_t length; *text != '\0'; text += length) {
        length = marker_bytes(text);
        if (length == 0) {
            length = 1;
            add_text(builder, text, length);
            continue;
        }
        bool beginning = text[0] == BEGINNING[0];
        uint32_t token = beginning ? tables->beginning : find_special(tables, text, length);
        if (token != TERCET_NO_TOKEN) {
            add_token(builder, token);
            continue;
        }
        char missing[32] = "of the beginning of a text"; /* the longest of the table fits */
        if (!beginning) {
            memcpy(missing, text, length);
            missing[length] = '\0';
        }
        if (beginning || text[1] == '|')
            return tercet_fail(error, TERCET_NO_CHAT_FORMAT, 0,
                               "the vocabulary has no token %s, which chat format %s needs",
                               missing, format->name);
        add_text(builder, text, length);
    }
    return TERCET_OK;
}

static tercet_status unknown_name(const char *name, tercet_error *error) {
    char names[128] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < KNOWN_FORMATS; i++) {
        size_t length = strlen(known_formats[i].name);
        /* Branches not counted: all names fit today */
        if (used + length + 3 > sizeof names)
            break;
        if (used > 0) {
            memcpy(names + used, ", ", 2);
            used += 2;
        }
        memcpy(names + used, known_formats[i].name, length + 1);
        used += length;
    }
    return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                       "there is no chat format of the name %s; known are %s", name, names);
}

tercet_status chat_format_build(const struct container_tokenizer *tables, const char *name,
                                struct chat_known *known, tercet_error *error) {
    const struct known_format *format = find_format(name);
    struct builder builder = {known, 0, 0, false};
    memset(known, 0, sizeof *known);
    if (format == NULL)
        return unknown_name(name, error);
    struct container_chat *chat = &known->chat;
    chat->name = format->name;
    chat->flags = format->flags;
    chat->system = "";
    chat->segments = known->segments;
    chat->text = known->text;
    for (uint32_t part = 0; part < CHAT_PARTS; part++) {
        if (format->parts[part] != NULL)
            TERCET_TRY(add_part(&builder, tables, format, format->parts[part], error));
        chat->part_ends[part] = builder.segments;
    }
    for (uint32_t i = 0; i < CHAT_STOP_TOKENS_MAX; i++)
        chat->stop_tokens[i] = TERCET_NO_TOKEN;
    for (uint32_t i = 0; i < STOPS_MAX && format->stops[i] != NULL; i++) {
        uint32_t token = find_special(tables, format->stops[i], strlen(format->stops[i]));
        if (token != TERCET_NO_TOKEN)
            chat->stop_tokens[chat->stop_count++] = token;
    }
    return TERCET_OK;
}

const uint8_t *chat_part_text(const struct container_tokenizer *tables,
                              const struct container_chat *chat, uint32_t part, size_t *bytes) {
    uint32_t first = chat->part_ends[part - 1], offset = 0;
    *bytes = 0;
    if (chat->part_ends[part] == first)
        return chat->text;
    for (uint32_t i = 0; i < first; i++)
        offset += chat->segments[(size_t)i * CHAT_SEGMENT_FIELDS + 1];
    uint32_t token = chat->segments[(size_t)first * CHAT_SEGMENT_FIELDS];
    if (token == TERCET_NO_TOKEN) {
        *bytes = chat->segments[(size_t)first * CHAT_SEGMENT_FIELDS + 1];
        return chat->text + offset;
    }
    *bytes = tables->text_offsets[token + 1] - tables->text_offsets[token];
    return tables->text + tables->text_offsets[token];
}
