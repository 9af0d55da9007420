/*
 * tokenizer_sentencepiece.c: see tokenizer_sentencepiece.h.
 *
 * SentencePiece joins, again and again, the two neighbours whose joined text is the piece of highest score, the leftmost
 * on a tie (google/sentencepiece, src/bpe_model.cc). The container stores merges of tokens instead, so every way to cut a
 * normal piece in two normal pieces becomes a merge, and its rank is the place of the piece in the order of scores
 * (equal scores, equal rank).
 */
#include "tokenizer_sentencepiece.h"

#include "../core/text/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPACE_SYMBOL "\xE2\x96\x81" /* U+2581 */
#define SPACE_SYMBOL_BYTES 3u

static tercet_status unsupported(const struct tokenizer_builder *builder, const char *what,
                                 tercet_error *error) {
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0, "%s: %s is not supported yet",
                       builder->source, what);
}

static tercet_status check_settings(const struct tokenizer_builder *builder,
                                    const struct sentencepiece_model *model, tercet_error *error) {
    if (model->model_type == SENTENCEPIECE_UNIGRAM) {
        return unsupported(builder, "the model type unigram", error);
    }
    if (model->model_type != SENTENCEPIECE_BPE) {
        return unsupported(builder, "a model type other than BPE", error);
    }
    if (model->has_character_map) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: the normalizer \"%s\" is not supported yet", builder->source,
                           model->normalizer);
    }
    if (model->remove_extra_whitespaces) {
        return unsupported(builder, "the setting remove_extra_whitespaces", error);
    }
    if (!model->escape_whitespaces) {
        return unsupported(builder, "the setting escape_whitespaces = false", error);
    }
    if (model->whitespace_is_suffix) {
        return unsupported(builder, "the setting treat_whitespace_as_suffix", error);
    }
    return TERCET_OK;
}

/* "<0x0A>" of a piece of type BYTE. */
static bool read_byte_name(const struct sentencepiece_piece *piece, uint8_t *byte) {
    static const char digits[] = "0123456789ABCDEF";
    if (piece->bytes != 6 || memcmp(piece->text, "<0x", 3) != 0 || piece->text[5] != '>') {
        return false;
    }
    const char *high = memchr(digits, piece->text[3], 16),
               *low = memchr(digits, piece->text[4], 16);
    if (high == NULL || low == NULL) {
        return false;
    }
    *byte = (uint8_t)((high - digits) * 16 + (low - digits));
    return true;
}

/* Copies the text with a space for each U+2581. *plain: it has no space of its own, so text can match it. */
static uint32_t unescape(const struct sentencepiece_piece *piece, uint8_t *out, bool *plain) {
    uint32_t written = 0;
    *plain = true;
    for (uint32_t at = 0; at < piece->bytes;) {
        if (piece->bytes - at >= SPACE_SYMBOL_BYTES &&
            memcmp(piece->text + at, SPACE_SYMBOL, SPACE_SYMBOL_BYTES) == 0) {
            out[written++] = ' ';
            at += SPACE_SYMBOL_BYTES;
        } else {
            *plain = *plain && piece->text[at] != ' ';
            out[written++] = piece->text[at++];
        }
    }
    return written;
}

static tercet_status add_piece(struct tokenizer_builder *builder, uint32_t id,
                               const struct sentencepiece_piece *piece, tercet_error *error) {
    uint8_t text[LIMIT_TOKEN_BYTES];
    bool plain;
    if (piece->bytes > sizeof text) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, id,
                           "%s: piece %u has %u bytes; at most %u are possible", builder->source,
                           id, piece->bytes, LIMIT_TOKEN_BYTES);
    }
    if (utf8_valid_prefix(piece->text, piece->bytes) != piece->bytes || isnan(piece->score)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, id,
                           "%s: piece %u is not UTF-8, or its score is not a number",
                           builder->source, id);
    }
    uint32_t bytes = unescape(piece, text, &plain);
    switch (piece->type) {
    case SENTENCEPIECE_BYTE:
        if (!read_byte_name(piece, text)) {
            return tercet_fail(error, TERCET_BAD_SOURCE, id,
                               "%s: piece %u stands for a byte, but is not named <0x..>",
                               builder->source, id);
        }
        return tokenizer_builder_add(builder, id, text, 1, TOKEN_BYTE, false, error);
    case SENTENCEPIECE_UNKNOWN:
        builder->unknown = id;
        return tokenizer_builder_add(builder, id, piece->text, piece->bytes, TOKEN_UNKNOWN, false,
                                     error);
    case SENTENCEPIECE_CONTROL:
        return tokenizer_builder_add(builder, id, piece->text, piece->bytes, TOKEN_CONTROL, false,
                                     error);
    case SENTENCEPIECE_USER_DEFINED:
        if (bytes != piece->bytes) {
            return unsupported(builder, "a user-defined piece with a space", error);
        }
        return tokenizer_builder_add(builder, id, text, bytes, TOKEN_USER_DEFINED, false, error);
    default:
        return tokenizer_builder_add(builder, id, text, bytes, (uint8_t)piece->type,
                                     plain && piece->type == SENTENCEPIECE_NORMAL, error);
    }
}

struct scored {
    float score;
    uint32_t token;
};

static int compare_scores(const void *a, const void *b) {
    const struct scored *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score;
}

/* Every cut of a piece in two normal pieces. An unused piece that can be cut is refused: SentencePiece builds it and then
 * takes it apart again. */
static tercet_status derive_merges(struct tokenizer_builder *builder, uint32_t id, uint32_t rank,
                                   tercet_error *error) {
    const struct builder_token *token = &builder->tokens[id];
    const uint8_t *text = builder->texts + token->offset;
    for (uint32_t cut = 1; cut < token->bytes; cut++) {
        if ((text[cut] & 0xC0) == 0x80) {
            continue; /* inside a character */
        }
        uint32_t left = tokenizer_builder_find(builder, text, cut);
        if (left == TERCET_NO_TOKEN) {
            continue;
        }
        uint32_t right = tokenizer_builder_find(builder, text + cut, token->bytes - cut);
        if (right == TERCET_NO_TOKEN) {
            continue;
        }
        if (token->kind != TOKEN_NORMAL) {
            return unsupported(builder, "an unused piece that text can match", error);
        }
        TERCET_TRY(tokenizer_builder_add_merge(builder, left, right, rank, error));
    }
    return TERCET_OK;
}

static tercet_status derive_all_merges(struct tokenizer_builder *builder,
                                       const struct sentencepiece_model *model,
                                       tercet_error *error) {
    struct scored *order = calloc(model->count, sizeof *order);
    uint32_t count = 0, rank = 0;
    if (order == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the scores of %s",
                           builder->source);
    }
    for (uint32_t id = 0; id < model->count; id++) {
        if (builder->tokens[id].matchable || builder->tokens[id].kind == TOKEN_UNUSED) {
            order[count++] = (struct scored){model->pieces[id].score, id};
        }
    }
    qsort(order, count, sizeof *order, compare_scores);
    tercet_status status = TERCET_OK;
    for (uint32_t i = 0; i < count && status == TERCET_OK; i++) {
        rank += i > 0 && order[i].score < order[i - 1].score;
        status = derive_merges(builder, order[i].token, rank, error);
    }
    free(order);
    return status;
}

tercet_status tokenizer_sentencepiece_fill(struct tokenizer_builder *builder,
                                           const struct sentencepiece_model *model,
                                           tercet_error *error) {
    TERCET_TRY(check_settings(builder, model, error));
    builder->kind = TOKENIZER_SENTENCEPIECE;
    builder->splitter = SPLITTER_NONE;
    builder->flags = model->byte_fallback ? TOKENIZER_FLAG_BYTE_FALLBACK : 0;
    if (model->add_dummy_prefix) {
        /* SentencePiece knows one text, without special tokens in it. Where a text has some, each part between them is
         * a text of its own, as for the Prepend normalizer that transformers makes of such a file. */
        builder->flags |= TOKENIZER_FLAG_ADD_PREFIX_SPACE | TOKENIZER_FLAG_PREFIX_EVERY_PART;
    }
    for (uint32_t id = 0; id < model->count; id++) {
        TERCET_TRY(add_piece(builder, id, &model->pieces[id], error));
    }
    return TERCET_OK;
}

tercet_status tokenizer_sentencepiece_finish(struct tokenizer_builder *builder,
                                             const struct sentencepiece_model *model,
                                             tercet_error *error) {
    TERCET_TRY(tokenizer_builder_index(builder, error));
    TERCET_TRY(derive_all_merges(builder, model, error));
    if (tokenizer_builder_find(builder, (const uint8_t *)" ", 1) == TERCET_NO_TOKEN) {
        return unsupported(builder, "a vocabulary without a piece for the space", error);
    }
    uint32_t beginning = model->beginning;
    if (beginning < model->count && builder->tokens[beginning].kind == TOKEN_CONTROL) {
        builder->beginning = beginning;
    }
    return TERCET_OK;
}
