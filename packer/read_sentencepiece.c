/*
 * read_sentencepiece.c: see read_sentencepiece.h. Field numbers are those of google/sentencepiece,
 * src/sentencepiece_model.proto; the wire format is that of protobuf.dev/programming-guides/encoding. Messages are at
 * most two deep here, so each level is its own loop over a window of the bytes.
 */
#include "read_sentencepiece.h"

#include <stdlib.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* Field numbers. */
enum { MODEL_PIECES = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum {
    TRAINER_MODEL_TYPE = 3,
    TRAINER_WHITESPACE_AS_SUFFIX = 24,
    TRAINER_BYTE_FALLBACK = 35,
    TRAINER_BEGINNING = 41
};
enum {
    NORMALIZER_NAME = 1,
    NORMALIZER_CHARACTER_MAP = 2,
    NORMALIZER_DUMMY_PREFIX = 3,
    NORMALIZER_REMOVE_WHITESPACES = 4,
    NORMALIZER_ESCAPE_WHITESPACES = 5
};

struct window {
    const char *file;
    const uint8_t *start, *at, *end; /* start is the file's first byte, for offsets */
};

struct field {
    uint32_t number, wire;
    uint64_t value;       /* varint, fixed32, fixed64 */
    struct window window; /* bytes */
};

static tercet_status damaged(const struct window *window, tercet_error *error) {
    uint64_t offset = (uint64_t)(window->at - window->start);
    return tercet_fail(error, TERCET_BAD_SOURCE, offset,
                       "%s is not a SentencePiece model, or damaged, at byte %llu", window->file,
                       (unsigned long long)offset);
}

/* At most ten bytes of seven bits; bits beyond 64 must be zero, so the tenth ends it. */
static bool read_varint(struct window *window, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (window->at == window->end) {
            return false;
        }
        uint8_t byte = *window->at++;
        if (shift == 63 && byte > 1) {
            return false;
        }
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
}

static bool read_fixed(struct window *window, unsigned bytes, uint64_t *value) {
    if ((size_t)(window->end - window->at) < bytes) {
        return false;
    }
    *value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        *value |= (uint64_t)window->at[i] << (8 * i);
    }
    window->at += bytes;
    return true;
}

static bool read_field(struct window *window, struct field *field) {
    uint64_t key, length;
    field->value = 0;
    field->window = *window;
    if (!read_varint(window, &key) || key >> 3 == 0 || key >> 3 > 0x1FFFFFFF) {
        return false;
    }
    field->number = (uint32_t)(key >> 3);
    field->wire = (uint32_t)(key & 7);
    switch (field->wire) {
    case WIRE_VARINT:
        return read_varint(window, &field->value);
    case WIRE_FIXED64:
        return read_fixed(window, 8, &field->value);
    case WIRE_FIXED32:
        return read_fixed(window, 4, &field->value);
    case WIRE_BYTES:
        if (!read_varint(window, &length) || length > (uint64_t)(window->end - window->at)) {
            return false;
        }
        field->window.at = window->at;
        field->window.end = window->at + length;
        window->at += length;
        return true;
    default: /* groups are no part of this format */
        return false;
    }
}

static bool is_bytes(const struct field *field, uint32_t number) {
    return field->number == number && field->wire == WIRE_BYTES;
}

static bool is_varint(const struct field *field, uint32_t number) {
    return field->number == number && field->wire == WIRE_VARINT;
}

static tercet_status read_piece(struct window window, struct sentencepiece_piece *piece,
                                tercet_error *error) {
    struct field field;
    *piece = (struct sentencepiece_piece){window.at, 0, SENTENCEPIECE_NORMAL, 0};
    while (window.at < window.end) {
        if (!read_field(&window, &field)) {
            return damaged(&window, error);
        }
        if (is_bytes(&field, PIECE_TEXT)) {
            size_t bytes = (size_t)(field.window.end - field.window.at);
            if (bytes > UINT32_MAX) {
                return damaged(&window, error);
            }
            piece->text = field.window.at;
            piece->bytes = (uint32_t)bytes;
        } else if (field.number == PIECE_SCORE && field.wire == WIRE_FIXED32) {
            uint32_t bits = (uint32_t)field.value;
            memcpy(&piece->score, &bits, sizeof bits);
        } else if (is_varint(&field, PIECE_TYPE)) {
            if (field.value < SENTENCEPIECE_NORMAL || field.value > SENTENCEPIECE_BYTE) {
                return damaged(&window, error);
            }
            piece->type = (uint32_t)field.value;
        }
    }
    return TERCET_OK;
}

static tercet_status read_trainer(struct window window, struct sentencepiece_model *model,
                                  tercet_error *error) {
    struct field field;
    while (window.at < window.end) {
        if (!read_field(&window, &field)) {
            return damaged(&window, error);
        }
        if (is_varint(&field, TRAINER_MODEL_TYPE)) {
            model->model_type = field.value <= UINT32_MAX ? (uint32_t)field.value : 0;
        } else if (is_varint(&field, TRAINER_WHITESPACE_AS_SUFFIX)) {
            model->whitespace_is_suffix = field.value != 0;
        } else if (is_varint(&field, TRAINER_BYTE_FALLBACK)) {
            model->byte_fallback = field.value != 0;
        } else if (is_varint(&field, TRAINER_BEGINNING)) {
            /* An int32; a negative one comes as 64 bits and means that there is none. */
            model->beginning =
                field.value < SENTENCEPIECE_PIECES_MAX ? (uint32_t)field.value : TERCET_NO_TOKEN;
        }
    }
    return TERCET_OK;
}

/* Cut, and fit to be shown: what is not plain ASCII becomes a question mark. */
static void read_name(struct window window, char *name, size_t capacity) {
    size_t bytes = 0;
    while (window.at < window.end && bytes + 1 < capacity) {
        uint8_t c = *window.at++;
        name[bytes++] = c > ' ' && c < 0x7F ? (char)c : '?';
    }
    name[bytes] = '\0';
}

static tercet_status read_normalizer(struct window window, struct sentencepiece_model *model,
                                     tercet_error *error) {
    struct field field;
    while (window.at < window.end) {
        if (!read_field(&window, &field)) {
            return damaged(&window, error);
        }
        if (is_bytes(&field, NORMALIZER_NAME)) {
            read_name(field.window, model->normalizer, sizeof model->normalizer);
        } else if (is_bytes(&field, NORMALIZER_CHARACTER_MAP)) {
            model->has_character_map = field.window.at < field.window.end;
        } else if (is_varint(&field, NORMALIZER_DUMMY_PREFIX)) {
            model->add_dummy_prefix = field.value != 0;
        } else if (is_varint(&field, NORMALIZER_REMOVE_WHITESPACES)) {
            model->remove_extra_whitespaces = field.value != 0;
        } else if (is_varint(&field, NORMALIZER_ESCAPE_WHITESPACES)) {
            model->escape_whitespaces = field.value != 0;
        }
    }
    return TERCET_OK;
}

/* How many pieces there are, which also checks the outer level from end to end. */
static tercet_status count_pieces(struct window window, uint32_t *count, tercet_error *error) {
    struct field field;
    *count = 0;
    while (window.at < window.end) {
        if (!read_field(&window, &field)) {
            return damaged(&window, error);
        }
        if (is_bytes(&field, MODEL_PIECES) && ++*count > SENTENCEPIECE_PIECES_MAX) {
            return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0, "%s has more than %u pieces",
                               window.file, SENTENCEPIECE_PIECES_MAX);
        }
    }
    return TERCET_OK;
}

/* To the end: count_pieces has found nothing damaged on this level. */
static tercet_status read_parts(struct window window, struct sentencepiece_model *model,
                                tercet_error *error) {
    struct field field;
    while (read_field(&window, &field)) {
        if (is_bytes(&field, MODEL_PIECES)) {
            TERCET_TRY(read_piece(field.window, &model->pieces[model->count], error));
            model->count++;
        } else if (is_bytes(&field, MODEL_TRAINER)) {
            TERCET_TRY(read_trainer(field.window, model, error));
        } else if (is_bytes(&field, MODEL_NORMALIZER)) {
            TERCET_TRY(read_normalizer(field.window, model, error));
        }
    }
    return TERCET_OK;
}

tercet_status sentencepiece_read(const char *file, const uint8_t *bytes, size_t count,
                                 struct sentencepiece_model *model, tercet_error *error) {
    const struct window window = {file, bytes, bytes, bytes + count};
    uint32_t pieces;
    memset(model, 0, sizeof *model);
    model->model_type = SENTENCEPIECE_UNIGRAM;
    model->beginning = 1;
    model->add_dummy_prefix = true;
    model->remove_extra_whitespaces = true;
    model->escape_whitespaces = true;
    TERCET_TRY(count_pieces(window, &pieces, error));
    if (pieces == 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s has no pieces", file);
    }
    model->pieces = calloc(pieces, sizeof *model->pieces);
    if (model->pieces == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the pieces of %s", file);
    }
    tercet_status status = read_parts(window, model, error);
    if (status != TERCET_OK) {
        sentencepiece_free(model);
    }
    return status;
}

void sentencepiece_free(struct sentencepiece_model *model) {
    free(model->pieces);
    model->pieces = NULL;
    model->count = 0;
}
