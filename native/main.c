/*
 * main.c: finds the command and runs it. Must never know what a command does.
 */
#define _GNU_SOURCE 1 /* SIGXFSZ, write */
#include "arguments.h"
#include "commands.h"
#include "terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"pack", command_pack, "turn a Hugging Face folder or a GGUF file into one .tercet file"},
    {"export", command_export, "turn a .tercet file into a GGUF file or a Hugging Face folder"},
    {"run", command_run, "write text"},
    {"chat", command_chat, "hold a conversation"},
    {"inspect", command_inspect, "show what is in a model"},
    {"verify", command_verify, "check every byte of a model against its hashes"},
    {"bench", command_bench, "measure speed, memory and the share of the machine's limit"},
    {"perplexity", command_perplexity, "measure how well a model predicts a text"},
    {"embed", command_embed, "print the embedding of a text"},
    {"logits", command_logits, "write the logits of every position to a file"},
    {"tokenize", command_tokenize, "turn text into token ids, or ids into text"},
    {"constants", command_constants, "print status codes and format constants as JSON"},
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_help(FILE *stream) {
    fprintf(stream,
            "%stercet%s runs language models with ternary weights (-1, 0, +1) on a CPU.\n\n"
            "  tercet COMMAND [ARGUMENTS]\n  tercet COMMAND --help\n\n%sCommands%s\n",
            style_strong(stream), style_end(stream), style_strong(stream), style_end(stream));
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(stream, "  %-12s%s\n", commands[i].name, commands[i].summary);
    }
    fprintf(stream,
            "\n%sOptions%s\n"
            "  --help      print this page\n"
            "  --version   print the version and the kernel sets of this program\n\n"
            "%sExample%s\n"
            "  tercet pack models/gutenberg-6m-b158 -o story.tercet\n"
            "  tercet run story.tercet -p \"One morning Tom went to the store\"\n\n"
            "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.\n",
            style_strong(stream), style_end(stream), style_strong(stream), style_end(stream));
}

static void print_version(void) {
    printf("tercet %s (API %u)\nkernel sets:", TERCET_VERSION, TERCET_API_VERSION);
    for (uint32_t i = 0; tercet_kernels_name(i) != NULL; i++) {
        printf(" %s%s", tercet_kernels_name(i), tercet_kernels_usable(i) ? "" : " (not here)");
    }
    putchar('\n');
}

static int run_command(int argc, char **argv) {
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[0], commands[i].name) == 0) {
            return commands[i].run(argc, argv);
        }
        names[i] = commands[i].name;
    }
    const char *near = nearest_word(argv[0], names, COMMAND_COUNT);
    const char *kind = argv[0][0] == '-' ? "option" : "command";
    if (near != NULL && argv[0][0] != '-') {
        return arguments_error(NULL, "unknown %s %s (did you mean %s?)", kind, argv[0], near);
    }
    return arguments_error(NULL, "unknown %s %s", kind, argv[0]);
}

/* `tercet help run` is `tercet run --help`. */
static int help_command(const char *name) {
    char word[32], option[] = "--help";
    char *words[] = {word, option};
    (void)snprintf(word, sizeof word, "%s", name);
    return run_command(2, words);
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return EXIT_CODE_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return EXIT_CODE_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        if (argc > 2 && argv[2][0] != '-') {
            return help_command(argv[2]);
        }
        print_help(stdout);
        return EXIT_CODE_OK;
    }
    return run_command(argc - 1, argv + 1);
}

/* A result that did not reach its reader is a failure, also when only the last flush says so. */
static int check_standard_output(void) {
    tercet_error error = {0};
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return EXIT_CODE_OK;
    }
    /* The stream remembers that a write failed, not why; another one, to what is spoilt anyway,
     * fails for the same reason. */
    if (errno == 0 && write(STDOUT_FILENO, "\n", 1) == 1) {
        errno = EIO;
    }
    (void)set_error_from_errno(&error, errno, TERCET_FILE_WRITE_FAILED);
    return report_error("standard output", &error);
}

int main(int argc, char **argv) {
    /* A reader that went away (`| head`) ends the program quietly, whatever the parent set. A file
     * size limit is reported as a failed write instead of a signal. */
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_IGN);
    int code = dispatch(argc, argv);
    return code == EXIT_CODE_OK ? check_standard_output() : code;
}
