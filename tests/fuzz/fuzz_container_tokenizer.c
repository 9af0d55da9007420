/*
 * fuzz_container_tokenizer.c: any bytes as the TOKENIZER section of a .tercet file. Tables that are accepted keep every promise
 * of container_reader.h and can be used on any text.
 */
#define _POSIX_C_SOURCE 200809L /* posix_memalign */
#include "edge_mutator.h"
#include "tokenizer_target.h"

enum { VOCABULARY = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct tokenizer_fixture fixture;
    tercet_error error = {0};
    void *block = NULL;
    PROMISE(posix_memalign(&block, 64, size > 0 ? size : 1) == 0);
    fixture.memory = block;
    if (size > 0) {
        memcpy(block, data, size);
    }
    tercet_status status = container_view_tokenizer((untrusted_bytes){fixture.memory, size},
                                                    VOCABULARY, &fixture.tables, &error);
    if (status == TERCET_OK) {
        PROMISE(fixture.tables.token_count <= VOCABULARY);
        PROMISE(tokenizer_inconsistency_(&fixture.tables, fixture.memory, size) == NULL);
        use_tokenizer(&fixture);
    } else {
        PROMISE(error.status == status && error.detail[0] != '\0');
    }
    free(block);
    return 0;
}
