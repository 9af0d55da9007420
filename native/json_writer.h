/*
 * json_writer.h: JSON on a stream, written as it goes, always well-formed UTF-8: bytes that are none
 * become U+FFFD, numbers that are none become null. Write errors stay in the stream (ferror).
 */
#ifndef TERCET_NATIVE_JSON_WRITER_H
#define TERCET_NATIVE_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_DEPTH_MAX = 12 };

struct json_writer {
    FILE *stream;
    int depth;
    struct {
        bool array, inline_items, has_items;
    } level[JSON_DEPTH_MAX];
};

/* Opens the top object; json_finish closes it and ends the line. */
void json_start(struct json_writer *json, FILE *stream);
void json_finish(struct json_writer *json);

/* `key` is NULL inside an array. Inline arrays put their items on one line. */
void json_object(struct json_writer *json, const char *key);
void json_array(struct json_writer *json, const char *key);
void json_inline_array(struct json_writer *json, const char *key);
void json_close(struct json_writer *json); /* the innermost object or array */

void json_text(struct json_writer *json, const char *key, const char *text);
void json_text_bytes(struct json_writer *json, const char *key, const char *text, size_t bytes);
void json_integer(struct json_writer *json, const char *key, uint64_t value);
void json_number(struct json_writer *json, const char *key, double value); /* 9 digits */
void json_exact(struct json_writer *json, const char *key, double value);  /* 17 digits */
void json_float(struct json_writer *json, const char *key,
                float value); /* shortest that reads back */
void json_bool(struct json_writer *json, const char *key, bool value);
void json_null(struct json_writer *json, const char *key);

#endif
