/*
 * bench_report.c: see bench_report.h. The names of the JSON keys are also those of model.bench() in
 * the JS library: keep them alike.
 */
#define _GNU_SOURCE 1 /* gmtime_r */
#include "bench_report.h"
#include "commands.h"
#include "digest.h"
#include "json_writer.h"
#include "machine.h"
#include "synthetic_model.h"
#include "terminal.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static double decode_rate(const struct bench_result *result) {
    return bench_median(result->decode_rates, result->runs);
}

static double packed_rate(const struct bench_result *result) {
    return (double)result->packed_bytes * decode_rate(result);
}

static double bandwidth_share(const struct bench_result *result) {
    return packed_rate(result) / result->bandwidth.bytes_per_second;
}

/* ---------------------------------------------------------------- text */

static void print_header(const struct bench_model *model, const struct bench_result *result) {
    uint64_t cache = machine_last_cache_bytes();
    char a[24], b[24], c[24];
    print_foreign_text(stdout, model->name, strlen(model->name));
    printf(": %s parameters, %s of packed weights a token; %u cores, last cache %s\n",
           format_quantity(model->parameters, a, sizeof a),
           format_bytes(result->packed_bytes, b, sizeof b), machine_cores(),
           format_bytes(cache, c, sizeof c));
    if (model->synthetic) {
        printf("Random weights of a real shape: the speed is real, the text means nothing.\n");
    }
    if (result->packed_bytes < cache) {
        printf("The weights fit into the last cache: the share of memory bandwidth can pass 100 "
               "%%.\n");
    }
}

static void print_rate(const char *name, const double *rates, const struct bench_result *result,
                       uint32_t tokens) {
    printf("  %-10s %10.1f tokens/s   (%u tokens; median of %u %s, spread %.0f %%)\n", name,
           bench_median(rates, result->runs), tokens, result->runs,
           result->runs == 1 ? "run" : "runs", 100 * bench_spread(rates, result->runs));
}

static void print_result(const struct bench_result *result) {
    char peak[24], session[24], first[24];
    printf("\n%s kernels, %u %s\n", result->kernels, result->threads,
           result->threads == 1 ? "thread" : "threads");
    print_rate("prompt", result->prompt_rates, result, result->prompt);
    print_rate("decode", result->decode_rates, result, result->tokens);
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
    if (result->speculation != 1) {
        printf("  drafted    %10" PRIu64 " tokens, %" PRIu64 " came true\n", result->drafted,
               result->accepted);
    }
    printf("  memory     %10s peak   (session of %u tokens in %s: %s)\n",
           format_bytes(result->peak_bytes, peak, sizeof peak), result->context,
           kv_name(result->kv), format_bytes(result->session_bytes, session, sizeof session));
    printf("  first      %10s token  (from opening the file, %d tokens of prompt)\n",
           format_seconds(bench_median(result->first_token, result->runs), first, sizeof first),
           BENCH_FIRST_PROMPT);
}

void bench_print(const struct bench_model *model, const struct bench_result *results,
                 uint32_t count) {
    print_header(model, &results[0]);
    for (uint32_t i = 0; i < count; i++) {
        print_result(&results[i]);
    }
    printf("\nload average %.2f\n", results[count - 1].load_average);
}

/* ---------------------------------------------------------------- JSON */

static void write_rates(struct json_writer *json, const char *key, const double *rates,
                        uint32_t count) {
    json_inline_array(json, key);
    for (uint32_t i = 0; i < count; i++) {
        json_number(json, NULL, rates[i]);
    }
    json_close(json);
}

static void write_result(struct json_writer *json, const struct bench_result *result) {
    json_object(json, NULL);
    json_text(json, "kernels", result->kernels);
    json_integer(json, "threads", result->threads);
    json_integer(json, "prompt_tokens", result->prompt);
    json_integer(json, "decode_tokens", result->tokens);
    json_integer(json, "context", result->context);
    json_text(json, "kv", kv_name(result->kv));
    json_number(json, "prompt_tokens_per_s", bench_median(result->prompt_rates, result->runs));
    json_number(json, "decode_tokens_per_s", decode_rate(result));
    json_number(json, "first_token_seconds", bench_median(result->first_token, result->runs));
    write_rates(json, "prompt_runs", result->prompt_rates, result->runs);
    write_rates(json, "decode_runs", result->decode_rates, result->runs);
    write_rates(json, "first_token_runs", result->first_token, result->runs);
    json_integer(json, "packed_bytes_per_token", result->packed_bytes);
    json_number(json, "packed_gb_per_s", packed_rate(result) / 1e9);
    if (result->bandwidth_known) {
        json_number(json, "read_gb_per_s", result->bandwidth.bytes_per_second / 1e9);
        json_bool(json, "read_from_memory", result->bandwidth.buffer_is_large);
        json_number(json, "read_share", bandwidth_share(result));
    } else {
        json_null(json, "read_gb_per_s");
    }
    json_integer(json, "speculation", result->speculation);
    json_integer(json, "drafted_tokens", result->drafted);
    json_integer(json, "accepted_tokens", result->accepted);
    json_integer(json, "session_bytes", result->session_bytes);
    json_integer(json, "peak_memory_bytes", result->peak_bytes);
    json_number(json, "load_average", result->load_average);
    json_close(json);
}

static void write_date(struct json_writer *json) {
    char text[32] = "";
    struct tm parts;
    time_t now = time(NULL);
    if (gmtime_r(&now, &parts) != NULL) {
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    json_text(json, "date", text);
}

void bench_write_json(const struct bench_model *model, const struct bench_result *results,
                      uint32_t count) {
    struct json_writer json;
    char hex[DIGEST_HEX_BYTES];
    json_start(&json, stdout);
    json_text(&json, "model", model->name);
    json_bool(&json, "synthetic", model->synthetic);
    json_text(&json, "model_id", digest_hex(model->model_id, hex));
    json_integer(&json, "file_bytes", model->file_bytes);
    json_integer(&json, "parameters", model->parameters);
    json_integer(&json, "cores", machine_cores());
    json_integer(&json, "last_cache_bytes", machine_last_cache_bytes());
    json_integer(&json, "runs", results[0].runs);
    json_number(&json, "load_average", results[count - 1].load_average);
    write_date(&json);
    json_array(&json, "results");
    for (uint32_t i = 0; i < count; i++) {
        write_result(&json, &results[i]);
    }
    json_finish(&json);
}

int bench_write_shapes(void) {
    struct json_writer json;
    json_start(&json, stdout);
    json_integer(&json, "generator", SYNTHETIC_GENERATOR);
    json_array(&json, "shapes");
    const struct synthetic_shape *shape;
    for (uint32_t i = 0; (shape = synthetic_shape_at(i)) != NULL; i++) {
        struct synthetic_request request = {.shape = shape};
        tercet_error error = {0};
        uint64_t bytes = 0;
        if (synthetic_model_measure(&request, &bytes, &error) != TERCET_OK) {
            return report_error(shape->name, &error);
        }
        json_object(&json, NULL);
        json_text(&json, "name", shape->name);
        json_text(&json, "about", shape->about);
        json_integer(&json, "file_bytes", bytes);
        json_close(&json);
    }
    json_finish(&json);
    return EXIT_CODE_OK;
}

int bench_write_bandwidth(const uint32_t *threads, uint32_t count) {
    static const uint32_t streams[] = {1, BANDWIDTH_STREAMS};
    struct json_writer json;
    json_start(&json, stdout);
    json_integer(&json, "cores", machine_cores());
    json_integer(&json, "last_cache_bytes", machine_last_cache_bytes());
    write_date(&json);
    json_array(&json, "bandwidth");
    for (uint32_t i = 0; i < 2 * count; i++) {
        struct bandwidth bandwidth;
        if (!bandwidth_measure(threads[i / 2], streams[i % 2], &bandwidth)) {
            return report_failure(NULL, TERCET_OUT_OF_MEMORY,
                                  "the read bandwidth could not be measured");
        }
        json_object(&json, NULL);
        json_integer(&json, "threads", threads[i / 2]);
        json_integer(&json, "streams", streams[i % 2]);
        json_number(&json, "read_gb_per_s", bandwidth.bytes_per_second / 1e9);
        json_bool(&json, "read_from_memory", bandwidth.buffer_is_large);
        json_close(&json);
    }
    json_finish(&json);
    return EXIT_CODE_OK;
}
