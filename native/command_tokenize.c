/*
 * command_tokenize.c: `tercet tokenize`: text to ids and back with a model's own tokenizer, byte for
 * byte: nothing is added to or taken from the text. The model may be packed or not.
 */
#define _GNU_SOURCE
#include "../packer/source_vocabulary.h"
#include "clock.h"
#include "commands.h"
#include "input_text.h"
#include "json_writer.h"
#include "open_model.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

struct tokenize_options {
    struct open_options open;
    const char *text, *file, *ids;
    bool file_given, decode, no_beginning, no_special, json, time;
};

/* The vocabulary in use: that of a packed model, or of a source. */
struct vocabulary {
    bool packed;
    struct open_model opened;
    struct source_vocabulary source;
    uint32_t tokens; /* of the vocabulary */
};

/* An exit code, after the error was reported. */
static int open_vocabulary(struct vocabulary *vocabulary, const struct open_options *options) {
    tercet_error error = {0};
    vocabulary->packed = !source_vocabulary_is_source(options->path);
    if (vocabulary->packed) {
        int code = open_model(&vocabulary->opened, options);
        vocabulary->tokens = vocabulary->opened.info.vocabulary;
        return code;
    }
    if (source_vocabulary_open(options->path, &vocabulary->source, &error) != TERCET_OK) {
        return report_error(options->path, &error);
    }
    vocabulary->tokens = vocabulary->source.tables.token_count;
    return EXIT_CODE_OK;
}

static void close_vocabulary(struct vocabulary *vocabulary) {
    if (vocabulary->packed) {
        close_model(&vocabulary->opened);
    } else {
        source_vocabulary_close(&vocabulary->source);
    }
}

static enum arguments_outcome read_arguments(struct tokenize_options *options, int argc,
                                             char **argv) {
    const struct positional positionals[] = {
        {"MODEL",
         "A .tercet file, or what is packed into one: a GGUF\n"
         "file (one with a vocabulary alone as well) or a\n"
         "Hugging Face folder.",
         &options->open.path, true},
        {"TEXT", "The text; - reads standard input.", &options->text, false},
    };
    const struct argument arguments[] = {
        argument_noting(argument_text("file", 'f', &options->file, "FILE",
                                      "Take the text from a file, every byte of it."),
                        &options->file_given),
        argument_flag("no-bos", &options->no_beginning,
                      "Do not put the beginning-of-text token in front."),
        argument_flag("no-special", &options->no_special,
                      "Tokens such as <|im_end|> written in the text are plain text."),
        argument_noting(argument_text("decode", 0, &options->ids, "IDS",
                                      "The other way: ids such as 1,372,623 into text; "
                                      "- reads them from standard input."),
                        &options->decode),
        argument_flag("json", &options->json, "Print ids and the text of each as JSON."),
        argument_flag("time", &options->time,
                      "Print how long the text takes, in place of its ids."),
    };
    const struct command_line line = {
        .command = "tokenize",
        .usage = "MODEL [TEXT | --file FILE | - | --decode IDS] [OPTIONS]",
        .summary = "Turns text into the token ids that the model sees, or ids into text.",
        .examples = "  tercet tokenize story.tercet \"One morning Tom went to the store\"\n"
                    "  tercet tokenize story.tercet --decode 1,372,623\n"
                    "  tercet tokenize model.gguf --file text.txt --no-bos",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 2,
    };
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    if (outcome == ARGUMENTS_RUN &&
        (options->text != NULL) + options->file_given + options->decode != 1) {
        (void)arguments_error("tokenize", "give one of TEXT, --file, - and --decode");
        return ARGUMENTS_USAGE;
    }
    if (outcome == ARGUMENTS_RUN && options->time && options->decode) {
        (void)arguments_error("tokenize", "--time is for text, not for --decode");
        return ARGUMENTS_USAGE;
    }
    return outcome;
}

static void write_json_tokens(const struct vocabulary *vocabulary, const struct token_list *list) {
    struct json_writer json;
    json_start(&json, stdout);
    json_inline_array(&json, "tokens");
    for (size_t i = 0; i < list->count; i++) {
        json_integer(&json, NULL, list->tokens[i]);
    }
    json_close(&json);
    json_inline_array(&json, "texts"); /* bytes that are no UTF-8 by themselves show as U+FFFD */
    for (size_t i = 0; i < list->count; i++) {
        const uint8_t *bytes = NULL;
        size_t count = 0;
        if (vocabulary->packed) {
            (void)tercet_token_bytes(vocabulary->opened.model, list->tokens[i], &bytes, &count);
        } else {
            (void)source_vocabulary_token(&vocabulary->source, list->tokens[i], &bytes, &count);
        }
        json_text_bytes(&json, NULL, (const char *)bytes, count);
    }
    json_close(&json);
    json_finish(&json);
}

static void print_tokens(const struct token_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        printf("%s%u", i > 0 ? " " : "", list->tokens[i]);
    }
    putchar('\n');
}

static void print_time(const struct tokenize_options *options, size_t bytes, size_t tokens,
                       double seconds) {
    if (options->json) {
        struct json_writer json;
        json_start(&json, stdout);
        json_integer(&json, "bytes", bytes);
        json_integer(&json, "token_count", tokens);
        json_number(&json, "seconds", seconds);
        json_finish(&json);
        return;
    }
    printf("%zu bytes, %zu tokens: %.3f s, %.1f MB/s\n", bytes, tokens, seconds,
           clock_rate((double)bytes * 1e-6, seconds));
}

static int encode(const struct tokenize_options *options, const struct vocabulary *vocabulary,
                  const struct input_text *text) {
    struct token_list list;
    tercet_error error = {0};
    uint32_t flags = (options->no_beginning ? 0 : TERCET_TEXT_ADD_BEGINNING) |
                     (options->no_special ? 0 : TERCET_TEXT_PARSE_SPECIAL);
    double begun = clock_seconds();
    tercet_status status =
        vocabulary->packed
            ? token_list_tokenize(&list, vocabulary->opened.model, text, flags, &error)
            : source_vocabulary_encode(&vocabulary->source, text->bytes, text->count, flags,
                                       &list.tokens, &list.count, &error);
    if (status != TERCET_OK) {
        return report_error("text", &error);
    }
    if (options->time) {
        print_time(options, text->count, list.count, clock_seconds() - begun);
    } else if (options->json) {
        write_json_tokens(vocabulary, &list);
    } else {
        print_tokens(&list);
    }
    token_list_free(&list);
    return EXIT_CODE_OK;
}

static void print_text(const struct tokenize_options *options, const char *text, size_t bytes) {
    struct json_writer json;
    if (options->json) {
        json_start(&json, stdout);
        json_text_bytes(&json, "text", text, bytes);
        json_finish(&json);
    } else {
        print_foreign_text(stdout, text, bytes);
        putchar('\n');
    }
}

static tercet_status decode_into(const struct vocabulary *vocabulary, const struct token_list *list,
                                 char *text, size_t capacity, size_t *bytes, tercet_error *error) {
    return vocabulary->packed ? tercet_detokenize(vocabulary->opened.model, list->tokens,
                                                  list->count, text, capacity, bytes, error)
                              : source_vocabulary_decode(&vocabulary->source, list->tokens,
                                                         list->count, text, capacity, bytes, error);
}

/* The text of checked ids in a block of its own size: asked for first, then filled. */
static tercet_status detokenize(const struct vocabulary *vocabulary, const struct token_list *list,
                                char **text, size_t *bytes, tercet_error *error) {
    tercet_status status = decode_into(vocabulary, list, NULL, 0, bytes, error);
    if (status != TERCET_OK && (status != TERCET_BAD_ARGUMENT || *bytes == 0)) {
        return status;
    }
    *text = malloc(*bytes + 1);
    if (*text == NULL) {
        return set_error(error, TERCET_OUT_OF_MEMORY, *bytes, "the text of the tokens");
    }
    return decode_into(vocabulary, list, *text, *bytes, bytes, error);
}

static int decode(const struct tokenize_options *options, const struct vocabulary *vocabulary,
                  const struct input_text *ids) {
    struct token_list list;
    tercet_error error = {0};
    size_t bytes = 0;
    char *text = NULL;
    if (token_list_parse(&list, ids, &error) != TERCET_OK) {
        return error.status == TERCET_BAD_ARGUMENT ? arguments_error("tokenize", "%s", error.detail)
                                                   : report_error("--decode", &error);
    }
    tercet_status status = token_list_check(&list, vocabulary->tokens, &error);
    if (status == TERCET_OK) {
        status = detokenize(vocabulary, &list, &text, &bytes, &error);
    }
    if (status == TERCET_OK) {
        print_text(options, text, bytes);
    }
    free(text);
    token_list_free(&list);
    return status == TERCET_OK ? EXIT_CODE_OK : report_error("--decode", &error);
}

static int tokenize(const struct tokenize_options *options) {
    struct vocabulary vocabulary = {0};
    struct input_text text = {0};
    tercet_error error = {0};
    const char *given = options->decode ? options->ids : options->text;
    const char *path = options->file_given ? options->file : strcmp(given, "-") == 0 ? "-" : NULL;
    tercet_status status =
        path != NULL ? input_text_read(&text, path, &error) : input_text_copy(&text, given, &error);
    if (status != TERCET_OK) {
        return report_error(path, &error);
    }
    int code = open_vocabulary(&vocabulary, &options->open);
    if (code == EXIT_CODE_OK) {
        code = options->decode ? decode(options, &vocabulary, &text)
                               : encode(options, &vocabulary, &text);
        close_vocabulary(&vocabulary);
    }
    input_text_free(&text);
    return code;
}

int command_tokenize(int argc, char **argv) {
    struct tokenize_options options = {.open = {.threads = 1}};
    enum arguments_outcome outcome = read_arguments(&options, argc, argv);
    return outcome == ARGUMENTS_RUN ? tokenize(&options) : (int)outcome;
}
