/*
 * synthetic_tokenizer.c: see synthetic_tokenizer.h. The words are all strings over six letters, the
 * short ones first, some with a space in front: word = an earlier word + a letter. So every word has
 * the merge that makes it, texts are as long as real ones (6 letters at 50,000 tokens), and no two
 * are equal.
 */
#include "synthetic_tokenizer.h"
#include "../packer/tokenizer_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LETTERS = 6, BYTES = 256, WORD_MAX = 24, FIRST_SPECIALS = 3 };
static const char letters[] = "etaoin";

/* Where the tokens of each kind begin. */
struct plan {
    const struct synthetic_tokenizer *wanted;
    uint32_t bytes, words, specials; /* first token of the kind */
    uint32_t word_count, special_count;
};

/* Words are numbered: 0..5 the letters, 6 the space, then every earlier word but a lone space's
 * children follow their parents: word i > 6 is word (i - 7) / 6 and letter (i - 7) % 6. */
enum { SINGLE_WORDS = LETTERS + 1 };

static size_t spell(uint32_t word, char text[WORD_MAX]) {
    if (word < SINGLE_WORDS) {
        text[0] = word < LETTERS ? letters[word] : ' ';
        return 1;
    }
    size_t length = spell((word - SINGLE_WORDS) / LETTERS, text);
    text[length] = letters[(word - SINGLE_WORDS) % LETTERS];
    return length + 1;
}

/* A byte-level tokenizer has its single letters among the bytes; SentencePiece has both. */
static uint32_t token_of_word(const struct plan *plan, uint32_t word) {
    if (plan->wanted->kind == TOKENIZER_SENTENCEPIECE) {
        return plan->words + word;
    }
    return word < SINGLE_WORDS ? plan->bytes + (uint8_t)(word < LETTERS ? letters[word] : ' ')
                               : plan->words + word - SINGLE_WORDS;
}

static struct plan make_plan(const struct synthetic_tokenizer *wanted) {
    struct plan plan = {.wanted = wanted, .special_count = wanted->specials};
    if (wanted->kind == TOKENIZER_SENTENCEPIECE) { /* <unk> <s> </s>, bytes, pieces */
        plan.bytes = FIRST_SPECIALS;
        plan.words = plan.bytes + BYTES;
        plan.word_count = wanted->tokens - plan.words;
    } else { /* bytes, words, specials */
        plan.words = BYTES;
        plan.specials = wanted->tokens - wanted->specials;
        plan.word_count = plan.specials - plan.words + SINGLE_WORDS;
    }
    return plan;
}

static tercet_status add_specials(const struct plan *plan, struct tokenizer_builder *builder,
                                  tercet_error *error) {
    static const char *const piece_names[FIRST_SPECIALS] = {"<unk>", "<s>", "</s>"};
    bool piece = plan->wanted->kind == TOKENIZER_SENTENCEPIECE;
    for (uint32_t i = 0; i < plan->special_count; i++) {
        char text[WORD_MAX];
        int length = piece ? snprintf(text, sizeof text, "%s", piece_names[i])
                           : snprintf(text, sizeof text, "<|special_%u|>", i);
        uint8_t kind = piece && i == 0 ? TOKEN_UNKNOWN : TOKEN_CONTROL;
        TERCET_TRY(tokenizer_builder_add(builder, plan->specials + i, (const uint8_t *)text,
                                         (size_t)length, kind, false, error));
    }
    return TERCET_OK;
}

static tercet_status add_tokens(const struct plan *plan, struct tokenizer_builder *builder,
                                tercet_error *error) {
    bool pieces = plan->wanted->kind == TOKENIZER_SENTENCEPIECE;
    TERCET_TRY(add_specials(plan, builder, error));
    for (uint32_t value = 0; value < BYTES; value++) {
        uint8_t byte = (uint8_t)value;
        TERCET_TRY(tokenizer_builder_add(builder, plan->bytes + value, &byte, 1,
                                         pieces ? TOKEN_BYTE : TOKEN_NORMAL, !pieces, error));
    }
    for (uint32_t word = pieces ? 0 : SINGLE_WORDS; word < plan->word_count; word++) {
        char text[WORD_MAX];
        size_t length = spell(word, text);
        TERCET_TRY(tokenizer_builder_add(builder, token_of_word(plan, word), (const uint8_t *)text,
                                         length, TOKEN_NORMAL, true, error));
    }
    return tokenizer_builder_index(builder, error);
}

/* First the merges that every word has (its parent and its last letter), then the other ways to split
 * a word, until there are as many as wanted. Ranks rise with the words: short ones are made first. */
static tercet_status add_merges(const struct plan *plan, struct tokenizer_builder *builder,
                                tercet_error *error) {
    uint32_t left = plan->wanted->merges, rank = 0;
    for (size_t tail = 1; tail < WORD_MAX && left > 0; tail++) {
        uint32_t before = left;
        for (uint32_t word = SINGLE_WORDS; word < plan->word_count && left > 0; word++) {
            char text[WORD_MAX];
            size_t length = spell(word, text);
            if (length <= tail) {
                continue;
            }
            const uint8_t *bytes = (const uint8_t *)text;
            uint32_t a = tokenizer_builder_find(builder, bytes, length - tail);
            uint32_t b = tokenizer_builder_find(builder, bytes + length - tail, tail);
            if (a != TERCET_NO_TOKEN && b != TERCET_NO_TOKEN) {
                TERCET_TRY(tokenizer_builder_add_merge(builder, a, b, rank++, error));
                left--;
            }
        }
        if (left == before) {
            break; /* every way to split every word is there */
        }
    }
    return TERCET_OK;
}

tercet_status synthetic_tokenizer_build(const struct synthetic_tokenizer *wanted,
                                        struct tokenizer_section *section, tercet_error *error) {
    struct plan plan = make_plan(wanted);
    struct tokenizer_builder builder;
    TERCET_TRY(tokenizer_builder_open(&builder, "the synthetic tokenizer", wanted->tokens, error));
    builder.kind = wanted->kind;
    builder.splitter = wanted->splitter;
    builder.flags = wanted->flags;
    if (wanted->kind == TOKENIZER_SENTENCEPIECE) {
        builder.unknown = 0;
        builder.beginning = 1;
    } else if ((wanted->flags & TOKENIZER_FLAG_ADD_BEGINNING) != 0) {
        builder.beginning = plan.specials;
    }
    tercet_status status = add_tokens(&plan, &builder, error);
    if (status == TERCET_OK) {
        status = add_merges(&plan, &builder, error);
    }
    if (status == TERCET_OK) {
        status = tokenizer_builder_finish(&builder, section, error);
    }
    tokenizer_builder_close(&builder);
    return status;
}
