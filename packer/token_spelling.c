/*
 * token_spelling.c: see token_spelling.h.
 */
#include "token_spelling.h"

#include "../core/text/utf8.h"
#include "byte_alphabet.h"

#include <stdio.h>
#include <stdlib.h>

const uint8_t *token_text(const struct container_tokenizer *t, uint32_t token, uint32_t *bytes) {
    *bytes = t->text_offsets[token + 1] - t->text_offsets[token];
    return t->text + t->text_offsets[token];
}

/* Tokens that merging cannot give are not written in the printable alphabet; in SentencePiece an unused one still has its
 * spaces as U+2581. */
static bool is_written_plainly(const struct container_tokenizer *t, uint32_t kind) {
    return kind == TOKEN_CONTROL || kind == TOKEN_USER_DEFINED || kind == TOKEN_UNKNOWN ||
           (kind == TOKEN_UNUSED && t->kind == TOKENIZER_BYTE_BPE);
}

size_t token_spell(const struct container_tokenizer *t, uint32_t token, uint8_t *out) {
    uint32_t bytes = 0;
    size_t written = 0;
    const uint8_t *text = token < t->token_count ? token_text(t, token, &bytes) : NULL;
    if (bytes == 0) {
        return 0;
    }
    uint32_t kind = t->kinds[token];
    if (kind == TOKEN_BYTE) {
        return (size_t)snprintf((char *)out, TOKEN_SPELLING_BYTES, "<0x%02X>", text[0]);
    }
    for (uint32_t i = 0; i < bytes; i++) {
        if (is_written_plainly(t, kind)) {
            out[written++] = text[i];
        } else if (t->kind == TOKENIZER_BYTE_BPE) {
            written += utf8_encode(byte_alphabet_character(text[i]), out + written);
        } else if (text[i] == ' ') {
            written += utf8_encode(0x2581, out + written);
        } else {
            out[written++] = text[i];
        }
    }
    return written;
}

struct ranked {
    uint32_t rank, merge;
};

static int compare_ranks(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1)
                              : (x->merge > y->merge) - (x->merge < y->merge);
}

uint32_t *token_merge_order(const struct container_tokenizer *t) {
    size_t room = (size_t)t->merge_count + 1;
    struct ranked *ranked = malloc(room * sizeof *ranked);
    uint32_t *order = malloc(room * sizeof *order);
    if (ranked == NULL || order == NULL) {
        free(ranked);
        free(order);
        return NULL;
    }
    for (uint32_t i = 0; i < t->merge_count; i++) {
        ranked[i] = (struct ranked){t->merges[(size_t)i * 4 + 2], i};
    }
    qsort(ranked, t->merge_count, sizeof *ranked, compare_ranks);
    for (uint32_t i = 0; i < t->merge_count; i++) {
        order[i] = ranked[i].merge;
    }
    free(ranked);
    return order;
}
