/*
 * arguments.h: command lines. One table per command says what it takes; parsing, checking and the
 * help page all come from that table, so they cannot part. Strict: a number with a tail ("12abc"),
 * an unknown option or a stray argument is a usage error. Knows nothing of models.
 */
#ifndef TERCET_NATIVE_ARGUMENTS_H
#define TERCET_NATIVE_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum argument_kind {
    ARGUMENT_FLAG,    /* bool *: set to true */
    ARGUMENT_TEXT,    /* const char **: the value itself, any bytes */
    ARGUMENT_TEXTS,   /* struct text_list *: may be given again and again */
    ARGUMENT_COUNT,   /* uint32_t *: a whole number, least..most */
    ARGUMENT_INTEGER, /* uint64_t *: likewise; most is at most 2^53 */
    ARGUMENT_NUMBER,  /* float *: a finite decimal number, least..most */
    ARGUMENT_CHOICE   /* uint32_t *: one of the words of `value`, "a|b|c", counted from 1 */
};

struct text_list {
    const char **items; /* room for every argument; freed by the caller with free() */
    size_t count;
};

struct argument {
    const char *name; /* without the dashes; "threads" is given as --threads N or --threads=N */
    char letter;      /* 0: none; 'n' is given as -n N or -nN */
    enum argument_kind kind;
    void *target;       /* as the kind says; keeps its value when the option is not given */
    double least, most; /* for numbers, both included */
    const char *value;  /* what the help calls the value: "N", "FILE"; NULL for a flag */
    const char *help;   /* filled into lines by the help page */
    bool *given;        /* set when the option was given; may be NULL */
};

/* Rows of a table. */
static inline struct argument argument_flag(const char *name, bool *target, const char *help) {
    return (struct argument){.name = name, .kind = ARGUMENT_FLAG, .target = target, .help = help};
}

static inline struct argument argument_text(const char *name, char letter, const char **target,
                                            const char *value, const char *help) {
    return (struct argument){.name = name,
                             .letter = letter,
                             .kind = ARGUMENT_TEXT,
                             .target = (void *)target,
                             .value = value,
                             .help = help};
}

static inline struct argument argument_texts(const char *name, struct text_list *target,
                                             const char *value, const char *help) {
    return (struct argument){
        .name = name, .kind = ARGUMENT_TEXTS, .target = target, .value = value, .help = help};
}

static inline struct argument argument_count(const char *name, char letter, uint32_t *target,
                                             uint32_t least, uint32_t most, const char *help) {
    return (struct argument){.name = name,
                             .letter = letter,
                             .kind = ARGUMENT_COUNT,
                             .target = target,
                             .least = least,
                             .most = most,
                             .value = "N",
                             .help = help};
}

static inline struct argument argument_integer(const char *name, uint64_t *target, uint64_t most,
                                               const char *help) {
    return (struct argument){.name = name,
                             .kind = ARGUMENT_INTEGER,
                             .target = target,
                             .most = (double)most,
                             .value = "N",
                             .help = help};
}

static inline struct argument argument_number(const char *name, float *target, double least,
                                              double most, const char *help) {
    return (struct argument){.name = name,
                             .kind = ARGUMENT_NUMBER,
                             .target = target,
                             .least = least,
                             .most = most,
                             .value = "X",
                             .help = help};
}

static inline struct argument argument_choice(const char *name, uint32_t *target,
                                              const char *choices, const char *help) {
    return (struct argument){
        .name = name, .kind = ARGUMENT_CHOICE, .target = target, .value = choices, .help = help};
}

/* The row, with a place that tells whether the option was given. */
static inline struct argument argument_noting(struct argument row, bool *given) {
    row.given = given;
    return row;
}

struct positional {
    const char *name; /* "MODEL" */
    const char *help;
    const char **target; /* keeps its value when missing */
    bool required;
};

struct command_line {
    const char *command;  /* "run" */
    const char *usage;    /* what stands behind "tercet run " in the help */
    const char *summary;  /* first paragraph of the help, filled into lines */
    const char *details;  /* further paragraphs, behind the options; may be NULL */
    const char *examples; /* indented lines */
    const struct argument *arguments;
    size_t argument_count;
    const struct positional *positionals;
    size_t positional_count;
};

/* What the caller does next. */
enum arguments_outcome {
    ARGUMENTS_RUN = -1, /* everything was read: run the command */
    ARGUMENTS_HELP = 0, /* --help was printed: return EXIT_CODE_OK */
    ARGUMENTS_USAGE = 2 /* a usage error was reported: return EXIT_CODE_USAGE */
};

/* Reads argv[1..]; argv[0] is the command. A lone "-" is a positional, "--" ends the options. */
enum arguments_outcome arguments_parse(const struct command_line *line, int argc, char **argv);

/* Reports "tercet: error: <sentence>: see tercet COMMAND --help [BAD_ARGUMENT]" on stderr and
 * returns EXIT_CODE_USAGE, for what a command finds wrong with its arguments as a whole. */
__attribute__((format(printf, 2, 3))) int arguments_error(const char *command, const char *format,
                                                          ...);

/* A whole number without sign, blank or tail, at most `most`; false otherwise. */
bool parse_integer(const char *text, uint64_t most, uint64_t *value);
/* A finite decimal number without blanks or tail; false otherwise. */
bool parse_number(const char *text, double *value);
/* The candidate nearest to a mistyped word, NULL if none is near. */
const char *nearest_word(const char *word, const char *const *candidates, size_t count);

#endif
