/*
 * fuzz_model_folder.c: any bytes as a Hugging Face folder: config.json, safetensors in one file or in shards, their index. What is
 * understood is read to the last row.
 */
#include "architectures.h"
#include "memory_folder.h"
#include "read_safetensors.h"
#include "weights_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {
        "config.json",   "model.safetensors", "model.safetensors.index.json",
        "a.safetensors", "b.safetensors",     "generation_config.json"};
    struct source_weights weights;
    tercet_error error = {0};
    memory_folder_fill(names, sizeof names / sizeof *names, data, size);
    tercet_status status = safetensors_open(MEMORY_FOLDER, &weights, &error);
    if (status == TERCET_OK) {
        struct architecture architecture;
        status = architecture_read(MEMORY_FOLDER, &weights, &architecture, &error);
        if (status == TERCET_OK) {
            read_weights(&weights, &architecture);
            architecture_free(&architecture);
        }
        source_weights_close(&weights);
    }
    PROMISE(status == TERCET_OK || (error.status == status && error.detail[0] != '\0'));
    PROMISE(memory_folder_open_shards() == 0);
    return 0;
}
