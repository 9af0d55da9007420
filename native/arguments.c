/*
 * arguments.c: reads a command line against its table and prints the help page from the same table.
 * Must never guess: what it does not fully understand is a usage error.
 */
#include "arguments.h"
#include "commands.h"
#include "terminal.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 30, HELP_WIDTH = 80, NEAR_WORD_BYTES = 24 };

bool parse_integer(const char *text, uint64_t most, uint64_t *value) {
    uint64_t sum = 0;
    if (text[0] == '\0') {
        return false;
    }
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(*p - '0');
        if (sum > (most - digit) / 10 || digit > most) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

bool parse_number(const char *text, double *value) {
    /* strtod alone would also take blanks, "nan", "inf" and hexadecimal. */
    if (text[0] == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0') {
        return false;
    }
    char *end = NULL;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(number)) {
        return false;
    }
    *value = number;
    return true;
}

/* 1 for the first of "a|b|c", 0 for none of them. */
static uint32_t find_choice(const char *choices, const char *word) {
    uint32_t place = 1;
    for (const char *at = choices; *at != '\0'; place++) {
        size_t length = strcspn(at, "|");
        if (strlen(word) == length && memcmp(at, word, length) == 0) {
            return place;
        }
        at += at[length] == '|' ? length + 1 : length;
    }
    return 0;
}

/* Levenshtein distance, one row at a time; words longer than the row are never near. */
static size_t edit_distance(const char *a, const char *b) {
    size_t row[NEAR_WORD_BYTES + 1];
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > NEAR_WORD_BYTES || b_length > NEAR_WORD_BYTES) {
        return NEAR_WORD_BYTES;
    }
    for (size_t j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[b_length];
}

const char *nearest_word(const char *word, const char *const *candidates, size_t count) {
    const char *nearest = NULL;
    size_t nearest_distance = 3; /* two slips of the finger at most */
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, candidates[i]);
        if (distance < nearest_distance && distance < strlen(candidates[i])) {
            nearest = candidates[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}

int arguments_error(const char *command, const char *format, ...) {
    char sentence[512];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    progress_end();
    fprintf(stderr, "%stercet: error:%s ", style_strong(stderr), style_end(stderr));
    print_foreign_text(stderr, sentence, strlen(sentence));
    if (command != NULL) {
        fprintf(stderr, ": see tercet %s --help [BAD_ARGUMENT]\n", command);
    } else {
        fprintf(stderr, ": see tercet --help [BAD_ARGUMENT]\n");
    }
    return EXIT_CODE_USAGE;
}

/* ---------------------------------------------------------------- help */

/* Prints `text` as paragraphs whose lines begin at column `indent`, where the cursor stands: filled
 * with words up to the width, whatever line ends the source has; an empty line parts paragraphs. */
static void print_filled(const char *text, int indent) {
    int column = indent;
    while (*text != '\0') {
        int word = (int)strcspn(text, " \n");
        if (column > indent && column + 1 + word > HELP_WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        (void)fwrite(text, 1, (size_t)word, stdout);
        column += word;
        text += word;
        if (text[0] == '\n' && text[1] == '\n') {
            printf("\n\n%*s", indent, "");
            column = indent;
        }
        text += strspn(text, " \n");
    }
    putchar('\n');
}

static void print_help_row(const char *left, const char *help) {
    int width = (int)strlen(left);
    printf("  %s", left);
    if (width + 2 >= HELP_COLUMN) {
        printf("\n%*s", HELP_COLUMN, "");
    } else {
        printf("%*s", HELP_COLUMN - width - 2, "");
    }
    print_filled(help, HELP_COLUMN);
}

static void print_help(const struct command_line *line) {
    printf("%stercet %s%s%s%s\n\n", style_strong(stdout), line->command, style_end(stdout),
           line->usage[0] != '\0' ? " " : "", line->usage);
    print_filled(line->summary, 0);
    if (line->positional_count > 0) {
        printf("\n");
    }
    for (size_t i = 0; i < line->positional_count; i++) {
        print_help_row(line->positionals[i].name, line->positionals[i].help);
    }
    printf("\n%sOptions%s\n", style_strong(stdout), style_end(stdout));
    for (size_t i = 0; i < line->argument_count; i++) {
        const struct argument *argument = &line->arguments[i];
        char left[64];
        char letter[8] = "";
        if (argument->letter != 0) {
            (void)snprintf(letter, sizeof letter, "-%c, ", argument->letter);
        }
        (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, argument->name,
                       argument->value != NULL ? " " : "",
                       argument->value != NULL ? argument->value : "");
        print_help_row(left, argument->help);
    }
    print_help_row("--help", "Print this page.");
    if (line->details != NULL) {
        putchar('\n');
        print_filled(line->details, 0);
    }
    printf("\n%sExample%s\n%s\n", style_strong(stdout), style_end(stdout), line->examples);
}

/* ---------------------------------------------------------------- reading */

/* What a range looks like in a message: "from 1 to 64". */
static const char *describe_range(const struct argument *argument, char *buffer, size_t capacity) {
    (void)snprintf(buffer, capacity, "from %.10g to %.16g", argument->least, argument->most);
    return buffer;
}

static bool store_value(const struct command_line *line, const struct argument *argument,
                        const char *value, size_t capacity) {
    char range[80];
    uint64_t whole = 0;
    double number = 0;
    switch (argument->kind) {
    case ARGUMENT_FLAG:
        *(bool *)argument->target = true;
        return true;
    case ARGUMENT_TEXT:
        *(const char **)argument->target = value;
        return true;
    case ARGUMENT_TEXTS: {
        struct text_list *list = argument->target;
        if (list->items == NULL) {
            list->items = calloc(capacity, sizeof *list->items);
        }
        if (list->items == NULL) {
            (void)arguments_error(line->command, "not enough memory for --%s", argument->name);
            return false;
        }
        list->items[list->count++] = value;
        return true;
    }
    case ARGUMENT_COUNT:
    case ARGUMENT_INTEGER:
        if (!parse_integer(value, (uint64_t)argument->most, &whole) ||
            whole < (uint64_t)argument->least) {
            (void)arguments_error(line->command, "--%s takes a whole number %s, not \"%s\"",
                                  argument->name, describe_range(argument, range, sizeof range),
                                  value);
            return false;
        }
        if (argument->kind == ARGUMENT_COUNT) {
            *(uint32_t *)argument->target = (uint32_t)whole;
        } else {
            *(uint64_t *)argument->target = whole;
        }
        return true;
    case ARGUMENT_NUMBER:
        if (!parse_number(value, &number) || number < argument->least || number > argument->most) {
            (void)arguments_error(line->command, "--%s takes a number %s, not \"%s\"",
                                  argument->name, describe_range(argument, range, sizeof range),
                                  value);
            return false;
        }
        *(float *)argument->target = (float)number;
        return true;
    case ARGUMENT_CHOICE:
        *(uint32_t *)argument->target = find_choice(argument->value, value);
        if (*(uint32_t *)argument->target == 0) {
            (void)arguments_error(line->command, "--%s takes one of %s, not \"%s\"", argument->name,
                                  argument->value, value);
            return false;
        }
        return true;
    }
    return false;
}

static const struct argument *find_by_name(const struct command_line *line, const char *name,
                                           size_t length) {
    for (size_t i = 0; i < line->argument_count; i++) {
        const struct argument *argument = &line->arguments[i];
        if (strlen(argument->name) == length && memcmp(argument->name, name, length) == 0) {
            return argument;
        }
    }
    return NULL;
}

static const struct argument *find_by_letter(const struct command_line *line, char letter) {
    for (size_t i = 0; i < line->argument_count; i++) {
        if (letter != 0 && line->arguments[i].letter == letter) {
            return &line->arguments[i];
        }
    }
    return NULL;
}

static void report_unknown(const struct command_line *line, const char *word) {
    const char *names[64];
    size_t count = 0;
    char name[NEAR_WORD_BYTES + 2];
    size_t length = 0;
    for (size_t i = 0; i < line->argument_count && count < 64; i++) {
        names[count++] = line->arguments[i].name;
    }
    for (const char *p = word + strspn(word, "-"); *p != '\0' && *p != '='; p++) {
        if (length < sizeof name - 1) {
            name[length++] = *p;
        }
    }
    name[length] = '\0';
    const char *near = nearest_word(name, names, count);
    if (near != NULL) {
        (void)arguments_error(line->command, "unknown option %s (did you mean --%s?)", word, near);
    } else {
        (void)arguments_error(line->command, "unknown option %s", word);
    }
}

/* One option at argv[*at], its value possibly in argv[*at + 1]; moves *at to the last word used. */
static bool read_option(const struct command_line *line, int argc, char **argv, int *at) {
    const char *word = argv[*at];
    const struct argument *argument;
    const char *value = NULL;
    if (word[1] == '-') {
        size_t length = strcspn(word + 2, "=");
        argument = find_by_name(line, word + 2, length);
        value = word[2 + length] == '=' ? word + 3 + length : NULL;
    } else {
        argument = find_by_letter(line, word[1]);
        value = word[2] != '\0' ? word + 2 : NULL;
    }
    if (argument == NULL) {
        report_unknown(line, word);
        return false;
    }
    if (argument->kind == ARGUMENT_FLAG) {
        if (value != NULL) {
            (void)arguments_error(line->command, "--%s takes no value", argument->name);
            return false;
        }
    } else if (value == NULL) {
        if (*at + 1 >= argc) {
            (void)arguments_error(line->command, "--%s needs a value (%s)", argument->name,
                                  argument->value);
            return false;
        }
        value = argv[++*at];
    }
    if (!store_value(line, argument, value, (size_t)argc)) {
        return false;
    }
    if (argument->given != NULL) {
        *argument->given = true;
    }
    return true;
}

enum arguments_outcome arguments_parse(const struct command_line *line, int argc, char **argv) {
    size_t positionals = 0;
    bool options_ended = false;
    /* --help wins over any mistake beside it: whoever asks for help has made one. */
    for (int at = 1; at < argc && strcmp(argv[at], "--") != 0; at++) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            print_help(line);
            return ARGUMENTS_HELP;
        }
    }
    for (int at = 1; at < argc; at++) {
        if (!options_ended && strcmp(argv[at], "--") == 0) {
            options_ended = true;
        } else if (!options_ended && argv[at][0] == '-' && argv[at][1] != '\0') {
            if (!read_option(line, argc, argv, &at)) {
                return ARGUMENTS_USAGE;
            }
        } else if (positionals < line->positional_count) {
            *line->positionals[positionals++].target = argv[at];
        } else {
            (void)arguments_error(line->command, "one argument too many: \"%s\"", argv[at]);
            return ARGUMENTS_USAGE;
        }
    }
    if (positionals < line->positional_count && line->positionals[positionals].required) {
        (void)arguments_error(line->command, "%s is missing", line->positionals[positionals].name);
        return ARGUMENTS_USAGE;
    }
    return ARGUMENTS_RUN;
}
