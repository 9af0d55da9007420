/*
 * fuzz_generation_config.c: any bytes as config.json and generation_config.json, for what they say of sampling and of the end of
 * a text. What is accepted is what a container may hold.
 */
#include "core/container/container_consistency.h"
#include "generation_defaults.h"
#include "memory_folder.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"config.json", "generation_config.json"};
    struct json_document document;
    tercet_error error = {0};
    memory_folder_fill(names, 2, data, size);
    tercet_status status = json_load(MEMORY_FOLDER, names[0], 1u << 20, &document, &error);
    if (status == TERCET_OK) {
        struct container_config config = {.vocabulary = 300};
        status = generation_defaults_read(MEMORY_FOLDER, &document, &config, &error);
        if (status == TERCET_OK) {
            PROMISE(config.temperature >= 0 && config.temperature <= 100);
            PROMISE(config.top_p > 0 && config.top_p <= 1);
            PROMISE(config.min_p >= 0 && config.min_p <= 1 && config.top_k <= 300);
            PROMISE(config.stop_count <= CONFIG_STOP_TOKENS_MAX);
            for (uint32_t i = 0; i < CONFIG_STOP_TOKENS_MAX; i++) {
                PROMISE(i < config.stop_count ? config.stop_tokens[i] < 300
                                              : config.stop_tokens[i] == TERCET_NO_TOKEN);
            }
        }
        json_free(&document);
    }
    PROMISE(status == TERCET_OK || (error.status == status && error.detail[0] != '\0'));
    return 0;
}
