/*
 * safetensors_header.c: see safetensors_header.h. The library reads the JSON; this file trusts none of its numbers until
 * they passed json_take_u64 and a checked product.
 */
#include "safetensors_header.h"

#include "../core/base/untrusted.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum source_type dtype;
    uint32_t bytes;
} dtypes[] = {
    {"F32", SOURCE_F32, 4},       {"F16", SOURCE_F16, 2},    {"BF16", SOURCE_BF16, 2},
    {"U8", SOURCE_U8, 1},         {"BOOL", SOURCE_OTHER, 1}, {"I8", SOURCE_OTHER, 1},
    {"I16", SOURCE_OTHER, 2},     {"U16", SOURCE_OTHER, 2},  {"I32", SOURCE_OTHER, 4},
    {"U32", SOURCE_U32, 4},       {"I64", SOURCE_OTHER, 8},  {"U64", SOURCE_OTHER, 8},
    {"F64", SOURCE_OTHER, 8},     {"C64", SOURCE_OTHER, 8},  {"F8_E4M3", SOURCE_OTHER, 1},
    {"F8_E5M2", SOURCE_OTHER, 1},
};

tercet_status safetensors_header_bytes(const char *file,
                                       const uint8_t length[SAFETENSORS_LENGTH_BYTES],
                                       uint64_t file_bytes, uint64_t *header_bytes,
                                       tercet_error *error) {
    untrusted_bytes window = {length, SAFETENSORS_LENGTH_BYTES};
    untrusted_u64 announced = {0};
    (void)untrusted_read_u64(window, 0, &announced);
    if (file_bytes < SAFETENSORS_LENGTH_BYTES) {
        return tercet_fail(error, TERCET_BAD_SOURCE, file_bytes,
                           "%s has %llu bytes: it is cut short or no safetensors file", file,
                           (unsigned long long)file_bytes);
    }
    if (!take_u64_at_most(announced, file_bytes - SAFETENSORS_LENGTH_BYTES, header_bytes)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "%s has %llu bytes, fewer than its header alone: it is cut short or no "
                           "safetensors file",
                           file, (unsigned long long)file_bytes);
    }
    if (*header_bytes > SAFETENSORS_HEADER_BYTES_MAX) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0,
                           "the header of %s has %llu bytes, more than the %u that are allowed",
                           file, (unsigned long long)*header_bytes, SAFETENSORS_HEADER_BYTES_MAX);
    }
    return TERCET_OK;
}

/* Names reach terminals and logs: no control characters, not empty, not endless. */
static bool name_is_printable(const char *name) {
    size_t bytes = 0;
    for (; name[bytes] != '\0'; bytes++) {
        unsigned char c = (unsigned char)name[bytes];
        if (bytes == SOURCE_NAME_BYTES_MAX || c < 0x20 || c == 0x7F) {
            return false;
        }
    }
    return bytes > 0;
}

static tercet_status bad_tensor(const char *file, const char *name, const char *what,
                                tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: tensor %s %s", file, name, what);
}

static tercet_status read_dtype(const struct json_document *document, const cJSON *entry,
                                struct source_tensor *tensor, uint32_t *element_bytes,
                                tercet_error *error) {
    const char *dtype = NULL;
    TERCET_TRY(json_get_string(document, entry, "dtype", JSON_REQUIRED, &dtype, error));
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(dtype, dtypes[i].name) == 0) {
            tensor->dtype = dtypes[i].dtype;
            tensor->dtype_name = dtypes[i].name;
            *element_bytes = dtypes[i].bytes;
            return TERCET_OK;
        }
    }
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0, "%s: tensor %s has the unknown type %s",
                       document->file, tensor->name,
                       name_is_printable(dtype) ? dtype : "(unprintable)");
}

static tercet_status read_shape(const struct json_document *document, const cJSON *entry,
                                struct source_tensor *tensor, tercet_error *error) {
    const cJSON *shape = NULL;
    TERCET_TRY(json_get_array(document, entry, "shape", JSON_REQUIRED, &shape, error));
    tensor->elements = 1;
    for (const cJSON *item = shape->child; item != NULL; item = item->next) {
        uint64_t size;
        if (tensor->rank == SOURCE_RANK_MAX || !json_take_u64(item, UINT64_MAX, &size) ||
            !checked_mul_u64(tensor->elements, size, &tensor->elements)) {
            return bad_tensor(document->file, tensor->name, "has an impossible shape", error);
        }
        tensor->shape[tensor->rank++] = size;
    }
    return TERCET_OK;
}

static tercet_status read_offsets(const struct json_document *document, const cJSON *entry,
                                  uint64_t buffer_bytes, struct source_tensor *tensor,
                                  tercet_error *error) {
    const cJSON *offsets = NULL;
    uint64_t begin, end;
    TERCET_TRY(json_get_array(document, entry, "data_offsets", JSON_REQUIRED, &offsets, error));
    const cJSON *first = offsets->child, *second = first != NULL ? first->next : NULL;
    if (second == NULL || second->next != NULL || !json_take_u64(first, UINT64_MAX, &begin) ||
        !json_take_u64(second, UINT64_MAX, &end) || begin > end) {
        return bad_tensor(document->file, tensor->name, "has impossible data_offsets", error);
    }
    if (end > buffer_bytes) {
        return tercet_fail(
            error, TERCET_BAD_SOURCE, end,
            "%s is cut short: tensor %s ends at byte %llu of its data, of which there are %llu",
            document->file, tensor->name, (unsigned long long)end,
            (unsigned long long)buffer_bytes);
    }
    tensor->offset = begin;
    tensor->bytes = end - begin;
    return TERCET_OK;
}

static tercet_status read_entry(const struct json_document *document, const cJSON *entry,
                                uint64_t buffer_bytes, struct source_tensor *tensor,
                                tercet_error *error) {
    uint32_t element_bytes = 0;
    uint64_t bytes;
    if (!cJSON_IsObject(entry)) {
        return bad_tensor(document->file, tensor->name,
                          "is described by something that is no object", error);
    }
    TERCET_TRY(read_dtype(document, entry, tensor, &element_bytes, error));
    TERCET_TRY(read_shape(document, entry, tensor, error));
    TERCET_TRY(read_offsets(document, entry, buffer_bytes, tensor, error));
    if (!checked_mul_u64(tensor->elements, element_bytes, &bytes) || bytes != tensor->bytes) {
        return bad_tensor(document->file, tensor->name,
                          "has more or fewer bytes than its shape needs", error);
    }
    return TERCET_OK;
}

/* "__metadata__": a map of strings, of which nothing is used. */
static tercet_status check_metadata(const struct json_document *document, const cJSON *metadata,
                                    tercet_error *error) {
    bool good = cJSON_IsObject(metadata);
    for (const cJSON *item = good ? metadata->child : NULL; item != NULL; item = item->next) {
        good = good && cJSON_IsString(item);
    }
    return good ? TERCET_OK
                : tercet_fail(error, TERCET_BAD_SOURCE, 0,
                              "%s: \"__metadata__\" is not a map of strings", document->file);
}

static int by_offset(const void *a, const void *b) {
    const struct source_tensor *left = a, *right = b;
    if (left->offset != right->offset) {
        return left->offset < right->offset ? -1 : 1;
    }
    /* An empty tensor stands before the one that begins where it does. */
    return left->bytes < right->bytes ? -1 : left->bytes > right->bytes;
}

static int by_name(const void *a, const void *b) {
    const struct source_tensor *left = a, *right = b;
    return strcmp(left->name, right->name);
}

/* No gap, no overlap, no byte left; then no name twice (the order ends up by name). */
static tercet_status check_table(const char *file, uint64_t buffer_bytes,
                                 struct source_table *header, tercet_error *error) {
    uint64_t covered = 0;
    if (header->count > 0) {
        qsort(header->tensors, header->count, sizeof *header->tensors, by_offset);
    }
    for (uint32_t i = 0; i < header->count; i++) {
        const struct source_tensor *tensor = &header->tensors[i];
        if (tensor->offset != covered) {
            return bad_tensor(file, tensor->name,
                              tensor->offset > covered ? "stands behind a gap"
                                                       : "overlaps another tensor",
                              error);
        }
        covered += tensor->bytes; /* at most buffer_bytes: read_offsets */
    }
    if (covered != buffer_bytes) {
        return tercet_fail(error, TERCET_BAD_SOURCE, covered,
                           "%s has %llu bytes of data, of which its tensors cover only %llu", file,
                           (unsigned long long)buffer_bytes, (unsigned long long)covered);
    }
    if (header->count > 0) {
        qsort(header->tensors, header->count, sizeof *header->tensors, by_name);
    }
    for (uint32_t i = 1; i < header->count; i++) {
        if (strcmp(header->tensors[i - 1].name, header->tensors[i].name) == 0) {
            return bad_tensor(file, header->tensors[i].name, "is there twice", error);
        }
    }
    return TERCET_OK;
}

static tercet_status read_table(const struct json_document *document, uint64_t buffer_bytes,
                                struct source_table *header, tercet_error *error) {
    size_t count = 0, name_bytes = 0;
    if (!cJSON_IsObject(document->root)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "the header of %s is no JSON object",
                           document->file);
    }
    for (const cJSON *entry = document->root->child; entry != NULL; entry = entry->next) {
        if (!name_is_printable(entry->string)) {
            return tercet_fail(error, TERCET_BAD_SOURCE, count,
                               "%s: the name of a tensor is empty, too long or unprintable",
                               document->file);
        }
        count++;
        name_bytes += strlen(entry->string) + 1;
    }
    /* The parser's cap on values keeps both small. */
    header->tensors = calloc(count + 1, sizeof *header->tensors);
    header->names = malloc(name_bytes + 1);
    if (header->tensors == NULL || header->names == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the table of %s",
                           document->file);
    }
    char *name = header->names;
    bool metadata_seen = false;
    for (const cJSON *entry = document->root->child; entry != NULL; entry = entry->next) {
        if (strcmp(entry->string, "__metadata__") == 0) {
            if (metadata_seen) {
                return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s has \"__metadata__\" twice",
                                   document->file);
            }
            metadata_seen = true;
            TERCET_TRY(check_metadata(document, entry, error));
            continue;
        }
        struct source_tensor *tensor = &header->tensors[header->count];
        size_t bytes = strlen(entry->string) + 1;
        memcpy(name, entry->string, bytes);
        tensor->name = name;
        name += bytes;
        TERCET_TRY(read_entry(document, entry, buffer_bytes, tensor, error));
        header->count++;
    }
    return check_table(document->file, buffer_bytes, header, error);
}

tercet_status safetensors_parse_header(const char *file, const uint8_t *text, size_t text_bytes,
                                       uint64_t buffer_bytes, struct source_table *header,
                                       tercet_error *error) {
    struct json_document document;
    memset(header, 0, sizeof *header);
    if (text_bytes == 0 || text[0] != '{') {
        return tercet_fail(
            error, TERCET_BAD_SOURCE, SAFETENSORS_LENGTH_BYTES,
            "%s is no safetensors file: no JSON object stands behind its first 8 bytes", file);
    }
    TERCET_TRY(json_parse(file, text, text_bytes, &document, error));
    tercet_status status = read_table(&document, buffer_bytes, header, error);
    json_free(&document);
    if (status != TERCET_OK) {
        source_table_free(header);
    }
    return status;
}
