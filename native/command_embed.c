/*
 * command_embed.c: `tercet embed`: the embedding of a text as JSON: the mean over its tokens of the last hidden state. The
 * other twin's embed() gives the same numbers.
 */
#include "commands.h"
#include "input_text.h"
#include "json_writer.h"
#include "open_model.h"
#include "terminal.h"

#include <stdlib.h>

struct embed_options {
    struct open_options open;
    const char *text, *ids;
    bool text_given, ids_given;
};

static int read_tokens(const struct embed_options *options, const struct open_model *opened,
                       struct token_list *tokens) {
    struct input_text text = {0};
    tercet_error error = {0};
    tercet_status status =
        input_text_copy(&text, options->text_given ? options->text : options->ids, &error);
    if (status == TERCET_OK && options->text_given) {
        status = token_list_tokenize(tokens, opened->model, &text,
                                     TERCET_TEXT_ADD_BEGINNING | TERCET_TEXT_PARSE_SPECIAL, &error);
    } else if (status == TERCET_OK) {
        status = token_list_parse(tokens, &text, &error);
    }
    input_text_free(&text);
    if (status == TERCET_BAD_ARGUMENT) {
        return arguments_error("embed", "%s", error.detail);
    }
    if (status != TERCET_OK) {
        return report_error(options->text_given ? "--text" : "--tokens", &error);
    }
    if (tokens->count == 0) {
        return arguments_error("embed", "there are no tokens to compute");
    }
    return EXIT_CODE_OK;
}

static tercet_status sum_states(struct open_model *opened, const struct embed_options *options,
                                const struct token_list *tokens, double *sums,
                                tercet_error *error) {
    tercet_session_options session_options;
    tercet_session *session = NULL;
    tercet_session_options_init(opened->model, &session_options);
    session_options.kv = options->open.kv;
    tercet_status status = tercet_session_create(opened->model, &session_options, &session, error);
    for (size_t taken = 0; taken < tokens->count && status == TERCET_OK;) {
        size_t done = 0;
        status = tercet_session_embed(session, tokens->tokens + taken, tokens->count - taken, &done,
                                      sums, error);
        taken += done;
    }
    tercet_session_destroy(session);
    return status;
}

static int embed(const struct embed_options *options, struct open_model *opened,
                 const struct token_list *tokens) {
    tercet_error error = {0};
    uint32_t hidden = opened->info.hidden;
    double *sums = calloc(hidden, sizeof *sums);
    tercet_status status = sums == NULL
                               ? set_error(&error, TERCET_OUT_OF_MEMORY, 0, "the embedding")
                               : sum_states(opened, options, tokens, sums, &error);
    if (status != TERCET_OK) {
        free(sums);
        return report_error(options->text_given ? "--text" : "--tokens", &error);
    }
    struct json_writer json;
    json_start(&json, stdout);
    json_integer(&json, "tokens", tokens->count);
    json_integer(&json, "dimensions", hidden);
    json_inline_array(&json, "embedding");
    for (uint32_t i = 0; i < hidden; i++) {
        json_float(&json, NULL, (float)(sums[i] / (double)tokens->count));
    }
    json_close(&json);
    json_finish(&json);
    free(sums);
    return EXIT_CODE_OK;
}

static int open_and_embed(const struct embed_options *options) {
    struct open_model opened;
    struct token_list tokens = {0};
    int code = open_model(&opened, &options->open);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    code = read_tokens(options, &opened, &tokens);
    if (code == EXIT_CODE_OK) {
        code = embed(options, &opened, &tokens);
    }
    token_list_free(&tokens);
    close_model(&opened);
    return code;
}

int command_embed(int argc, char **argv) {
    struct embed_options options = {0};
    const struct positional positionals[] = {
        {"MODEL", "A .tercet file.", &options.open.path, true}};
    const struct argument arguments[] = {
        argument_noting(argument_text("text", 't', &options.text, "TEXT",
                                      "The text; the beginning-of-text token is put in front if "
                                      "the model uses one."),
                        &options.text_given),
        argument_noting(argument_text("tokens", 0, &options.ids, "IDS",
                                      "Token ids instead, such as 1,372,623; nothing is added."),
                        &options.ids_given),
        open_argument_threads(&options.open),
        open_argument_kernels(&options.open),
        open_argument_kv(&options.open),
        open_argument_verify(&options.open),
    };
    const struct command_line line = {
        .command = "embed",
        .usage = "MODEL (--text TEXT | --tokens IDS) [OPTIONS]",
        .summary = "Prints the embedding of a text as JSON: the mean over its tokens of the last "
                   "hidden state, as it is behind the final norm.",
        .examples = "  tercet embed story.tercet --text \"Once upon a time\"",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 1,
    };
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    if (outcome != ARGUMENTS_RUN) {
        return (int)outcome;
    }
    if (options.text_given + options.ids_given != 1) {
        return arguments_error("embed", "give one of --text and --tokens");
    }
    return open_and_embed(&options);
}
