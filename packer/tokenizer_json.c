/*
 * tokenizer_json.c: see tokenizer_json.h. The vocabulary of a byte-level model is written in 256 visible characters that
 * stand for the bytes (OpenAI's GPT-2 encoder.py, bytes_to_unicode); a SentencePiece-style one writes U+2581 for a space
 * and <0x0A> for a byte. Both are turned into the bytes that the token means; merges are then looked up by those bytes,
 * which is the same as by name because the mapping is one to one for every token that text can match.
 */
#include "tokenizer_json.h"

#include "../core/text/utf8.h"
#include "byte_alphabet.h"
#include "json.h"
#include "source_file.h"
#include "tokenizer_bin.h"
#include "tokenizer_pipeline.h"
#include "tokenizer_wordpiece.h"
#include "vocab_merges.h"

#include <stdlib.h>
#include <string.h>

#define FILE_NAME "tokenizer.json"
#define SPACE_SYMBOL "\xE2\x96\x81" /* U+2581 */

struct added_token {
    const char *content; /* NULL: no added token has this id */
    bool special, in_vocabulary;
};

struct reader {
    struct json_document document;
    struct tokenizer_pipeline pipeline;
    struct tokenizer_builder *builder;
    struct added_token *added; /* [vocabulary] */
    bool byte_fallback;
    const char *unknown_text; /* NULL: the model has none */
    uint8_t *bytes;           /* room for any token's bytes: as many as the longest key has */
    size_t bytes_capacity;
};

/* Writes the bytes that `key` means to reader->bytes. *matchable: text can match it; a key that is not written in the
 * alphabet is kept as it is and can only be decoded. */
static size_t token_bytes(const struct reader *reader, const char *key, bool *matchable) {
    const uint8_t *in = (const uint8_t *)key;
    size_t count = strlen(key), written = 0, length;
    *matchable = true;
    for (size_t at = 0; at < count; at += length) {
        uint32_t code_point = utf8_decode(in + at, count - at, &length);
        if (reader->pipeline.kind == TOKENIZER_SENTENCEPIECE) {
            if (code_point == ' ') { /* text has none left when it is looked up */
                *matchable = false;
            }
            if (code_point == 0x2581) {
                reader->bytes[written++] = ' ';
            } else {
                memcpy(reader->bytes + written, in + at, length);
                written += length;
            }
        } else if (byte_alphabet_byte(code_point) >= 0) {
            reader->bytes[written++] = (uint8_t)byte_alphabet_byte(code_point);
        } else {
            *matchable = false;
        }
    }
    if (!*matchable) {
        memcpy(reader->bytes, key, count);
        return count;
    }
    return written;
}

/* The byte of "<0x0A>", else -1. The library writes and looks for capital digits only. */
static int byte_of_name(const char *key) {
    static const char digits[] = "0123456789ABCDEF";
    if (strlen(key) != 6 || memcmp(key, "<0x", 3) != 0 || key[5] != '>') {
        return -1;
    }
    const char *high = strchr(digits, key[3]), *low = strchr(digits, key[4]);
    return high != NULL && low != NULL ? (int)((high - digits) * 16 + (low - digits)) : -1;
}

static tercet_status reserve(struct reader *reader, size_t bytes, tercet_error *error) {
    if (bytes <= reader->bytes_capacity) {
        return TERCET_OK;
    }
    uint8_t *larger = realloc(reader->bytes, bytes);
    if (larger == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for a token of %s",
                           reader->document.file);
    }
    reader->bytes = larger;
    reader->bytes_capacity = bytes;
    return TERCET_OK;
}

/* What core/text cannot do around a match, unless it makes no difference. */
static tercet_status check_added_options(const struct reader *reader, const cJSON *item,
                                         const char *content, bool special, tercet_error *error) {
    static const char *const unknown_options[] = {"lstrip", "rstrip", "single_word"};
    for (size_t i = 0; i < sizeof unknown_options / sizeof unknown_options[0]; i++) {
        bool value = false;
        TERCET_TRY(json_get_bool(&reader->document, item, unknown_options[i], JSON_OPTIONAL, &value,
                                 error));
        if (value) {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                               "%s: the added token \"%s\" needs %s, which is not supported "
                               "yet",
                               reader->document.file, content, unknown_options[i]);
        }
    }
    /* A "normalized" token is looked for in the text after the normalizer, and is itself normalized: with Prepend only
     * "U+2581<token>" is found. For special tokens nobody wants that: they are matched as they are. */
    bool normalized = false;
    TERCET_TRY(
        json_get_bool(&reader->document, item, "normalized", JSON_OPTIONAL, &normalized, error));
    bool prepends = (reader->pipeline.flags & TOKENIZER_FLAG_ADD_PREFIX_SPACE) != 0 &&
                    (reader->pipeline.flags & TOKENIZER_FLAG_PREFIX_IF_MISSING) == 0;
    if (normalized && !special &&
        (prepends || (reader->pipeline.kind == TOKENIZER_SENTENCEPIECE &&
                      (strchr(content, ' ') != NULL || strstr(content, SPACE_SYMBOL) != NULL)))) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: the added token \"%s\" is matched after normalization, "
                           "which is not supported yet",
                           reader->document.file, content);
    }
    return TERCET_OK;
}

static tercet_status read_added_tokens(struct reader *reader, tercet_error *error) {
    const struct json_document *document = &reader->document;
    const uint32_t vocabulary = reader->builder->token_count;
    const cJSON *list = NULL;
    TERCET_TRY(
        json_get_array(document, document->root, "added_tokens", JSON_OPTIONAL, &list, error));
    for (const cJSON *item = list != NULL ? list->child : NULL; item != NULL; item = item->next) {
        uint32_t id = 0;
        struct added_token token = {NULL, false, false};
        TERCET_TRY(json_get_u32(document, item, "id", JSON_REQUIRED, UINT32_MAX - 1, &id, error));
        TERCET_TRY(
            json_get_string(document, item, "content", JSON_REQUIRED, &token.content, error));
        TERCET_TRY(json_get_bool(document, item, "special", JSON_OPTIONAL, &token.special, error));
        TERCET_TRY(check_added_options(reader, item, token.content, token.special, error));
        if (id >= vocabulary) {
            return tercet_fail(error, TERCET_BAD_SOURCE, id,
                               "%s adds token %u, but the embedding of the model has only "
                               "%u rows",
                               reader->document.file, id, vocabulary);
        }
        if (reader->added[id].content != NULL || token.content[0] == '\0') {
            return tercet_fail(error, TERCET_BAD_SOURCE, id,
                               "%s: the added token %u is empty or there twice",
                               reader->document.file, id);
        }
        reader->added[id] = token;
    }
    return TERCET_OK;
}

/* One entry of model.vocab that is also an added token: the added token decides what it is. */
static tercet_status add_known_token(struct reader *reader, uint32_t id, const char *key,
                                     size_t bytes, bool matchable, tercet_error *error) {
    struct added_token *added = &reader->added[id];
    size_t count = strlen(key);
    if (strcmp(added->content, key) != 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, id,
                           "%s: token %u has another text in added_tokens", reader->document.file,
                           id);
    }
    added->in_vocabulary = true;
    bool same_bytes = bytes == count && memcmp(reader->bytes, key, count) == 0;
    if (matchable && !added->special && !same_bytes &&
        reader->builder->kind == TOKENIZER_SENTENCEPIECE) {
        /* Gemma adds "U+2581 U+2581" and the like: merges find them as runs of spaces, like any other token. */
        return tokenizer_builder_add(reader->builder, id, reader->bytes, bytes, TOKEN_NORMAL, true,
                                     error);
    }
    /* A user-defined one may be part of merges if its text needs no mapping. */
    return tokenizer_builder_add(reader->builder, id, (const uint8_t *)key, count,
                                 added->special ? TOKEN_CONTROL : TOKEN_USER_DEFINED,
                                 matchable && !added->special && same_bytes, error);
}

static tercet_status add_vocabulary_token(struct reader *reader, uint32_t id, const char *key,
                                          tercet_error *error) {
    struct tokenizer_builder *builder = reader->builder;
    bool matchable;
    TERCET_TRY(reserve(reader, strlen(key) + 1, error));
    size_t bytes = token_bytes(reader, key, &matchable);
    bool is_unknown = reader->unknown_text != NULL && strcmp(key, reader->unknown_text) == 0;
    if (is_unknown) {
        builder->unknown = id;
    }
    if (id < builder->token_count && reader->added[id].content != NULL) {
        return add_known_token(reader, id, key, bytes, matchable, error);
    }
    int byte = reader->byte_fallback ? byte_of_name(key) : -1;
    if (byte >= 0) {
        uint8_t value = (uint8_t)byte;
        return tokenizer_builder_add(builder, id, &value, 1, TOKEN_BYTE, false, error);
    }
    return tokenizer_builder_add(builder, id, reader->bytes, bytes,
                                 is_unknown ? TOKEN_UNKNOWN : TOKEN_NORMAL,
                                 matchable && !is_unknown, error);
}

static tercet_status read_vocabulary(struct reader *reader, const cJSON *model,
                                     tercet_error *error) {
    struct tokenizer_builder *builder = reader->builder;
    const cJSON *vocab = NULL;
    TERCET_TRY(json_get_object(&reader->document, model, "vocab", JSON_REQUIRED, &vocab, error));
    for (const cJSON *item = vocab->child; item != NULL; item = item->next) {
        uint64_t id;
        if (!json_take_u64(item, UINT32_MAX - 1, &id)) {
            return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                               "%s: the id of token \"%s\" is not a whole number",
                               reader->document.file, item->string);
        }
        TERCET_TRY(add_vocabulary_token(reader, (uint32_t)id, item->string, error));
    }
    for (uint32_t id = 0; id < builder->token_count; id++) {
        const struct added_token *added = &reader->added[id];
        if (added->content != NULL && !added->in_vocabulary) {
            TERCET_TRY(tokenizer_builder_add(
                builder, id, (const uint8_t *)added->content, strlen(added->content),
                added->special ? TOKEN_CONTROL : TOKEN_USER_DEFINED, false, error));
        }
    }
    return TERCET_OK;
}

/* The two names of a merge: "a b", or ["a", "b"]. *right is NULL for anything else. `cut` gets a copy of the first form
 * with its space replaced by a NUL. */
static void split_merge(const cJSON *item, char *cut, const char **left, const char **right) {
    *left = *right = NULL;
    if (cJSON_IsString(item)) {
        strcpy(cut, item->valuestring); /* the caller made room */
        char *space = strchr(cut, ' ');
        if (space != NULL && strchr(space + 1, ' ') == NULL) {
            *space = '\0';
            *left = cut;
            *right = space + 1;
        }
        return;
    }
    if (!cJSON_IsArray(item)) {
        return;
    }
    const cJSON *first = item->child, *second = first != NULL ? first->next : NULL;
    if (second != NULL && second->next == NULL && cJSON_IsString(first) && cJSON_IsString(second)) {
        *left = first->valuestring;
        *right = second->valuestring;
    }
}

static tercet_status find_merged(struct reader *reader, const char *name, uint32_t rank,
                                 uint32_t *token, tercet_error *error) {
    bool matchable;
    *token = TERCET_NO_TOKEN;
    TERCET_TRY(reserve(reader, strlen(name) + 1, error));
    size_t bytes = token_bytes(reader, name, &matchable);
    if (matchable && bytes > 0) {
        *token = tokenizer_builder_find(reader->builder, reader->bytes, bytes);
    }
    if (*token == TERCET_NO_TOKEN) {
        return tercet_fail(error, TERCET_BAD_SOURCE, rank,
                           "%s: merge %u names \"%s\", which is no token of the vocabulary",
                           reader->document.file, rank, name);
    }
    return TERCET_OK;
}

/* "words_apart": the library cuts in front of each space before it merges. Merges never look across such a cut when no
 * token has a space behind another character, so then one piece is as good. */
static tercet_status check_words_apart(const struct tokenizer_builder *builder,
                                       tercet_error *error) {
    for (uint32_t i = 0; i < builder->merge_count; i++) {
        const struct builder_token *token = &builder->tokens[builder->merges[i][3]];
        if (memchr(builder->texts + token->offset + 1, ' ', token->bytes - 1) != NULL) {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, i,
                               "%s: the pre_tokenizer Metaspace splits, but token %u spans "
                               "words, which is not supported yet",
                               builder->source, builder->merges[i][3]);
        }
    }
    return TERCET_OK;
}

static tercet_status read_merges(struct reader *reader, const cJSON *model, tercet_error *error) {
    const cJSON *merges = NULL;
    char *cut = NULL;
    size_t longest = 0;
    uint32_t rank = 0;
    TERCET_TRY(json_get_array(&reader->document, model, "merges", JSON_REQUIRED, &merges, error));
    for (const cJSON *item = merges->child; item != NULL; item = item->next) {
        size_t bytes = cJSON_IsString(item) ? strlen(item->valuestring) + 1 : 0;
        longest = bytes > longest ? bytes : longest;
    }
    cut = malloc(longest + 1);
    if (cut == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for a merge of %s",
                           reader->document.file);
    }
    tercet_status status = TERCET_OK;
    for (const cJSON *item = merges->child; item != NULL && status == TERCET_OK;
         item = item->next, rank++) {
        const char *names[2];
        uint32_t tokens[2] = {TERCET_NO_TOKEN, TERCET_NO_TOKEN};
        split_merge(item, cut, &names[0], &names[1]);
        if (names[1] == NULL) {
            status = tercet_fail(error, TERCET_BAD_SOURCE, rank, "%s: merge %u is not two names",
                                 reader->document.file, rank);
        }
        for (int side = 0; side < 2 && status == TERCET_OK; side++) {
            status = find_merged(reader, names[side], rank, &tokens[side], error);
        }
        if (status == TERCET_OK) {
            status =
                tokenizer_builder_add_merge(reader->builder, tokens[0], tokens[1], rank, error);
        }
    }
    free(cut);
    if (status == TERCET_OK && reader->pipeline.words_apart) {
        status = check_words_apart(reader->builder, error);
    }
    return status;
}

/* Options of the model that change its ids and are not reproduced. */
static tercet_status check_model(const struct json_document *document, const cJSON *model,
                                 tercet_error *error) {
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const char *type = "BPE"; /* old files leave it out */
    double dropout = 0;
    TERCET_TRY(json_get_string(document, model, "type", JSON_OPTIONAL, &type, error));
    if (strcmp(type, "BPE") != 0) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: the model type \"%s\" is not supported yet", document->file, type);
    }
    for (size_t i = 0; i < sizeof affixes / sizeof affixes[0]; i++) {
        const char *affix = "";
        TERCET_TRY(json_get_string(document, model, affixes[i], JSON_OPTIONAL, &affix, error));
        if (affix[0] != '\0') {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                               "%s: the model option %s is not supported yet", document->file,
                               affixes[i]);
        }
    }
    TERCET_TRY(json_get_number(document, model, "dropout", JSON_OPTIONAL, &dropout, error));
    if (dropout != 0) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: the model option dropout is not supported", document->file);
    }
    return TERCET_OK;
}

/* Characters that no token covers: core/text makes one unknown token of a run of them, or drops them if there is none. */
static tercet_status check_coverage(const struct reader *reader, bool fuse_unknown,
                                    tercet_error *error) {
    const struct tokenizer_builder *builder = reader->builder;
    bool covered = (builder->kind == TOKENIZER_BYTE_BPE || reader->byte_fallback) &&
                   tokenizer_builder_missing_bytes(builder) == 0;
    if (!covered && reader->unknown_text != NULL && builder->unknown == TERCET_NO_TOKEN) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                           "%s: unk_token \"%s\" is not in the vocabulary", reader->document.file,
                           reader->unknown_text);
    }
    if (!covered && builder->unknown != TERCET_NO_TOKEN && !fuse_unknown) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: unk_token without fuse_unk is not supported yet",
                           reader->document.file);
    }
    if (builder->kind == TOKENIZER_SENTENCEPIECE &&
        tokenizer_builder_find(builder, (const uint8_t *)" ", 1) == TERCET_NO_TOKEN) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: a vocabulary without a token for the space is not "
                           "supported",
                           reader->document.file);
    }
    return TERCET_OK;
}

/* What the file says about the text, into reader and builder. */
static tercet_status read_options(struct reader *reader, const cJSON *model, bool *fuse_unknown,
                                  tercet_error *error) {
    const struct json_document *document = &reader->document;
    struct tokenizer_builder *builder = reader->builder;
    bool ignore_merges = false;
    TERCET_TRY(check_model(document, model, error));
    TERCET_TRY(tokenizer_pipeline_read(document, &reader->pipeline, error));
    TERCET_TRY(
        json_get_string(document, model, "unk_token", JSON_OPTIONAL, &reader->unknown_text, error));
    TERCET_TRY(json_get_bool(document, model, "fuse_unk", JSON_OPTIONAL, fuse_unknown, error));
    TERCET_TRY(json_get_bool(document, model, "byte_fallback", JSON_OPTIONAL,
                             &reader->byte_fallback, error));
    TERCET_TRY(
        json_get_bool(document, model, "ignore_merges", JSON_OPTIONAL, &ignore_merges, error));
    if (reader->unknown_text != NULL && reader->unknown_text[0] == '\0') {
        reader->unknown_text = NULL;
    }
    builder->kind = reader->pipeline.kind;
    builder->splitter = reader->pipeline.splitter;
    builder->flags = reader->pipeline.flags;
    if (builder->kind == TOKENIZER_BYTE_BPE) {
        reader->byte_fallback = false; /* bytes are tokens already */
    } else if (ignore_merges) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "%s: ignore_merges without ByteLevel is not supported yet",
                           reader->document.file);
    }
    builder->flags |= ignore_merges ? TOKENIZER_FLAG_IGNORE_MERGES : 0u;
    builder->flags |= reader->byte_fallback ? TOKENIZER_FLAG_BYTE_FALLBACK : 0u;
    return TERCET_OK;
}

static tercet_status read_document(struct reader *reader, tercet_error *error) {
    struct tokenizer_builder *builder = reader->builder;
    const cJSON *root = reader->document.root, *model = NULL;
    bool fuse_unknown = false;
    TERCET_TRY(json_get_object(&reader->document, root, "model", JSON_REQUIRED, &model, error));
    TERCET_TRY(read_options(reader, model, &fuse_unknown, error));
    TERCET_TRY(read_added_tokens(reader, error));
    TERCET_TRY(read_vocabulary(reader, model, error));
    TERCET_TRY(tokenizer_builder_index(builder, error));
    TERCET_TRY(read_merges(reader, model, error));
    TERCET_TRY(check_coverage(reader, fuse_unknown, error));
    uint32_t in_front = reader->pipeline.added_in_front;
    if (in_front == TERCET_NO_TOKEN) {
        return TERCET_OK;
    }
    if (in_front >= builder->token_count || builder->tokens[in_front].kind == 0) {
        return tercet_fail(error, TERCET_BAD_SOURCE, in_front,
                           "%s: the post_processor adds token %u, which does not exist",
                           reader->document.file, in_front);
    }
    builder->flags |= TOKENIZER_FLAG_ADD_BEGINNING;
    builder->beginning = in_front;
    return TERCET_OK;
}

tercet_status tokenizer_json_read(const char *folder, uint32_t vocabulary,
                                  struct tokenizer_builder *builder, tercet_error *error) {
    struct reader reader;
    memset(&reader, 0, sizeof reader);
    reader.builder = builder;
    bool whole = source_file_exists(folder, FILE_NAME);
    bool pair = !whole && vocab_merges_exist(folder);
    TERCET_TRY(tokenizer_builder_open(builder,
                                      whole  ? FILE_NAME
                                      : pair ? VOCAB_MERGES_FILES
                                             : TOKENIZER_BIN_FILE,
                                      vocabulary, error));
    TERCET_TRY(whole
                   ? json_load(folder, FILE_NAME, TOKENIZER_JSON_BYTES_MAX, &reader.document, error)
               : pair ? vocab_merges_load(folder, &reader.document, error)
                      : tokenizer_bin_load(folder, &reader.document, error));
    if (tokenizer_wordpiece_is(&reader.document)) {
        tercet_status read = tokenizer_wordpiece_read(&reader.document, builder, error);
        json_free(&reader.document);
        return read;
    }
    reader.added = calloc(vocabulary, sizeof *reader.added);
    tercet_status status =
        reader.added != NULL
            ? read_document(&reader, error)
            : tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for %s", reader.document.file);
    free(reader.added);
    free(reader.bytes);
    json_free(&reader.document);
    return status;
}
