/*
 * command_pack.c: `tercet pack`: turns a Hugging Face folder or a GGUF file into one .tercet file and says what became of it. The work is
 * packer/pack.h's; here are its options, its progress and its report.
 */
#define _GNU_SOURCE 1 /* clock_gettime */
#include "../packer/pack.h"
#include "arguments.h"
#include "clock.h"
#include "commands.h"
#include "digest.h"
#include "interrupt.h"
#include "json_writer.h"
#include "machine.h"
#include "terminal.h"

#include <inttypes.h>
#include <string.h>

static int show_progress(void *context, const char *tensor, uint64_t done_bytes,
                         uint64_t total_bytes) {
    char what[96];
    bool quiet = *(const bool *)context;
    (void)snprintf(what, sizeof what, "packing %.80s", tensor);
    if (!quiet) {
        progress_show(what, done_bytes, total_bytes);
    }
    return interrupt_came();
}

static double share(uint64_t part, uint64_t whole) {
    return whole > 0 ? (double)part / (double)whole : 0;
}

static double bits_per_weight(const struct pack_report *report) {
    return 8 * share(report->ternary_bytes, report->ternary_weights);
}

/* ---------------------------------------------------------------- for people */

static void print_layers(const struct pack_report *report) {
    printf("%-12s%-10s%14s  zeros\n", "sparsity", "layer", "weights");
    for (uint32_t i = 0; i < report->layers; i++) {
        const struct pack_layer_report *layer = &report->layer[i];
        printf("%-12s%-10" PRIu32 "%14" PRIu64 "  %4.1f %%\n", "", i, layer->weights,
               100 * share(layer->zeros, layer->weights));
    }
    printf("%-12s%-10s%14" PRIu64 "  %4.1f %%\n", "", "all", report->ternary_weights,
           100 * share(report->ternary_zeros, report->ternary_weights));
}

static void print_report(const char *destination, const struct pack_report *report,
                         double seconds) {
    char hex[DIGEST_HEX_BYTES], a[24], b[24], c[24];
    printf("%-12s", "packed");
    print_foreign_text(stdout, destination, strlen(destination));
    printf("\n%-12s%s\n", "form", report->form);
    printf("%-12s%s, of which %s ternary (%.1f %%)\n", "parameters",
           format_quantity(report->parameters, a, sizeof a),
           format_quantity(report->ternary_weights, b, sizeof b),
           100 * share(report->ternary_weights, report->parameters));
    if (report->activation_bits == 8) {
        printf("%-12sint8, a scale a token%s\n", "activations",
               report->activations_named
                   ? ""
                   : ": Tercet's choice, for the source names no scheme; --dense f32 "
                     "computes with floats");
    }
    if (report->chat_format[0] != '\0' || report->chat_note[0] != '\0') {
        printf("%-12s%s%s%s\n", "chat", report->chat_note[0] != '\0' ? "none: " : "",
               report->chat_format, report->chat_note);
    }
    if (report->chat_note[0] != '\0') {
        printf("%-12schoose a format with --chat-format if you know which one it is\n", "");
    }
    if (report->ternary_weights > 0) {
        print_layers(report);
        printf("%-12s%.3f bits a ternary weight with scales and padding\n", "size",
               bits_per_weight(report));
    }
    printf("%-12s%s; the source has %s (%.2f times), at 16 bits it would be %s (%.2f times)\n",
           report->ternary_weights > 0 ? "" : "size", format_bytes(report->file_bytes, a, sizeof a),
           format_bytes(report->source_bytes, b, sizeof b),
           share(report->source_bytes, report->file_bytes),
           format_bytes(report->f16_bytes, c, sizeof c),
           share(report->f16_bytes, report->file_bytes));
    printf("%-12s%" PRIu64 " weights read back from the file, each equal to the source\n",
           "verified", report->verified_weights);
    if (report->rounded_weights > 0) {
        printf(
            "%-12s%" PRIu64
            " weights were rounded or quantised; their error is %.3g of their root mean square\n",
            "not exact", report->rounded_weights, report->quantize_error);
    }
    printf("%-12s%s\n%-12s%.2f s\n", "model id", digest_hex(report->model_id, hex), "time",
           seconds);
}

/* ---------------------------------------------------------------- for programs */

static void write_json(const char *destination, const struct pack_report *report, double seconds) {
    struct json_writer json;
    char hex[DIGEST_HEX_BYTES];
    json_start(&json, stdout);
    json_text(&json, "file", destination);
    json_text(&json, "model_id", digest_hex(report->model_id, hex));
    json_text(&json, "form", report->form);
    json_integer(&json, "activation_bits", report->activation_bits);
    json_bool(&json, "activations_named", report->activations_named);
    json_text(&json, "chat_format", report->chat_format);
    json_text(&json, "chat_note", report->chat_note);
    json_integer(&json, "parameters", report->parameters);
    json_integer(&json, "ternary_weights", report->ternary_weights);
    json_integer(&json, "ternary_zeros", report->ternary_zeros);
    json_integer(&json, "ternary_bytes", report->ternary_bytes);
    json_number(&json, "bits_per_weight", bits_per_weight(report));
    json_integer(&json, "source_bytes", report->source_bytes);
    json_integer(&json, "f16_bytes", report->f16_bytes);
    json_integer(&json, "file_bytes", report->file_bytes);
    json_number(&json, "ratio_to_source", share(report->source_bytes, report->file_bytes));
    json_number(&json, "ratio_to_f16", share(report->f16_bytes, report->file_bytes));
    json_integer(&json, "verified_weights", report->verified_weights);
    json_integer(&json, "rounded_weights", report->rounded_weights);
    json_number(&json, "quantize_error", report->quantize_error);
    json_bool(&json, "lossless", report->rounded_weights == 0);
    json_number(&json, "seconds", seconds);
    json_array(&json, "layers");
    for (uint32_t i = 0; i < report->layers; i++) {
        json_object(&json, NULL);
        json_integer(&json, "layer", i);
        json_integer(&json, "weights", report->layer[i].weights);
        json_integer(&json, "zeros", report->layer[i].zeros);
        json_number(&json, "sparsity", share(report->layer[i].zeros, report->layer[i].weights));
        json_close(&json);
    }
    json_finish(&json);
}

/* ---------------------------------------------------------------- the command */

/* A word of a fixed list -> its place in it; false after a report. NULL keeps the value. */
static bool choose_word(const char *option, const char *word, const char *const *words,
                        uint32_t *index) {
    char list[96] = "";
    size_t used = 0;
    if (word == NULL) {
        return true;
    }
    for (uint32_t i = 0; words[i] != NULL; i++) {
        if (strcmp(word, words[i]) == 0) {
            *index = i;
            return true;
        }
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", words[i]);
    }
    (void)arguments_error("pack", "--%s takes one of %s, not \"%s\"", option, list, word);
    return false;
}

static int run_pack(const struct pack_options *options, bool as_json, bool quiet) {
    struct pack_report report;
    tercet_error error = {0};
    double start = clock_seconds();
    interrupt_watch();
    tercet_status status = pack(options, &report, &error);
    progress_end();
    if (status != TERCET_OK) {
        int code = report_conversion_error(options->source, options->destination, &error);
        return status == TERCET_CANCELLED ? EXIT_CODE_INTERRUPTED : code;
    }
    if (as_json) {
        write_json(options->destination, &report, clock_seconds() - start);
    } else if (!quiet) {
        print_report(options->destination, &report, clock_seconds() - start);
    }
    pack_report_free(&report);
    return EXIT_CODE_OK;
}

int command_pack(int argc, char **argv) {
    static const char *const quantize_words[] = {"none", "absmean", NULL};
    static const char *const dense_words[] = {"no", "f16", "f32", "q8", NULL};
    static const char *const table_words[] = {"exact", "f16", "f32", "q8", "ternary", NULL};
    static const char *const vector_words[] = {"f32", "f16", NULL};
    static const char *const layout_words[] = {"x86", "arm", "row4", NULL};
    static const char *const group_words[] = {"0", "64", "128", NULL};
    static const uint32_t group_columns[] = {0, 64, 128};
    const char *quantize = NULL, *dense = NULL, *embedding = NULL, *vectors = NULL, *group = NULL,
               *layout = NULL;
    uint32_t quantize_index = 0, dense_index = 0, embedding_index = 0, vectors_index = 0,
             group_index = 0, layout_index = 0, top_k = 0, threads = 0;
    bool as_json = false, quiet = false, top_k_given = false, threads_given = false;
    struct pack_options options;
    pack_options_init(&options);
    const struct positional positionals[] = {
        {"SOURCE",
         "A GGUF file, or a Hugging Face folder:\n"
         "config.json, model.safetensors or its shards, and\n"
         "tokenizer.json, tokenizer.model, or vocab.json\n"
         "and merges.txt.",
         &options.source, true},
    };
    const struct argument arguments[] = {
        argument_text("output", 'o', &options.destination, "FILE",
                      "The .tercet file to write; replaced only when\n"
                      "all went well."),
        argument_text("quantize", 0, &quantize, "absmean",
                      "Make weights ternary that are not, by\n"
                      "round(W / mean|W|), as BitNet b1.58 does. A model\n"
                      "that was not trained for it becomes useless."),
        argument_text("dense", 0, &dense, "TYPE",
                      "Keep the linear layers dense, as f16, f32 or q8:\n"
                      "the reference path."),
        argument_text("embedding", 0, &embedding, "TYPE",
                      "Embeddings and output head as f16, f32, q8 or\n"
                      "ternary (absmean if they are not on the grid).\n"
                      "exact (the default): the smallest of ternary,\n"
                      "f16 and f32 that loses nothing."),
        argument_text("vectors", 0, &vectors, "TYPE",
                      "Norms and biases as f32 (the default) or f16."),
        argument_text("group", 0, &group, "64|128",
                      "One scale for so many columns of a row (default:\n"
                      "as few scales as are exact)."),
        argument_text("i2s-layout", 0, &layout, "x86|arm|row4",
                      "How I2_S tensors of a GGUF file were written:\n"
                      "files do not tell. x86 (the default) is that of\n"
                      "the official ones; the wrong one gives garbage\n"
                      "text."),
        argument_number("temperature", &options.temperature, 0, 100,
                        "Sampling default to store, in place of what\n"
                        "generation_config.json says; likewise the next\n"
                        "three."),
        argument_noting(argument_count("top-k", 0, &top_k, 0, INT32_MAX, "0: all tokens."),
                        &top_k_given),
        argument_number("top-p", &options.top_p, 1e-6, 1, "1: all tokens."),
        argument_number("min-p", &options.min_p, 0, 1, "0: all tokens."),
        argument_text("chat-format", 0, &options.chat_format, "NAME",
                      "Format of conversations: qwen3, chatml, llama3,\n"
                      "bitnet or none (default: what the source's chat\n"
                      "template is, if it is known)."),
        argument_noting(argument_count("threads", 0, &threads, 1, 64,
                                       "Threads (default: the physical cores). The file is\n"
                                       "the same for any number."),
                        &threads_given),
        argument_flag("quiet", &quiet, "No progress and no report."),
        argument_flag("json", &as_json, "Print the report as JSON."),
    };
    const struct command_line line = {
        .command = "pack",
        .usage = "SOURCE -o FILE [OPTIONS]",
        .summary =
            "Packs a model with ternary weights into one file, reads the file back and proves\n"
            "that no weight was changed. Understands Llama-style, Qwen3, BitNet b1.58 and\n"
            "GPT-2 models: Hugging Face folders, packed four weights a byte (both conventions of\n"
            "weight_scale), in full precision on the ternary grid or as MLX's affine codes, and\n"
            "GGUF files of types TQ1_0, TQ2_0, Q2_0, PQ2_0, PTQ1_0, I2_S, F32, F16, BF16, Q8_0,\n"
            "Q6_K and Q4_0. TernaryLM: its converted folder. Ternary-Zero: a folder of .npz with\n"
            "config.json and a tokenizer. BitMamba-2: its .bin, with tokenizer.bin beside it.",
        .details =
            "What cannot be packed without loss is refused with the name of the tensor; what\n"
            "Tercet cannot run right is refused with the name of the feature.",
        .examples = "  tercet pack models/gutenberg-6m-b158 -o story.tercet\n"
                    "  tercet pack model-TQ2_0.gguf -o model.tercet --embedding q8",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 1,
    };
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    if (outcome != ARGUMENTS_RUN) {
        return (int)outcome;
    }
    if (options.destination == NULL) {
        return arguments_error("pack", "-o FILE is missing");
    }
    if (!choose_word("quantize", quantize, quantize_words, &quantize_index) ||
        !choose_word("dense", dense, dense_words, &dense_index) ||
        !choose_word("embedding", embedding, table_words, &embedding_index) ||
        !choose_word("vectors", vectors, vector_words, &vectors_index) ||
        !choose_word("i2s-layout", layout, layout_words, &layout_index) ||
        !choose_word("group", group, group_words, &group_index)) {
        return EXIT_CODE_USAGE;
    }
    if (dense_index != 0 && (quantize_index != 0 || group_index != 0)) {
        return arguments_error("pack", "--dense goes with neither --quantize nor --group");
    }
    options.quantize = (enum pack_quantize)quantize_index;
    options.dense = (enum pack_dense)dense_index;
    options.embedding = (enum pack_table)embedding_index;
    options.vectors = (enum pack_vectors)vectors_index;
    options.i2s_layout = (enum i2s_layout)layout_index;
    options.group = group_columns[group_index];
    options.threads = threads_given ? threads : machine_cores();
    options.top_k = top_k_given ? (int32_t)top_k : -1;
    options.progress = show_progress;
    options.progress_context = &quiet;
    return run_pack(&options, as_json, quiet);
}
