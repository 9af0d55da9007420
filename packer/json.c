/*
 * json.c: see json.h. Before the library sees a byte, one flat pass over the text checks UTF-8 and counts values and
 * depth, so that what the library allocates is bounded and its recursion is shallow.
 */
#include "json.h"

#include "../core/text/utf8.h"
#include "source_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Counts brackets, commas and \u0000 outside and inside of strings. Says nothing about the grammar:
 * that is the library's part. */
static tercet_status scan_text(const char *file, const uint8_t *bytes, size_t count,
                               tercet_error *error) {
    size_t valid = utf8_valid_prefix(bytes, count);
    if (valid != count) {
        return tercet_fail(error, TERCET_BAD_SOURCE, valid, "%s is not UTF-8 at byte %llu", file,
                           (unsigned long long)valid);
    }
    uint64_t values = 1;
    uint32_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < count; i++) {
        uint8_t c = bytes[i];
        if (c == 0 ||
            (in_string && c == '\\' && count - i > 5 && memcmp(bytes + i + 1, "u0000", 5) == 0)) {
            return tercet_fail(error, TERCET_BAD_SOURCE, i,
                               "%s holds a NUL character at byte %llu, which cannot be read", file,
                               (unsigned long long)i);
        }
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
            continue;
        }
        if (c == '"') {
            in_string = true;
        } else if (c == ',') {
            values++;
        } else if (c == '[' || c == '{') {
            values++;
            depth++;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
        if (depth > JSON_DEPTH_MAX || values > JSON_VALUES_MAX) {
            return tercet_fail(error, TERCET_LIMIT_EXCEEDED, i,
                               "%s is nested deeper than %u or has more than %u values", file,
                               JSON_DEPTH_MAX, JSON_VALUES_MAX);
        }
    }
    return TERCET_OK;
}

tercet_status json_parse(const char *file, const uint8_t *bytes, size_t count,
                         struct json_document *document, tercet_error *error) {
    document->root = NULL;
    document->file = file;
    TERCET_TRY(scan_text(file, bytes, count, error));
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts((const char *)bytes, count, &end, 0);
    size_t at = end != NULL ? (size_t)(end - (const char *)bytes) : 0;
    if (root == NULL) {
        return tercet_fail(error, TERCET_BAD_SOURCE, at, "%s is not JSON at byte %llu", file,
                           (unsigned long long)at);
    }
    while (at < count &&
           (bytes[at] == ' ' || bytes[at] == '\t' || bytes[at] == '\n' || bytes[at] == '\r')) {
        at++;
    }
    if (at != count) {
        cJSON_Delete(root);
        return tercet_fail(error, TERCET_BAD_SOURCE, at, "%s goes on after its JSON at byte %llu",
                           file, (unsigned long long)at);
    }
    document->root = root;
    return TERCET_OK;
}

tercet_status json_load(const char *folder, const char *file, size_t most_bytes,
                        struct json_document *document, tercet_error *error) {
    uint8_t *bytes = NULL;
    size_t count = 0;
    document->root = NULL;
    document->file = file;
    TERCET_TRY(source_file_read(folder, file, most_bytes, &bytes, &count, error));
    tercet_status status = json_parse(file, bytes, count, document, error);
    free(bytes);
    return status;
}

void json_free(struct json_document *document) {
    cJSON_Delete(document->root);
    document->root = NULL;
}

tercet_status json_get(const struct json_document *document, const cJSON *object, const char *key,
                       enum json_presence presence, const cJSON **out, tercet_error *error) {
    if (!cJSON_IsObject(object)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "%s: an object with the key \"%s\" was expected", document->file, key);
    }
    const cJSON *found = NULL;
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        if (strcmp(item->string, key) != 0) {
            continue;
        }
        if (found != NULL) {
            return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s has the key \"%s\" twice",
                               document->file, key);
        }
        found = item;
    }
    if (found != NULL) {
        *out = found;
    } else if (presence == JSON_REQUIRED) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s lacks the key \"%s\"", document->file,
                           key);
    }
    return TERCET_OK;
}

/* The member, or NULL in *out when it is missing or null and may be. */
static tercet_status get_not_null(const struct json_document *document, const cJSON *object,
                                  const char *key, enum json_presence presence, const cJSON **out,
                                  tercet_error *error) {
    *out = NULL;
    TERCET_TRY(json_get(document, object, key, presence, out, error));
    if (*out != NULL && cJSON_IsNull(*out)) {
        *out = NULL;
        if (presence == JSON_REQUIRED) {
            return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: \"%s\" is null", document->file,
                               key);
        }
    }
    return TERCET_OK;
}

static tercet_status wrong_type(const struct json_document *document, const char *key,
                                const char *expected, tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: \"%s\" is not %s", document->file, key,
                       expected);
}

tercet_status json_get_object(const struct json_document *document, const cJSON *object,
                              const char *key, enum json_presence presence, const cJSON **out,
                              tercet_error *error) {
    const cJSON *item;
    TERCET_TRY(get_not_null(document, object, key, presence, &item, error));
    if (item != NULL && !cJSON_IsObject(item)) {
        return wrong_type(document, key, "an object", error);
    }
    if (item != NULL) {
        *out = item;
    }
    return TERCET_OK;
}

tercet_status json_get_array(const struct json_document *document, const cJSON *object,
                             const char *key, enum json_presence presence, const cJSON **out,
                             tercet_error *error) {
    const cJSON *item;
    TERCET_TRY(get_not_null(document, object, key, presence, &item, error));
    if (item != NULL && !cJSON_IsArray(item)) {
        return wrong_type(document, key, "a list", error);
    }
    if (item != NULL) {
        *out = item;
    }
    return TERCET_OK;
}

tercet_status json_get_string(const struct json_document *document, const cJSON *object,
                              const char *key, enum json_presence presence, const char **out,
                              tercet_error *error) {
    const cJSON *item;
    TERCET_TRY(get_not_null(document, object, key, presence, &item, error));
    if (item != NULL && !cJSON_IsString(item)) {
        return wrong_type(document, key, "a string", error);
    }
    if (item != NULL) {
        *out = item->valuestring;
    }
    return TERCET_OK;
}

tercet_status json_get_bool(const struct json_document *document, const cJSON *object,
                            const char *key, enum json_presence presence, bool *out,
                            tercet_error *error) {
    const cJSON *item;
    TERCET_TRY(get_not_null(document, object, key, presence, &item, error));
    if (item != NULL && !cJSON_IsBool(item)) {
        return wrong_type(document, key, "true or false", error);
    }
    if (item != NULL) {
        *out = cJSON_IsTrue(item) != 0;
    }
    return TERCET_OK;
}

tercet_status json_get_u32(const struct json_document *document, const cJSON *object,
                           const char *key, enum json_presence presence, uint32_t most,
                           uint32_t *out, tercet_error *error) {
    const cJSON *item;
    uint64_t value = 0;
    TERCET_TRY(get_not_null(document, object, key, presence, &item, error));
    if (item == NULL) {
        return TERCET_OK;
    }
    if (!json_take_u64(item, most, &value)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "%s: \"%s\" is not a whole number from 0 to %u", document->file, key,
                           most);
    }
    *out = (uint32_t)value;
    return TERCET_OK;
}

tercet_status json_get_number(const struct json_document *document, const cJSON *object,
                              const char *key, enum json_presence presence, double *out,
                              tercet_error *error) {
    const cJSON *item;
    TERCET_TRY(get_not_null(document, object, key, presence, &item, error));
    if (item != NULL && (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))) {
        return wrong_type(document, key, "a finite number", error);
    }
    if (item != NULL) {
        *out = item->valuedouble;
    }
    return TERCET_OK;
}

bool json_take_u64(const cJSON *item, uint64_t most, uint64_t *out) {
    const double gap = 9007199254740992.0; /* 2^53 */
    if (!cJSON_IsNumber(item)) {
        return false;
    }
    double value = item->valuedouble;
    if (!(value >= 0 && value <= gap) || value != floor(value) || (uint64_t)value > most) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}
