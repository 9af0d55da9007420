/*
 * bench.c: see bench.h. The read bandwidth is measured before and after, and the better figure
 * counts, so that a busy moment does not flatter us.
 */
#define _GNU_SOURCE 1 /* clock.h, getloadavg */
#include "bench.h"
#include "clock.h"
#include "commands.h"
#include "machine.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

static int compare_figures(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void sort_figures(const double *figures, uint32_t count, double sorted[BENCH_RUNS_MAX]) {
    memcpy(sorted, figures, count * sizeof *figures);
    qsort(sorted, count, sizeof *sorted, compare_figures);
}

double bench_median(const double *figures, uint32_t count) {
    double sorted[BENCH_RUNS_MAX];
    sort_figures(figures, count, sorted);
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

double bench_spread(const double *figures, uint32_t count) {
    double sorted[BENCH_RUNS_MAX], median = bench_median(figures, count);
    sort_figures(figures, count, sorted);
    return median > 0 ? (sorted[count - 1] - sorted[0]) / median : 0;
}

/* Every tensor is read whole for a token, but for tables of which one row is looked up: the positions,
 * and an embedding that is not also the head. They come first. */
static uint64_t packed_bytes_per_token(const struct open_model *opened) {
    enum { TABLES_MAX = 2 };
    uint64_t bytes = opened->info.data_bytes;
    for (uint32_t i = 0; i < TABLES_MAX && i < opened->info.tensors; i++) {
        tercet_tensor_info tensor;
        if (tercet_model_get_tensor(opened->model, i, &tensor) != TERCET_OK || tensor.rows == 0) {
            continue;
        }
        bool looked_up = strcmp(tensor.name, "position_embedding") == 0 ||
                         (strcmp(tensor.name, "embedding") == 0 && !opened->info.tied_head);
        if (looked_up) {
            bytes -= tensor.bytes - tensor.bytes / tensor.rows;
        }
    }
    return bytes;
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

/* A short text: its first token is timed from `begin`, and every page of the file is mapped after it. */
static tercet_status warm_up(tercet_session *session, const uint32_t *prompt, double begin,
                             struct bench_result *result, tercet_error *error) {
    uint32_t tokens = result->context - 1 < BENCH_FIRST_PROMPT ? 1 : BENCH_FIRST_PROMPT;
    tokens = tokens < result->prompt ? tokens : result->prompt;
    tercet_status status = compute_prompt(session, prompt, tokens, error);
    if (status == TERCET_OK) {
        status = compute_tokens(session, 1, error);
    }
    result->first_token[result->runs] = clock_seconds() - begin;
    return status == TERCET_OK ? tercet_session_reset(session, 0) : status;
}

static tercet_status run_once(tercet_session *session, const uint32_t *prompt,
                              struct bench_result *result, tercet_error *error) {
    double begin = clock_seconds();
    tercet_status status = compute_prompt(session, prompt, result->prompt, error);
    double middle = clock_seconds();
    if (status == TERCET_OK) {
        status = compute_tokens(session, result->tokens, error);
    }
    double end = clock_seconds();
    result->prompt_rates[result->runs] = clock_rate(result->prompt, middle - begin);
    result->decode_rates[result->runs] = clock_rate(result->tokens, end - middle);
    return status;
}

static tercet_status measure(const struct open_model *opened, double begin,
                             struct bench_result *result, tercet_error *error) {
    tercet_session_options session_options;
    tercet_session_info info;
    tercet_session *session = NULL;
    uint32_t *prompt = calloc(result->prompt, sizeof *prompt);
    if (prompt == NULL) {
        return set_error(error, TERCET_OUT_OF_MEMORY, 0, "the prompt");
    }
    fill_prompt(prompt, result->prompt, opened->info.vocabulary);
    tercet_session_options_init(opened->model, &session_options);
    session_options.context = result->context;
    session_options.kv = result->kv;
    session_options.speculation = result->speculation;
    session_options.sampling.temperature = 0;
    tercet_status status = tercet_session_create(opened->model, &session_options, &session, error);
    if (status == TERCET_OK) {
        tercet_session_get_info(session, &info);
        result->session_bytes = info.bytes;
        result->kv = info.kv;
        status = warm_up(session, prompt, begin, result, error);
    }
    if (status == TERCET_OK) {
        status = run_once(session, prompt, result, error);
        tercet_session_get_info(session, &info);
        result->drafted += info.drafted;
        result->accepted += info.accepted;
    }
    tercet_session_destroy(session);
    free(prompt);
    return status;
}

/* Default sizes give way to a small context; sizes that were asked for do not. A context that was
 * asked for is filled: the prompt is what the tokens leave of it. */
static int choose_sizes(const struct bench_sizes *sizes, uint32_t context,
                        const tercet_model_info *info, struct bench_result *result) {
    uint32_t most = context != 0 ? context : info->context;
    result->prompt = sizes->prompt;
    result->tokens = sizes->tokens;
    result->speculation = sizes->speculation;
    if (!sizes->tokens_given && result->tokens > most / 4) {
        result->tokens = most / 4 > 0 ? most / 4 : 1;
    }
    if (context != 0 || (!sizes->prompt_given && result->prompt > most - result->tokens)) {
        result->prompt = most > result->tokens ? most - result->tokens : 1;
    }
    result->context = result->prompt + result->tokens;
    if (most > info->context || result->context > most) {
        return arguments_error("bench",
                               "%u tokens of prompt and %u to write do not fit into a context of "
                               "%u, and the model was made for at most %u",
                               result->prompt, result->tokens, most, info->context);
    }
    return EXIT_CODE_OK;
}

static void describe(const struct open_model *opened, const char *path, struct bench_model *model) {
    const tercet_model_info *info = &opened->info;
    const char *slash = strrchr(path, '/');
    const char *name = info->name[0] != '\0' ? info->name : slash != NULL ? slash + 1 : path;
    (void)snprintf(model->name, sizeof model->name, "%s", name);
    model->synthetic = strncmp(info->name, "synthetic ", strlen("synthetic ")) == 0;
    memcpy(model->model_id, info->model_id, sizeof model->model_id);
    model->file_bytes = info->file_bytes;
    model->parameters = info->parameters;
}

/* One run of one configuration, in a model that is opened for it. */
static int take_turn(const struct open_options *open, const struct bench_sizes *sizes,
                     const struct bench_configuration *configuration, struct bench_result *result,
                     struct bench_model *model) {
    struct open_options own = *open;
    struct open_model opened;
    tercet_error error = {0};
    own.kernels = configuration->kernels;
    own.threads = configuration->threads;
    machine_reset_peak_memory();
    double begin = clock_seconds();
    int code = open_model(&opened, &own);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    code = choose_sizes(sizes, configuration->context, &opened.info, result);
    if (code == EXIT_CODE_OK) {
        result->kernels = opened.engine_info.kernels;
        result->threads = opened.engine_info.threads;
        result->kv = configuration->kv;
        describe(&opened, open->path, model);
        tercet_status status = measure(&opened, begin, result, &error);
        uint64_t peak = machine_peak_memory();
        result->peak_bytes = peak > result->peak_bytes ? peak : result->peak_bytes;
        if (result->runs == 0) { /* reads a table, so after the peak was taken */
            result->packed_bytes = packed_bytes_per_token(&opened);
        }
        code = status == TERCET_OK ? EXIT_CODE_OK : report_error(open->path, &error);
        result->runs += status == TERCET_OK;
    }
    close_model(&opened);
    if (getloadavg(&result->load_average, 1) != 1) {
        result->load_average = 0;
    }
    return code;
}

/* Once for each number of threads; its results share the better figure of before and after. */
static void measure_bandwidth(const struct bench_configuration *configurations, uint32_t count,
                              struct bench_result *results) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t first = 0;
        struct bandwidth again;
        while (configurations[first].threads != configurations[i].threads) {
            first++;
        }
        if (first < i) {
            results[i].bandwidth = results[first].bandwidth;
            results[i].bandwidth_known = results[first].bandwidth_known;
        } else if (bandwidth_measure(configurations[i].threads, BANDWIDTH_STREAMS, &again) &&
                   (!results[i].bandwidth_known ||
                    again.bytes_per_second > results[i].bandwidth.bytes_per_second)) {
            results[i].bandwidth = again;
            results[i].bandwidth_known = true;
        }
    }
}

int bench_measure(const struct open_options *open, const struct bench_sizes *sizes,
                  const struct bench_configuration *configurations, uint32_t count,
                  struct bench_result *results, struct bench_model *model) {
    int code = EXIT_CODE_OK;
    memset(results, 0, count * sizeof *results);
    measure_bandwidth(configurations, count, results);
    for (uint32_t run = 0; run < sizes->runs && code == EXIT_CODE_OK; run++) {
        for (uint32_t i = 0; i < count && code == EXIT_CODE_OK; i++) {
            progress_show("measuring", (uint64_t)run * count + i, (uint64_t)sizes->runs * count);
            code = take_turn(open, sizes, &configurations[i], &results[i], model);
        }
    }
    progress_end();
    if (code == EXIT_CODE_OK) {
        measure_bandwidth(configurations, count, results);
    }
    return code;
}
