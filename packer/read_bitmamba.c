/*
 * read_bitmamba.c: see read_bitmamba.h. Layout: five i32 (magic, vocabulary, width, layers, heads), then the tensors, each
 * with a head of its own: i32 0, rank, sizes and f32 values; or i32 2, rows, columns, an f32 scale (weight = trit / scale) and
 * codes of two bits, four columns a byte. All is little-endian, nothing is aligned.
 */
#define _POSIX_C_SOURCE 200809L
#include "read_bitmamba.h"

#include "../core/base/untrusted.h"
#include "../core/container/container_layout.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES 64u
#define KIND_FLOATS 0u
#define KIND_TERNARY 2u
#define TENSORS_OF_LAYER 9u
#define TAPS 4u /* of the convolution; not in the file */

/* What the order of the file promises. sizes[0] 0: a vector. */
struct promise {
    const char *name;
    bool ternary;
    uint32_t rank;
    uint64_t sizes[3];
};

struct reader {
    struct source_weights *source;
    struct source_shard *shard;
    char *names; /* room for NAME_BYTES a tensor */
    uint64_t at, end;
};

static tercet_status read_words(struct reader *reader, uint32_t *words, size_t count,
                                tercet_error *error) {
    uint8_t bytes[16];
    size_t size = count * 4;
    if (reader->end - reader->at < size) {
        return tercet_fail(error, TERCET_BAD_SOURCE, reader->at,
                           "%s is cut short: it ends at byte %llu, where a tensor should begin",
                           reader->shard->name, (unsigned long long)reader->end);
    }
    TERCET_TRY(source_shard_read(reader->shard, reader->at, bytes, size, error));
    for (size_t i = 0; i < count; i++) {
        words[i] = (uint32_t)bytes[4 * i] | (uint32_t)bytes[4 * i + 1] << 8 |
                   (uint32_t)bytes[4 * i + 2] << 16 | (uint32_t)bytes[4 * i + 3] << 24;
    }
    reader->at += size;
    return TERCET_OK;
}

static tercet_status wrong_head(const struct reader *reader, const char *name,
                                tercet_error *error) {
    return tercet_fail(error, TERCET_BAD_SOURCE, reader->at,
                       "%s: near byte %llu there should be %s, but its type or its shape differs",
                       reader->shard->name, (unsigned long long)reader->at, name);
}

/* A tensor whose bytes begin here; they must be inside the file. */
static tercet_status add_tensor(struct reader *reader, const char *name, const char *ending,
                                enum source_type dtype, const struct promise *promise,
                                uint64_t elements, uint64_t bytes, tercet_error *error) {
    struct source_table *table = &reader->shard->table;
    struct source_tensor *tensor = &table->tensors[table->count];
    char *to = reader->names + (size_t)table->count * NAME_BYTES;
    if (bytes > reader->end - reader->at) {
        return tercet_fail(error, TERCET_BAD_SOURCE, reader->at,
                           "%s is cut short: %s%s needs %llu bytes, but only %llu are left",
                           reader->shard->name, name, ending, (unsigned long long)bytes,
                           (unsigned long long)(reader->end - reader->at));
    }
    (void)snprintf(to, NAME_BYTES, "%.40s%.20s", name, ending);
    *tensor = (struct source_tensor){
        .name = to,
        .dtype_name = dtype == SOURCE_F32 ? "F32" : "2-bit codes",
        .dtype = dtype,
        .rank = promise->rank < 2 ? 1 : 2, /* the convolution's middle size is 1 */
        .shape = {promise->sizes[0], promise->sizes[promise->rank - 1]},
        .elements = elements,
        .offset = reader->at,
        .bytes = bytes,
    };
    table->count++;
    reader->at += bytes;
    return TERCET_OK;
}

static tercet_status read_floats(struct reader *reader, const struct promise *promise,
                                 tercet_error *error) {
    uint32_t rank = 0;
    uint64_t elements = 1;
    TERCET_TRY(read_words(reader, &rank, 1, error));
    if (rank != promise->rank) {
        return wrong_head(reader, promise->name, error);
    }
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t size = 0;
        TERCET_TRY(read_words(reader, &size, 1, error));
        if (size != promise->sizes[i]) {
            return wrong_head(reader, promise->name, error);
        }
        elements *= size; /* the sizes are ours and limited: at most 2^20 x 2^16 */
    }
    return add_tensor(reader, promise->name, "", SOURCE_F32, promise, elements, elements * 4,
                      error);
}

static tercet_status read_ternary(struct reader *reader, const struct promise *promise,
                                  tercet_error *error) {
    static const struct promise scalar = {NULL, false, 1, {1, 0, 0}};
    uint32_t sides[2];
    TERCET_TRY(read_words(reader, sides, 2, error));
    if (sides[0] != promise->sizes[0] || sides[1] != promise->sizes[1]) {
        return wrong_head(reader, promise->name, error);
    }
    TERCET_TRY(add_tensor(reader, promise->name, "_scale", SOURCE_F32, &scalar, 1, 4, error));
    uint64_t row_bytes = ((uint64_t)sides[1] + 3) / 4;
    return add_tensor(reader, promise->name, "", SOURCE_QUADS, promise,
                      (uint64_t)sides[0] * sides[1], sides[0] * row_bytes, error);
}

static tercet_status read_promised(struct reader *reader, const struct promise *promise,
                                   tercet_error *error) {
    uint32_t kind;
    TERCET_TRY(read_words(reader, &kind, 1, error));
    if (kind != (promise->ternary ? KIND_TERNARY : KIND_FLOATS)) {
        return wrong_head(reader, promise->name, error);
    }
    return promise->ternary ? read_ternary(reader, promise, error)
                            : read_floats(reader, promise, error);
}

static tercet_status read_layer(struct reader *reader, const struct bitmamba_shape *shape,
                                uint32_t layer, tercet_error *error) {
    uint64_t hidden = shape->hidden, inner = 2 * hidden, heads = shape->heads;
    const struct promise promises[TENSORS_OF_LAYER] = {
        {"in_proj.norm.weight", false, 1, {hidden}},
        {"in_proj.weight", true, 2, {2 * inner + 3 * heads, hidden}},
        {"conv1d.weight", false, 3, {inner, 1, TAPS}},
        {"conv1d.bias", false, 1, {inner}},
        {"dt_bias", false, 1, {heads}},
        {"A_log", false, 1, {heads}},
        {"D", false, 1, {inner}},
        {"out_proj.norm.weight", false, 1, {inner}},
        {"out_proj.weight", true, 2, {hidden, inner}},
    };
    for (size_t i = 0; i < TENSORS_OF_LAYER; i++) {
        char name[NAME_BYTES];
        struct promise promise = promises[i];
        (void)snprintf(name, sizeof name, "layers.%u.%s", layer, promises[i].name);
        promise.name = name;
        TERCET_TRY(read_promised(reader, &promise, error));
    }
    return TERCET_OK;
}

static tercet_status read_shape(struct reader *reader, struct bitmamba_shape *shape,
                                tercet_error *error) {
    uint32_t words[5];
    TERCET_TRY(read_words(reader, words, 2, error));
    TERCET_TRY(read_words(reader, words + 2, 3, error));
    *shape = (struct bitmamba_shape){words[1], words[2], words[3], words[4]};
    if (words[0] != BITMAMBA_MAGIC) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s is no BitMamba-2 file",
                           reader->shard->name);
    }
    if (shape->vocabulary > LIMIT_VOCABULARY || shape->hidden > LIMIT_HIDDEN ||
        shape->layers > LIMIT_LAYERS || shape->heads > LIMIT_HEADS) {
        return tercet_fail(
            error, TERCET_LIMIT_EXCEEDED, 4,
            "%s: vocabulary %u, width %u, %u layers of %u heads are more than Tercet can run",
            reader->shard->name, shape->vocabulary, shape->hidden, shape->layers, shape->heads);
    }
    if (shape->vocabulary == 0 || shape->hidden == 0 || shape->layers == 0 || shape->heads == 0 ||
        2 * shape->hidden % shape->heads != 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 4,
                           "%s: a vocabulary of %u, width %u, %u layers and %u heads make no model",
                           reader->shard->name, shape->vocabulary, shape->hidden, shape->layers,
                           shape->heads);
    }
    return TERCET_OK;
}

static tercet_status read_tensors(struct reader *reader, struct bitmamba_shape *shape,
                                  tercet_error *error) {
    TERCET_TRY(read_shape(reader, shape, error));
    uint64_t hidden = shape->hidden;
    size_t most = 1 + (size_t)shape->layers * (TENSORS_OF_LAYER + 2) + 4;
    reader->shard->table.tensors = calloc(most, sizeof *reader->shard->table.tensors);
    reader->shard->table.names = reader->names = calloc(most, NAME_BYTES);
    if (reader->shard->table.tensors == NULL || reader->names == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the list of tensors");
    }
    const struct promise embedding = {"embed.weight", false, 2, {shape->vocabulary, hidden}};
    TERCET_TRY(read_promised(reader, &embedding, error));
    for (uint32_t layer = 0; layer < shape->layers; layer++) {
        TERCET_TRY(read_layer(reader, shape, layer, error));
    }
    const struct promise last[] = {{"norm_f.weight", false, 1, {hidden}},
                                   {"lm_head.norm.weight", false, 1, {hidden}},
                                   {"lm_head.weight", true, 2, {shape->vocabulary, hidden}}};
    for (size_t i = 0; i < 3; i++) {
        TERCET_TRY(read_promised(reader, &last[i], error));
    }
    if (reader->at != reader->end) {
        return tercet_fail(error, TERCET_BAD_SOURCE, reader->at,
                           "%s goes on for %llu bytes behind its last tensor", reader->shard->name,
                           (unsigned long long)(reader->end - reader->at));
    }
    return TERCET_OK;
}

tercet_status bitmamba_open(const char *path, struct source_weights *source,
                            struct bitmamba_shape *shape, tercet_error *error) {
    const char *slash = strrchr(path, '/');
    struct reader reader = {.source = source};
    memset(source, 0, sizeof *source);
    source->shards = calloc(1, sizeof *source->shards);
    if (source->shards == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory to open %s", path);
    }
    tercet_status status = source_weights_open_shard(source, path, slash == NULL ? path : slash + 1,
                                                     TERCET_FILE_NOT_FOUND, error);
    if (status == TERCET_OK) {
        reader.shard = source->shards;
        reader.end = source->shards->file_bytes;
        status = read_tensors(&reader, shape, error);
    }
    if (status == TERCET_OK) {
        status = source_weights_collect(source, error);
    }
    if (status != TERCET_OK) {
        source_weights_close(source);
    }
    return status;
}

bool bitmamba_is(const char *path) {
    uint8_t bytes[4] = {0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return false;
    }
    bool is = pread(descriptor, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes &&
              memcmp(bytes, "2TIB", 4) == 0;
    (void)close(descriptor);
    return is;
}
