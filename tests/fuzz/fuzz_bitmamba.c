/*
 * fuzz_bitmamba.c: any bytes as the .bin of a BitMamba-2 model, read to the last row.
 */
#include "bitmamba_model.h"
#include "memory_folder.h"
#include "weights_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct source_weights weights;
    struct bitmamba_shape shape;
    tercet_error error = {0};
    memory_folder_fill_one("model.bin", data, size);
    tercet_status status = bitmamba_open(MEMORY_FOLDER "/model.bin", &weights, &shape, &error);
    if (status == TERCET_OK) {
        struct architecture architecture;
        status = bitmamba_model_read(&shape, &weights, &architecture, &error);
        if (status == TERCET_OK) {
            read_weights(&weights, &architecture);
        }
        architecture_free(&architecture);
        source_weights_close(&weights);
    }
    PROMISE(status == TERCET_OK || (error.status == status && error.detail[0] != '\0'));
    PROMISE(memory_folder_open_shards() == 0);
    return 0;
}
