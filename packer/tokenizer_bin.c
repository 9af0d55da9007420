/*
 * tokenizer_bin.c: see tokenizer_bin.h. The file has no merges, but GPT-2's tokens were numbered as their merges were learned, so
 * each one's merge is what remains of it when all earlier ones have been done: the pair that is left.
 */
#include "tokenizer_bin.h"

#include "../core/container/container_layout.h"
#include "../core/text/utf8.h"
#include "source_file.h"
#include "vocab_merges.h"

#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (64u << 20)
#define SPECIAL "<|endoftext|>"

struct token {
    const uint8_t *text;
    uint32_t bytes, id;
};

struct table {
    struct token *tokens; /* by id */
    struct token *sorted; /* by text */
    uint32_t count;
    uint8_t *file;
};

bool tokenizer_bin_exists(const char *folder) {
    return source_file_exists(folder, TOKENIZER_BIN_FILE);
}

static tercet_status no_memory(tercet_error *error) {
    return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for " TOKENIZER_BIN_FILE);
}

static int compare(const struct token *a, const uint8_t *text, size_t bytes) {
    int order = memcmp(a->text, text, a->bytes < bytes ? a->bytes : bytes);
    return order != 0 ? order : a->bytes < bytes ? -1 : a->bytes > bytes;
}

static int by_text(const void *a, const void *b) {
    const struct token *right = b;
    return compare(a, right->text, right->bytes);
}

/* Id of a text, or count. */
static uint32_t find(const struct table *table, const uint8_t *text, size_t bytes) {
    uint32_t low = 0, high = table->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(&table->sorted[middle], text, bytes);
        if (order == 0) {
            return table->sorted[middle].id;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return table->count;
}

/* u32 length and UTF-8 text, until the file ends. */
static tercet_status read_tokens(struct table *table, size_t file_bytes, tercet_error *error) {
    for (size_t at = 0; at < file_bytes; table->count++) {
        uint32_t bytes = 0;
        if (file_bytes - at >= 4) {
            const uint8_t *p = table->file + at;
            bytes =
                (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        }
        if (file_bytes - at < 4 || bytes > file_bytes - at - 4) {
            return tercet_fail(error, TERCET_BAD_SOURCE, at,
                               TOKENIZER_BIN_FILE " is cut short in token %u", table->count);
        }
        if (table->count == LIMIT_VOCABULARY || bytes > LIMIT_TOKEN_BYTES) {
            return tercet_fail(error, TERCET_LIMIT_EXCEEDED, at,
                               TOKENIZER_BIN_FILE
                               ": token %u has %u bytes; %u tokens of %u bytes are the most",
                               table->count, bytes, LIMIT_VOCABULARY, LIMIT_TOKEN_BYTES);
        }
        const uint8_t *text = table->file + at + 4;
        if (bytes == 0 || utf8_valid_prefix(text, bytes) != bytes ||
            memchr(text, 0, bytes) != NULL) {
            return tercet_fail(error, TERCET_BAD_SOURCE, at,
                               TOKENIZER_BIN_FILE ": token %u is empty or no UTF-8 text",
                               table->count);
        }
        table->tokens[table->count] = (struct token){text, bytes, table->count};
        at += 4 + (size_t)bytes;
    }
    memcpy(table->sorted, table->tokens, table->count * sizeof *table->tokens);
    qsort(table->sorted, table->count, sizeof *table->sorted, by_text);
    for (uint32_t i = 1; i < table->count; i++) {
        const struct token *a = &table->sorted[i - 1], *b = &table->sorted[i];
        if (by_text(a, b) == 0) {
            return tercet_fail(error, TERCET_BAD_SOURCE, 0,
                               TOKENIZER_BIN_FILE ": tokens %u and %u have the same text", a->id,
                               b->id);
        }
    }
    return TERCET_OK;
}

/* Merges characters of `token` by the tokens before it until two parts are left; where the second begins, or 0. */
static uint32_t find_cut(const struct table *table, const struct token *token) {
    uint32_t begins[LIMIT_TOKEN_BYTES + 1], parts = 0;
    size_t length;
    for (uint32_t at = 0; at < token->bytes; at += (uint32_t)length) {
        (void)utf8_decode(token->text + at, token->bytes - at, &length);
        begins[parts++] = at;
    }
    begins[parts] = token->bytes;
    while (parts > 2) {
        uint32_t best = token->id, where = 0;
        for (uint32_t i = 0; i + 1 < parts; i++) {
            uint32_t id = find(table, token->text + begins[i], begins[i + 2] - begins[i]);
            if (id < best) {
                best = id;
                where = i + 1;
            }
        }
        if (where == 0) {
            return 0;
        }
        memmove(begins + where, begins + where + 1, (parts - where) * sizeof *begins);
        parts--;
    }
    return parts == 2 ? begins[1] : 0;
}

/* "left right" for each token that is one; a token that cannot be reached (a special one) has none. */
static tercet_status add_merges(const struct table *table, cJSON *list, tercet_error *error) {
    for (uint32_t id = 0; id < table->count; id++) {
        const struct token *token = &table->tokens[id];
        bool special = compare(token, (const uint8_t *)SPECIAL, sizeof SPECIAL - 1) == 0;
        uint32_t cut = special ? 0 : find_cut(table, token);
        bool known = cut > 0 && find(table, token->text, cut) < id &&
                     find(table, token->text + cut, token->bytes - cut) < id;
        if (!known) {
            continue;
        }
        char text[LIMIT_TOKEN_BYTES + 2];
        memcpy(text, token->text, cut);
        text[cut] = ' ';
        memcpy(text + cut + 1, token->text + cut, token->bytes - cut);
        text[token->bytes + 1] = '\0';
        cJSON *item = cJSON_CreateString(text);
        if (item == NULL || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            return no_memory(error);
        }
    }
    return TERCET_OK;
}

static tercet_status make_document(const struct table *table, struct json_document *document,
                                   tercet_error *error) {
    cJSON *vocab = cJSON_CreateObject(), *merges = NULL;
    if (vocab == NULL) {
        return no_memory(error);
    }
    for (uint32_t id = 0; id < table->count; id++) {
        char text[LIMIT_TOKEN_BYTES + 1];
        memcpy(text, table->tokens[id].text, table->tokens[id].bytes);
        text[table->tokens[id].bytes] = '\0';
        if (cJSON_AddNumberToObject(vocab, text, id) == NULL) {
            cJSON_Delete(vocab);
            return no_memory(error);
        }
    }
    TERCET_TRY(vocab_merges_frame(vocab, TOKENIZER_BIN_FILE, document, &merges, error));
    tercet_status status = add_merges(table, merges, error);
    if (status != TERCET_OK) {
        json_free(document);
    }
    return status;
}

tercet_status tokenizer_bin_load(const char *folder, struct json_document *document,
                                 tercet_error *error) {
    struct table table = {0};
    size_t bytes = 0;
    TERCET_TRY(
        source_file_read(folder, TOKENIZER_BIN_FILE, FILE_BYTES_MAX, &table.file, &bytes, error));
    /* Every token takes five bytes at least. */
    size_t most = bytes / 5 + 1;
    table.tokens = calloc(most, sizeof *table.tokens);
    table.sorted = calloc(most, sizeof *table.sorted);
    tercet_status status = table.tokens != NULL && table.sorted != NULL
                               ? read_tokens(&table, bytes, error)
                               : no_memory(error);
    if (status == TERCET_OK) {
        status = make_document(&table, document, error);
    }
    free(table.tokens);
    free(table.sorted);
    free(table.file);
    return status;
}
