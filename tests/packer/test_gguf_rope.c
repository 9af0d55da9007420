/* test_gguf_rope.c: rules for rotation frequencies go in by config.json and must come out again from the frequencies alone. */
#include "check.h"
#include "gguf_rope.h"
#include "rope_frequencies.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_DIM = 128, PAIRS = HEAD_DIM / 2 };

/* The frequencies that the packer makes of this config.json, as a container holds them. */
static struct container make_container(const char *json, uint32_t context, double *frequencies) {
    struct json_document document = {0};
    struct container container;
    memset(&container, 0, sizeof container);
    document.file = "config.json";
    document.root = cJSON_Parse(json);
    REQUIRE(document.root != NULL);
    REQUIRE(rope_frequencies_read(&document, HEAD_DIM, context, frequencies, &container.rope_scale,
                                  NULL) == TERCET_OK);
    cJSON_Delete(document.root);
    container.config.context = context;
    container.config.head_dim = HEAD_DIM;
    container.rope_count = PAIRS;
    container.rope_frequencies = (const uint8_t *)frequencies;
    return container;
}

static void test_plain(void) {
    double frequencies[PAIRS];
    struct gguf_rope rope;
    struct container c = make_container("{\"rope_theta\": 1000042.0}", 32768, frequencies);
    CHECK_EQ(gguf_rope_find(&c, false, &rope, NULL), TERCET_OK);
    CHECK(fabs(rope.base - 1000042.0) < 0.001);
    CHECK(rope.linear_factor == 1 && rope.yarn_factor == 1 && rope.divisors == NULL);
}

static void test_linear(void) {
    double frequencies[PAIRS];
    struct gguf_rope rope;
    struct container c = make_container(
        "{\"rope_theta\": 10000, \"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 4.0}}",
        8192, frequencies);
    CHECK_EQ(gguf_rope_find(&c, false, &rope, NULL), TERCET_OK);
    CHECK(fabs(rope.base - 10000) < 0.001);
    CHECK(fabs(rope.linear_factor - 4) < 1e-9);
}

static void test_llama3(void) {
    double frequencies[PAIRS];
    struct gguf_rope rope;
    struct container c = make_container(
        "{\"rope_theta\": 500000.0, \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0,"
        " \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0,"
        " \"original_max_position_embeddings\": 8192}}",
        131072, frequencies);
    CHECK_EQ(gguf_rope_find(&c, false, &rope, NULL), TERCET_CANNOT_EXPORT);
    REQUIRE(gguf_rope_find(&c, true, &rope, NULL) == TERCET_OK);
    CHECK(fabs(rope.base - 500000) < 0.01);
    REQUIRE(rope.divisors != NULL);
    CHECK(rope.divisors[0] == 1.0f);
    CHECK(fabs((double)rope.divisors[PAIRS - 1] - 8) < 1e-5);
    for (uint32_t p = 0; p < PAIRS; p++) {
        double again = pow(rope.base, -(double)p / PAIRS) / (double)rope.divisors[p];
        CHECK(fabs(again / frequencies[p] - 1) < 1e-6);
    }
    free(rope.divisors);
}

static void test_yarn(void) {
    double frequencies[PAIRS];
    struct gguf_rope rope;
    struct container c = make_container(
        "{\"rope_theta\": 1000000.0, \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0,"
        " \"original_max_position_embeddings\": 16384}}",
        65536, frequencies);
    REQUIRE(gguf_rope_find(&c, false, &rope, NULL) == TERCET_OK);
    CHECK(fabs(rope.base - 1000000) < 0.01);
    CHECK(fabs(rope.yarn_factor - 4) < 1e-6);
    CHECK_EQ(rope.yarn_context, 16384);
    CHECK(rope.divisors == NULL);
}

static void test_refusals(void) {
    double frequencies[PAIRS];
    struct gguf_rope rope;
    tercet_error error = {0};
    struct container c = make_container("{\"rope_theta\": 10000}", 2048, frequencies);
    frequencies[3] = 0;
    CHECK_EQ(gguf_rope_find(&c, true, &rope, &error), TERCET_CANNOT_EXPORT);
    CHECK_EQ(error.where, 3);
    frequencies[3] = 0.5;
    c.rope_scale = 1.5; /* looks like YaRN, and is not */
    CHECK_EQ(gguf_rope_find(&c, true, &rope, &error), TERCET_CANNOT_EXPORT);
}

int main(void) {
    test_plain();
    test_linear();
    test_llama3();
    test_yarn();
    test_refusals();
    return check_done();
}
