/*
 * tokenizer_gguf.c: see tokenizer_gguf.h. What keys mean and what holds without them: ggml-org/llama.cpp,
 * src/llama-vocab.cpp.
 */
#include "tokenizer_gguf.h"

#include "../core/text/utf8.h"
#include "byte_alphabet.h"
#include "tokenizer_builder.h"
#include "tokenizer_sentencepiece.h"

#include <stdlib.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

struct vocabulary_keys {
    const struct gguf_header *header;
    const struct gguf_key *tokens, *types, *scores,
        *merges; /* tokens is there, the others may be NULL */
    tercet_error *error;
};

static tercet_status bad(const struct vocabulary_keys *keys, const char *key, const char *what) {
    return tercet_fail(keys->error, TERCET_BAD_SOURCE, 0, "%s: the key %s %s", keys->header->file,
                       key, what);
}

static tercet_status unsupported(const struct vocabulary_keys *keys, const char *key,
                                 struct gguf_text text, const char *what) {
    char shown[GGUF_SHOWN_BYTES];
    return tercet_fail(keys->error, TERCET_UNSUPPORTED_SOURCE, 0,
                       "%s: the key %s is \"%s\", which is not supported: %s", keys->header->file,
                       key, gguf_show_text(text, shown), what);
}

/* As many elements as there are tokens. */
static tercet_status get_parallel(struct vocabulary_keys *keys, const char *name,
                                  enum gguf_value_type element, const struct gguf_key **out) {
    TERCET_TRY(gguf_get_array(keys->header, name, element, out, keys->error));
    if (*out != NULL && (*out)->count != keys->tokens->count) {
        return bad(keys, name, "has another length than " KEY("tokens"));
    }
    return TERCET_OK;
}

static tercet_status find_keys(struct vocabulary_keys *keys) {
    TERCET_TRY(
        gguf_get_array(keys->header, KEY("tokens"), GGUF_STRING, &keys->tokens, keys->error));
    if (keys->tokens == NULL || keys->tokens->count == 0) {
        return bad(keys, KEY("tokens"), "is missing or empty: the file has no vocabulary");
    }
    if (keys->tokens->count > LIMIT_VOCABULARY) {
        return tercet_fail(keys->error, TERCET_LIMIT_EXCEEDED, 0, "%s has more than %u tokens",
                           keys->header->file, LIMIT_VOCABULARY);
    }
    TERCET_TRY(get_parallel(keys, KEY("token_type"), GGUF_I32, &keys->types));
    TERCET_TRY(get_parallel(keys, KEY("scores"), GGUF_FLOAT32, &keys->scores));
    return gguf_get_array(keys->header, KEY("merges"), GGUF_STRING, &keys->merges, keys->error);
}

/* The next of token_type, by default normal; the numbers are those of TOKEN_*. */
static tercet_status next_type(const struct vocabulary_keys *keys, const uint8_t **cursor,
                               uint8_t *type) {
    int32_t number = *cursor != NULL ? gguf_next_i32(cursor) : (int32_t)TOKEN_NORMAL;
    if (number < (int32_t)TOKEN_NORMAL || number > (int32_t)TOKEN_BYTE) {
        return bad(keys, KEY("token_type"), "holds a number that is no type");
    }
    *type = (uint8_t)number;
    return TERCET_OK;
}

static tercet_status get_token(const struct vocabulary_keys *keys, const char *name,
                               uint32_t *token, bool *found) {
    TERCET_TRY(gguf_get_u32(keys->header, name, UINT32_MAX, token, found, keys->error));
    /* Some writers say "none" with the largest number. */
    if (*found && *token >= keys->tokens->count && *token != UINT32_MAX) {
        return bad(keys, name, "is no token of the vocabulary");
    }
    return TERCET_OK;
}

/* ---------------------------------------------------------------- byte-level BPE */

/* Names of the rules by which text is cut. */
static const struct splitter_name {
    const char *name;
    uint32_t splitter;
} splitter_names[] = {
    {"gpt-2", SPLITTER_GPT2},       {"gpt2", SPLITTER_GPT2},     {"mpt", SPLITTER_GPT2},
    {"llama-bpe", SPLITTER_LLAMA3}, {"llama3", SPLITTER_LLAMA3}, {"llama-v3", SPLITTER_LLAMA3},
    {"falcon3", SPLITTER_LLAMA3},   {"qwen2", SPLITTER_QWEN2},
};

static bool has_token(const struct vocabulary_keys *keys, const char *text) {
    const uint8_t *cursor = keys->tokens->value;
    for (uint64_t i = 0; i < keys->tokens->count; i++) {
        if (gguf_text_is(gguf_next_text(&cursor), text)) {
            return true;
        }
    }
    return false;
}

/* Without a name the vocabulary must tell: the official BitNet file has none, and GPT-2's rule would quietly spoil it. */
static uint32_t infer_splitter(const struct vocabulary_keys *keys) {
    uint64_t count = keys->tokens->count;
    if (count >= 128000 && count <= 128512 && has_token(keys, "<|begin_of_text|>")) {
        return SPLITTER_LLAMA3;
    }
    if (count >= 151643 && count <= 152064 && has_token(keys, "<|im_start|>")) {
        return SPLITTER_QWEN2;
    }
    return count >= 50257 && count <= 50304 && has_token(keys, "<|endoftext|>") ? SPLITTER_GPT2
                                                                                : SPLITTER_NONE;
}

static tercet_status choose_splitter(const struct vocabulary_keys *keys, uint32_t *splitter) {
    struct gguf_text name = {(const uint8_t *)"", 0};
    bool found;
    TERCET_TRY(gguf_get_text(keys->header, KEY("pre"), &name, &found, keys->error));
    if (!found || gguf_text_is(name, "default")) {
        *splitter = infer_splitter(keys);
        return *splitter != SPLITTER_NONE
                   ? TERCET_OK
                   : tercet_fail(
                         keys->error, TERCET_UNSUPPORTED_SOURCE, 0,
                         "%s: the key " KEY(
                             "pre") " does not say how text is cut, and the "
                                    "vocabulary is none that is known: convert the model again",
                         keys->header->file);
    }
    for (size_t i = 0; i < sizeof splitter_names / sizeof splitter_names[0]; i++) {
        if (gguf_text_is(name, splitter_names[i].name)) {
            *splitter = splitter_names[i].splitter;
            return TERCET_OK;
        }
    }
    return unsupported(keys, KEY("pre"), name, "gpt-2, mpt, llama-bpe, falcon3 and qwen2 are");
}

/* The bytes that a text in the byte alphabet means; false when it is not written in it. `out` has room for the text. */
static bool read_alphabet(struct gguf_text text, uint8_t *out, size_t *bytes) {
    size_t written = 0, length;
    for (size_t at = 0; at < text.count; at += length) {
        int byte = byte_alphabet_byte(utf8_decode(text.bytes + at, text.count - at, &length));
        if (byte < 0) {
            return false;
        }
        out[written++] = (uint8_t)byte;
    }
    *bytes = written;
    return text.count > 0;
}

static tercet_status check_text(const struct tokenizer_builder *builder, uint32_t id,
                                struct gguf_text text, tercet_error *error) {
    if (text.count > LIMIT_TOKEN_BYTES * 3) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, id, "%s: token %u has %llu bytes",
                           builder->source, id, (unsigned long long)text.count);
    }
    return utf8_valid_prefix(text.bytes, text.count) == text.count
               ? TERCET_OK
               : tercet_fail(error, TERCET_BAD_SOURCE, id, "%s: token %u is not UTF-8",
                             builder->source, id);
}

/* Normal tokens are written in the alphabet; all others as what they are. A text outside of the alphabet can be decoded
 * only. */
static tercet_status add_byte_level_token(const struct vocabulary_keys *keys,
                                          struct tokenizer_builder *builder, uint32_t id,
                                          uint8_t type, struct gguf_text text) {
    uint8_t bytes[LIMIT_TOKEN_BYTES * 3];
    size_t count = 0;
    TERCET_TRY(check_text(builder, id, text, keys->error));
    bool normal = type == TOKEN_NORMAL && read_alphabet(text, bytes, &count);
    if (type == TOKEN_UNKNOWN) {
        builder->unknown = id;
    }
    if (type == TOKEN_BYTE) {
        return bad(keys, KEY("token_type"), "names byte tokens, which byte-level BPE has not");
    }
    return normal ? tokenizer_builder_add(builder, id, bytes, count, type, true, keys->error)
                  : tokenizer_builder_add(builder, id, text.bytes, text.count, type, false,
                                          keys->error);
}

static tercet_status find_side(const struct vocabulary_keys *keys,
                               const struct tokenizer_builder *builder, uint32_t rank,
                               struct gguf_text side, uint32_t *token) {
    uint8_t bytes[LIMIT_TOKEN_BYTES * 3];
    size_t count = 0;
    *token = TERCET_NO_TOKEN;
    if (side.count <= sizeof bytes && utf8_valid_prefix(side.bytes, side.count) == side.count &&
        read_alphabet(side, bytes, &count)) {
        *token = tokenizer_builder_find(builder, bytes, count);
    }
    return *token != TERCET_NO_TOKEN
               ? TERCET_OK
               : tercet_fail(keys->error, TERCET_BAD_SOURCE, rank,
                             "%s: merge %u names something that is no token of the vocabulary",
                             builder->source, rank);
}

/* "left right"; a space at the very front belongs to the left one. */
static tercet_status add_merge(const struct vocabulary_keys *keys,
                               struct tokenizer_builder *builder, uint32_t rank,
                               struct gguf_text merge) {
    const uint8_t *space = merge.count > 1 ? memchr(merge.bytes + 1, ' ', merge.count - 1) : NULL;
    uint32_t left, right;
    if (space == NULL) {
        return tercet_fail(keys->error, TERCET_BAD_SOURCE, rank, "%s: merge %u is not two names",
                           builder->source, rank);
    }
    size_t left_bytes = (size_t)(space - merge.bytes);
    TERCET_TRY(find_side(keys, builder, rank, (struct gguf_text){merge.bytes, left_bytes}, &left));
    TERCET_TRY(find_side(keys, builder, rank,
                         (struct gguf_text){space + 1, merge.count - left_bytes - 1}, &right));
    return tokenizer_builder_add_merge(builder, left, right, rank, keys->error);
}

static tercet_status fill_byte_level(const struct vocabulary_keys *keys,
                                     struct tokenizer_builder *builder) {
    const uint8_t *cursor = keys->tokens->value;
    const uint8_t *types = keys->types != NULL ? keys->types->value : NULL;
    TERCET_TRY(choose_splitter(keys, &builder->splitter));
    builder->kind = TOKENIZER_BYTE_BPE;
    builder->flags = builder->splitter == SPLITTER_LLAMA3
                         ? TOKENIZER_FLAG_IGNORE_MERGES | TOKENIZER_FLAG_ADD_BEGINNING
                     : builder->splitter == SPLITTER_QWEN2
                         ? TOKENIZER_FLAG_NFC /* no key says so, but Qwen's tokenizers do it */
                         : 0;
    for (uint32_t id = 0; id < keys->tokens->count; id++) {
        uint8_t type = TOKEN_NORMAL;
        TERCET_TRY(next_type(keys, &types, &type));
        TERCET_TRY(add_byte_level_token(keys, builder, id, type, gguf_next_text(&cursor)));
    }
    TERCET_TRY(tokenizer_builder_index(builder, keys->error));
    if (keys->merges == NULL) {
        return bad(keys, KEY("merges"), "is missing");
    }
    if (keys->merges->count > LIMIT_MERGES) {
        return tercet_fail(keys->error, TERCET_LIMIT_EXCEEDED, 0, "%s has more than %u merges",
                           keys->header->file, LIMIT_MERGES);
    }
    cursor = keys->merges->value;
    for (uint32_t rank = 0; rank < keys->merges->count; rank++) {
        TERCET_TRY(add_merge(keys, builder, rank, gguf_next_text(&cursor)));
    }
    return TERCET_OK;
}

/* ---------------------------------------------------------------- SentencePiece */

static tercet_status fill_pieces(const struct vocabulary_keys *keys,
                                 struct sentencepiece_model *model) {
    const uint8_t *cursor = keys->tokens->value, *scores = keys->scores->value;
    const uint8_t *types = keys->types != NULL ? keys->types->value : NULL;
    for (uint32_t id = 0; id < keys->tokens->count; id++) {
        struct sentencepiece_piece *piece = &model->pieces[id];
        struct gguf_text text = gguf_next_text(&cursor);
        uint8_t type = TOKEN_NORMAL;
        TERCET_TRY(next_type(keys, &types, &type));
        piece->text = text.bytes;
        piece->bytes = text.count <= UINT32_MAX ? (uint32_t)text.count : UINT32_MAX;
        piece->type = type;
        piece->score = gguf_next_f32(&scores);
        model->byte_fallback = model->byte_fallback || type == SENTENCEPIECE_BYTE;
        model->count++;
    }
    return TERCET_OK;
}

static tercet_status fill_sentencepiece(const struct vocabulary_keys *keys,
                                        struct tokenizer_builder *builder) {
    struct sentencepiece_model model = {.model_type = SENTENCEPIECE_BPE,
                                        .beginning = TERCET_NO_TOKEN,
                                        .add_dummy_prefix = true,
                                        .escape_whitespaces = true};
    if (keys->scores == NULL) {
        return bad(keys, KEY("scores"), "is missing");
    }
    TERCET_TRY(gguf_get_bool(keys->header, KEY("add_space_prefix"), &model.add_dummy_prefix, NULL,
                             keys->error));
    model.pieces = calloc((size_t)keys->tokens->count, sizeof *model.pieces);
    if (model.pieces == NULL) {
        return tercet_fail(keys->error, TERCET_OUT_OF_MEMORY, 0, "no memory for the vocabulary");
    }
    tercet_status status = fill_pieces(keys, &model);
    if (status == TERCET_OK) {
        status = tokenizer_sentencepiece_fill(builder, &model, keys->error);
    }
    if (status == TERCET_OK) {
        status = tokenizer_sentencepiece_finish(builder, &model, keys->error);
    }
    sentencepiece_free(&model);
    builder->flags |= TOKENIZER_FLAG_ADD_BEGINNING;
    return status;
}

/* ---------------------------------------------------------------- ids */

/* Ids that hold without a key: SentencePiece models have these places, others none. */
static tercet_status read_ids(const struct vocabulary_keys *keys,
                              struct tokenizer_builder *builder) {
    uint32_t beginning = TERCET_NO_TOKEN, unknown = builder->unknown;
    bool found, add = (builder->flags & TOKENIZER_FLAG_ADD_BEGINNING) != 0, add_end = false;
    if (builder->kind == TOKENIZER_SENTENCEPIECE && keys->tokens->count > 2) {
        beginning = 1;
    }
    TERCET_TRY(get_token(keys, KEY("bos_token_id"), &beginning, &found));
    TERCET_TRY(get_token(keys, KEY("unknown_token_id"), &unknown, &found));
    TERCET_TRY(gguf_get_bool(keys->header, KEY("add_bos_token"), &add, &found, keys->error));
    TERCET_TRY(gguf_get_bool(keys->header, KEY("add_eos_token"), &add_end, NULL, keys->error));
    if (add_end) {
        return tercet_fail(keys->error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: the key " KEY("add_eos_token") " is true, which is not supported",
                           keys->header->file);
    }
    if (add && beginning == TERCET_NO_TOKEN) {
        if (found) {
            return bad(keys, KEY("add_bos_token"), "is true, but no key names the token");
        }
        add = false;
    }
    builder->beginning = beginning;
    builder->unknown = unknown;
    builder->flags &= ~TOKENIZER_FLAG_ADD_BEGINNING;
    builder->flags |= add ? TOKENIZER_FLAG_ADD_BEGINNING : 0u;
    return TERCET_OK;
}

/* ---------------------------------------------------------------- the whole */

static tercet_status build(struct vocabulary_keys *keys, uint32_t vocabulary,
                           struct tokenizer_builder *builder, struct tokenizer_section *section) {
    struct gguf_text model = {(const uint8_t *)"", 0};
    bool found;
    TERCET_TRY(gguf_get_text(keys->header, KEY("model"), &model, &found, keys->error));
    if (!found) {
        return bad(keys, KEY("model"), "is missing: the file has no tokenizer");
    }
    bool bpe = gguf_text_is(model, "gpt2");
    if (!bpe && !gguf_text_is(model, "llama")) {
        return unsupported(keys, KEY("model"), model,
                           "gpt2 (byte-level BPE) and llama (SentencePiece BPE) are");
    }
    TERCET_TRY(find_keys(keys));
    TERCET_TRY(tokenizer_builder_open(builder, keys->header->file,
                                      vocabulary != 0 ? vocabulary : (uint32_t)keys->tokens->count,
                                      keys->error));
    TERCET_TRY(bpe ? fill_byte_level(keys, builder) : fill_sentencepiece(keys, builder));
    TERCET_TRY(read_ids(keys, builder));
    return tokenizer_builder_finish(builder, section, keys->error);
}

tercet_status tokenizer_gguf_build(const struct gguf_header *header, uint32_t vocabulary,
                                   struct tokenizer_section *section, tercet_error *error) {
    struct vocabulary_keys keys = {.header = header, .error = error};
    struct tokenizer_builder builder;
    memset(section, 0, sizeof *section);
    memset(&builder, 0, sizeof builder);
    tercet_status status = build(&keys, vocabulary, &builder, section);
    tokenizer_builder_close(&builder);
    return status;
}

static tercet_status add_stop(const struct vocabulary_keys *keys, struct container_config *config,
                              const char *key, uint32_t token) {
    for (uint32_t i = 0; i < config->stop_count; i++) {
        if (config->stop_tokens[i] == token) {
            return TERCET_OK;
        }
    }
    if (token >= config->vocabulary) {
        return bad(keys, key, "is no token of the model");
    }
    if (config->stop_count == CONFIG_STOP_TOKENS_MAX) {
        return tercet_fail(keys->error, TERCET_LIMIT_EXCEEDED, token,
                           "%s has more than %u tokens that end a text", keys->header->file,
                           CONFIG_STOP_TOKENS_MAX);
    }
    config->stop_tokens[config->stop_count++] = token;
    return TERCET_OK;
}

/* Texts of tokens that end a turn in every model that has them; converters forget to say so. */
static bool ends_turn(struct gguf_text text) {
    static const char *const texts[] = {"<|eot_id|>",    "<|im_end|>",    "<|end|>",
                                        "<end_of_turn>", "<|endoftext|>", "<|eom_id|>"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (gguf_text_is(text, texts[i])) {
            return true;
        }
    }
    return false;
}

tercet_status tokenizer_gguf_read_stops(const struct gguf_header *header,
                                        struct container_config *config, tercet_error *error) {
    static const char *const names[] = {KEY("eos_token_id"), KEY("eot_token_id"),
                                        KEY("eom_token_id")};
    struct vocabulary_keys keys = {.header = header, .error = error};
    struct gguf_text model = {(const uint8_t *)"", 0};
    TERCET_TRY(find_keys(&keys));
    TERCET_TRY(gguf_get_text(header, KEY("model"), &model, NULL, error));
    config->stop_count = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint32_t token = TERCET_NO_TOKEN;
        bool found;
        TERCET_TRY(get_token(&keys, names[i], &token, &found));
        if (i == 0 && !found && gguf_text_is(model, "llama") && keys.tokens->count > 2) {
            token = 2;
        }
        if (token != TERCET_NO_TOKEN) {
            TERCET_TRY(add_stop(&keys, config, names[i], token));
        }
    }
    const uint8_t *cursor = keys.tokens->value;
    for (uint32_t id = 0; id < keys.tokens->count; id++) {
        if (ends_turn(gguf_next_text(&cursor)) && id < config->vocabulary) {
            TERCET_TRY(add_stop(&keys, config, KEY("tokens"), id));
        }
    }
    return TERCET_OK;
}
