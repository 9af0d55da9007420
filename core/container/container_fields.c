/*
 * container_fields.c: the checks of single fields that all sections of a container share; see container_sections.h. The
 * only place where a number of a file becomes one of ours. Never looks at more than one field: what fields must be to each
 * other is the business of each section's reader.
 */
#include "container_sections.h"

static tercet_status ends_early(const struct section *section, const char *field,
                                tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_HEADER, section->offset + section->bytes.count,
                       "%s: the section ends in front of its field %s", section->name, field);
}

tercet_status section_u32(const struct section *section, size_t at, const char *field,
                          uint32_t least, uint32_t limit, uint32_t *out, tercet_error *error) {
    untrusted_u32 value;
    if (!untrusted_read_u32(section->bytes, at, &value))
        return ends_early(section, field, error);
    if (take_u32_between(value, least, limit, out))
        return TERCET_OK;
    return tercet_fail(error, value.raw < least ? TERCET_BAD_HEADER : TERCET_LIMIT_EXCEEDED,
                       section->offset + at, "%s: %s is %u, but must be %u to %u", section->name,
                       field, value.raw, least, limit);
}

tercet_status section_u64(const struct section *section, size_t at, const char *field,
                          uint64_t least, uint64_t limit, uint64_t *out, tercet_error *error) {
    untrusted_u64 value;
    if (!untrusted_read_u64(section->bytes, at, &value))
        return ends_early(section, field, error);
    if (take_u64_between(value, least, limit, out))
        return TERCET_OK;
    return tercet_fail(error, value.raw < least ? TERCET_BAD_HEADER : TERCET_LIMIT_EXCEEDED,
                       section->offset + at, "%s: %s is %llu, but must be %llu to %llu",
                       section->name, field, (unsigned long long)value.raw,
                       (unsigned long long)least, (unsigned long long)limit);
}

tercet_status section_choice(const struct section *section, size_t at, const char *field,
                             uint32_t count, uint32_t *out, tercet_error *error) {
    untrusted_u32 value;
    if (!untrusted_read_u32(section->bytes, at, &value))
        return ends_early(section, field, error);
    if (take_u32_between(value, 1, count, out))
        return TERCET_OK;
    return tercet_fail(error, TERCET_UNSUPPORTED, section->offset + at,
                       "%s: %s is %u, which this version does not know", section->name, field,
                       value.raw);
}

tercet_status section_flags(const struct section *section, size_t at, const char *field,
                            uint32_t all, uint32_t *out, tercet_error *error) {
    untrusted_u32 value;
    if (!untrusted_read_u32(section->bytes, at, &value))
        return ends_early(section, field, error);
    /* Branches not counted: the mask implies the second, the one way out of the type */
    if ((value.raw & ~all) == 0 && take_u32_at_most(value, all, out))
        return TERCET_OK;
    return tercet_fail(error, TERCET_UNSUPPORTED, section->offset + at,
                       "%s: %s are %u, with a bit that this version does not know", section->name,
                       field, value.raw);
}

tercet_status section_token(const struct section *section, size_t at, const char *field,
                            uint32_t token_count, bool none, uint32_t *out, tercet_error *error) {
    untrusted_u32 value;
    if (!untrusted_read_u32(section->bytes, at, &value))
        return ends_early(section, field, error);
    if (take_u32_at_most(value, token_count - 1, out))
        return TERCET_OK;
    if (none && take_u32_between(value, TERCET_NO_TOKEN, TERCET_NO_TOKEN, out))
        return TERCET_OK;
    return tercet_fail(error, TERCET_BAD_HEADER, section->offset + at,
                       "%s: %s is token %u, but there are only %u tokens", section->name, field,
                       value.raw, token_count);
}

static tercet_status not_in_range(const struct section *section, size_t at, const char *field,
                                  tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_HEADER, section->offset + at,
                       "%s: %s is not a number of the allowed range", section->name, field);
}

tercet_status section_f32(const struct section *section, size_t at, const char *field, float least,
                          float limit, float *out, tercet_error *error) {
    untrusted_u32 bits;
    float value;
    if (!untrusted_read_u32(section->bytes, at, &bits))
        return ends_early(section, field, error);
    if (!take_finite_f32(bits, &value) || value < least || value > limit)
        return not_in_range(section, at, field, error);
    *out = value;
    return TERCET_OK;
}

tercet_status section_f64(const struct section *section, size_t at, const char *field, double least,
                          double limit, double *out, tercet_error *error) {
    untrusted_u64 bits;
    double value;
    if (!untrusted_read_u64(section->bytes, at, &bits))
        return ends_early(section, field, error);
    if (!take_finite_f64(bits, &value) || value < least || value > limit)
        return not_in_range(section, at, field, error);
    *out = value;
    return TERCET_OK;
}

tercet_status section_zero(const struct section *section, size_t at, size_t count,
                           tercet_error *error) {
    untrusted_bytes part;
    if (!untrusted_part(section->bytes, at, count, &part))
        return ends_early(section, "reserved", error);
    for (size_t i = 0; i < part.count; i++)
        if (part.bytes[i] != 0)
            return tercet_fail(error, TERCET_BAD_HEADER, section->offset + at + i,
                               "%s: a reserved byte is %u, but must be zero", section->name,
                               (uint32_t)part.bytes[i]);
    return TERCET_OK;
}

tercet_status section_size(const struct section *section, uint64_t bytes, tercet_error *error) {
    if (section->bytes.count == bytes)
        return TERCET_OK;
    return tercet_fail(error, TERCET_BAD_HEADER, section->offset,
                       "%s: the section has %llu bytes, but must have %llu", section->name,
                       (unsigned long long)section->bytes.count, (unsigned long long)bytes);
}

/* Bytes of the well-formed UTF-8 character at text (RFC 3629: no surrogates, nothing longer than needed, at most
 * U+10FFFF), or 0. Control characters (C0, DEL, C1) also give 0: these strings are printed to terminals. */
static size_t printable_character(const uint8_t *text, size_t bytes) {
    uint8_t lead = text[0];
    if (lead < 0x80)
        return lead >= 0x20 && lead != 0x7F ? 1 : 0;
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || bytes < length)
        return 0;
    uint8_t least = 0x80, most = 0xBF; /* of the second byte */
    if (lead == 0xC2)
        least = 0xA0;
    if (lead == 0xE0)
        least = 0xA0;
    if (lead == 0xED)
        most = 0x9F;
    if (lead == 0xF0)
        least = 0x90;
    if (lead == 0xF4)
        most = 0x8F;
    if (text[1] < least || text[1] > most)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((text[i] & 0xC0u) != 0x80u)
            return 0;
    return length;
}

tercet_status section_text(const struct section *section, size_t at, size_t bytes,
                           const char *field, bool lines, tercet_error *error) {
    untrusted_bytes text;
    if (!untrusted_part(section->bytes, at, bytes, &text))
        return ends_early(section, field, error);
    for (size_t i = 0; i < bytes;) {
        bool blank = lines && (text.bytes[i] == '\n' || text.bytes[i] == '\t');
        size_t step = blank ? 1 : printable_character(text.bytes + i, bytes - i);
        if (step == 0)
            return tercet_fail(error, TERCET_BAD_HEADER, section->offset + at + i,
                               "%s: %s holds a byte that is no UTF-8 text or a control character",
                               section->name, field);
        i += step;
    }
    return TERCET_OK;
}
