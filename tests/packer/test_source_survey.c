/*
 * test_source_survey.c: what is counted of the weights of a model that is not packed, and that a survey can be stopped after any
 * tensor.
 */
#include "source_survey.h"
#include "check.h"

#define GOLDEN "golden/models/llama-packed-bitlinear"

/* More kinds than are listed: the largest first, and nothing is written behind the last. */
static void test_types(void) {
    enum { KINDS = SURVEY_TYPES_MAX + 3 };
    static struct source_tensor tensors[2 * KINDS];
    static const struct source_tensor *places[2 * KINDS];
    static char names[KINDS][8];
    struct source_survey survey;
    for (uint32_t i = 0; i < 2 * KINDS; i++) {
        (void)snprintf(names[i % KINDS], sizeof names[0], "T%u", i % KINDS);
        tensors[i] = (struct source_tensor){.name = "w",
                                            .dtype_name = names[i % KINDS],
                                            .elements = 10 + i % KINDS,
                                            .bytes = 20 + i % KINDS};
        places[i] = &tensors[i];
    }
    const struct source_weights weights = {.tensors = places, .tensor_count = 2 * KINDS};
    source_survey_types(&weights, &survey);
    CHECK_EQ(survey.type_count, SURVEY_TYPES_MAX);
    for (uint32_t i = 0; i < survey.type_count; i++) {
        const struct survey_type *type = &survey.types[i];
        uint32_t kind = SURVEY_TYPES_MAX - 1 - i;
        CHECK_STR(type->name, names[kind]);
        CHECK_EQ(type->tensors, 2);
        CHECK_EQ(type->weights, 2 * (10 + kind));
        CHECK_EQ(type->bytes, 2 * (20 + kind));
    }
    CHECK_EQ(survey.parameters, 0); /* these are all that it says */
}

struct visits {
    uint64_t stop_at, calls, last, total;
};

static int count_visits(void *context, uint64_t done, uint64_t total) {
    struct visits *visits = context;
    CHECK_EQ(done, visits->last + 1);
    visits->calls++;
    visits->last = done;
    visits->total = total;
    return done == visits->stop_at;
}

static void test_stopped(void) {
    struct model_source source;
    struct source_survey survey;
    struct visits visits = {0};
    REQUIRE(model_source_open(GOLDEN, &source, NULL) == TERCET_OK);
    REQUIRE(model_source_read(&source, I2S_X86, NULL) == TERCET_OK);
    uint32_t tensors = source.architecture.tensor_count;
    REQUIRE(source_survey_weights(&source, &survey, count_visits, &visits, NULL) == TERCET_OK);
    CHECK(visits.calls == tensors && visits.total == tensors);
    CHECK_EQ(survey.layers, 2);
    CHECK(survey.ternary_weights > 0 && survey.ternary_zeros < survey.ternary_weights);
    source_survey_free(&survey);
    for (uint32_t at = 1; at <= tensors; at++) {
        tercet_error error = {0};
        visits = (struct visits){.stop_at = at};
        CHECK_STATUS(source_survey_weights(&source, &survey, count_visits, &visits, &error),
                     TERCET_CANCELLED);
        CHECK_STR(error.detail, "it was cancelled");
        CHECK_EQ(visits.calls, at);
        CHECK(survey.layer == NULL && survey.scales == NULL);
    }
    model_source_close(&source);
}

int main(void) {
    test_types();
    test_stopped();
    return check_done();
}
