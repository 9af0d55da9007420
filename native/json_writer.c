/*
 * json_writer.c: see json_writer.h. Holds no text back: what was written is on the stream.
 */
#include "json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void indent(struct json_writer *json) {
    fprintf(json->stream, "\n%*s", 2 * json->depth, "");
}

/* Comma, line, indentation and key in front of a value. */
static void begin_value(struct json_writer *json, const char *key) {
    int depth = json->depth;
    if (depth == 0) {
        return;
    }
    if (json->level[depth].has_items) {
        fputs(json->level[depth].inline_items ? ", " : ",", json->stream);
    }
    if (!json->level[depth].inline_items) {
        indent(json);
    }
    json->level[depth].has_items = true;
    if (key != NULL) {
        fprintf(json->stream, "\"%s\": ", key); /* keys are ours: plain ASCII */
    }
}

static void open_level(struct json_writer *json, const char *key, bool array, bool inline_items) {
    begin_value(json, key);
    fputc(array ? '[' : '{', json->stream);
    if (json->depth + 1 < JSON_DEPTH_MAX) {
        json->depth++;
    }
    json->level[json->depth].array = array;
    json->level[json->depth].inline_items = inline_items;
    json->level[json->depth].has_items = false;
}

void json_start(struct json_writer *json, FILE *stream) {
    memset(json, 0, sizeof *json);
    json->stream = stream;
    open_level(json, NULL, false, false);
}

void json_finish(struct json_writer *json) {
    while (json->depth > 0) {
        json_close(json);
    }
    fputc('\n', json->stream);
}

void json_object(struct json_writer *json, const char *key) {
    open_level(json, key, false, false);
}
void json_array(struct json_writer *json, const char *key) {
    open_level(json, key, true, false);
}
void json_inline_array(struct json_writer *json, const char *key) {
    open_level(json, key, true, true);
}

void json_close(struct json_writer *json) {
    bool array = json->level[json->depth].array;
    bool on_new_line = json->level[json->depth].has_items && !json->level[json->depth].inline_items;
    json->depth--;
    if (on_new_line) {
        indent(json);
    }
    fputc(array ? ']' : '}', json->stream);
}

/* Length of the well-formed UTF-8 character at `text`, 0 if there is none (Unicode table 3-7). */
static size_t utf8_character(const unsigned char *text, size_t bytes) {
    static const struct {
        unsigned char first, last, second_least, second_most;
        unsigned char length;
    } forms[] = {
        {0x00, 0x7F, 0x00, 0x00, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (text[0] < forms[i].first || text[0] > forms[i].last) {
            continue;
        }
        size_t length = forms[i].length;
        if (length > bytes) {
            return 0;
        }
        if (length > 1 && (text[1] < forms[i].second_least || text[1] > forms[i].second_most)) {
            return 0;
        }
        for (size_t k = 2; k < length; k++) {
            if ((text[k] & 0xC0) != 0x80) {
                return 0;
            }
        }
        return length;
    }
    return 0;
}

void json_text_bytes(struct json_writer *json, const char *key, const char *text, size_t bytes) {
    begin_value(json, key);
    fputc('"', json->stream);
    size_t at = 0;
    while (at < bytes) {
        unsigned char c = (unsigned char)text[at];
        size_t length = utf8_character((const unsigned char *)text + at, bytes - at);
        if (length == 0) {
            fputs("\\ufffd", json->stream);
            at++;
        } else if (length > 1) {
            (void)fwrite(text + at, 1, length, json->stream);
            at += length;
        } else {
            if (c == '"' || c == '\\') {
                fprintf(json->stream, "\\%c", c);
            } else if (c == '\n') {
                fputs("\\n", json->stream);
            } else if (c < 0x20 || c == 0x7F) {
                fprintf(json->stream, "\\u%04x", c);
            } else {
                fputc(c, json->stream);
            }
            at++;
        }
    }
    fputc('"', json->stream);
}

void json_text(struct json_writer *json, const char *key, const char *text) {
    json_text_bytes(json, key, text, strlen(text));
}

void json_integer(struct json_writer *json, const char *key, uint64_t value) {
    begin_value(json, key);
    fprintf(json->stream, "%" PRIu64, value);
}

static void write_number(struct json_writer *json, const char *key, double value, int digits) {
    begin_value(json, key);
    if (isfinite(value)) {
        fprintf(json->stream, "%.*g", digits, value);
    } else {
        fputs("null", json->stream);
    }
}

void json_number(struct json_writer *json, const char *key, double value) {
    write_number(json, key, value, 9);
}

void json_exact(struct json_writer *json, const char *key, double value) {
    write_number(json, key, value, 17);
}

void json_float(struct json_writer *json, const char *key, float value) {
    char text[32];
    int digits = 1;
    do { /* 0.7f is printed as 0.7, not 0.699999988 */
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)value);
    } while (++digits <= 9 && !(strtof(text, NULL) >= value && strtof(text, NULL) <= value));
    write_number(json, key, (double)value, digits - 1);
}

void json_bool(struct json_writer *json, const char *key, bool value) {
    begin_value(json, key);
    fputs(value ? "true" : "false", json->stream);
}

void json_null(struct json_writer *json, const char *key) {
    begin_value(json, key);
    fputs("null", json->stream);
}
