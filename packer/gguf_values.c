/*
 * gguf_values.c: values of the keys of a GGUF file, see gguf_header.h. Writers differ in the integer types that they choose,
 * so every one is taken where an integer is wanted.
 */
#include "gguf_header.h"

#include "../core/base/math.h"
#include "../core/base/untrusted.h"

#include <string.h>

uint32_t gguf_value_bytes(enum gguf_value_type type) {
    static const uint32_t bytes[GGUF_VALUE_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return bytes[type];
}

const struct gguf_key *gguf_find_key(const struct gguf_header *header, const char *name) {
    uint32_t low = 0, high = header->key_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(name, header->keys[middle].name);
        if (order == 0) {
            return &header->keys[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static tercet_status bad_key(const struct gguf_header *header, const char *name, const char *what,
                             tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: the key %s %s", header->file, name, what);
}

static uint64_t little_endian(const uint8_t *bytes, uint32_t count) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < count; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

/* False for what is no integer, or below zero. */
static bool take_integer(enum gguf_value_type type, const uint8_t *bytes, untrusted_u64 *out) {
    bool is_signed = type == GGUF_I8 || type == GGUF_I16 || type == GGUF_I32 || type == GGUF_I64;
    bool is_unsigned = type == GGUF_U8 || type == GGUF_U16 || type == GGUF_U32 || type == GGUF_U64;
    out->raw = 0;
    if (!is_signed && !is_unsigned) {
        return false;
    }
    out->raw = little_endian(bytes, gguf_value_bytes(type));
    return is_unsigned || bytes[gguf_value_bytes(type) - 1] < 0x80;
}

tercet_status gguf_get_u32(const struct gguf_header *header, const char *name, uint32_t limit,
                           uint32_t *out, bool *found, tercet_error *error) {
    const struct gguf_key *key = gguf_find_key(header, name);
    uint64_t value = 0;
    if (found != NULL) {
        *found = key != NULL;
    }
    if (key == NULL) {
        return TERCET_OK;
    }
    for (uint64_t i = 0; i < key->count; i++) {
        uint64_t first = value;
        untrusted_u64 number;
        if (!take_integer(key->element, key->value + i * gguf_value_bytes(key->element), &number) ||
            !take_u64_at_most(number, limit, &value)) {
            return tercet_fail(error, TERCET_BAD_SOURCE, i,
                               "%s: the key %s is no integer from 0 to %u", header->file, name,
                               limit);
        }
        if (i > 0 && value != first) {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, i,
                               "%s: the key %s differs from layer to layer, which is not supported",
                               header->file, name);
        }
    }
    if (key->count == 0) {
        return bad_key(header, name, "is an empty array", error);
    }
    *out = (uint32_t)value;
    return TERCET_OK;
}

tercet_status gguf_get_number(const struct gguf_header *header, const char *name, double *out,
                              bool *found, tercet_error *error) {
    const struct gguf_key *key = gguf_find_key(header, name);
    if (found != NULL) {
        *found = key != NULL;
    }
    if (key == NULL) {
        return TERCET_OK;
    }
    if (key->type == GGUF_FLOAT32) {
        float value;
        untrusted_u32 number = {(uint32_t)little_endian(key->value, 4)};
        if (take_finite_f32(number, &value)) {
            *out = (double)value;
            return TERCET_OK;
        }
    } else if (key->type == GGUF_FLOAT64) {
        untrusted_u64 number = {little_endian(key->value, 8)};
        if (take_finite_f64(number, out)) {
            return TERCET_OK;
        }
    }
    return bad_key(header, name, "is no finite number", error);
}

tercet_status gguf_get_bool(const struct gguf_header *header, const char *name, bool *out,
                            bool *found, tercet_error *error) {
    const struct gguf_key *key = gguf_find_key(header, name);
    if (found != NULL) {
        *found = key != NULL;
    }
    if (key == NULL) {
        return TERCET_OK;
    }
    if (key->type != GGUF_BOOL) {
        return bad_key(header, name, "is neither true nor false", error);
    }
    *out = key->value[0] == 1;
    return TERCET_OK;
}

tercet_status gguf_get_text(const struct gguf_header *header, const char *name,
                            struct gguf_text *out, bool *found, tercet_error *error) {
    const struct gguf_key *key = gguf_find_key(header, name);
    if (found != NULL) {
        *found = key != NULL;
    }
    if (key == NULL) {
        return TERCET_OK;
    }
    if (key->type != GGUF_STRING) {
        return bad_key(header, name, "is no text", error);
    }
    const uint8_t *cursor = key->value;
    *out = gguf_next_text(&cursor);
    return TERCET_OK;
}

tercet_status gguf_get_array(const struct gguf_header *header, const char *name,
                             enum gguf_value_type element, const struct gguf_key **out,
                             tercet_error *error) {
    *out = gguf_find_key(header, name);
    if (*out != NULL && ((*out)->type != GGUF_ARRAY || (*out)->element != element)) {
        return bad_key(header, name, "is no array of the type that it should have", error);
    }
    return TERCET_OK;
}

bool gguf_text_is(struct gguf_text text, const char *wanted) {
    size_t bytes = strlen(wanted);
    return text.count == bytes && memcmp(text.bytes, wanted, bytes) == 0;
}

const char *gguf_show_text(struct gguf_text text, char shown[GGUF_SHOWN_BYTES]) {
    size_t count = text.count < GGUF_SHOWN_BYTES ? text.count : GGUF_SHOWN_BYTES - 1;
    for (size_t i = 0; i < count; i++) {
        bool plain = text.bytes[i] >= 0x20 && text.bytes[i] < 0x7F;
        shown[i] = plain ? (char)text.bytes[i] : '?';
    }
    shown[count] = '\0';
    return shown;
}

struct gguf_text gguf_next_text(const uint8_t **cursor) {
    /* The length was checked when the header was parsed. */
    struct gguf_text text = {*cursor + 8, (size_t)little_endian(*cursor, 8)};
    *cursor = text.bytes + text.count;
    return text;
}

int32_t gguf_next_i32(const uint8_t **cursor) {
    uint32_t bits = (uint32_t)little_endian(*cursor, 4);
    int32_t value;
    memcpy(&value, &bits, sizeof value);
    *cursor += 4;
    return value;
}

float gguf_next_f32(const uint8_t **cursor) {
    float value = math_float_from_bits((uint32_t)little_endian(*cursor, 4));
    *cursor += 4;
    return value;
}
