/*
 * chat_section.c: see chat_section.h. The format itself, compiled for the tokens of the vocabulary, is core's
 * (core/text/chat_format.h); here it is laid out as bytes.
 */
#include "chat_section.h"

#include "../core/text/chat_format.h"
#include "chat_template.h"
#include "json.h"
#include "source_file.h"

#include <stdlib.h>
#include <string.h>

#define TEMPLATE_FILE "chat_template.jinja"
#define CONFIG_FILE "tokenizer_config.json"
#define CONFIG_BYTES_MAX (16u << 20)

static void put_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

/* All segments of a format that is built from a name are its own. */
static tercet_status lay_out(const struct container_chat *chat, struct chat_section *section,
                             tercet_error *error) {
    uint32_t segments = chat->part_ends[CHAT_PARTS - 1], text_bytes = 0;
    size_t name_bytes = strlen(chat->name) + 1;
    for (uint32_t i = 0; i < segments; i++) {
        text_bytes += chat->segments[(size_t)i * CHAT_SEGMENT_FIELDS + 1];
    }
    size_t table_bytes = (size_t)segments * CHAT_SEGMENT_FIELDS * sizeof(uint32_t);
    section->count = CHAT_HEAD_BYTES + table_bytes + name_bytes + chat->system_bytes + text_bytes;
    section->bytes = calloc(1, section->count);
    if (section->bytes == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, section->count,
                           "no memory for the chat format");
    }
    uint8_t *head = section->bytes, *at = head + CHAT_HEAD_BYTES;
    put_u32(head + CHAT_AT_FLAGS, chat->flags);
    put_u32(head + CHAT_AT_NAME_BYTES, (uint32_t)name_bytes);
    put_u32(head + CHAT_AT_SYSTEM_BYTES, chat->system_bytes);
    put_u32(head + CHAT_AT_STOP_COUNT, chat->stop_count);
    put_u32(head + CHAT_AT_SEGMENT_COUNT, segments);
    put_u32(head + CHAT_AT_TEXT_BYTES, text_bytes);
    for (uint32_t i = 0; i < CHAT_STOP_TOKENS_MAX; i++) {
        put_u32(head + CHAT_AT_STOP_TOKENS + i * sizeof(uint32_t), chat->stop_tokens[i]);
    }
    for (uint32_t i = 0; i < CHAT_PARTS; i++) {
        put_u32(head + CHAT_AT_PART_ENDS + i * sizeof(uint32_t), chat->part_ends[i]);
    }
    for (uint32_t i = 0; i < segments * CHAT_SEGMENT_FIELDS; i++, at += sizeof(uint32_t)) {
        put_u32(at, chat->segments[i]);
    }
    memcpy(at, chat->name, name_bytes);
    memcpy(at + name_bytes, chat->system, chat->system_bytes);
    memcpy(at + name_bytes + chat->system_bytes, chat->text, text_bytes);
    return TERCET_OK;
}

/* The beginning of a text behind a sentence: what cannot be printed becomes '?', newlines and runs of blanks one space. */
static void note(struct chat_section *section, const char *sentence, const char *text,
                 size_t bytes) {
    size_t used = strlen(sentence);
    memcpy(section->note, sentence, used);
    for (size_t i = 0; i < bytes && used < sizeof section->note - 4; i++) {
        unsigned char c = (unsigned char)text[i];
        bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';
        if (blank && (used == 0 || section->note[used - 1] == ' ')) {
            continue;
        }
        section->note[used++] = (char)(blank ? ' ' : c < 0x20 || c > 0x7E ? '?' : c);
        if (used == sizeof section->note - 4) {
            memcpy(section->note + used, "...", 3);
            used += 3;
        }
    }
    section->note[used] = '\0';
}

static tercet_status build(const struct container_tokenizer *tables, const char *name,
                           const char *system, struct chat_section *section, tercet_error *error) {
    struct chat_known known;
    TERCET_TRY(chat_format_build(tables, name, &known, error));
    known.chat.system = system;
    known.chat.system_bytes = (uint32_t)strlen(system);
    section->format = known.chat.name;
    return lay_out(&known.chat, section, error);
}

static tercet_status build_from_text(const struct container_tokenizer *tables, const char *text,
                                     size_t text_bytes, struct chat_section *section,
                                     tercet_error *error) {
    struct chat_template *template = malloc(sizeof *template);
    tercet_error missing = {0};
    if (template == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, sizeof *template,
                           "no memory for the chat template");
    }
    chat_template_read(text, text_bytes, template);
    tercet_status status = TERCET_OK;
    if (template->format == NULL) {
        note(section, "its template is not one that Tercet knows; it begins: ", text, text_bytes);
    } else {
        status = build(tables, template->format, template->system, section, &missing);
    }
    free(template);
    if (status == TERCET_NO_CHAT_FORMAT) { /* the template of another model */
        section->format = "";
        note(section, "", missing.detail, strlen(missing.detail));
        return TERCET_OK;
    }
    if (status != TERCET_OK && error != NULL) {
        *error = missing;
    }
    return status;
}

tercet_status chat_section_from_template(const uint8_t *tokenizer, size_t tokenizer_bytes,
                                         uint32_t vocabulary, const char *name, const char *text,
                                         size_t text_bytes, struct chat_section *section,
                                         tercet_error *error) {
    struct container_tokenizer tables;
    *section = (struct chat_section){.format = ""};
    if ((name == NULL && text == NULL) || (name != NULL && strcmp(name, "none") == 0)) {
        return TERCET_OK;
    }
    TERCET_TRY(container_view_tokenizer((untrusted_bytes){tokenizer, tokenizer_bytes}, vocabulary,
                                        &tables, error));
    return name != NULL ? build(&tables, name, "", section, error)
                        : build_from_text(&tables, text, text_bytes, section, error);
}

/* chat_template is a text, or a list of { name, template }. NULL without one. */
static tercet_status find_template(const struct json_document *config, const char **text,
                                   tercet_error *error) {
    const cJSON *item = NULL;
    *text = NULL;
    TERCET_TRY(json_get(config, config->root, "chat_template", JSON_OPTIONAL, &item, error));
    if (item == NULL || !cJSON_IsArray(item)) {
        return json_get_string(config, config->root, "chat_template", JSON_OPTIONAL, text, error);
    }
    for (const cJSON *one = item->child; one != NULL; one = one->next) {
        const char *name = NULL;
        TERCET_TRY(json_get_string(config, one, "name", JSON_REQUIRED, &name, error));
        if (strcmp(name, "default") == 0) {
            return json_get_string(config, one, "template", JSON_REQUIRED, text, error);
        }
    }
    return TERCET_OK;
}

tercet_status chat_section_from_folder(const uint8_t *tokenizer, size_t tokenizer_bytes,
                                       uint32_t vocabulary, const char *name, const char *folder,
                                       struct chat_section *section, tercet_error *error) {
    struct json_document config = {NULL, CONFIG_FILE};
    uint8_t *file = NULL;
    size_t file_bytes = 0;
    const char *text = NULL;
    *section = (struct chat_section){.format = ""};
    if (name == NULL && source_file_exists(folder, TEMPLATE_FILE)) {
        TERCET_TRY(source_file_read(folder, TEMPLATE_FILE, CHAT_TEMPLATE_BYTES_MAX, &file,
                                    &file_bytes, error));
        text = (const char *)file;
    } else if (name == NULL && source_file_exists(folder, CONFIG_FILE)) {
        TERCET_TRY(json_load(folder, CONFIG_FILE, CONFIG_BYTES_MAX, &config, error));
        tercet_status status = find_template(&config, &text, error);
        if (status != TERCET_OK) {
            json_free(&config);
            return status;
        }
        file_bytes = text != NULL ? strlen(text) : 0;
    }
    tercet_status status = chat_section_from_template(tokenizer, tokenizer_bytes, vocabulary, name,
                                                      text, file_bytes, section, error);
    json_free(&config);
    free(file);
    return status;
}

void chat_section_free(struct chat_section *section) {
    free(section->bytes);
    section->bytes = NULL;
    section->count = 0;
}
