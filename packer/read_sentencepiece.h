/*
 * read_sentencepiece.h: the bytes of a SentencePiece tokenizer.model (a protocol buffer of type ModelProto) -> its pieces
 * and the few settings that matter. A bounded reader of its own, without recursion; it knows nothing of containers.
 */
#ifndef TERCET_PACKER_READ_SENTENCEPIECE_H
#define TERCET_PACKER_READ_SENTENCEPIECE_H

#include "../core/base/status.h"
#include <stdbool.h>

#define SENTENCEPIECE_PIECES_MAX (1u << 20)

/* ModelProto.SentencePiece.Type of sentencepiece_model.proto; the same numbers as TOKEN_* of container_layout.h. */
enum sentencepiece_type {
    SENTENCEPIECE_NORMAL = 1,
    SENTENCEPIECE_UNKNOWN = 2,
    SENTENCEPIECE_CONTROL = 3,
    SENTENCEPIECE_USER_DEFINED = 4,
    SENTENCEPIECE_UNUSED = 5,
    SENTENCEPIECE_BYTE = 6
};

enum sentencepiece_model_type {
    SENTENCEPIECE_UNIGRAM = 1,
    SENTENCEPIECE_BPE = 2,
    SENTENCEPIECE_WORD = 3,
    SENTENCEPIECE_CHAR = 4
};

struct sentencepiece_piece {
    const uint8_t *text; /* in the bytes that were read; not checked to be UTF-8 */
    uint32_t bytes;
    uint32_t type; /* 1..6 */
    float score;   /* any bits */
};

/* Defaults are those of sentencepiece_model.proto. */
struct sentencepiece_model {
    struct sentencepiece_piece *pieces; /* malloc'ed; sentencepiece_free */
    uint32_t count;
    uint32_t model_type;
    uint32_t beginning; /* bos_id, or TERCET_NO_TOKEN (a negative id) */
    bool byte_fallback, whitespace_is_suffix;
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
    bool has_character_map; /* precompiled_charsmap is not empty: text is normalized */
    char normalizer[32];    /* its name, cut */
};

/* `bytes` must outlive the model; `file` is its name, for sentences. BAD_SOURCE with the byte offset, LIMIT_EXCEEDED,
 * OUT_OF_MEMORY; nothing is left to free then. */
tercet_status sentencepiece_read(const char *file, const uint8_t *bytes, size_t count,
                                 struct sentencepiece_model *model, tercet_error *error);
void sentencepiece_free(struct sentencepiece_model *model);

#endif
