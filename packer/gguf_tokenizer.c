/*
 * gguf_tokenizer.c: see gguf_tokenizer.h. GGUF wants a text for every row of the embedding, and for SentencePiece
 * scores in place of merges. Token kinds have the same numbers in both.
 */
#include "gguf_tokenizer.h"

#include "token_spelling.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest text of a token; names of padding are shorter. */
#define TEXT_ROOM (TOKEN_SPELLING_BYTES + 32)

struct tables {
    const struct container_tokenizer *t;
    struct gguf_writer *writer;
    uint32_t padding_marks;
    uint8_t text[2 * TEXT_ROOM];
};

/* "[PAD17]" is the name of row 17 without a token; where a token of the model has such a text itself, names get one mark
 * more than any of them, "[PAD17_]", so that no two texts are equal. */
static size_t name_padding(uint32_t token, uint32_t marks, uint8_t *out) {
    size_t written = (size_t)snprintf((char *)out, TEXT_ROOM, "[PAD%u", token);
    memset(out + written, '_', marks);
    out[written + marks] = ']';
    return written + marks + 1;
}

/* The marks of a text of the form [PAD17__]; -1 for any other. */
static int64_t padding_marks_of(const uint8_t *text, uint32_t bytes) {
    uint32_t at = 4, digits = 0;
    if (bytes < 6 || memcmp(text, "[PAD", 4) != 0 || text[bytes - 1] != ']') {
        return -1;
    }
    for (; text[at] >= '0' && text[at] <= '9'; at++) {
        digits++;
    }
    uint32_t first = at;
    for (; text[at] == '_'; at++) {
    }
    return digits > 0 && at == bytes - 1 ? (int64_t)(at - first) : -1;
}

static uint32_t count_padding_marks(const struct container_tokenizer *t) {
    int64_t most = -1;
    for (uint32_t token = 0; token < t->token_count; token++) {
        uint32_t bytes;
        const uint8_t *text = token_text(t, token, &bytes);
        int64_t marks = padding_marks_of(text, bytes);
        most = marks > most ? marks : most;
    }
    return (uint32_t)(most + 1);
}

/* The text of a token as GGUF spells it. */
static size_t spell(const struct tables *tables, uint32_t token, uint8_t *out) {
    size_t bytes = token_spell(tables->t, token, out);
    return bytes > 0 ? bytes : name_padding(token, tables->padding_marks, out);
}

static void add_texts(struct tables *tables, uint32_t vocabulary) {
    const struct container_tokenizer *t = tables->t;
    gguf_writer_add_array(tables->writer, "tokenizer.ggml.tokens", GGUF_VALUE_STRING, vocabulary);
    for (uint32_t token = 0; token < vocabulary; token++) {
        gguf_writer_put_string(tables->writer, tables->text, spell(tables, token, tables->text));
    }
    gguf_writer_add_array(tables->writer, "tokenizer.ggml.token_type", GGUF_VALUE_I32, vocabulary);
    for (uint32_t token = 0; token < vocabulary; token++) {
        bool there = token < t->token_count && t->text_offsets[token + 1] > t->text_offsets[token];
        gguf_writer_put_i32(tables->writer, there ? t->kinds[token] : (int32_t)TOKEN_UNUSED);
    }
}

/* "left right", by rising rank. */
static tercet_status add_merges(struct tables *tables, tercet_error *error) {
    const struct container_tokenizer *t = tables->t;
    uint32_t *order = token_merge_order(t);
    if (order == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for %u merges",
                           t->merge_count);
    }
    gguf_writer_add_array(tables->writer, "tokenizer.ggml.merges", GGUF_VALUE_STRING,
                          t->merge_count);
    for (uint32_t i = 0; i < t->merge_count; i++) {
        const uint32_t *merge = &t->merges[(size_t)order[i] * 4];
        size_t bytes = spell(tables, merge[0], tables->text);
        tables->text[bytes++] = ' ';
        bytes += spell(tables, merge[1], tables->text + bytes);
        gguf_writer_put_string(tables->writer, tables->text, bytes);
    }
    free(order);
    return TERCET_OK;
}

/* The token that text can match, or TERCET_NO_TOKEN. */
static uint32_t find_token(const struct container_tokenizer *t, const uint8_t *text,
                           uint32_t bytes) {
    uint32_t low = 0, high = t->sorted_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2, there;
        const uint8_t *at = token_text(t, t->sorted[middle], &there);
        int order = memcmp(at, text, there < bytes ? there : bytes);
        if (order == 0 && there == bytes) {
            return t->sorted[middle];
        }
        if (order < 0 || (order == 0 && there < bytes)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return TERCET_NO_TOKEN;
}

static const uint32_t *find_merge(const struct container_tokenizer *t, uint32_t left,
                                  uint32_t right) {
    uint32_t low = 0, high = t->merge_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint32_t *merge = &t->merges[(size_t)middle * 4];
        if (merge[0] == left && merge[1] == right) {
            return merge;
        }
        if (merge[0] < left || (merge[0] == left && merge[1] < right)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* Ranks of the merges that give a token; low is UINT32_MAX where there are none. */
struct rank_range {
    uint32_t low, high;
};

static int compare_ranges(const void *a, const void *b) {
    const struct rank_range *x = a, *y = b;
    return x->low != y->low ? (x->low < y->low ? -1 : 1)
                            : (x->high > y->high) - (x->high < y->high);
}

/* Each cut of each token in two tokens is a merge. */
static bool all_cuts_merge(const struct container_tokenizer *t) {
    for (uint32_t i = 0; i < t->sorted_count; i++) {
        uint32_t bytes, token = t->sorted[i];
        const uint8_t *text = token_text(t, token, &bytes);
        for (uint32_t cut = 1; cut < bytes; cut++) {
            uint32_t left = find_token(t, text, cut), right = TERCET_NO_TOKEN;
            if (left != TERCET_NO_TOKEN) {
                right = find_token(t, text + cut, bytes - cut);
            }
            if (right != TERCET_NO_TOKEN && find_merge(t, left, right) == NULL) {
                return false;
            }
        }
    }
    return true;
}

/* llama.cpp joins two neighbours whenever their joined text is a token, highest score of that token first. True when the
 * merges of this model say the same: every cut is a merge, and the ranks of one token lie together, apart from those of
 * every other (or are one rank that tokens of equal score share). Sorts `ranges`. */
static bool scores_say_it_all(const struct container_tokenizer *t, struct rank_range *ranges) {
    qsort(ranges, t->token_count, sizeof *ranges, compare_ranges);
    for (uint32_t i = 1; i < t->token_count && ranges[i].low != UINT32_MAX; i++) {
        const struct rank_range *one = &ranges[i - 1], *next = &ranges[i];
        bool shared = one->low == one->high && next->low == next->high && one->low == next->low;
        if (one->high >= next->low && !shared) {
            return false;
        }
    }
    return all_cuts_merge(t);
}

/* Minus the lowest rank of the merges that give a token. Ranks are below 2^22, so f32 holds them exactly. */
static tercet_status add_scores(struct tables *tables, uint32_t vocabulary,
                                struct export_report *report, tercet_error *error) {
    const struct container_tokenizer *t = tables->t;
    struct rank_range *ranges = malloc(t->token_count * sizeof *ranges);
    uint32_t worst = 0;
    if (ranges == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for %u scores",
                           t->token_count);
    }
    for (uint32_t token = 0; token < t->token_count; token++) {
        ranges[token] = (struct rank_range){UINT32_MAX, 0};
    }
    for (uint32_t i = 0; i < t->merge_count; i++) {
        const uint32_t *merge = &t->merges[(size_t)i * 4];
        struct rank_range *range = &ranges[merge[3]];
        range->low = merge[2] < range->low ? merge[2] : range->low;
        range->high = merge[2] > range->high ? merge[2] : range->high;
        worst = merge[2] > worst ? merge[2] : worst;
    }
    gguf_writer_add_array(tables->writer, "tokenizer.ggml.scores", GGUF_VALUE_F32, vocabulary);
    for (uint32_t token = 0; token < vocabulary; token++) {
        bool merged = token < t->token_count && ranges[token].low != UINT32_MAX;
        gguf_writer_put_f32(tables->writer, -(float)(merged ? ranges[token].low : worst + 1));
    }
    if (!scores_say_it_all(t, ranges)) {
        export_note(report, "some texts are cut into other tokens there: llama.cpp joins by the "
                            "score of a token, this tokenizer by merges that no scores express");
    }
    free(ranges);
    return TERCET_OK;
}

static tercet_status add_bpe(struct tables *tables, struct export_report *report,
                             tercet_error *error) {
    static const char *const names[] = {NULL, "gpt-2", "llama-bpe", "qwen2"};
    const struct container_tokenizer *t = tables->t;
    if (t->splitter == SPLITTER_NONE || t->splitter >= sizeof names / sizeof *names) {
        return tercet_fail(error, TERCET_CANNOT_EXPORT, t->splitter,
                           "llama.cpp has no name for the way in which this tokenizer cuts text");
    }
    gguf_writer_add_string(tables->writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_add_string(tables->writer, "tokenizer.ggml.pre", names[t->splitter]);
    if (((t->flags & TOKENIZER_FLAG_IGNORE_MERGES) != 0) != (t->splitter == SPLITTER_LLAMA3)) {
        export_note(report, "some words are cut into other tokens there: llama.cpp takes whole "
                            "words that are tokens with Llama 3's rule for cutting, and only then");
    }
    if ((t->flags & TOKENIZER_FLAG_NFC) != 0) {
        export_note(report, "text that is not in Unicode's normal form C is cut into other tokens "
                            "there: llama.cpp takes text as it is");
    }
    return add_merges(tables, error);
}

/* Ids and flags; what a container does not name is left to llama.cpp's defaults. */
static void add_ids(const struct container *container, struct gguf_writer *writer) {
    static const char *const stops[] = {"tokenizer.ggml.eos_token_id",
                                        "tokenizer.ggml.eot_token_id",
                                        "tokenizer.ggml.eom_token_id"};
    const struct container_tokenizer *t = &container->tokenizer;
    if (t->beginning != TERCET_NO_TOKEN) {
        gguf_writer_add_u32(writer, "tokenizer.ggml.bos_token_id", t->beginning);
    }
    if (t->unknown != TERCET_NO_TOKEN) {
        gguf_writer_add_u32(writer, "tokenizer.ggml.unknown_token_id", t->unknown);
    }
    for (uint32_t i = 0; i < container->config.stop_count && i < 3; i++) {
        gguf_writer_add_u32(writer, stops[i], container->config.stop_tokens[i]);
    }
    gguf_writer_add_bool(writer, "tokenizer.ggml.add_bos_token",
                         (t->flags & TOKENIZER_FLAG_ADD_BEGINNING) != 0);
    gguf_writer_add_bool(writer, "tokenizer.ggml.add_eos_token", false);
    if (t->kind == TOKENIZER_SENTENCEPIECE) {
        gguf_writer_add_bool(writer, "tokenizer.ggml.add_space_prefix",
                             (t->flags & TOKENIZER_FLAG_ADD_PREFIX_SPACE) != 0);
    }
}

static tercet_status add_kind(struct tables *tables, uint32_t vocabulary,
                              struct export_report *report, tercet_error *error) {
    if (tables->t->kind == TOKENIZER_BYTE_BPE) {
        return add_bpe(tables, report, error);
    }
    if (tables->t->kind == TOKENIZER_SENTENCEPIECE) {
        gguf_writer_add_string(tables->writer, "tokenizer.ggml.model", "llama");
        gguf_writer_add_string(tables->writer, "tokenizer.ggml.pre", "default");
        return add_scores(tables, vocabulary, report, error);
    }
    return tercet_fail(error, TERCET_CANNOT_EXPORT, tables->t->kind,
                       "llama.cpp has no tokenizer of kind %u", tables->t->kind);
}

tercet_status gguf_tokenizer_add_keys(const struct container *container, struct gguf_writer *writer,
                                      struct export_report *report, tercet_error *error) {
    struct tables *tables = malloc(sizeof *tables);
    if (tables == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for a token");
    }
    tables->t = &container->tokenizer;
    tables->writer = writer;
    tables->padding_marks = count_padding_marks(&container->tokenizer);
    tercet_status status = add_kind(tables, container->config.vocabulary, report, error);
    if (status == TERCET_OK) {
        add_texts(tables, container->config.vocabulary);
        add_ids(container, writer);
    }
    free(tables);
    return status;
}
