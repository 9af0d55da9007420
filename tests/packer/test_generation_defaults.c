/*
 * test_generation_defaults.c: stop tokens and sampling out of config.json and generation_config.json.
 */
#define _GNU_SOURCE 1
#include "generation_defaults.h"
#include "source_copy.h"

/* `generation` NULL: no such file. */
static tercet_status defaults(const char *folder, const char *model, const char *generation,
                              struct container_config *config, tercet_error *error) {
    struct json_document document;
    char path[COPY_PATH_BYTES];
    REQUIRE(json_parse("config.json", (const uint8_t *)model, strlen(model), &document, NULL) ==
            TERCET_OK);
    if (generation != NULL) {
        folder_write_text(folder, "generation_config.json", generation);
    } else {
        (void)unlink(folder_path(folder, "generation_config.json", path));
    }
    memset(config, 0, sizeof *config);
    config->vocabulary = 100;
    tercet_status status = generation_defaults_read(folder, &document, config, error);
    json_free(&document);
    return status;
}

static void test_stop_tokens(const char *folder) {
    struct container_config config;
    CHECK_STATUS(defaults(folder, "{}", NULL, &config, NULL), TERCET_OK);
    CHECK_EQ(config.stop_count, 0);
    CHECK_EQ(config.stop_tokens[0], TERCET_NO_TOKEN);
    CHECK_EQ(config.stop_tokens[7], TERCET_NO_TOKEN);
    CHECK_STATUS(defaults(folder, "{\"eos_token_id\":null}", NULL, &config, NULL), TERCET_OK);
    CHECK_EQ(config.stop_count, 0);
    CHECK_STATUS(defaults(folder, "{\"eos_token_id\":1}", "{\"eos_token_id\":1}", &config, NULL),
                 TERCET_OK);
    CHECK_EQ(config.stop_count, 1);
    CHECK_EQ(config.stop_tokens[0], 1);
    CHECK_STATUS(
        defaults(folder, "{\"eos_token_id\":[5,7]}", "{\"eos_token_id\":[7,99]}", &config, NULL),
        TERCET_OK);
    CHECK_EQ(config.stop_count, 3);
    CHECK_EQ(config.stop_tokens[2], 99);
    CHECK_EQ(config.stop_tokens[3], TERCET_NO_TOKEN);
    CHECK_STATUS(defaults(folder, "{\"eos_token_id\":[0,1,2,3,4,5,6,7]}", NULL, &config, NULL),
                 TERCET_OK);
    CHECK_EQ(config.stop_count, 8);
    CHECK_STATUS(defaults(folder, "{\"eos_token_id\":[0,1,2,3,4,5,6,7,8]}", NULL, &config, NULL),
                 TERCET_LIMIT_EXCEEDED);
    CHECK_STATUS(defaults(folder, "{\"eos_token_id\":100}", NULL, &config, NULL),
                 TERCET_BAD_SOURCE);
    CHECK_STATUS(defaults(folder, "{\"eos_token_id\":-1}", NULL, &config, NULL), TERCET_BAD_SOURCE);
    CHECK_STATUS(defaults(folder, "{\"eos_token_id\":\"1\"}", NULL, &config, NULL),
                 TERCET_BAD_SOURCE);
    CHECK_STATUS(defaults(folder, "{\"eos_token_id\":[[1]]}", NULL, &config, NULL),
                 TERCET_BAD_SOURCE);
}

static void test_sampling(const char *folder) {
    struct container_config config;
    CHECK_STATUS(defaults(folder, "{}", NULL, &config, NULL), TERCET_OK);
    CHECK(config.temperature == 0 && config.top_k == 0 && config.top_p == 1 && config.min_p == 0);
    CHECK_STATUS(defaults(folder, "{}", "{\"do_sample\":true,\"temperature\":0.7,\"top_p\":0.95}",
                          &config, NULL),
                 TERCET_OK);
    CHECK(config.temperature == 0.7f && config.top_k == 0 && config.top_p == 0.95f &&
          config.min_p == 0);
    CHECK_STATUS(defaults(folder, "{}", "{\"do_sample\":false,\"temperature\":0.7,\"top_p\":0.95}",
                          &config, NULL),
                 TERCET_OK);
    CHECK(config.temperature == 0 && config.top_p == 1);
    CHECK_STATUS(
        defaults(folder, "{}", "{\"temperature\":0.6,\"top_k\":40,\"min_p\":0.05}", &config, NULL),
        TERCET_OK);
    CHECK(config.temperature == 0.6f && config.top_k == 40 && config.top_p == 1 &&
          config.min_p == 0.05f);
    CHECK_STATUS(defaults(folder, "{}", "{\"do_sample\":true,\"top_k\":5000}", &config, NULL),
                 TERCET_OK);
    CHECK(config.temperature == 1 && config.top_k == 100);
}

static void test_faults(const char *folder) {
    static const char *const generations[] = {
        "{\"do_sample\":true,\"temperature\":-1}",
        "{\"do_sample\":true,\"temperature\":1000}",
        "{\"do_sample\":true,\"top_p\":0}",
        "{\"do_sample\":true,\"top_p\":1.5}",
        "{\"do_sample\":true,\"min_p\":-0.1}",
        "{\"do_sample\":true,\"top_k\":-1}",
        "{\"do_sample\":\"yes\"}",
        "{\"do_sample\":true,\"temperature\":\"hot\"}",
        "{",
        "[]",
    };
    for (size_t i = 0; i < sizeof generations / sizeof generations[0]; i++) {
        struct container_config config;
        tercet_error error = {0};
        CHECK_STATUS(defaults(folder, "{}", generations[i], &config, &error), TERCET_BAD_SOURCE);
        CHECK(strstr(error.detail, "generation_config.json") != NULL);
    }
}

int main(void) {
    char folder[COPY_PATH_BYTES];
    folder_make(folder);
    test_stop_tokens(folder);
    test_sampling(folder);
    test_faults(folder);
    folder_remove(folder);
    return check_done();
}
