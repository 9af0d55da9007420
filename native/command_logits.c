/*
 * command_logits.c: `tercet logits`: the logits of every position of a text, raw, for comparison
 * with other programs. Computes in slices, as a prompt is computed; keeps one slice in memory.
 */
#define _GNU_SOURCE 1 /* isatty */
#include "commands.h"
#include "given_tokens.h"
#include "open_model.h"
#include "output_file.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "logits files are little-endian: this host needs a conversion"
#endif

struct logits_options {
    struct open_options open;
    struct given_tokens given;
    const char *output;
};

static tercet_status write_logits(tercet_session *session, const struct token_list *tokens,
                                  uint32_t vocabulary, struct output_file *file,
                                  tercet_error *error) {
    tercet_session_info info;
    tercet_session_get_info(session, &info);
    float *rows = malloc((size_t)info.slice * vocabulary * sizeof *rows);
    tercet_status status = TERCET_OK;
    if (rows == NULL) {
        return set_error(error, TERCET_OUT_OF_MEMORY, 0, "the logits of a slice of %u tokens",
                         info.slice);
    }
    for (size_t taken = 0; taken < tokens->count && status == TERCET_OK;) {
        size_t done = 0;
        status = tercet_session_prefill(session, tokens->tokens + taken, tokens->count - taken,
                                        &done, rows, error);
        if (status == TERCET_OK) {
            status = output_file_write(file, rows, done * vocabulary * sizeof *rows, error);
        }
        taken += done;
        progress_show("computing logits", taken, tokens->count);
    }
    progress_end();
    free(rows);
    return status;
}

static int compute(const struct logits_options *options, struct open_model *opened,
                   const struct token_list *tokens) {
    tercet_session_options session_options;
    tercet_session *session = NULL;
    struct output_file file = {0};
    tercet_error error = {0};
    tercet_session_options_init(opened->model, &session_options);
    session_options.context = (uint32_t)tokens->count;
    session_options.kv = options->open.kv;
    tercet_status status = tercet_session_create(opened->model, &session_options, &session, &error);
    if (status != TERCET_OK) {
        return report_error(options->open.path, &error);
    }
    status = output_file_open(&file, options->output, &error);
    if (status == TERCET_OK) {
        status = write_logits(session, tokens, opened->info.vocabulary, &file, &error);
    }
    if (status == TERCET_OK) {
        status = output_file_commit(&file, &error);
    }
    output_file_drop(&file);
    tercet_session_destroy(session);
    return status == TERCET_OK ? EXIT_CODE_OK : report_error(options->output, &error);
}

static int logits(const struct logits_options *options) {
    struct open_model opened;
    struct token_list tokens = {0};
    int code = open_model(&opened, &options->open);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    code = given_tokens_read(&options->given, "logits", &opened, &tokens);
    if (code == EXIT_CODE_OK) {
        code = compute(options, &opened, &tokens);
    }
    token_list_free(&tokens);
    close_model(&opened);
    return code;
}

int command_logits(int argc, char **argv) {
    struct logits_options options = {0};
    const struct positional positionals[] = {
        {"MODEL", "A .tercet file.", &options.open.path, true}};
    const struct argument arguments[] = {
        given_tokens_text(&options.given),
        given_tokens_ids(&options.given),
        argument_text("output", 'o', &options.output, "FILE",
                      "Where to write; - is standard output. A file is written "
                      "under a temporary name and renamed when it is whole."),
        open_argument_threads(&options.open),
        open_argument_kernels(&options.open),
        open_argument_kv(&options.open),
        open_argument_verify(&options.open),
    };
    const struct command_line line = {
        .command = "logits",
        .usage = "MODEL (--text TEXT | --tokens IDS) -o FILE [OPTIONS]",
        .summary = "Writes the logits of every position: 32-bit little-endian floats, one row of "
                   "the whole vocabulary after another. Row i is what the model expects after "
                   "token i.",
        .examples = "  tercet logits story.tercet --text \"Once upon a time\" -o logits.f32",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 1,
    };
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    if (outcome != ARGUMENTS_RUN) {
        return (int)outcome;
    }
    if (!given_tokens_check(&options.given, "logits")) {
        return EXIT_CODE_USAGE;
    }
    if (options.output == NULL) {
        return arguments_error("logits", "-o FILE is missing");
    }
    if (strcmp(options.output, "-") == 0 && isatty(STDOUT_FILENO)) {
        return arguments_error("logits", "-o - would write binary data to the terminal");
    }
    return logits(&options);
}
