/*
 * fuzz_tokenizer_json.c: any bytes as a tokenizer.json: byte-level BPE, SentencePiece-style BPE, WordPiece, and the pipeline around them.
 */
#include "memory_folder.h"
#include "tokenizer_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json"};
    memory_folder_fill(names, sizeof names / sizeof *names, data, size);
    read_folder_tokenizer(MEMORY_FOLDER, 512, size % 2 == 0 ? TERCET_NO_TOKEN : 1);
    return 0;
}
