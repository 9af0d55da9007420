/*
 * json.h: a thin, bounded layer over Debian's libcjson: parse with caps on bytes, values and depth, then typed getters
 * whose errors name file and key. Used for config.json, tokenizer.json, safetensors headers. Must never be used for
 * bytes of a .tercet file, and core never sees it.
 *
 * What the library itself would let through and this refuses: bytes that are no UTF-8, the NUL character (it would cut
 * a string short), text after the value, a key that an object has twice (readers differ in which one they take).
 */
#ifndef TERCET_PACKER_JSON_H
#define TERCET_PACKER_JSON_H

#include "../core/base/status.h"
#include <cjson/cJSON.h>
#include <stdbool.h>

#define JSON_DEPTH_MAX 64u
#define JSON_VALUES_MAX                                                                            \
    (1u << 23) /* 64 bytes each in the library: bounds memory before it is taken */

struct json_document {
    cJSON *root;      /* NULL: nothing to free */
    const char *file; /* the caller's string, for sentences; must outlive the document */
};

enum json_presence {
    JSON_REQUIRED, /* missing or null is BAD_SOURCE */
    JSON_OPTIONAL  /* missing or null leaves *out as it is and is OK */
};

/* `bytes` need not outlive the document. BAD_SOURCE with the byte offset, LIMIT_EXCEEDED, OUT_OF_MEMORY. */
tercet_status json_parse(const char *file, const uint8_t *bytes, size_t count,
                         struct json_document *document, tercet_error *error);
/* folder/file, at most most_bytes long; also what source_file_read answers. */
tercet_status json_load(const char *folder, const char *file, size_t most_bytes,
                        struct json_document *document, tercet_error *error);
void json_free(struct json_document *document);

/* Member `key` of `object` (which must be an object, else BAD_SOURCE). *out may be JSON null only through json_get. */
tercet_status json_get(const struct json_document *document, const cJSON *object, const char *key,
                       enum json_presence presence, const cJSON **out, tercet_error *error);
tercet_status json_get_object(const struct json_document *document, const cJSON *object,
                              const char *key, enum json_presence presence, const cJSON **out,
                              tercet_error *error);
tercet_status json_get_array(const struct json_document *document, const cJSON *object,
                             const char *key, enum json_presence presence, const cJSON **out,
                             tercet_error *error);
/* Valid UTF-8 without NUL, owned by the document. */
tercet_status json_get_string(const struct json_document *document, const cJSON *object,
                              const char *key, enum json_presence presence, const char **out,
                              tercet_error *error);
tercet_status json_get_bool(const struct json_document *document, const cJSON *object,
                            const char *key, enum json_presence presence, bool *out,
                            tercet_error *error);
/* A whole number in 0..most. */
tercet_status json_get_u32(const struct json_document *document, const cJSON *object,
                           const char *key, enum json_presence presence, uint32_t most,
                           uint32_t *out, tercet_error *error);
/* Any finite number. */
tercet_status json_get_number(const struct json_document *document, const cJSON *object,
                              const char *key, enum json_presence presence, double *out,
                              tercet_error *error);

/* A whole number in 0..most (most <= 2^53: beyond, JSON's doubles have gaps); false for anything else. For elements of
 * arrays, where the caller has the better sentence. */
bool json_take_u64(const cJSON *item, uint64_t most, uint64_t *out);

#endif
