/*
 * fuzz_tokenizer_pair.c: any bytes as vocab.json and merges.txt, with the files that add tokens to them.
 */
#include "memory_folder.h"
#include "tokenizer_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"vocab.json", "merges.txt", "added_tokens.json",
                                        "tokenizer_config.json", "special_tokens_map.json"};
    memory_folder_fill(names, sizeof names / sizeof *names, data, size);
    read_folder_tokenizer(MEMORY_FOLDER, 512, size % 2 == 0 ? TERCET_NO_TOKEN : 1);
    return 0;
}
