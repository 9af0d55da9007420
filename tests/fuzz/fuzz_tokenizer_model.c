/*
 * fuzz_tokenizer_model.c: any bytes as a SentencePiece tokenizer.model, with the tokens that tokenizer_config.json adds.
 */
#include "memory_folder.h"
#include "tokenizer_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"tokenizer.model", "tokenizer_config.json"};
    memory_folder_fill(names, sizeof names / sizeof *names, data, size);
    read_folder_tokenizer(MEMORY_FOLDER, 512, size % 2 == 0 ? TERCET_NO_TOKEN : 1);
    return 0;
}
