/*
 * command_perplexity.c: `tercet perplexity`: the mean negative log-likelihood of a text, summed in
 * f64 in the order of the tokens, as the other twin does it.
 */
#define _GNU_SOURCE 1
#include "clock.h"
#include "commands.h"
#include "input_text.h"
#include "json_writer.h"
#include "open_model.h"
#include "terminal.h"

#include <math.h>
#include <stdlib.h>

struct perplexity_options {
    struct open_options open;
    const char *file, *ids_file;
    bool ids_given, json;
    uint32_t context, limit;
};

struct measurement {
    double nats; /* sum over all predicted tokens */
    size_t tokens;
    size_t windows;
    uint64_t bytes; /* of the predicted text; 0 if unknown */
    double seconds;
    uint32_t kv; /* TERCET_KV_* in use */
};

/* One window: computes `count` tokens from an empty context; each predicts the one behind it. */
static tercet_status measure_window(tercet_session *session, const uint32_t *tokens, size_t count,
                                    uint32_t vocabulary, float *rows, struct measurement *result,
                                    tercet_error *error) {
    size_t taken = 0;
    tercet_status status = tercet_session_reset(session, 0);
    while (taken < count && status == TERCET_OK) {
        size_t done = 0;
        status = tercet_session_prefill(session, tokens + taken, count - taken, &done, rows, error);
        for (size_t i = 0; i < done; i++) {
            result->nats -=
                tercet_log_probability(rows + i * vocabulary, vocabulary, tokens[taken + i + 1]);
        }
        taken += done;
    }
    result->tokens += taken;
    result->windows++;
    return status;
}

static tercet_status measure(const struct open_model *opened, const struct token_list *stream,
                             uint32_t context, uint32_t kv, struct measurement *result,
                             tercet_error *error) {
    tercet_session_options options;
    tercet_session_info info;
    tercet_session *session = NULL;
    uint32_t vocabulary = opened->info.vocabulary;
    size_t targets = stream->count - 1;
    tercet_session_options_init(opened->model, &options);
    options.context = context;
    options.kv = kv;
    tercet_status status = tercet_session_create(opened->model, &options, &session, error);
    if (status != TERCET_OK) {
        return status;
    }
    tercet_session_get_info(session, &info);
    result->kv = info.kv;
    float *rows = malloc((size_t)info.slice * vocabulary * sizeof *rows);
    if (rows == NULL) {
        status = set_error(error, TERCET_OUT_OF_MEMORY, 0, "the logits of a slice");
    }
    double begin = clock_seconds();
    for (size_t at = 0; at < targets && status == TERCET_OK; at += info.context) {
        size_t count = targets - at < info.context ? targets - at : info.context;
        status =
            measure_window(session, stream->tokens + at, count, vocabulary, rows, result, error);
        progress_show("measuring", at + count, targets);
    }
    progress_end();
    result->seconds = clock_seconds() - begin;
    free(rows);
    tercet_session_destroy(session);
    return status;
}

/* Bytes of text that the predicted tokens stand for, all but the first; the space that a tokenizer puts in front of a
 * text is not counted. 0 if an id has no text (a vocabulary may be padded beyond its tokens). */
static uint64_t predicted_bytes(const struct open_model *opened, const struct token_list *stream) {
    size_t all = 0, first = 0; /* capacity 0 asks for the size; BAD_ARGUMENT is then the answer */
    if (tercet_detokenize(opened->model, stream->tokens, stream->count, NULL, 0, &all, NULL) ==
        TERCET_BAD_TOKEN) {
        return 0;
    }
    (void)tercet_detokenize(opened->model, stream->tokens, 1, NULL, 0, &first, NULL);
    return all - first;
}

/* ---------------------------------------------------------------- input */

static int read_stream(const struct perplexity_options *options, const struct open_model *opened,
                       struct token_list *stream) {
    struct input_text text;
    tercet_error error = {0};
    const char *path = options->ids_given ? options->ids_file : options->file;
    tercet_status status = input_text_read(&text, path, &error);
    if (status != TERCET_OK) {
        return report_error(path, &error);
    }
    if (options->ids_given) {
        status = token_list_parse(stream, &text, &error);
    } else {
        status =
            token_list_tokenize(stream, opened->model, &text, TERCET_TEXT_ADD_BEGINNING, &error);
    }
    input_text_free(&text);
    if (status == TERCET_OK) {
        status = token_list_check(stream, opened->info.vocabulary, &error);
    }
    if (status == TERCET_OK && stream->count < 2) {
        status = set_error(&error, TERCET_BAD_ARGUMENT, 0,
                           "%zu tokens: two are needed, the first only predicts", stream->count);
    }
    return status == TERCET_OK ? EXIT_CODE_OK : report_error(path, &error);
}

/* ---------------------------------------------------------------- output */

static void print_measurement(const struct perplexity_options *options,
                              const struct open_model *opened, uint32_t context,
                              const struct measurement *result) {
    double nats = result->nats / (double)result->tokens;
    double bits = result->bytes > 0 ? result->nats / log(2) / (double)result->bytes : NAN;
    struct json_writer json;
    if (!options->json) {
        printf("nats per token  %.6f\nperplexity      %.4f\n", nats, exp(nats));
        if (result->bytes > 0) {
            printf("bits per byte   %.6f\n", bits);
        }
        printf("tokens          %zu in %zu %s of up to %u, none knowing the one before\n",
               result->tokens, result->windows, result->windows == 1 ? "window" : "windows",
               context);
        printf("speed           %.1f tokens/s (%s, %u %s, %s cache)\n",
               clock_rate((double)result->tokens, result->seconds), opened->engine_info.kernels,
               opened->engine_info.threads, opened->engine_info.threads == 1 ? "thread" : "threads",
               kv_name(result->kv));
        return;
    }
    json_start(&json, stdout);
    json_exact(&json, "nats_per_token", nats);
    json_exact(&json, "perplexity", exp(nats));
    json_exact(&json, "bits_per_byte", bits);
    json_integer(&json, "tokens", result->tokens);
    json_integer(&json, "bytes", result->bytes);
    json_integer(&json, "windows", result->windows);
    json_integer(&json, "context", context);
    json_text(&json, "kv", kv_name(result->kv));
    json_number(&json, "tokens_per_second", clock_rate((double)result->tokens, result->seconds));
    json_text(&json, "kernels", opened->engine_info.kernels);
    json_integer(&json, "threads", opened->engine_info.threads);
    json_finish(&json);
}

/* ---------------------------------------------------------------- command */

static int perplexity(const struct perplexity_options *options, const struct open_model *opened) {
    struct token_list stream = {0};
    struct measurement result = {0};
    tercet_error error = {0};
    int code = read_stream(options, opened, &stream);
    if (code != EXIT_CODE_OK) {
        token_list_free(&stream);
        return code;
    }
    if (options->limit != 0 && stream.count > (size_t)options->limit + 1) {
        stream.count = (size_t)options->limit + 1;
    }
    result.bytes = predicted_bytes(opened, &stream);
    uint32_t context = options->context != 0 ? options->context : opened->info.context;
    tercet_status status = measure(opened, &stream, context, options->open.kv, &result, &error);
    if (status == TERCET_OK) {
        print_measurement(options, opened, context, &result);
    } else {
        code = report_error(options->open.path, &error);
    }
    token_list_free(&stream);
    return code;
}

int command_perplexity(int argc, char **argv) {
    struct perplexity_options options = {0};
    const struct positional positionals[] = {
        {"MODEL", "A .tercet file.", &options.open.path, true},
        {"FILE", "A text in UTF-8; - reads standard input.", &options.file, false},
    };
    const struct argument arguments[] = {
        argument_noting(argument_text("tokens", 0, &options.ids_file, "FILE",
                                      "Take token ids from a file instead, separated by blanks "
                                      "or commas; nothing is added."),
                        &options.ids_given),
        argument_count("context", 0, &options.context, 1, 1 << 20,
                       "Tokens a window (default: the model's context)."),
        argument_count("limit", 0, &options.limit, 1, 1 << 30, "Predict only the first N tokens."),
        open_argument_threads(&options.open),
        open_argument_kernels(&options.open),
        open_argument_kv(&options.open),
        open_argument_verify(&options.open),
        argument_flag("json", &options.json, "Print the result as JSON, all digits."),
    };
    const struct command_line line = {
        .command = "perplexity",
        .usage = "MODEL (FILE | --tokens FILE) [OPTIONS]",
        .summary = "Measures how well a model predicts a text: the mean of -log(probability) over "
                   "its tokens, in nats per token and in bits per byte of text (lower is better; "
                   "bits per byte compare between tokenizers).",
        .details = "The text is one stream of tokens, cut into windows of the context. Every token "
                   "but the first is predicted once, from the tokens before it in its window.",
        .examples = "  tercet perplexity story.tercet book.txt --limit 4096",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 2,
    };
    struct open_model opened;
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    if (outcome != ARGUMENTS_RUN) {
        return (int)outcome;
    }
    if ((options.file != NULL) + options.ids_given != 1) {
        return arguments_error("perplexity", "give one of FILE and --tokens");
    }
    int code = open_model(&opened, &options.open);
    if (code == EXIT_CODE_OK) {
        code = perplexity(&options, &opened);
        close_model(&opened);
    }
    return code;
}
