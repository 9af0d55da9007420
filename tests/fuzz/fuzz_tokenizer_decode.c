/*
 * fuzz_tokenizer_decode.c: any numbers as tokens to decode. The first byte chooses the tables, the rest are ids of 16 bits, few
 * of them beyond the vocabulary.
 */
#include "text/utf8.h"
#include "text_tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const struct tokenizer_fixture *fixture = text_tables(data[0]);
    const struct container_tokenizer *tables = &fixture->tables;
    size_t count = (size - 1) / 2, bytes = 0, summed = 0;
    uint32_t *tokens = malloc((count + 1) * sizeof *tokens);
    tercet_error error = {0};
    bool known = true;
    PROMISE(tokens != NULL);
    for (size_t i = 0; i < count; i++) {
        tokens[i] = (uint32_t)data[1 + 2 * i] | (uint32_t)data[2 + 2 * i] << 8;
        if (tokens[i] < 0xFF00) {
            tokens[i] %= tables->token_count;
        }
        const uint8_t *text = NULL;
        size_t text_bytes = 0;
        bool is = tokenizer_token_bytes(tables, tokens[i], &text, &text_bytes);
        PROMISE(is == (tokens[i] < tables->token_count));
        summed += is ? text_bytes : 0;
        known = known && is;
    }
    char *text = fixture_decode(fixture, tokens, count, &bytes, &error);
    PROMISE((text != NULL) == known);
    if (text == NULL) {
        PROMISE(error.status == TERCET_BAD_TOKEN && error.detail[0] != '\0');
    } else {
        /* A byte that is no UTF-8 becomes three. */
        PROMISE(bytes <= 3 * summed && utf8_valid_prefix((const uint8_t *)text, bytes) == bytes);
    }
    free(text);
    free(tokens);
    return 0;
}
