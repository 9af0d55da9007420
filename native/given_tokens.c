/*
 * given_tokens.c: see given_tokens.h.
 */
#include "given_tokens.h"

#include "commands.h"
#include "terminal.h"

struct argument given_tokens_text(struct given_tokens *given) {
    return argument_noting(argument_text("text", 't', &given->text, "TEXT",
                                         "The text; the beginning-of-text token is put in front if "
                                         "the model uses one."),
                           &given->text_given);
}

struct argument given_tokens_ids(struct given_tokens *given) {
    return argument_noting(argument_text("tokens", 0, &given->ids, "IDS",
                                         "Token ids instead, such as 1,372,623; nothing is added."),
                           &given->ids_given);
}

bool given_tokens_check(const struct given_tokens *given, const char *command) {
    if (given->text_given + given->ids_given != 1) {
        (void)arguments_error(command, "give one of --text and --tokens");
        return false;
    }
    return true;
}

const char *given_tokens_name(const struct given_tokens *given) {
    return given->text_given ? "--text" : "--tokens";
}

int given_tokens_read(const struct given_tokens *given, const char *command,
                      const struct open_model *opened, struct token_list *tokens) {
    struct input_text text = {0};
    tercet_error error = {0};
    tercet_status status =
        input_text_copy(&text, given->text_given ? given->text : given->ids, &error);
    if (status == TERCET_OK && given->text_given) {
        status = token_list_tokenize(tokens, opened->model, &text,
                                     TERCET_TEXT_ADD_BEGINNING | TERCET_TEXT_PARSE_SPECIAL, &error);
    } else if (status == TERCET_OK) {
        status = token_list_parse(tokens, &text, &error);
    }
    input_text_free(&text);
    if (status == TERCET_BAD_ARGUMENT) {
        return arguments_error(command, "%s", error.detail);
    }
    if (status == TERCET_OK) {
        status = token_list_check(tokens, opened->info.vocabulary, &error);
    }
    if (status == TERCET_OK && tokens->count > opened->info.context) {
        status = set_error(&error, TERCET_PROMPT_TOO_LONG, tokens->count,
                           "%zu tokens, the context has %u", tokens->count, opened->info.context);
    }
    if (status == TERCET_OK && tokens->count == 0) {
        return arguments_error(command, "there are no tokens to compute");
    }
    return status == TERCET_OK ? EXIT_CODE_OK : report_error(given_tokens_name(given), &error);
}
