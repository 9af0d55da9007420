/*
 * given_tokens.h: the tokens that a command computes with, given as a text or as ids: --text and --tokens, alike wherever they
 * stand.
 */
#ifndef TERCET_NATIVE_GIVEN_TOKENS_H
#define TERCET_NATIVE_GIVEN_TOKENS_H

#include "arguments.h"
#include "input_text.h"
#include "open_model.h"

struct given_tokens {
    const char *text, *ids;
    bool text_given, ids_given;
};

/* The rows of a command's argument table that fill it. */
struct argument given_tokens_text(struct given_tokens *given);
struct argument given_tokens_ids(struct given_tokens *given);

/* Whether one of the two was given, and only one; else wrong usage was reported. */
bool given_tokens_check(const struct given_tokens *given, const char *command);
/* At least one token, all in the vocabulary, no more than the context has. EXIT_CODE_OK, or an exit code after the error was
 * reported with what it belongs to. Free the list in any case. */
int given_tokens_read(const struct given_tokens *given, const char *command,
                      const struct open_model *opened, struct token_list *tokens);
/* "--text" or "--tokens": what an error belongs to. */
const char *given_tokens_name(const struct given_tokens *given);

#endif
