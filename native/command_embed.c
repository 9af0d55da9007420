/*
 * command_embed.c: `tercet embed`: the embedding of a text as JSON: the mean over its tokens of the last hidden state. The
 * other twin's embed() gives the same numbers.
 */
#include "commands.h"
#include "given_tokens.h"
#include "json_writer.h"
#include "open_model.h"
#include "terminal.h"

#include <stdlib.h>

struct embed_options {
    struct open_options open;
    struct given_tokens given;
};

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
        return report_error(given_tokens_name(&options->given), &error);
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
    code = given_tokens_read(&options->given, "embed", &opened, &tokens);
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
        given_tokens_text(&options.given),    given_tokens_ids(&options.given),
        open_argument_threads(&options.open), open_argument_kernels(&options.open),
        open_argument_kv(&options.open),      open_argument_verify(&options.open),
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
    if (!given_tokens_check(&options.given, "embed")) {
        return EXIT_CODE_USAGE;
    }
    return open_and_embed(&options);
}
