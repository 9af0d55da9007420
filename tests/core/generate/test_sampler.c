/* test_sampler.c - each step of the sampler against a plain reference, and its distribution against the probabilities. */
#include "generate/sampler.h"
#include "check.h"

#include <math.h>

#define VOCABULARY 50u

static struct sampler sampler;

static void open_sampler(void) {
    struct arena counting = {0};
    sampler_layout(&sampler, VOCABULARY, &counting);
    tercet_allocator allocator = arena_default_allocator();
    void *block = allocator_take(&allocator, counting.used);
    REQUIRE(block != NULL);
    struct arena arena = {.memory = block, .capacity = counting.used};
    sampler_layout(&sampler, VOCABULARY, &arena);
    sampler_clear(&sampler);
}

static tercet_sampling defaults(void) {
    return (tercet_sampling){
        .struct_bytes = sizeof(tercet_sampling),
        .temperature = 1.0f,
        .top_p = 1.0f,
        .repetition_penalty = 1.0f,
        .repetition_window = 64,
    };
}

/* Distinct logits in a scrambled order, so that ids say nothing about rank. */
static void fill_logits(float logits[VOCABULARY]) {
    for (uint32_t i = 0; i < VOCABULARY; i++)
        logits[i] = (float)((i * 37u) % VOCABULARY) * 0.15f - 3.0f;
}

static double weight_of(const float *logits, uint32_t token, double temperature) {
    return exp((double)logits[token] / temperature);
}

/* Draws often; every token must be allowed, and its share within 5 standard deviations of its probability. */
static void check_distribution(const tercet_sampling *options, const bool allowed[VOCABULARY]) {
    enum { DRAWS = 20000 };
    float logits[VOCABULARY];
    fill_logits(logits);
    sampler_start(&sampler, options);
    uint32_t counts[VOCABULARY] = {0};
    for (int i = 0; i < DRAWS; i++)
        counts[sampler_sample(&sampler, logits, NULL, 0)]++;
    double sum = 0.0;
    for (uint32_t i = 0; i < VOCABULARY; i++)
        if (allowed[i])
            sum += weight_of(logits, i, (double)options->temperature);
    for (uint32_t i = 0; i < VOCABULARY; i++) {
        double p = allowed[i] ? weight_of(logits, i, (double)options->temperature) / sum : 0.0;
        CHECK_NEAR((double)counts[i] / DRAWS, p, 5.0 * sqrt(p * (1.0 - p) / DRAWS));
    }
}

/* How many tokens have a higher logit. */
static uint32_t rank_of(const float *logits, uint32_t token) {
    uint32_t rank = 0;
    for (uint32_t i = 0; i < VOCABULARY; i++)
        rank += logits[i] > logits[token];
    return rank;
}

static void distributions(void) {
    float logits[VOCABULARY];
    fill_logits(logits);
    bool all[VOCABULARY], allowed[VOCABULARY];
    for (uint32_t i = 0; i < VOCABULARY; i++)
        all[i] = true;

    tercet_sampling options = defaults();
    options.seed = 1;
    check_distribution(&options, all);
    options.temperature = 2.5f;
    check_distribution(&options, all);

    options.temperature = 0.8f;
    options.top_k = 7;
    for (uint32_t i = 0; i < VOCABULARY; i++)
        allowed[i] = rank_of(logits, i) < 7;
    check_distribution(&options, allowed);

    options.top_k = 0;
    options.top_p = 0.6f;
    double total = 0.0;
    for (uint32_t i = 0; i < VOCABULARY; i++)
        total += weight_of(logits, i, 0.8);
    for (uint32_t i = 0; i < VOCABULARY; i++) {
        double before = 0.0; /* mass of everything better: kept while that has not reached top-p */
        for (uint32_t j = 0; j < VOCABULARY; j++)
            if (logits[j] > logits[i])
                before += weight_of(logits, j, 0.8);
        allowed[i] = before < 0.6 * total;
    }
    check_distribution(&options, allowed);

    options.top_p = 1.0f;
    options.min_p = 0.2f;
    for (uint32_t i = 0; i < VOCABULARY; i++)
        allowed[i] = exp(((double)logits[i] - 4.35) / (double)options.temperature) >= 0.2;
    check_distribution(&options, allowed);

    /* top-p inside top-k refers to the mass of the k. */
    options = defaults();
    options.top_k = 10;
    options.top_p = 0.5f;
    total = 0.0;
    for (uint32_t i = 0; i < VOCABULARY; i++)
        if (rank_of(logits, i) < 10)
            total += weight_of(logits, i, 1.0);
    for (uint32_t i = 0; i < VOCABULARY; i++) {
        double before = 0.0;
        for (uint32_t j = 0; j < VOCABULARY; j++)
            if (logits[j] > logits[i])
                before += weight_of(logits, j, 1.0);
        allowed[i] = rank_of(logits, i) < 10 && before < 0.5 * total;
    }
    check_distribution(&options, allowed);
}

static void greedy_and_ties(void) {
    float logits[VOCABULARY];
    for (uint32_t i = 0; i < VOCABULARY; i++)
        logits[i] = 1.0f;
    tercet_sampling options = defaults();
    options.temperature = 0.0f;
    sampler_start(&sampler, &options);
    CHECK_EQ(sampler_sample(&sampler, logits, NULL, 0), 0); /* lowest id on a tie */
    logits[17] = logits[31] = 2.0f;
    CHECK_EQ(sampler_sample(&sampler, logits, NULL, 0), 17);
    options.temperature = 1.0f;
    options.top_k = 1;
    sampler_start(&sampler, &options);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(sampler_sample(&sampler, logits, NULL, 0), 17);
}

static void seeds_repeat(void) {
    float logits[VOCABULARY];
    fill_logits(logits);
    tercet_sampling options = defaults();
    options.seed = 42;
    uint32_t first[64];
    sampler_start(&sampler, &options);
    for (int i = 0; i < 64; i++)
        first[i] = sampler_sample(&sampler, logits, NULL, 0);
    sampler_start(&sampler, &options);
    int same = 0;
    for (int i = 0; i < 64; i++)
        same += first[i] == sampler_sample(&sampler, logits, NULL, 0);
    CHECK_EQ(same, 64);
    options.seed = 43;
    sampler_start(&sampler, &options);
    same = 0;
    for (int i = 0; i < 64; i++)
        same += first[i] == sampler_sample(&sampler, logits, NULL, 0);
    CHECK(same < 32);
}

static void repetition_penalty(void) {
    float logits[VOCABULARY];
    for (uint32_t i = 0; i < VOCABULARY; i++)
        logits[i] = -5.0f;
    logits[3] = 4.0f;
    logits[4] = 3.0f;
    logits[5] = -1.0f;
    tercet_sampling options = defaults();
    options.temperature = 0.0f;
    options.repetition_penalty = 2.0f;
    options.repetition_window = 2;
    sampler_start(&sampler, &options);
    const uint32_t once[] = {3, 7}, often[] = {3, 3}, gone[] = {3, 7, 8};
    CHECK_EQ(sampler_sample(&sampler, logits, once, 2), 4); /* 4 / 2 < 3 */
    CHECK_EQ(sampler_sample(&sampler, logits, gone, 3), 3); /* outside the window */
    logits[4] = 1.5f;
    CHECK_EQ(sampler_sample(&sampler, logits, often, 2), 3); /* divided once, not twice: 2 > 1.5 */
    for (uint32_t i = 0; i < VOCABULARY; i++)
        logits[i] = -1.5f;
    logits[5] = -1.0f;
    const uint32_t negative[] = {5};
    CHECK_EQ(sampler_sample(&sampler, logits, negative, 1), 0); /* -1 becomes -2, below -1.5 */
}

/* Whatever the options, only what is allowed comes, and among that as often as without the others; all allowed changes nothing. */
static void masks(void) {
    float logits[VOCABULARY];
    fill_logits(logits);
    uint32_t words[2] = {0, 0};
    bool allowed[VOCABULARY] = {false};
    static const uint32_t some[] = {0, 7, 31, 32, 33, 49};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        allowed[some[i]] = true;
        words[some[i] / 32] |= UINT32_C(1) << some[i] % 32;
    }
    tercet_sampling options = defaults();
    sampler_set_mask(&sampler, words);
    check_distribution(&options, allowed);
    options.top_k = 20; /* more than are allowed */
    options.top_p = 0.999999f;
    options.min_p = 0.0f;
    check_distribution(&options, allowed);
    for (uint32_t kind = 0; kind < 4; kind++) {
        for (uint32_t i = 0; i < VOCABULARY && kind > 0; i++)
            logits[i] = kind == 1 ? NAN : kind == 2 ? -INFINITY : INFINITY;
        for (uint32_t round = 0; round < 64; round++) {
            static const uint32_t history[] = {49, 7, 7, 3};
            options = defaults();
            options.seed = round;
            options.temperature = round % 4 == 0 ? 0.0f : 3.0f;
            options.top_k = round % 3;
            options.top_p = round % 2 != 0 ? 0.5f : 1.0f;
            options.repetition_penalty = round % 5 == 0 ? 0.5f : 1.5f;
            sampler_start(&sampler, &options);
            uint32_t token = sampler_sample(&sampler, logits, history, 4);
            REQUIRE(token < VOCABULARY);
            CHECK(allowed[token]);
        }
    }
    const uint32_t none[2] = {0, 0}, all[2] = {UINT32_MAX, UINT32_MAX};
    sampler_set_mask(&sampler, none);
    CHECK_EQ(sampler_sample(&sampler, logits, NULL, 0), TERCET_NO_TOKEN);
    fill_logits(logits);
    options = defaults();
    uint32_t plain[32];
    sampler_set_mask(&sampler, NULL);
    sampler_start(&sampler, &options);
    for (int i = 0; i < 32; i++)
        plain[i] = sampler_sample(&sampler, logits, NULL, 0);
    sampler_set_mask(&sampler, all);
    sampler_start(&sampler, &options);
    for (int i = 0; i < 32; i++)
        CHECK_EQ(sampler_sample(&sampler, logits, NULL, 0), plain[i]);
    sampler_set_mask(&sampler, NULL);
}

static void hostile_logits_do_not_crash(void) {
    float logits[VOCABULARY];
    tercet_sampling options = defaults();
    options.seed = 5;
    for (int kind = 0; kind < 3; kind++) {
        for (uint32_t i = 0; i < VOCABULARY; i++)
            logits[i] = kind == 0 ? NAN : kind == 1 ? INFINITY : (i % 2 != 0 ? NAN : -INFINITY);
        for (uint32_t k = 0; k < 4; k++) {
            options.top_k = k;
            options.top_p = k % 2 != 0 ? 0.5f : 1.0f;
            options.min_p = 0.1f;
            sampler_start(&sampler, &options);
            CHECK(sampler_sample(&sampler, logits, NULL, 0) < VOCABULARY);
        }
    }
}

static void options_are_checked(void) {
    tercet_error error;
    tercet_sampling options = defaults();
    CHECK_STATUS(sampler_check(&options, &error), TERCET_OK);
#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        options = defaults();                                                                      \
        options.field = (value);                                                                   \
        CHECK_STATUS(sampler_check(&options, &error), TERCET_BAD_ARGUMENT);                        \
        CHECK(strlen(error.detail) > 10);                                                          \
    } while (0)
    REFUSED(struct_bytes, 4);
    REFUSED(temperature, -0.1f);
    REFUSED(temperature, 101.0f);
    REFUSED(temperature, NAN);
    REFUSED(top_p, 0.0f);
    REFUSED(top_p, 1.1f);
    REFUSED(top_p, NAN);
    REFUSED(min_p, -1.0f);
    REFUSED(min_p, 1.5f);
    REFUSED(repetition_penalty, 0.0f);
    REFUSED(repetition_penalty, INFINITY);
    REFUSED(repetition_window, 5000);
}

int main(void) {
    open_sampler();
    distributions();
    greedy_and_ties();
    seeds_repeat();
    repetition_penalty();
    masks();
    hostile_logits_do_not_crash();
    options_are_checked();
    free(sampler.logits); /* the first piece of the block */
    return check_done();
}
