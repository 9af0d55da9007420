/* fuzz_sentencepiece.c - any bytes as a tokenizer.model.
 *
 * Refused with a place inside the file, or read with pieces that lie inside it.
 */
#include "read_sentencepiece.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "fuzz_sentencepiece: %s\n", what);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sentencepiece_model model;
    tercet_error error = {TERCET_OK, 0, ""};
    if (sentencepiece_read("fuzz.model", data, size, &model, &error) != TERCET_OK) {
        must(error.status >= TERCET_BAD_MAGIC && error.where <= size, "the error says nothing");
        must(model.pieces == NULL, "pieces are left after an error");
        return 0;
    }
    unsigned sum = 0;
    for (uint32_t i = 0; i < model.count; i++) {
        const struct sentencepiece_piece *piece = &model.pieces[i];
        must(piece->type >= SENTENCEPIECE_NORMAL && piece->type <= SENTENCEPIECE_BYTE, "type");
        must(piece->text >= data && piece->bytes <= (size_t)(data + size - piece->text), "place");
        for (uint32_t b = 0; b < piece->bytes; b++) {
            sum += piece->text[b]; /* touches every byte for the sanitizer */
        }
    }
    must(sum <= 255u * size,
         "pieces overlap beyond the file"); /* false only by a piece read twice */
    sentencepiece_free(&model);
    return 0;
}
