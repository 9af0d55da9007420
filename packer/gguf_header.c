/*
 * gguf_header.c: see gguf_header.h. One pass from front to back; nothing in the head is aligned. Counts, lengths, offsets
 * and types are untrusted until a take_ function let them through.
 */
#include "gguf_header.h"

#include "../core/base/untrusted.h"
#include "../core/text/utf8.h"
#include "gguf_places.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 24u /* magic, version, two counts */
#define DEFAULT_ALIGNMENT 32u
#define KEY_NAME_BYTES_MAX 512u

/* Where the parser stands. */
struct reader {
    const char *file;
    untrusted_bytes window;
    size_t at;
    uint64_t file_bytes;
    uint32_t tensor_count;
    bool cut; /* the window ended, the file does not */
    struct gguf_header *header;
    tercet_error *error;
};

static tercet_status bad(const struct reader *reader, const char *what) {
    return tercet_fail(reader->error, TERCET_BAD_SOURCE, reader->at, "%s: %s at byte %llu",
                       reader->file, what, (unsigned long long)reader->at);
}

/* The window ended. If the file does so too, it is damaged; else there is more to come. */
static tercet_status ended(struct reader *reader) {
    if (reader->file_bytes > reader->window.count && reader->window.count < GGUF_HEADER_BYTES_MAX) {
        reader->cut = true;
    } else if (reader->file_bytes > reader->window.count) {
        return tercet_fail(reader->error, TERCET_LIMIT_EXCEEDED, reader->at,
                           "the header of %s has more than %u bytes", reader->file,
                           GGUF_HEADER_BYTES_MAX);
    }
    return tercet_fail(reader->error, TERCET_BAD_SOURCE, reader->at,
                       "%s is cut short: its header goes on behind the last byte, %llu",
                       reader->file, (unsigned long long)reader->window.count);
}

/* ---------------------------------------------------------------- single fields */

static tercet_status read_u32(struct reader *reader, untrusted_u32 *out) {
    if (!untrusted_read_u32(reader->window, reader->at, out)) {
        return ended(reader);
    }
    reader->at += 4;
    return TERCET_OK;
}

static tercet_status read_u64(struct reader *reader, untrusted_u64 *out) {
    if (!untrusted_read_u64(reader->window, reader->at, out)) {
        return ended(reader);
    }
    reader->at += 8;
    return TERCET_OK;
}

/* Leaves `count` bytes behind; *part may be NULL. */
static tercet_status read_bytes(struct reader *reader, uint64_t count, const uint8_t **part) {
    untrusted_bytes bytes;
    if (!untrusted_part(reader->window, reader->at, count, &bytes)) {
        return ended(reader);
    }
    if (part != NULL) {
        *part = bytes.bytes;
    }
    reader->at += bytes.count;
    return TERCET_OK;
}

/* A length, then so many bytes. No length beyond the file's own is believed, so that a wrong one is told as such and not as
 * a file that is cut short. */
static tercet_status read_text(struct reader *reader, struct gguf_text *text) {
    untrusted_u64 length = {0};
    uint64_t count;
    TERCET_TRY(read_u64(reader, &length));
    if (!take_u64_at_most(length, reader->file_bytes, &count)) {
        reader->at -= 8;
        return bad(reader, "a text is longer than the file");
    }
    TERCET_TRY(read_bytes(reader, count, &text->bytes));
    text->count = (size_t)count;
    return TERCET_OK;
}

/* Names reach terminals and logs, and are compared as C strings. */
static bool is_printable(struct gguf_text text) {
    for (size_t i = 0; i < text.count; i++) {
        if (text.bytes[i] < 0x20 || text.bytes[i] == 0x7F) {
            return false;
        }
    }
    return text.count > 0 && utf8_valid_prefix(text.bytes, text.count) == text.count;
}

static tercet_status read_name(struct reader *reader, uint32_t most_bytes, const char *what,
                               struct gguf_text *name) {
    size_t at = reader->at;
    TERCET_TRY(read_text(reader, name));
    if (name->count > most_bytes || !is_printable(*name)) {
        reader->at = at;
        return tercet_fail(reader->error, TERCET_BAD_SOURCE, at,
                           "%s: the name of a %s at byte %llu is empty, longer than %u bytes or "
                           "unprintable",
                           reader->file, what, (unsigned long long)at, most_bytes);
    }
    return TERCET_OK;
}

/* ---------------------------------------------------------------- keys */

static tercet_status read_value_type(struct reader *reader, enum gguf_value_type *type) {
    untrusted_u32 number = {0};
    uint32_t id;
    TERCET_TRY(read_u32(reader, &number));
    if (!take_u32_at_most(number, GGUF_VALUE_TYPES - 1, &id)) {
        reader->at -= 4;
        return bad(reader, "a value has an unknown type");
    }
    *type = (enum gguf_value_type)id;
    return TERCET_OK;
}

/* Bools are 0 or 1; texts end inside the window. */
static tercet_status read_elements(struct reader *reader, struct gguf_key *key) {
    size_t start = reader->at;
    uint64_t bytes = 0;
    key->value = reader->window.bytes + start;
    if (key->element == GGUF_STRING) {
        for (uint64_t i = 0; i < key->count; i++) {
            struct gguf_text text;
            TERCET_TRY(read_text(reader, &text));
        }
    } else {
        if (!checked_mul_u64(key->count, gguf_value_bytes(key->element), &bytes)) {
            return bad(reader, "an array has more elements than the file has bytes");
        }
        TERCET_TRY(read_bytes(reader, bytes, NULL));
    }
    key->bytes = reader->at - start;
    for (size_t i = 0; key->element == GGUF_BOOL && i < key->bytes; i++) {
        if (key->value[i] > 1) {
            return bad(reader, "a bool is neither 0 nor 1");
        }
    }
    return TERCET_OK;
}

static tercet_status read_key_value(struct reader *reader, struct gguf_key *key) {
    untrusted_u64 count = {0};
    TERCET_TRY(read_value_type(reader, &key->type));
    key->element = key->type;
    key->count = 1;
    if (key->type == GGUF_ARRAY) {
        TERCET_TRY(read_value_type(reader, &key->element));
        if (key->element == GGUF_ARRAY) {
            return bad(reader, "an array of arrays, which GGUF does not have, ends");
        }
        TERCET_TRY(read_u64(reader, &count));
        /* Every element has a byte at least. */
        if (!take_u64_at_most(count, reader->file_bytes, &key->count)) {
            reader->at -= 8;
            return bad(reader, "an array has more elements than the file has bytes");
        }
    }
    return read_elements(reader, key);
}

static int by_key_name(const void *a, const void *b) {
    const struct gguf_key *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static tercet_status no_memory(const struct reader *reader) {
    return tercet_fail(reader->error, TERCET_OUT_OF_MEMORY, 0, "no memory for the header of %s",
                       reader->file);
}

/* Names are copied into blocks that grow, so they are kept as offsets until all are there. */
struct name_block {
    char *bytes;
    size_t used, room;
};

static bool keep_name(struct name_block *block, struct gguf_text name, size_t *offset) {
    if (block->used + name.count + 1 > block->room) {
        size_t room = 2 * block->room + name.count + 4096;
        char *larger = realloc(block->bytes, room);
        if (larger == NULL) {
            return false;
        }
        block->bytes = larger;
        block->room = room;
    }
    memcpy(block->bytes + block->used, name.bytes, name.count);
    block->bytes[block->used + name.count] = '\0';
    *offset = block->used;
    block->used += name.count + 1;
    return true;
}

static tercet_status read_each_key(struct reader *reader, uint32_t count, struct name_block *names,
                                   size_t *offsets) {
    struct gguf_header *header = reader->header;
    for (uint32_t i = 0; i < count; i++) {
        struct gguf_text name;
        TERCET_TRY(read_name(reader, KEY_NAME_BYTES_MAX, "key", &name));
        if (!keep_name(names, name, &offsets[i])) {
            return no_memory(reader);
        }
        TERCET_TRY(read_key_value(reader, &header->keys[i]));
        header->key_count++;
    }
    return TERCET_OK;
}

static tercet_status read_keys(struct reader *reader, uint32_t count) {
    struct gguf_header *header = reader->header;
    struct name_block names = {NULL, 0, 0};
    size_t *offsets = calloc((size_t)count + 1, sizeof *offsets);
    header->keys = calloc((size_t)count + 1, sizeof *header->keys);
    tercet_status status = offsets == NULL || header->keys == NULL
                               ? no_memory(reader)
                               : read_each_key(reader, count, &names, offsets);
    header->names = names.bytes;
    for (uint32_t i = 0; status == TERCET_OK && i < count; i++) {
        header->keys[i].name = names.bytes + offsets[i];
    }
    free(offsets);
    TERCET_TRY(status);
    if (count > 0) {
        qsort(header->keys, count, sizeof *header->keys, by_key_name);
    }
    for (uint32_t i = 1; i < count; i++) {
        if (strcmp(header->keys[i - 1].name, header->keys[i].name) == 0) {
            return tercet_fail(reader->error, TERCET_BAD_SOURCE, i, "%s: the key %s is there twice",
                               reader->file, header->keys[i].name);
        }
    }
    return TERCET_OK;
}

static tercet_status read_alignment(struct reader *reader) {
    uint32_t alignment = DEFAULT_ALIGNMENT;
    TERCET_TRY(gguf_get_u32(reader->header, "general.alignment", UINT32_MAX, &alignment, NULL,
                            reader->error));
    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > GGUF_ALIGNMENT_MAX) {
        return tercet_fail(reader->error, TERCET_BAD_SOURCE, alignment,
                           "%s: \"general.alignment\" is %u; a power of two up to %u is possible",
                           reader->file, alignment, GGUF_ALIGNMENT_MAX);
    }
    reader->header->alignment = alignment;
    return TERCET_OK;
}

/* ---------------------------------------------------------------- tensors */

static tercet_status bad_tensor(const struct reader *reader, const char *name, const char *what) {
    return tercet_fail(reader->error, TERCET_BAD_SOURCE, 0, "%s: tensor %s %s", reader->file, name,
                       what);
}

/* GGUF writes the contiguous dimension first; ours has it last. Ones behind the first are no dimensions of a vector. */
static tercet_status read_shape(struct reader *reader, struct source_tensor *tensor) {
    untrusted_u32 rank = {0};
    TERCET_TRY(read_u32(reader, &rank));
    if (!take_u32_between(rank, 1, GGUF_RANK_MAX, &tensor->rank)) {
        return bad_tensor(reader, tensor->name, "has no or more than 4 dimensions");
    }
    tensor->elements = 1;
    for (uint32_t d = tensor->rank; d-- > 0;) {
        untrusted_u64 size = {0};
        TERCET_TRY(read_u64(reader, &size));
        if (!take_u64_between(size, 1, INT64_MAX, &tensor->shape[d]) ||
            !checked_mul_u64(tensor->elements, tensor->shape[d], &tensor->elements)) {
            return bad_tensor(reader, tensor->name, "has an impossible shape");
        }
    }
    return TERCET_OK;
}

/* Microsoft's fork, whose numbers for types collide with later ones of upstream. */
static bool is_bitnet_fork(const struct gguf_header *header) {
    const struct gguf_key *key = gguf_find_key(header, "general.architecture");
    if (key == NULL || key->type != GGUF_STRING) {
        return false;
    }
    const uint8_t *cursor = key->value;
    struct gguf_text name = gguf_next_text(&cursor);
    return gguf_text_is(name, "bitnet-b1.58") || gguf_text_is(name, "bitnet-25") ||
           gguf_text_is(name, "bitnet");
}

static tercet_status find_type(const struct reader *reader, const struct source_tensor *tensor,
                               uint32_t id, const struct gguf_tensor_type **type) {
    *type = gguf_find_type(id, is_bitnet_fork(reader->header));
    if (*type == NULL) {
        return tercet_fail(reader->error, TERCET_UNSUPPORTED_SOURCE, id,
                           "%s: tensor %s has type %u, which nobody has defined: the file is newer "
                           "than Tercet or damaged",
                           reader->file, tensor->name, id);
    }
    if ((*type)->refusal != NULL) {
        return tercet_fail(reader->error, TERCET_UNSUPPORTED_SOURCE, id,
                           "%s: tensor %s is stored as %s, which is not read: %s", reader->file,
                           tensor->name, (*type)->name, (*type)->refusal);
    }
    return TERCET_OK;
}

static tercet_status read_tensor(struct reader *reader, struct source_tensor *tensor) {
    const struct gguf_tensor_type *type;
    uint32_t type_id;
    untrusted_u32 id = {0};
    untrusted_u64 offset = {0};
    TERCET_TRY(read_shape(reader, tensor));
    TERCET_TRY(read_u32(reader, &id));
    if (!take_u32_at_most(id, INT32_MAX, &type_id)) {
        return bad_tensor(reader, tensor->name, "has an impossible type");
    }
    TERCET_TRY(read_u64(reader, &offset));
    if (!take_u64_at_most(offset, reader->file_bytes, &tensor->offset)) {
        return bad_tensor(reader, tensor->name, "begins behind the end of the file");
    }
    if (tensor->offset % reader->header->alignment != 0) {
        return bad_tensor(reader, tensor->name, "does not begin at a multiple of the alignment");
    }
    TERCET_TRY(find_type(reader, tensor, type_id, &type));
    return gguf_size_tensor(reader->file, type, tensor, reader->error);
}

static tercet_status read_tensors(struct reader *reader) {
    struct source_table *table = &reader->header->table;
    uint32_t count = reader->tensor_count;
    table->tensors = calloc((size_t)count + 1, sizeof *table->tensors);
    table->names = malloc((size_t)count * (GGUF_TENSOR_NAME_BYTES_MAX + 1) + 1);
    if (table->tensors == NULL || table->names == NULL) {
        return no_memory(reader);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct source_tensor *tensor = &table->tensors[i];
        char *copy = table->names + (size_t)i * (GGUF_TENSOR_NAME_BYTES_MAX + 1);
        struct gguf_text name;
        TERCET_TRY(read_name(reader, GGUF_TENSOR_NAME_BYTES_MAX, "tensor", &name));
        memcpy(copy, name.bytes, name.count);
        copy[name.count] = '\0';
        tensor->name = copy;
        TERCET_TRY(read_tensor(reader, tensor));
        table->count++;
    }
    return gguf_place_tensors(reader->header, reader->at, reader->file_bytes, reader->error);
}

/* ---------------------------------------------------------------- the whole */

static tercet_status read_version(struct reader *reader) {
    untrusted_u32 version = {0};
    const uint8_t *magic = NULL;
    TERCET_TRY(read_bytes(reader, GGUF_MAGIC_BYTES, &magic));
    if (memcmp(magic, "GGUF", GGUF_MAGIC_BYTES) != 0) {
        return tercet_fail(reader->error, TERCET_BAD_SOURCE, 0,
                           "%s is no GGUF file: it does not begin with \"GGUF\"", reader->file);
    }
    TERCET_TRY(read_u32(reader, &version));
    if (take_u32_between(version, 2, 3, &reader->header->version)) {
        return TERCET_OK;
    }
    if ((magic[4] | magic[5]) == 0 && (magic[6] | magic[7]) != 0) {
        return tercet_fail(reader->error, TERCET_UNSUPPORTED_SOURCE, 4,
                           "%s was written on a big-endian machine: convert it on one such, or "
                           "take a little-endian file",
                           reader->file);
    }
    return tercet_fail(reader->error, TERCET_UNSUPPORTED_SOURCE, 4,
                       "%s has a version of GGUF that is not read: 2 and 3 are", reader->file);
}

static tercet_status read_header(struct reader *reader) {
    untrusted_u64 tensors = {0}, keys = {0};
    uint64_t key_count, tensor_count;
    TERCET_TRY(read_version(reader));
    TERCET_TRY(read_u64(reader, &tensors));
    TERCET_TRY(read_u64(reader, &keys));
    if (!take_u64_at_most(tensors, GGUF_TENSORS_MAX, &tensor_count) ||
        !take_u64_at_most(keys, GGUF_KEYS_MAX, &key_count)) {
        return tercet_fail(reader->error, TERCET_LIMIT_EXCEEDED, 8,
                           "%s announces more than %u tensors or more than %u keys", reader->file,
                           GGUF_TENSORS_MAX, GGUF_KEYS_MAX);
    }
    /* The smallest key has 14 bytes, the smallest tensor 33: no table is larger than the file pays for. */
    if (key_count * 14 + tensor_count * 33 > reader->file_bytes - HEAD_BYTES) {
        return tercet_fail(reader->error, TERCET_BAD_SOURCE, 8,
                           "%s announces %llu tensors and %llu keys, more than %llu bytes can hold",
                           reader->file, (unsigned long long)tensor_count,
                           (unsigned long long)key_count, (unsigned long long)reader->file_bytes);
    }
    reader->tensor_count = (uint32_t)tensor_count;
    TERCET_TRY(read_keys(reader, (uint32_t)key_count));
    TERCET_TRY(read_alignment(reader));
    return read_tensors(reader);
}

tercet_status gguf_parse_header(const char *file, const uint8_t *bytes, size_t count,
                                uint64_t file_bytes, struct gguf_header *header, bool *cut,
                                tercet_error *error) {
    struct reader reader = {.file = file,
                            .window = {bytes, count},
                            .file_bytes = file_bytes,
                            .header = header,
                            .error = error};
    memset(header, 0, sizeof *header);
    header->file = file;
    tercet_status status = read_header(&reader);
    *cut = reader.cut;
    if (status != TERCET_OK) {
        gguf_header_free(header);
    }
    return status;
}

void gguf_header_free(struct gguf_header *header) {
    source_table_free(&header->table);
    free(header->keys);
    free(header->names);
    memset(header, 0, sizeof *header);
}
