/*
 * test_rope_frequencies.c: each rule against numbers of an independent float64 reference (Python), and each refusal.
 */
#include "check.h"
#include "rope_frequencies.h"

static tercet_status read(const char *text, uint32_t head_dim, double context, double *frequencies,
                          double *scale, tercet_error *error) {
    struct json_document document;
    REQUIRE(json_parse("config.json", (const uint8_t *)text, strlen(text), &document, NULL) ==
            TERCET_OK);
    tercet_status status =
        rope_frequencies_read(&document, head_dim, context, frequencies, scale, error);
    json_free(&document);
    return status;
}

static void expect(const char *text, uint32_t head_dim, const double *want, double want_scale) {
    double frequencies[8] = {0}, scale = 0;
    tercet_error error = {0};
    if (!CHECK_STATUS(read(text, head_dim, 131072, frequencies, &scale, &error), TERCET_OK)) {
        fprintf(stderr, "    %s: %s\n", text, error.detail);
        return;
    }
    CHECK_NEAR(scale, want_scale, 1e-15);
    for (uint32_t p = 0; p < head_dim / 2; p++) {
        CHECK_NEAR(frequencies[p] / want[p], 1, 1e-14);
    }
}

static void test_rules(void) {
    static const double plain[] = {1, 0.1, 0.01, 0.001};
    static const double linear[] = {0.5, 0.05, 0.005, 0.0005};
    static const double llama3[] = {1,
                                    0.19392274474868576,
                                    0.037606030930863933,
                                    0.0072926647372171085,
                                    0.0005248461609929549,
                                    3.4281021959525912e-05,
                                    6.6478698711812354e-06,
                                    1.2891731721515572e-06};
    static const double yarn[] = {
        1,      0.17782794100389229,    0.031622776601683791,   0.004217559938927618,
        0.0005, 4.4456985250973074e-05, 7.9056941504209488e-06, 1.4058533129758728e-06};
    static const double theta[] = {1, 0.01};
    expect("{}", 8, plain, 1);
    expect("{\"rope_scaling\":null,\"rope_theta\":10000}", 8, plain, 1);
    expect("{\"rope_scaling\":{\"rope_type\":\"default\"}}", 8, plain, 1);
    expect("{\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":10000.0}}", 8, plain, 1);
    expect("{\"rope_theta\":5,\"rope_parameters\":{\"rope_theta\":10000.0}}", 4, theta, 1);
    expect("{\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}}", 8, linear, 1);
    expect("{\"rope_theta\":500000.0,\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,"
           "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":"
           "8192}}",
           16, llama3, 1);
    expect("{\"rope_theta\":1000000.0,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,"
           "\"original_max_position_embeddings\":32768}}",
           16, yarn, 1.138629436111989);
    /* The factor follows from the context (131072 here) where it is not given. */
    expect("{\"rope_theta\":1000000.0,\"rope_scaling\":{\"rope_type\":\"yarn\","
           "\"original_max_position_embeddings\":32768}}",
           16, yarn, 1.138629436111989);
    expect("{\"rope_theta\":1000000.0,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,"
           "\"original_max_position_embeddings\":32768,\"attention_factor\":1.5}}",
           16, yarn, 1.5);
    /* mscale equal to mscale_all_dim cancels. */
    expect("{\"rope_theta\":1000000.0,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,"
           "\"original_max_position_embeddings\":32768,\"mscale\":0.7,\"mscale_all_dim\":0.7}}",
           16, yarn, 1);
}

static void test_refusals(void) {
    static const struct {
        const char *text, *named;
        tercet_status want;
    } cases[] = {
        {"{\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2.0}}", "dynamic",
         TERCET_UNSUPPORTED_SOURCE},
        {"{\"rope_scaling\":{\"rope_type\":\"longrope\"}}", "longrope", TERCET_UNSUPPORTED_SOURCE},
        {"{\"partial_rotary_factor\":0.5}", "partial_rotary_factor", TERCET_UNSUPPORTED_SOURCE},
        {"{\"rope_parameters\":{\"partial_rotary_factor\":0.25}}", "partial_rotary_factor",
         TERCET_UNSUPPORTED_SOURCE},
        {"{\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4,\"truncate\":false}}", "truncate",
         TERCET_UNSUPPORTED_SOURCE},
        {"{\"rope_scaling\":{\"factor\":2.0}}", "rope_type", TERCET_BAD_SOURCE},
        {"{\"rope_scaling\":{\"type\":\"linear\"}}", "factor", TERCET_BAD_SOURCE},
        {"{\"rope_scaling\":{\"type\":\"linear\",\"factor\":0}}", "factor", TERCET_BAD_SOURCE},
        {"{\"rope_scaling\":{\"type\":\"linear\",\"factor\":-2}}", "factor", TERCET_BAD_SOURCE},
        {"{\"rope_scaling\":{\"type\":\"linear\",\"factor\":\"2\"}}", "factor", TERCET_BAD_SOURCE},
        {"{\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,"
         "\"high_freq_factor\":1,\"original_max_position_embeddings\":8192}}",
         "high_freq_factor", TERCET_BAD_SOURCE},
        {"{\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8}}", "low_freq_factor",
         TERCET_BAD_SOURCE},
        {"{\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4,\"attention_factor\":-1}}",
         "attention_factor", TERCET_BAD_SOURCE},
        {"{\"rope_scaling\":7}", "rope_scaling", TERCET_BAD_SOURCE},
        {"{\"rope_theta\":0}", "rope_theta", TERCET_BAD_SOURCE},
        {"{\"rope_theta\":1e300}", "rope_theta", TERCET_BAD_SOURCE},
        {"{\"rope_theta\":\"big\"}", "rope_theta", TERCET_BAD_SOURCE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double frequencies[8], scale;
        tercet_error error = {0};
        CHECK_STATUS(read(cases[i].text, 16, 4096, frequencies, &scale, &error), cases[i].want);
        if (!CHECK(strstr(error.detail, cases[i].named) != NULL)) {
            fprintf(stderr, "    %s: %s\n", cases[i].text, error.detail);
        }
    }
}

int main(void) {
    test_rules();
    test_refusals();
    return check_done();
}
