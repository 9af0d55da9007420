/*
 * command_export.c: `tercet export`: writes a packed model as a GGUF file or a Hugging Face folder, and says what of it is
 * exact. The work is packer/export.h's; here are its options, its progress and its report.
 */
#define _GNU_SOURCE 1 /* clock_gettime */
#include "../packer/export.h"
#include "arguments.h"
#include "clock.h"
#include "commands.h"
#include "interrupt.h"
#include "json_writer.h"
#include "open_model.h"
#include "terminal.h"

#include <inttypes.h>
#include <string.h>

/* Words of the command line and what they stand for. */
struct choice {
    const char *word;
    int value;
};
static const struct choice types[] = {
    {"tq2_0", GGUF_TQ2_0}, {"tq1_0", GGUF_TQ1_0}, {"q2_0", GGUF_Q2_0}, {"q4_0", GGUF_Q4_0},
    {"q8_0", GGUF_Q8_0},   {"f16", GGUF_F16},     {"f32", GGUF_F32},   {NULL, 0},
};
static const struct choice numbers[] = {
    {"exact", EXPORT_NUMBER_EXACT},
    {"bf16", EXPORT_NUMBER_BF16},
    {"f16", EXPORT_NUMBER_F16},
    {"f32", EXPORT_NUMBER_F32},
    {NULL, 0},
};
static const struct choice tables[] = {
    {"same", EXPORT_TABLE_SAME},
    {"q8_0", EXPORT_TABLE_Q8_0},
    {"f16", EXPORT_TABLE_F16},
    {"f32", EXPORT_TABLE_F32},
    {NULL, 0},
};

struct export_command {
    struct open_options open;
    struct export_options options;
    bool folder; /* a Hugging Face folder, else a GGUF file */
    bool quiet, as_json;
};

static int show_progress(void *context, const char *tensor, uint64_t done_bytes,
                         uint64_t total_bytes) {
    char what[96];
    (void)snprintf(what, sizeof what, "writing %.80s", tensor);
    if (!*(const bool *)context) {
        progress_show(what, done_bytes, total_bytes);
    }
    return interrupt_came();
}

static void print_report(const struct export_command *command, const struct export_report *report,
                         double seconds) {
    char bytes[24], quantity[24];
    printf("%-12s", "exported");
    print_foreign_text(stdout, command->options.destination, strlen(command->options.destination));
    printf("\n%-12s%s \"%s\", %" PRIu32 " tensors, %s\n", "form",
           command->folder ? "safetensors, class" : "GGUF, architecture", report->architecture,
           report->tensors, format_bytes(report->file_bytes, bytes, sizeof bytes));
    for (size_t i = 0; i < EXPORT_TYPES && report->types[i].name != NULL; i++) {
        printf("%-12s%-6s %s weights\n", i == 0 ? "types" : "", report->types[i].name,
               format_quantity(report->types[i].weights, quantity, sizeof quantity));
    }
    printf("%-12s%s ternary weights kept; ", "exact",
           format_quantity(report->ternary_weights, quantity, sizeof quantity));
    if (command->folder && report->scale_error == 0) {
        printf("their scales too\n");
    } else {
        printf("their scales are %s now, at most %.2g off\n",
               command->folder ? "rounded" : "halves", report->scale_error);
    }
    if (report->merge_error > 0) {
        printf("%-12sscales of several groups became one, up to %.2g off\n", "not exact",
               report->merge_error);
    }
    if (report->rounded_weights > 0) {
        printf("%-12s%" PRIu64 " weights were rounded to the type that was asked for\n",
               "not exact", report->rounded_weights);
    }
    for (size_t i = 0; i < EXPORT_NOTES && report->notes[i] != NULL; i++) {
        printf("%-12s%s\n", "note", report->notes[i]);
    }
    printf("%-12s%.2f s\n", "time", seconds);
}

static void write_json(const struct export_command *command, const struct export_report *report,
                       double seconds) {
    struct json_writer json;
    json_start(&json, stdout);
    json_text(&json, "file", command->options.destination);
    json_text(&json, "architecture", report->architecture);
    json_integer(&json, "file_bytes", report->file_bytes);
    json_integer(&json, "tensors", report->tensors);
    json_integer(&json, "ternary_weights", report->ternary_weights);
    json_number(&json, "scale_error", report->scale_error);
    json_number(&json, "merge_error", report->merge_error);
    json_integer(&json, "rounded_weights", report->rounded_weights);
    json_object(&json, "types");
    for (size_t i = 0; i < EXPORT_TYPES && report->types[i].name != NULL; i++) {
        json_integer(&json, report->types[i].name, report->types[i].weights);
    }
    json_close(&json);
    json_array(&json, "notes");
    for (size_t i = 0; i < EXPORT_NOTES && report->notes[i] != NULL; i++) {
        json_text(&json, NULL, report->notes[i]);
    }
    json_close(&json);
    json_number(&json, "seconds", seconds);
    json_finish(&json);
}

static int run_export(struct export_command *command) {
    struct open_model opened;
    struct export_report report;
    tercet_error error = {0};
    double start = clock_seconds();
    command->open.threads = 1; /* nothing is computed */
    int code = open_model(&opened, &command->open);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    if (file_source_is_at(&opened.source, command->options.destination)) {
        close_model(&opened);
        return report_failure(command->options.destination, TERCET_BAD_ARGUMENT,
                              "this is the model itself: choose another file to write");
    }
    untrusted_bytes model = {opened.source.bytes, (size_t)opened.source.count};
    interrupt_watch();
    tercet_status status = command->folder
                               ? export_folder(model, &command->options, &report, &error)
                               : export_gguf(model, &command->options, &report, &error);
    progress_end();
    close_model(&opened);
    if (status != TERCET_OK) {
        code = report_conversion_error(command->open.path, command->options.destination, &error);
        return status == TERCET_CANCELLED ? EXIT_CODE_INTERRUPTED : code;
    }
    if (command->as_json) {
        write_json(command, &report, clock_seconds() - start);
    } else if (!command->quiet) {
        print_report(command, &report, clock_seconds() - start);
    }
    return EXIT_CODE_OK;
}

/* A word of a list -> its value; false after a report. NULL keeps the value. */
static bool choose(const char *option, const char *word, const struct choice *choices, int *value) {
    char list[96] = "";
    size_t used = 0;
    if (word == NULL) {
        return true;
    }
    for (size_t i = 0; choices[i].word != NULL; i++) {
        if (strcmp(word, choices[i].word) == 0) {
            *value = choices[i].value;
            return true;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ",
                                 choices[i].word);
    }
    (void)arguments_error("export", "--%s takes one of %s, not \"%s\"", option, list, word);
    return false;
}

int command_export(int argc, char **argv) {
    const char *to = NULL, *type = NULL, *fallback = NULL, *embedding = NULL;
    struct export_command command = {0};
    export_options_init(&command.options);
    int number_value = (int)command.options.number, type_value = (int)command.options.type,
        fallback_value = (int)command.options.fallback,
        embedding_value = (int)command.options.embedding;
    const struct positional positionals[] = {
        {"MODEL", "A .tercet file.", &command.open.path, true},
    };
    const struct argument arguments[] = {
        argument_text("to", 0, &to, "FORMAT",
                      "gguf (the default): a file. safetensors: a Hugging Face folder."),
        argument_text("output", 'o', &command.options.destination, "FILE",
                      "The file to write; replaced only when all went well. The folder: new or "
                      "empty."),
        argument_text("type", 0, &type, "TYPE",
                      "GGUF: block type of the ternary matrices: tq2_0 (the default), tq1_0, q2_0, "
                      "q4_0, q8_0, f16 or f32. All keep every weight; they differ in size and in "
                      "how fast others compute with them. safetensors: bf16, f16, f32, or exact "
                      "(the default): for each tensor the smallest of them that loses nothing."),
        argument_text(
            "fallback", 0, &fallback, "TYPE",
            "GGUF: another of these, for matrices whose width is no multiple of a block of "
            "that type, such as GPT-2 XL's 1600 (default: q2_0)."),
        argument_text(
            "embedding", 0, &embedding, "TYPE",
            "GGUF: embedding and head: same (the default: as they are, int8 as q8_0), q8_0, "
            "f16 or f32."),
        argument_flag(
            "merge-scales", &command.options.merge_scales,
            "GGUF: where a block is longer than a group of scales, write their mean. This "
            "changes the weights: for comparisons of speed."),
        open_argument_verify(&command.open),
        argument_flag("quiet", &command.quiet, "No progress and no report."),
        argument_flag("json", &command.as_json, "Print the report as JSON."),
    };
    const struct command_line line = {
        .command = "export",
        .usage = "MODEL --to gguf|safetensors -o FILE|FOLDER [OPTIONS]",
        .summary =
            "Writes a packed model as a GGUF file that llama.cpp reads, or as a Hugging Face "
            "folder that transformers reads, tokenizer included. Ternary weights stay "
            "exact. Their scales become 16-bit floats in GGUF, as every ternary type has "
            "them there, and the report says how far that moved them; a folder keeps them, "
            "and packing it again gives the same weights.",
        .details =
            "llama.cpp quantises activations by blocks of 256 or 32 columns, Tercet by token as "
            "the models were trained: logits differ slightly. Models with norms in front of "
            "attention.o and ffn.down become its architecture \"bitnet\". That one computed SiLU "
            "for every model before 2026; newer ones read the key bitnet.hidden_activation.",
        .examples = "  tercet export story.tercet --to gguf -o story.gguf\n"
                    "  tercet export story.tercet --to gguf --type q4_0 -o story-q4.gguf\n"
                    "  tercet export story.tercet --to safetensors -o story",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 1,
    };
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    if (outcome != ARGUMENTS_RUN) {
        return (int)outcome;
    }
    command.open.map = true; /* every weight is read once, and a copy lacks the header */
    if (command.options.destination == NULL) {
        return arguments_error("export", "-o FILE is missing");
    }
    command.folder = to != NULL && strcmp(to, "safetensors") == 0;
    if (to != NULL && !command.folder && strcmp(to, "gguf") != 0) {
        return arguments_error("export", "--to takes gguf or safetensors, not \"%s\"", to);
    }
    if (command.folder && (fallback != NULL || embedding != NULL || command.options.merge_scales)) {
        return arguments_error("export",
                               "--fallback, --embedding and --merge-scales go with --to gguf");
    }
    if (!(command.folder ? choose("type", type, numbers, &number_value)
                         : choose("type", type, types, &type_value)) ||
        !choose("fallback", fallback, types, &fallback_value) ||
        !choose("embedding", embedding, tables, &embedding_value)) {
        return EXIT_CODE_USAGE;
    }
    command.options.number = (enum export_number)number_value;
    command.options.type = (enum gguf_type)type_value;
    command.options.fallback = (enum gguf_type)fallback_value;
    command.options.embedding = (enum export_table)embedding_value;
    command.options.progress = show_progress;
    command.options.progress_context = &command.quiet;
    return run_export(&command);
}
