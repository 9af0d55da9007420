/*
 * input_text.h: text and token ids that a command is given: a file, stdin, or a list on the command
 * line. Whole in memory, bounded; says nothing about their meaning.
 */
#ifndef TERCET_NATIVE_INPUT_TEXT_H
#define TERCET_NATIVE_INPUT_TEXT_H

#include "tercet.h"

/* Most bytes of text or of a list of ids that are read: more is a mistake, not a prompt. */
#define INPUT_BYTES_MAX ((size_t)1 << 30)

struct input_text {
    char *bytes; /* also NUL-terminated; may hold NULs of its own */
    size_t count;
};

/* The whole of a file, or of stdin for "-". FILE_NOT_FOUND, FILE_READ_FAILED, OUT_OF_MEMORY. */
tercet_status input_text_read(struct input_text *text, const char *path, tercet_error *error);
/* A copy of a text given on the command line. */
tercet_status input_text_copy(struct input_text *text, const char *bytes, tercet_error *error);
/* Takes one final newline off: the one that an editor or echo puts behind a prompt. */
void input_text_chomp(struct input_text *text);
void input_text_free(struct input_text *text);

struct token_list {
    uint32_t *tokens;
    size_t count;
};

/* Ids separated by blanks, newlines or commas; brackets of a JSON array may stand around them.
 * BAD_ARGUMENT with the offset of what is no id. */
tercet_status token_list_parse(struct token_list *list, const struct input_text *text,
                               tercet_error *error);
/* Text to ids with the model's tokenizer; `flags` are TERCET_TEXT_*. */
tercet_status token_list_tokenize(struct token_list *list, const tercet_model *model,
                                  const struct input_text *text, uint32_t flags,
                                  tercet_error *error);
/* BAD_TOKEN, with the position, for an id that is not in the vocabulary. */
tercet_status token_list_check(const struct token_list *list, uint32_t vocabulary,
                               tercet_error *error);
void token_list_free(struct token_list *list);

#endif
