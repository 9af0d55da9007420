/*
 * npy_header.c: see npy_header.h. The dictionary has three keys, strings without escapes, True or False, and a tuple of whole
 * numbers: NumPy writes nothing else.
 */
#include "npy_header.h"

#include "../core/base/untrusted.h"

#include <string.h>

#define WORD_BYTES 24u

static const struct {
    const char *name; /* '<': little-endian */
    enum npy_type type;
    uint32_t bytes;
} types[] = {
    {"<f2", NPY_F16, 2}, {"<f4", NPY_F32, 4}, {"<f8", NPY_F64, 8}, {"<i4", NPY_I32, 4},
    {"<i8", NPY_I64, 8}, {"<u4", NPY_U32, 4}, {"<u8", NPY_U64, 8},
};

static tercet_status damaged(const char *name, uint64_t where, const char *what,
                             tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, where, "%s is no sound NumPy array: %s", name,
                       what);
}

/* Version 1 has a length of two bytes, 2 and 3 of four. */
static size_t length_bytes(const uint8_t *start) {
    return start[6] == 1 ? 2 : 4;
}

tercet_status npy_header_bytes(const char *name, const uint8_t start[NPY_START_BYTES],
                               uint64_t array_bytes, size_t *count, tercet_error *error) {
    static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    untrusted_u32 length = {0};
    uint32_t bytes;
    if (memcmp(start, magic, sizeof magic) != 0) {
        return damaged(name, 0, "it does not begin like one", error);
    }
    if (start[6] < 1 || start[6] > 3 || start[7] != 0) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 6,
                           "%s is of version %u.%u of NumPy's format: 1.0 to 3.0 can be read", name,
                           start[6], start[7]);
    }
    (void)untrusted_read_u32((untrusted_bytes){start, NPY_START_BYTES}, 8, &length);
    if (length_bytes(start) == 2) {
        length.raw &= 0xFFFFu;
    }
    uint32_t front = 8 + (uint32_t)length_bytes(start);
    if (!take_u32_between(length, NPY_START_BYTES - front, NPY_HEADER_BYTES_MAX - front, &bytes)) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 8,
                           "%s has a header of %u bytes; at most %u are read", name, length.raw,
                           NPY_HEADER_BYTES_MAX - front);
    }
    *count = front + bytes;
    return *count <= array_bytes ? TERCET_OK : damaged(name, array_bytes, "it is cut short", error);
}

/* ---------------------------------------------------------------- the dictionary */

struct cursor {
    const uint8_t *next, *end;
};

static void skip_blanks(struct cursor *cursor) {
    while (cursor->next < cursor->end && *cursor->next == ' ') {
        cursor->next++;
    }
}

static bool take_character(struct cursor *cursor, char wanted) {
    skip_blanks(cursor);
    if (cursor->next == cursor->end || *cursor->next != (uint8_t)wanted) {
        return false;
    }
    cursor->next++;
    return true;
}

/* 'text' or "text", printable. */
static bool take_text(struct cursor *cursor, char word[WORD_BYTES]) {
    size_t count = 0;
    char quote = take_character(cursor, '\'') ? '\'' : '"';
    if (quote == '"' && !take_character(cursor, '"')) {
        return false;
    }
    while (cursor->next < cursor->end && *cursor->next != (uint8_t)quote) {
        uint8_t c = *cursor->next++;
        if (c < 0x20 || c > 0x7E || c == '\\' || count + 1 == WORD_BYTES) {
            return false;
        }
        word[count++] = (char)c;
    }
    word[count] = '\0';
    return take_character(cursor, quote);
}

static bool take_word(struct cursor *cursor, const char *word) {
    size_t count = strlen(word);
    skip_blanks(cursor);
    if ((size_t)(cursor->end - cursor->next) < count || memcmp(cursor->next, word, count) != 0) {
        return false;
    }
    cursor->next += count;
    return true;
}

static bool take_size(struct cursor *cursor, uint64_t *size) {
    uint32_t digits = 0;
    *size = 0;
    skip_blanks(cursor);
    for (; cursor->next < cursor->end && *cursor->next >= '0' && *cursor->next <= '9';
         cursor->next++, digits++) {
        uint64_t digit = *cursor->next - (uint64_t)'0';
        if (!checked_mul_u64(*size, 10, size) || !checked_add_u64(*size, digit, size)) {
            return false;
        }
    }
    return digits > 0;
}

/* "()", "(3,)", "(3, 4)"; sizes beyond the ranks that we read only count. */
static bool take_shape(struct cursor *cursor, struct npy_header *header) {
    header->rank = 0;
    header->elements = 1;
    if (!take_character(cursor, '(')) {
        return false;
    }
    while (!take_character(cursor, ')')) {
        uint64_t size;
        if (!take_size(cursor, &size) ||
            !checked_mul_u64(header->elements, size, &header->elements)) {
            return false;
        }
        if (header->rank < NPY_RANK_MAX) {
            header->shape[header->rank] = size;
        }
        header->rank++;
        if (!take_character(cursor, ',')) {
            return take_character(cursor, ')');
        }
    }
    return true;
}

struct dictionary {
    char type[WORD_BYTES];
    bool columns_first;
    bool has_type, has_order, has_shape;
};

static bool take_member(struct cursor *cursor, struct dictionary *dictionary,
                        struct npy_header *header) {
    char key[WORD_BYTES];
    bool *has;
    if (!take_text(cursor, key) || !take_character(cursor, ':')) {
        return false;
    }
    if (strcmp(key, "descr") == 0) {
        has = &dictionary->has_type;
        if (!take_text(cursor, dictionary->type)) {
            return false;
        }
    } else if (strcmp(key, "fortran_order") == 0) {
        has = &dictionary->has_order;
        dictionary->columns_first = take_word(cursor, "True");
        if (!dictionary->columns_first && !take_word(cursor, "False")) {
            return false;
        }
    } else if (strcmp(key, "shape") == 0) {
        has = &dictionary->has_shape;
        if (!take_shape(cursor, header)) {
            return false;
        }
    } else {
        return false;
    }
    bool twice = *has;
    *has = true;
    return !twice;
}

static bool take_dictionary(struct cursor *cursor, struct dictionary *dictionary,
                            struct npy_header *header) {
    if (!take_character(cursor, '{')) {
        return false;
    }
    while (!take_character(cursor, '}')) {
        if (!take_member(cursor, dictionary, header)) {
            return false;
        }
        if (!take_character(cursor, ',')) {
            if (!take_character(cursor, '}')) {
                return false;
            }
            break;
        }
    }
    return dictionary->has_type && dictionary->has_order && dictionary->has_shape &&
           take_character(cursor, '\n') && cursor->next == cursor->end;
}

tercet_status npy_read_header(const char *name, const uint8_t *bytes, size_t count,
                              uint64_t array_bytes, struct npy_header *header,
                              tercet_error *error) {
    struct dictionary dictionary = {.has_type = false};
    struct cursor cursor = {bytes + 8 + length_bytes(bytes), bytes + count};
    uint64_t number_bytes;
    *header = (struct npy_header){.rank = 0};
    if (!take_dictionary(&cursor, &dictionary, header)) {
        return damaged(name, (uint64_t)(cursor.next - bytes),
                       "its header is no dictionary of descr, fortran_order and shape", error);
    }
    if (header->rank > NPY_RANK_MAX) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, header->rank,
                           "%s has %u dimensions; at most %u can be read", name, header->rank,
                           NPY_RANK_MAX);
    }
    if (dictionary.columns_first && header->rank > 1) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s is stored columns first: write it with numpy.ascontiguousarray",
                           name);
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, dictionary.type) == 0) {
            header->type = types[i].type;
            return checked_mul_u64(header->elements, types[i].bytes, &number_bytes) &&
                           number_bytes == array_bytes - count
                       ? TERCET_OK
                       : damaged(name, array_bytes,
                                 "its shape asks for another number of bytes than it has", error);
        }
    }
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                       "%s holds numbers of type %s: <f2, <f4, <f8, <i4, <i8, <u4 and <u8 can be "
                       "read",
                       name, dictionary.type);
}
