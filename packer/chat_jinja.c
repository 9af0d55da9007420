/*
 * chat_jinja.c: see chat_jinja.h. Every format is flat segments, so one shape of template says them all; the packer reads it
 * back as the format that it came from (chat_template.h).
 */
#include "chat_jinja.h"

#include <stdlib.h>
#include <string.h>

/* A text that grows; what does not fit into memory is remembered. */
struct template {
    char *text;
    size_t bytes, capacity;
    bool failed;
};

static void put_bytes(struct template *out, const void *bytes, size_t count) {
    if (out->failed) {
        return;
    }
    if (out->bytes + count + 1 > out->capacity) {
        size_t capacity = 2 * (out->bytes + count) + 1024;
        char *larger = realloc(out->text, capacity);
        if (larger == NULL) {
            out->failed = true;
            return;
        }
        out->text = larger;
        out->capacity = capacity;
    }
    memcpy(out->text + out->bytes, bytes, count);
    out->bytes += count;
    out->text[out->bytes] = '\0';
}

static void put(struct template *out, const char *text) {
    put_bytes(out, text, strlen(text));
}

/* The inside of a string in single quotes. */
static void put_quoted(struct template *out, const uint8_t *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        switch (text[i]) {
        case '\n':
            put(out, "\\n");
            break;
        case '\t':
            put(out, "\\t");
            break;
        case '\'':
            put(out, "\\'");
            break;
        case '\\':
            put(out, "\\\\");
            break;
        default:
            put_bytes(out, &text[i], 1);
        }
    }
}

static void put_part(struct template *out, const struct container *container, uint32_t part) {
    const struct container_chat *chat = &container->chat;
    const struct container_tokenizer *t = &container->tokenizer;
    uint32_t first = part == 0 ? 0 : chat->part_ends[part - 1];
    const uint8_t *text = chat->text;
    for (uint32_t i = 0; i < chat->part_ends[part]; i++) {
        const uint32_t *segment = &chat->segments[(size_t)i * CHAT_SEGMENT_FIELDS];
        if (i >= first && segment[0] == TERCET_NO_TOKEN) {
            put_quoted(out, text, segment[1]);
        } else if (i >= first) {
            uint32_t start = t->text_offsets[segment[0]];
            put_quoted(out, t->text + start, t->text_offsets[segment[0] + 1] - start);
        }
        text += segment[1];
    }
}

static bool is_empty(const struct container_chat *chat, uint32_t part) {
    return chat->part_ends[part] == (part == 0 ? 0 : chat->part_ends[part - 1]);
}

/* The one token that begins a text has a name of its own in templates. */
static void put_beginning(struct template *out, const struct container *container) {
    const struct container_chat *chat = &container->chat;
    bool own = chat->part_ends[CHAT_PART_BEGINNING] == 1 &&
               chat->segments[0] == container->tokenizer.beginning;
    if (own) {
        put(out, "{{ bos_token }}");
    } else if (!is_empty(chat, CHAT_PART_BEGINNING)) {
        put(out, "{{ '");
        put_part(out, container, CHAT_PART_BEGINNING);
        put(out, "' }}");
    }
}

static void put_message(struct template *out, const struct container *container, uint32_t before,
                        const char *value) {
    put(out, "{{ '");
    put_part(out, container, before);
    put(out, "' + ");
    put(out, value);
    put(out, (container->chat.flags & CHAT_FLAG_TRIM) != 0 ? " | trim + '" : " + '");
    put_part(out, container, before + 1);
    put(out, "' }}");
}

static void put_default_system(struct template *out, const struct container *container) {
    const struct container_chat *chat = &container->chat;
    if (chat->system_bytes == 0) {
        return;
    }
    put(out, "{% if messages[0]['role'] != 'system' %}{{ '");
    put_part(out, container, CHAT_PART_SYSTEM_BEFORE);
    put_quoted(out, (const uint8_t *)chat->system, chat->system_bytes);
    put_part(out, container, CHAT_PART_SYSTEM_AFTER);
    put(out, "' }}{% endif %}");
}

static void put_answer_of_old(struct template *out, const struct container *container) {
    if ((container->chat.flags & CHAT_FLAG_DROP_THINKING) != 0) {
        put(out, "{% set content = message['content'] %}{% if '");
        put_part(out, container, CHAT_PART_THINKING_END);
        put(out, "' in content %}{% set content = content.split('");
        put_part(out, container, CHAT_PART_THINKING_END);
        put(out, "')[-1].lstrip('\\n') %}{% endif %}");
        put_message(out, container, CHAT_PART_ASSISTANT_BEFORE, "content");
    } else {
        put_message(out, container, CHAT_PART_ASSISTANT_BEFORE, "message['content']");
    }
}

static void put_template(struct template *out, const struct container *container) {
    put_beginning(out, container);
    put_default_system(out, container);
    put(out, "{% for message in messages %}{% if message['role'] == 'system' %}");
    put_message(out, container, CHAT_PART_SYSTEM_BEFORE, "message['content']");
    put(out, "{% elif message['role'] == 'user' %}");
    put_message(out, container, CHAT_PART_USER_BEFORE, "message['content']");
    put(out, "{% elif message['role'] == 'assistant' %}");
    put_answer_of_old(out, container);
    put(out, "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '");
    put_part(out, container, CHAT_PART_ANSWER);
    put(out, "' }}");
    if (!is_empty(&container->chat, CHAT_PART_NO_THINKING)) {
        put(out, "{% if enable_thinking is defined and enable_thinking is false %}{{ '");
        put_part(out, container, CHAT_PART_NO_THINKING);
        put(out, "' }}{% endif %}");
    }
    put(out, "{% endif %}");
}

tercet_status chat_jinja_write(const struct container *container, char **text,
                               tercet_error *error) {
    struct template out = {NULL, 0, 0, false};
    *text = NULL;
    if (container->chat.name[0] == '\0') {
        return TERCET_OK;
    }
    put_template(&out, container);
    if (out.failed) {
        free(out.text);
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, out.bytes,
                           "no memory for the chat template");
    }
    *text = out.text;
    return TERCET_OK;
}
