/*
 * fuzz_model_config.c: any bytes as the config.json of a Hugging Face folder, beside a list of tensors in the words of a
 * safetensors header. Like fuzz_model_folder.c without the bytes of the tensors, so that more is tried in the same time.
 */
#include "architectures.h"
#include "memory_folder.h"
#include "promise.h"
#include "safetensors_header.h"
#include "source_file.h"
#include "weights_target.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The most that a number in the text says: where the last tensor ends, in a sound header. */
static uint64_t greatest_number(const uint8_t *text, size_t bytes) {
    uint64_t greatest = 0, number = 0;
    for (size_t i = 0; i < bytes; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        number = digit && number < UINT64_C(1) << 40 ? 10 * number + (text[i] - '0') : 0;
        greatest = number > greatest ? number : greatest;
    }
    return greatest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"config.json", "tensors", "generation_config.json"};
    struct source_shard shard = {.name = "fuzz", .descriptor = -1};
    struct source_weights weights = {.shards = &shard, .shard_count = 1};
    uint8_t *text = NULL;
    size_t bytes = 0;
    tercet_error error = {0};
    memory_folder_fill(names, sizeof names / sizeof *names, data, size);
    tercet_status status =
        source_file_read(MEMORY_FOLDER, names[1], 1u << 20, &text, &bytes, &error);
    if (status == TERCET_OK) {
        status = safetensors_parse_header(names[1], text, bytes, greatest_number(text, bytes),
                                          &shard.table, &error);
        free(text);
    }
    if (status == TERCET_OK) {
        struct architecture architecture;
        status = source_weights_collect(&weights, &error);
        if (status == TERCET_OK) {
            status = architecture_read(MEMORY_FOLDER, &weights, &architecture, &error);
        }
        if (status == TERCET_OK) {
            check_architecture(&architecture);
            architecture_free(&architecture);
        }
        free(weights.tensors);
        source_table_free(&shard.table);
    }
    PROMISE(status == TERCET_OK || (error.status == status && error.detail[0] != '\0'));
    return 0;
}
