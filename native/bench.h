/*
 * bench.h: what `tercet bench` measures and how: configurations (kernel set, threads, context) in
 * turn, each turn in a freshly opened model, so that its peak of memory is its own. Measuring knows
 * nothing of output; bench_report.h does that.
 */
#ifndef TERCET_NATIVE_BENCH_H
#define TERCET_NATIVE_BENCH_H

#include "bandwidth.h"
#include "open_model.h"

enum {
    BENCH_RUNS_MAX = 99,
    BENCH_CONFIGURATIONS_MAX = 256,
    BENCH_NAME_BYTES = 128,
    BENCH_FIRST_PROMPT = 8 /* tokens in front of the first token */
};

struct bench_sizes {
    uint32_t prompt, tokens, runs;
    uint32_t speculation; /* as in tercet_session_options; 1: every token costs a pass */
    bool prompt_given, tokens_given;
};

struct bench_configuration {
    const char *kernels; /* NULL: the best */
    uint32_t threads;
    uint32_t context; /* to fill; 0: just prompt and tokens */
    uint32_t kv;      /* TERCET_KV_* */
};

/* What stays of the model's description after it was closed. */
struct bench_model {
    char name[BENCH_NAME_BYTES];
    bool synthetic;
    uint8_t model_id[32];
    uint64_t file_bytes, parameters;
};

struct bench_result {
    const char *kernels;
    uint32_t threads, prompt, tokens, context, kv;
    uint32_t runs;                                                     /* done so far */
    double prompt_rates[BENCH_RUNS_MAX], decode_rates[BENCH_RUNS_MAX]; /* tokens/s of each run */
    double first_token[BENCH_RUNS_MAX]; /* seconds from opening the file */
    uint64_t packed_bytes;              /* of weights that one decoded token reads */
    uint32_t speculation;
    uint64_t drafted, accepted;         /* tokens of all runs */
    uint64_t session_bytes, peak_bytes; /* the largest of all runs */
    double load_average;                /* of the last minute, after the last run */
    struct bandwidth bandwidth;
    bool bandwidth_known;
};

/* Median of `count` figures (1..BENCH_RUNS_MAX), and (most - least) / median. */
double bench_median(const double *figures, uint32_t count);
double bench_spread(const double *figures, uint32_t count);

/* Measures every configuration `sizes->runs` times, in turn. Fills `results` (one for each) and
 * `model`. An exit code; errors were reported. */
int bench_measure(const struct open_options *open, const struct bench_sizes *sizes,
                  const struct bench_configuration *configurations, uint32_t count,
                  struct bench_result *results, struct bench_model *model);

#endif
