/*
 * command_bench.c: `tercet bench`: prompt and decode speed, memory, and what share of the machine's
 * read bandwidth a token uses. Medians of several runs after a warm-up; the bandwidth is measured
 * before and after, and the better figure counts, so that a busy moment does not flatter us.
 */
#define _GNU_SOURCE 1
#include "bandwidth.h"
#include "clock.h"
#include "commands.h"
#include "digest.h"
#include "json_writer.h"
#include "machine.h"
#include "open_model.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 99, LIST_MAX = 16, DEFAULT_PROMPT = 128, DEFAULT_TOKENS = 64, DEFAULT_RUNS = 5 };

struct bench_options {
    struct open_options open;
    const char *threads_list, *kernels_list;
    uint32_t threads[LIST_MAX], thread_count;
    const char *kernels[LIST_MAX];
    uint32_t kernel_count;
    char *kernels_copy; /* what `kernels` points into */
    uint32_t prompt, tokens, runs, context;
    bool prompt_given, tokens_given, json;
};

struct bench_result {
    const char *kernels;
    uint32_t threads, prompt, tokens, context;
    double prompt_rates[RUNS_MAX], decode_rates[RUNS_MAX]; /* tokens/s of each run */
    double prompt_rate, decode_rate;                       /* medians */
    uint64_t packed_bytes; /* of weights that one decoded token reads */
    uint64_t session_bytes, peak_bytes;
    struct bandwidth bandwidth;
    bool bandwidth_known;
};

/* ---------------------------------------------------------------- lists */

static int read_threads(struct bench_options *options) {
    const char *at = options->threads_list;
    if (at == NULL) {
        options->threads[0] = machine_cores();
        options->thread_count = 1;
        return EXIT_CODE_OK;
    }
    while (options->thread_count < LIST_MAX) {
        char word[16] = "";
        uint64_t threads = 0;
        size_t length = strcspn(at, ",");
        if (length < sizeof word) {
            memcpy(word, at, length);
        }
        if (!parse_integer(word, 64, &threads) || threads == 0) {
            return arguments_error("bench",
                                   "--threads takes numbers from 1 to 64 such as 1,2, "
                                   "not \"%s\"",
                                   options->threads_list);
        }
        options->threads[options->thread_count++] = (uint32_t)threads;
        if (at[length] == '\0') {
            return EXIT_CODE_OK;
        }
        at += length + 1;
    }
    return arguments_error("bench", "--threads takes at most %d numbers", LIST_MAX);
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

/* ---------------------------------------------------------------- measuring */

static int compare_rates(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(const double *rates, uint32_t count) {
    double sorted[RUNS_MAX];
    memcpy(sorted, rates, count * sizeof *rates);
    qsort(sorted, count, sizeof *sorted, compare_rates);
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* Every tensor is read whole for a token, but for an embedding that is not also the head: of that
 * one row is looked up. */
static uint64_t packed_bytes_per_token(const struct open_model *opened) {
    tercet_tensor_info tensor;
    uint64_t bytes = opened->info.data_bytes;
    if (opened->info.tied_head || tercet_model_get_tensor(opened->model, 0, &tensor) != TERCET_OK ||
        strcmp(tensor.name, "embedding") != 0 || tensor.rows == 0) {
        return bytes;
    }
    return bytes - tensor.bytes + tensor.bytes / tensor.rows;
}

/* Ids that a prompt could hold; which ones makes no difference to the time. */
static void fill_prompt(uint32_t *tokens, uint32_t count, uint32_t vocabulary) {
    for (uint32_t i = 0; i < count; i++) {
        tokens[i] = (uint32_t)(((uint64_t)i * 7919 + 17) % vocabulary);
    }
}

static tercet_status compute_prompt(tercet_session *session, const uint32_t *tokens, uint32_t count,
                                    tercet_error *error) {
    size_t taken = 0;
    tercet_status status = TERCET_OK;
    while (taken < count && status == TERCET_OK) {
        size_t done = 0;
        status = tercet_session_prefill(session, tokens + taken, count - taken, &done, NULL, error);
        taken += done;
    }
    return status;
}

/* Sampling included, as in a real run. Where the model would end its text, a fixed token goes on,
 * which costs the same. */
static tercet_status compute_tokens(tercet_session *session, uint32_t count, tercet_error *error) {
    static const uint32_t go_on = 0; /* every vocabulary has it */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t token = 0;
        size_t done = 0;
        tercet_status status = tercet_session_step(session, &token, error);
        if (status == TERCET_END_OF_TEXT) {
            status = tercet_session_prefill(session, &go_on, 1, &done, NULL, error);
        }
        if (status != TERCET_OK) {
            return status == TERCET_CONTEXT_FULL
                       ? set_error(error, status, i, "%u tokens did not fit", count)
                       : status;
        }
    }
    return TERCET_OK;
}

static tercet_status run_once(tercet_session *session, const uint32_t *prompt,
                              struct bench_result *result, double *prompt_rate, double *decode_rate,
                              tercet_error *error) {
    tercet_status status = tercet_session_reset(session, 0);
    double begin = clock_seconds();
    if (status == TERCET_OK) {
        status = compute_prompt(session, prompt, result->prompt, error);
    }
    double middle = clock_seconds();
    if (status == TERCET_OK) {
        status = compute_tokens(session, result->tokens, error);
    }
    double end = clock_seconds();
    *prompt_rate = clock_rate(result->prompt, middle - begin);
    *decode_rate = clock_rate(result->tokens, end - middle);
    return status;
}

static tercet_status measure(const struct bench_options *options, const struct open_model *opened,
                             struct bench_result *result, tercet_error *error) {
    tercet_session_options session_options;
    tercet_session_info info;
    tercet_session *session = NULL;
    double ignored = 0;
    uint32_t *prompt = calloc(result->prompt, sizeof *prompt);
    if (prompt == NULL) {
        return set_error(error, TERCET_OUT_OF_MEMORY, 0, "the prompt");
    }
    fill_prompt(prompt, result->prompt, opened->info.vocabulary);
    tercet_session_options_init(opened->model, &session_options);
    session_options.context = result->context;
    /* Every token is to cost a pass: a model with random weights repeats itself soon. */
    session_options.speculation = 1;
    session_options.sampling.temperature = 0;
    tercet_status status = tercet_session_create(opened->model, &session_options, &session, error);
    if (status == TERCET_OK) {
        tercet_session_get_info(session, &info);
        result->session_bytes = info.bytes;
        status = run_once(session, prompt, result, &ignored, &ignored, error); /* warms up */
    }
    for (uint32_t i = 0; i < options->runs && status == TERCET_OK; i++) {
        progress_show("measuring", i, options->runs);
        status = run_once(session, prompt, result, &result->prompt_rates[i],
                          &result->decode_rates[i], error);
    }
    progress_end();
    result->prompt_rate = median(result->prompt_rates, options->runs);
    result->decode_rate = median(result->decode_rates, options->runs);
    tercet_session_destroy(session);
    free(prompt);
    return status;
}

/* Default sizes give way to a small context; sizes that were asked for do not. */
static int choose_sizes(const struct bench_options *options, const tercet_model_info *info,
                        struct bench_result *result) {
    uint32_t most = options->context != 0 ? options->context : info->context;
    result->prompt = options->prompt;
    result->tokens = options->tokens;
    if (!options->tokens_given && result->tokens > most / 4) {
        result->tokens = most / 4 > 0 ? most / 4 : 1;
    }
    if (!options->prompt_given && result->prompt > most - result->tokens) {
        result->prompt = most > result->tokens ? most - result->tokens : 1;
    }
    result->context = options->context != 0 ? options->context : result->prompt + result->tokens;
    if (most > info->context || (uint64_t)result->prompt + result->tokens > most) {
        return arguments_error("bench",
                               "%u tokens of prompt and %u to write do not fit into a context of "
                               "%u, and the model was made for at most %u",
                               result->prompt, result->tokens, most, info->context);
    }
    return EXIT_CODE_OK;
}

static void measure_bandwidth(struct bench_result *result) {
    struct bandwidth again;
    if (bandwidth_measure(result->threads, &again) &&
        (!result->bandwidth_known || again.bytes_per_second > result->bandwidth.bytes_per_second)) {
        result->bandwidth = again;
        result->bandwidth_known = true;
    }
}

static int bench_one(const struct bench_options *options, const struct open_options *open,
                     tercet_model_info *info, struct bench_result *result) {
    struct open_model opened;
    tercet_error error = {0};
    result->threads = open->threads;
    measure_bandwidth(result);
    machine_reset_peak_memory();
    int code = open_model(&opened, open);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    code = choose_sizes(options, &opened.info, result);
    if (code == EXIT_CODE_OK) {
        result->kernels = opened.engine_info.kernels;
        result->threads = opened.engine_info.threads;
        result->packed_bytes = packed_bytes_per_token(&opened);
        tercet_status status = measure(options, &opened, result, &error);
        result->peak_bytes = machine_peak_memory();
        code = status == TERCET_OK ? EXIT_CODE_OK : report_error(open->path, &error);
    }
    *info = opened.info;
    /* Their texts are the model's and end with it; only figures are used after this. */
    info->name = info->family = info->licence = info->source = info->tokenizer = "";
    close_model(&opened);
    if (code == EXIT_CODE_OK) {
        measure_bandwidth(result);
    }
    return code;
}

/* ---------------------------------------------------------------- output */

static double packed_rate(const struct bench_result *result) {
    return (double)result->packed_bytes * result->decode_rate;
}

static double bandwidth_share(const struct bench_result *result) {
    return packed_rate(result) / result->bandwidth.bytes_per_second;
}

static void print_result(const struct bench_options *options, const struct bench_result *result) {
    char peak[24], session[24];
    printf("%s kernels, %u %s\n", result->kernels, result->threads,
           result->threads == 1 ? "thread" : "threads");
    printf("  prompt     %10.1f tokens/s   (%u tokens; median of %u runs)\n", result->prompt_rate,
           result->prompt, options->runs);
    printf("  decode     %10.1f tokens/s   (%u tokens)\n", result->decode_rate, result->tokens);
    printf("  weights    %10.2f GB/s       (packed weights read by each token)\n",
           packed_rate(result) / 1e9);
    if (result->bandwidth_known) {
        printf("  machine    %10.2f GB/s       (read, four streams a thread%s)\n",
               result->bandwidth.bytes_per_second / 1e9,
               result->bandwidth.buffer_is_large ? "" : "; partly cache: memory is short");
        printf("  share      %10.1f %%\n", 100 * bandwidth_share(result));
    } else {
        printf("  machine       not measured: memory or processes are short\n");
    }
    printf("  memory     %10s peak   (session of %u tokens: %s)\n",
           format_bytes(result->peak_bytes, peak, sizeof peak), result->context,
           format_bytes(result->session_bytes, session, sizeof session));
}

static void print_header(const struct bench_options *options, const tercet_model_info *info,
                         const struct bench_result *result) {
    uint64_t cache = machine_last_cache_bytes();
    char a[24], b[24], c[24];
    print_foreign_text(stdout, options->open.path, strlen(options->open.path));
    printf(": %s parameters, %s of packed weights a token; %u cores, last cache %s\n",
           format_quantity(info->parameters, a, sizeof a),
           format_bytes(result->packed_bytes, b, sizeof b), machine_cores(),
           format_bytes(cache, c, sizeof c));
    if (result->packed_bytes < cache) {
        printf("The weights fit into the last cache: the share of memory bandwidth can pass 100 "
               "%%.\n");
    }
}

static void write_rates(struct json_writer *json, const char *key, const double *rates,
                        uint32_t count) {
    json_inline_array(json, key);
    for (uint32_t i = 0; i < count; i++) {
        json_number(json, NULL, rates[i]);
    }
    json_close(json);
}

static void write_result(struct json_writer *json, const struct bench_options *options,
                         const struct bench_result *result) {
    json_object(json, NULL);
    json_text(json, "kernels", result->kernels);
    json_integer(json, "threads", result->threads);
    json_integer(json, "prompt_tokens", result->prompt);
    json_integer(json, "decode_tokens", result->tokens);
    json_integer(json, "context", result->context);
    json_number(json, "prompt_tokens_per_second", result->prompt_rate);
    json_number(json, "decode_tokens_per_second", result->decode_rate);
    write_rates(json, "prompt_runs", result->prompt_rates, options->runs);
    write_rates(json, "decode_runs", result->decode_rates, options->runs);
    json_integer(json, "packed_bytes_per_token", result->packed_bytes);
    json_number(json, "packed_bytes_per_second", packed_rate(result));
    if (result->bandwidth_known) {
        json_number(json, "read_bytes_per_second", result->bandwidth.bytes_per_second);
        json_bool(json, "read_from_memory", result->bandwidth.buffer_is_large);
        json_number(json, "read_share", bandwidth_share(result));
    } else {
        json_null(json, "read_bytes_per_second");
    }
    json_integer(json, "session_bytes", result->session_bytes);
    json_integer(json, "peak_memory_bytes", result->peak_bytes);
    json_close(json);
}

/* ---------------------------------------------------------------- command */

static int bench(const struct bench_options *options) {
    struct json_writer json;
    int code = EXIT_CODE_OK;
    bool first = true;
    for (uint32_t k = 0; k < options->kernel_count; k++) {
        for (uint32_t t = 0; t < options->thread_count && code == EXIT_CODE_OK; t++) {
            struct open_options open = options->open;
            struct bench_result result = {0};
            tercet_model_info info;
            char hex[DIGEST_HEX_BYTES];
            open.kernels = options->kernels[k];
            open.threads = options->threads[t];
            code = bench_one(options, &open, &info, &result);
            if (code != EXIT_CODE_OK) {
                break;
            }
            if (options->json && first) {
                json_start(&json, stdout);
                json_text(&json, "model_id", digest_hex(info.model_id, hex));
                json_integer(&json, "file_bytes", info.file_bytes);
                json_integer(&json, "parameters", info.parameters);
                json_integer(&json, "cores", machine_cores());
                json_integer(&json, "last_cache_bytes", machine_last_cache_bytes());
                json_integer(&json, "runs", options->runs);
                json_array(&json, "results");
            } else if (first) {
                print_header(options, &info, &result);
            }
            first = false;
            if (options->json) {
                write_result(&json, options, &result);
            } else {
                putchar('\n');
                print_result(options, &result);
                (void)fflush(stdout);
            }
        }
    }
    if (options->json && !first) {
        json_finish(&json); /* what was measured is whole JSON, also when a later set failed */
    }
    return code;
}

int command_bench(int argc, char **argv) {
    struct bench_options options = {
        .prompt = DEFAULT_PROMPT, .tokens = DEFAULT_TOKENS, .runs = DEFAULT_RUNS};
    const struct positional positionals[] = {
        {"MODEL", "A .tercet file.", &options.open.path, true}};
    const struct argument arguments[] = {
        argument_text("threads", 0, &options.threads_list, "LIST",
                      "Thread counts such as 1,2 (default: the physical cores)."),
        argument_text("kernels", 0, &options.kernels_list, "LIST",
                      "Kernel sets such as portable,x86_avx2, or all (default: "
                      "the best that works here)."),
        argument_noting(argument_count("prompt", 0, &options.prompt, 1, 1 << 20,
                                       "Tokens of prompt (default 128)."),
                        &options.prompt_given),
        argument_noting(argument_count("tokens", 'n', &options.tokens, 1, 1 << 20,
                                       "Tokens to write (default 64)."),
                        &options.tokens_given),
        argument_count("runs", 0, &options.runs, 1, RUNS_MAX,
                       "Runs to take the median of (default 5), after a warm-up."),
        argument_count("context", 0, &options.context, 1, 1 << 20,
                       "Context of the session (default: prompt and tokens)."),
        open_argument_verify(&options.open),
        argument_flag("json", &options.json, "Print the results as JSON, every run included."),
    };
    const struct command_line line = {
        .command = "bench",
        .usage = "MODEL [OPTIONS]",
        .summary =
            "Measures prompt and decode speed, memory, and the share of the machine's read "
            "bandwidth that the packed weights take: the limit for a model that does not fit "
            "into a cache.",
        .details =
            "Every thread count is measured with every kernel set. The bandwidth is measured "
            "with the same number of threads, each reading four streams at once.",
        .examples = "  tercet bench story.tercet --threads 1,2 --kernels all",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 1,
    };
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    int code = (int)outcome;
    if (outcome == ARGUMENTS_RUN) {
        code = read_threads(&options);
        if (code == EXIT_CODE_OK) {
            code = read_kernels(&options);
        }
        if (code == EXIT_CODE_OK) {
            code = bench(&options);
        }
        free(options.kernels_copy);
    }
    return code;
}
