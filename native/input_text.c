/*
 * input_text.c: see input_text.h. Sizes are checked before memory is taken.
 */
#define _GNU_SOURCE 1 /* O_CLOEXEC */
#include "input_text.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads to the end into a block that doubles. */
static tercet_status read_all(int descriptor, struct input_text *text, tercet_error *error) {
    size_t capacity = 1 << 16;
    text->bytes = malloc(capacity);
    while (text->bytes != NULL) {
        if (text->count + 1 == capacity) {
            if (capacity > INPUT_BYTES_MAX) {
                return set_error(error, TERCET_FILE_READ_FAILED, text->count,
                                 "more than 1 GiB of text: give a part of it");
            }
            char *larger = realloc(text->bytes, capacity * 2);
            if (larger == NULL) {
                break;
            }
            text->bytes = larger;
            capacity *= 2;
        }
        ssize_t got = read(descriptor, text->bytes + text->count, capacity - 1 - text->count);
        if (got == 0) {
            text->bytes[text->count] = '\0';
            return TERCET_OK;
        }
        if (got < 0 && errno != EINTR) {
            return set_error_from_errno(error, errno, TERCET_FILE_READ_FAILED);
        }
        text->count += got > 0 ? (size_t)got : 0;
    }
    return set_error(error, TERCET_OUT_OF_MEMORY, text->count, "reading the text");
}

tercet_status input_text_read(struct input_text *text, const char *path, tercet_error *error) {
    memset(text, 0, sizeof *text);
    bool standard = strcmp(path, "-") == 0;
    int descriptor = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return set_error_from_errno(error, errno, TERCET_FILE_READ_FAILED);
    }
    tercet_status status = read_all(descriptor, text, error);
    if (!standard) {
        (void)close(descriptor);
    }
    if (status != TERCET_OK) {
        input_text_free(text);
    }
    return status;
}

tercet_status input_text_copy(struct input_text *text, const char *bytes, tercet_error *error) {
    text->count = strlen(bytes);
    text->bytes = malloc(text->count + 1);
    if (text->bytes == NULL) {
        text->count = 0;
        return set_error(error, TERCET_OUT_OF_MEMORY, 0, "copying the text");
    }
    memcpy(text->bytes, bytes, text->count + 1);
    return TERCET_OK;
}

void input_text_chomp(struct input_text *text) {
    if (text->count > 0 && text->bytes[text->count - 1] == '\n') {
        text->bytes[--text->count] = '\0';
    }
}

void input_text_free(struct input_text *text) {
    free(text->bytes);
    memset(text, 0, sizeof *text);
}

/* ---------------------------------------------------------------- tokens */

static bool is_separator(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',' || c == '[' || c == ']';
}

tercet_status token_list_parse(struct token_list *list, const struct input_text *text,
                               tercet_error *error) {
    memset(list, 0, sizeof *list);
    /* At most one id in two bytes, separators included, but for the last. */
    list->tokens = malloc((text->count / 2 + 1) * sizeof *list->tokens);
    if (list->tokens == NULL) {
        return set_error(error, TERCET_OUT_OF_MEMORY, 0, "the list of tokens");
    }
    size_t at = 0;
    while (at < text->count) {
        if (is_separator(text->bytes[at])) {
            at++;
            continue;
        }
        size_t begin = at;
        uint64_t value = 0;
        while (at < text->count && !is_separator(text->bytes[at])) {
            char c = text->bytes[at++];
            value = c >= '0' && c <= '9' ? value * 10 + (uint64_t)(c - '0') : UINT32_MAX;
            if (value >= UINT32_MAX) {
                token_list_free(list);
                return set_error(error, TERCET_BAD_ARGUMENT, begin,
                                 "a list of token ids holds something else at byte %zu", begin);
            }
        }
        list->tokens[list->count++] = (uint32_t)value;
    }
    return TERCET_OK;
}

tercet_status token_list_tokenize(struct token_list *list, const tercet_model *model,
                                  const struct input_text *text, uint32_t flags,
                                  tercet_error *error) {
    size_t needed = 0;
    memset(list, 0, sizeof *list);
    /* A text rarely has more tokens than bytes and special ones in front; when it has, ask again. */
    size_t capacity = text->count + 8;
    for (int attempt = 0; attempt < 2; attempt++) {
        list->tokens = malloc(capacity * sizeof *list->tokens);
        if (list->tokens == NULL) {
            return set_error(error, TERCET_OUT_OF_MEMORY, 0, "the tokens of the text");
        }
        tercet_status status = tercet_tokenize(model, text->bytes, text->count, flags, list->tokens,
                                               capacity, &needed, error);
        if (status == TERCET_OK) {
            list->count = needed;
            return TERCET_OK;
        }
        token_list_free(list);
        if (status != TERCET_BAD_ARGUMENT || needed <= capacity) {
            return status;
        }
        capacity = needed;
    }
    return set_error(error, TERCET_BAD_ARGUMENT, needed, "the tokenizer gave no fixed count");
}

tercet_status token_list_check(const struct token_list *list, uint32_t vocabulary,
                               tercet_error *error) {
    for (size_t i = 0; i < list->count; i++) {
        if (list->tokens[i] >= vocabulary) {
            return set_error(error, TERCET_BAD_TOKEN, i,
                             "token %u at position %zu; the vocabulary has %u", list->tokens[i], i,
                             vocabulary);
        }
    }
    return TERCET_OK;
}

void token_list_free(struct token_list *list) {
    free(list->tokens);
    memset(list, 0, sizeof *list);
}
