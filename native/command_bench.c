/*
 * command_bench.c: `tercet bench`: its options, and the model that it measures: a file, or a synthetic
 * one of a real shape, made in memory or saved. bench.c measures, bench_report.c prints.
 */
#define _GNU_SOURCE 1 /* strsep, malloc_trim */
#include "bench.h"
#include "bench_report.h"
#include "commands.h"
#include "interrupt.h"
#include "machine.h"
#include "synthetic_model.h"
#include "terminal.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LIST_MAX = 16,
    DEFAULT_PROMPT = 128,
    DEFAULT_TOKENS = 64,
    DEFAULT_RUNS = 5,
    SHAPES_BYTES = 256,
    HELP_BYTES = 512
};

struct bench_options {
    struct open_options open;
    struct bench_sizes sizes;
    const char *shape, *save;
    uint32_t layers;
    const char *threads_list, *kernels_list, *context_list, *kv_list;
    uint32_t threads[LIST_MAX], thread_count;
    uint32_t contexts[LIST_MAX], context_count;
    uint32_t kvs[LIST_MAX], kv_count;
    const char *kernels[LIST_MAX];
    uint32_t kernel_count;
    char *kernels_copy; /* what `kernels` points into */
    bool list_shapes, bandwidth, json;
};

/* ---------------------------------------------------------------- lists */

/* "1,2,4" -> numbers from `least` to `most`. */
static int read_numbers(const char *option, const char *text, uint32_t least, uint32_t most,
                        uint32_t numbers[LIST_MAX], uint32_t *count) {
    const char *at = text;
    for (*count = 0; *count < LIST_MAX;) {
        char word[16] = "";
        uint64_t number = 0;
        size_t length = strcspn(at, ",");
        if (length < sizeof word) {
            memcpy(word, at, length);
        }
        if (!parse_integer(word, most, &number) || number < least) {
            return arguments_error("bench",
                                   "--%s takes numbers from %u to %u such as %u,%u, not \"%s\"",
                                   option, least, most, least, 2 * least, text);
        }
        numbers[(*count)++] = (uint32_t)number;
        if (at[length] == '\0') {
            return EXIT_CODE_OK;
        }
        at += length + 1;
    }
    return arguments_error("bench", "--%s takes at most %d numbers", option, LIST_MAX);
}

static int read_kernels(struct bench_options *options) {
    if (options->kernels_list == NULL) {
        options->kernels[options->kernel_count++] = NULL; /* the best */
        return EXIT_CODE_OK;
    }
    if (strcmp(options->kernels_list, "all") == 0) {
        for (uint32_t i = 0; tercet_kernels_name(i) != NULL && i < LIST_MAX; i++) {
            if (tercet_kernels_usable(i)) {
                options->kernels[options->kernel_count++] = tercet_kernels_name(i);
            }
        }
        return EXIT_CODE_OK;
    }
    options->kernels_copy = strdup(options->kernels_list);
    char *rest = options->kernels_copy;
    for (char *name = strsep(&rest, ","); name != NULL; name = strsep(&rest, ",")) {
        if (name[0] == '\0' || options->kernel_count == LIST_MAX) {
            return arguments_error("bench",
                                   "--kernels takes names such as portable,x86_avx2 or "
                                   "all, not \"%s\"",
                                   options->kernels_list);
        }
        options->kernels[options->kernel_count++] = name;
    }
    return EXIT_CODE_OK;
}

/* "f32,int8" -> TERCET_KV_*. */
static int read_kvs(struct bench_options *options) {
    const char *at = options->kv_list;
    for (options->kv_count = 0; options->kv_count < LIST_MAX;) {
        size_t length = strcspn(at, ",");
        uint32_t kv = kv_find(at, length);
        if (kv == TERCET_KV_DEFAULT) {
            return arguments_error("bench", "--kv takes some of " KV_NAMES ", not \"%s\"",
                                   options->kv_list);
        }
        options->kvs[options->kv_count++] = kv;
        if (at[length] == '\0') {
            return EXIT_CODE_OK;
        }
        at += length + 1;
    }
    return arguments_error("bench", "--kv takes at most %d forms", LIST_MAX);
}

static int read_lists(struct bench_options *options) {
    int code = EXIT_CODE_OK;
    options->threads[0] = machine_cores();
    options->thread_count = 1;
    options->contexts[0] = 0;
    options->context_count = 1;
    options->kvs[0] = TERCET_KV_DEFAULT;
    options->kv_count = 1;
    if (options->threads_list != NULL) {
        code = read_numbers("threads", options->threads_list, 1, 64, options->threads,
                            &options->thread_count);
    }
    if (code == EXIT_CODE_OK && options->context_list != NULL) {
        code = read_numbers("context", options->context_list, 2, 1 << 20, options->contexts,
                            &options->context_count);
    }
    if (code == EXIT_CODE_OK && options->kv_list != NULL) {
        code = read_kvs(options);
    }
    return code == EXIT_CODE_OK ? read_kernels(options) : code;
}

/* What was asked for as a whole. */
static int check_options(const struct bench_options *options) {
    char shapes[SHAPES_BYTES];
    synthetic_shape_list(shapes, sizeof shapes);
    if (options->list_shapes || options->bandwidth) {
        return EXIT_CODE_OK;
    }
    if ((options->open.path == NULL) == (options->shape == NULL)) {
        return arguments_error("bench", options->shape == NULL
                                            ? "MODEL or --shape NAME is missing"
                                            : "MODEL and --shape exclude each other");
    }
    if (options->shape != NULL && synthetic_shape_find(options->shape) == NULL) {
        return arguments_error("bench", "--shape takes one of %s, not \"%s\"", shapes,
                               options->shape);
    }
    if (options->shape == NULL && (options->save != NULL || options->layers != 0)) {
        return arguments_error("bench", "--save and --layers go with --shape");
    }
    if (options->context_list != NULL && options->sizes.prompt_given) {
        return arguments_error("bench", "--context fills the context: leave --prompt out");
    }
    return EXIT_CODE_OK;
}

/* ---------------------------------------------------------------- synthetic models */

static int show_progress(void *context, uint64_t done, uint64_t total) {
    (void)context;
    progress_show("making random weights", done, total);
    return interrupt_came();
}

/* Saves the model or makes it in memory: *descriptor. */
static int make_synthetic(const struct bench_options *options, int *descriptor) {
    struct synthetic_request request = {.shape = synthetic_shape_find(options->shape),
                                        .layers = options->layers,
                                        .progress = show_progress};
    tercet_error error = {0};
    interrupt_watch();
    tercet_status status = options->save != NULL
                               ? synthetic_model_save(&request, options->save, &error)
                               : synthetic_model_make(&request, descriptor, &error);
    interrupt_unwatch();
    progress_end();
    if (status != TERCET_OK) {
        (void)report_error(options->save != NULL ? options->save : options->shape, &error);
        return status == TERCET_CANCELLED ? EXIT_CODE_INTERRUPTED : EXIT_CODE_FAILED;
    }
    (void)malloc_trim(0); /* what making it took is no memory of the model */
    return EXIT_CODE_OK;
}

/* ---------------------------------------------------------------- command */

static int bench(const struct bench_options *options, const struct open_options *open) {
    struct bench_configuration configurations[BENCH_CONFIGURATIONS_MAX];
    struct bench_model model = {0};
    uint32_t count = 0;
    const uint32_t kv_count = options->kv_count, thread_count = options->thread_count;
    const uint32_t all =
        options->context_count * options->kernel_count * thread_count * kv_count; /* <= 16^4 */
    if (all > BENCH_CONFIGURATIONS_MAX) {
        return arguments_error("bench", "at most %d configurations in one run",
                               BENCH_CONFIGURATIONS_MAX);
    }
    for (; count < all; count++) {
        uint32_t t = count / kv_count % thread_count;
        uint32_t k = count / kv_count / thread_count % options->kernel_count;
        uint32_t c = count / kv_count / thread_count / options->kernel_count;
        configurations[count] =
            (struct bench_configuration){options->kernels[k], options->threads[t],
                                         options->contexts[c], options->kvs[count % kv_count]};
    }
    struct bench_result *results = calloc(count, sizeof *results);
    if (results == NULL) {
        return report_failure(NULL, TERCET_OUT_OF_MEMORY, "%u results", count);
    }
    int code = bench_measure(open, &options->sizes, configurations, count, results, &model);
    if (code == EXIT_CODE_OK) {
        (options->json ? bench_write_json : bench_print)(&model, results, count);
    }
    free(results);
    return code;
}

static int bench_model_of(const struct bench_options *options) {
    struct open_options open = options->open;
    char memory_path[32];
    int descriptor = -1, code = EXIT_CODE_OK;
    if (options->shape != NULL) {
        code = make_synthetic(options, &descriptor);
        if (code != EXIT_CODE_OK || options->save != NULL) {
            return code;
        }
        (void)snprintf(memory_path, sizeof memory_path, "/proc/self/fd/%d", descriptor);
        open.path = memory_path;
    }
    code = bench(options, &open);
    if (descriptor >= 0) {
        (void)close(descriptor);
    }
    return code;
}

int command_bench(int argc, char **argv) {
    struct bench_options options = {.sizes = {.prompt = DEFAULT_PROMPT,
                                              .tokens = DEFAULT_TOKENS,
                                              .runs = DEFAULT_RUNS,
                                              .speculation = 1}};
    char shapes[SHAPES_BYTES], shape_help[HELP_BYTES];
    synthetic_shape_list(shapes, sizeof shapes);
    (void)snprintf(shape_help, sizeof shape_help,
                   "Instead of MODEL: random weights of the shape of a real model, made in memory: "
                   "%s.",
                   shapes);
    const struct positional positionals[] = {
        {"MODEL", "A .tercet file.", &options.open.path, false}};
    const struct argument arguments[] = {
        argument_text("shape", 0, &options.shape, "NAME", shape_help),
        argument_text("save", 0, &options.save, "FILE",
                      "With --shape: only write the model to a file, for every other command and "
                      "the page."),
        argument_count("layers", 0, &options.layers, 1, 256,
                       "With --shape: so many layers in place of the shape's own."),
        argument_text("threads", 0, &options.threads_list, "LIST",
                      "Thread counts such as 1,2 (default: the physical cores)."),
        argument_text("kernels", 0, &options.kernels_list, "LIST",
                      "Kernel sets such as portable,x86_avx2, or all (default: "
                      "the best that works here)."),
        argument_text("context", 0, &options.context_list, "LIST",
                      "Fill the context to so many tokens, such as 128,1024: the prompt is what "
                      "the tokens to write leave of it."),
        argument_text("kv", 0, &options.kv_list, "LIST",
                      "How keys and values of earlier tokens are kept, such as f32,int8 "
                      "(default int8); any of " KV_NAMES "."),
        argument_noting(argument_count("prompt", 0, &options.sizes.prompt, 1, 1 << 20,
                                       "Tokens of prompt (default 128)."),
                        &options.sizes.prompt_given),
        argument_noting(argument_count("tokens", 'n', &options.sizes.tokens, 1, 1 << 20,
                                       "Tokens to write (default 64)."),
                        &options.sizes.tokens_given),
        argument_count("runs", 0, &options.sizes.runs, 1, BENCH_RUNS_MAX,
                       "Runs to take the median of (default 5)."),
        argument_count("speculation", 0, &options.sizes.speculation, 1, 16,
                       "Compute up to so many likely tokens along with each (default 1: none). "
                       "Random text, as here, is easier to foresee than real text."),
        open_argument_map(&options.open),
        open_argument_verify(&options.open),
        argument_flag("json", &options.json, "Print the results as JSON, every run included."),
        argument_flag("shapes", &options.list_shapes,
                      "List the shapes with the sizes of their files, as JSON."),
        argument_flag("bandwidth", &options.bandwidth,
                      "Only measure how fast this machine reads memory, with one and with four "
                      "streams a thread, as JSON."),
    };
    const struct command_line line = {
        .command = "bench",
        .usage = "MODEL|--shape NAME [OPTIONS]",
        .summary =
            "Measures prompt and decode speed, memory, and the share of the machine's read "
            "bandwidth that the packed weights take: the limit for a model that does not fit "
            "into a cache.",
        .details =
            "Every thread count is measured with every kernel set, context and cache, in turn: one "
            "run of "
            "each, then the next run of each. A run opens the model, warms up with a short text, "
            "and is then timed. The bandwidth is measured with the same number of threads, each "
            "reading four streams at once. A synthetic model has the same bytes everywhere; what "
            "it writes means nothing.",
        .examples = "  tercet bench story.tercet --threads 1,2 --kernels all\n"
                    "  tercet bench --shape llama-729m --context 128,1024 --json\n"
                    "  tercet bench --shape bitnet-2b --save bitnet-2b.tercet",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 1,
    };
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    int code = (int)outcome;
    if (outcome == ARGUMENTS_RUN) {
        code = check_options(&options);
        if (code == EXIT_CODE_OK && options.list_shapes) {
            return bench_write_shapes();
        }
        if (code == EXIT_CODE_OK) {
            code = read_lists(&options);
        }
        if (code == EXIT_CODE_OK && options.bandwidth) {
            code = bench_write_bandwidth(options.threads, options.thread_count);
        } else if (code == EXIT_CODE_OK) {
            code = bench_model_of(&options);
        }
        free(options.kernels_copy);
    }
    return code;
}
