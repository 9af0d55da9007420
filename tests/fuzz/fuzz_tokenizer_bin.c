/*
 * fuzz_tokenizer_bin.c: any bytes as the tokenizer.bin of a BitMamba-2 model.
 */
#include "memory_folder.h"
#include "tokenizer_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memory_folder_fill_one("tokenizer.bin", data, size);
    read_folder_tokenizer(MEMORY_FOLDER, 512, TERCET_NO_TOKEN);
    return 0;
}
