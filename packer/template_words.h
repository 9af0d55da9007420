/*
 * template_words.h: the words of a chat template's tags: names, strings, signs. Bounded, for any bytes; what it does not
 * understand it says so. Knows nothing of what a template means (chat_template.h).
 */
#ifndef TERCET_PACKER_TEMPLATE_WORDS_H
#define TERCET_PACKER_TEMPLATE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define TEMPLATE_WORD_BYTES 4096u

struct template_text {
    const char *text;
    size_t bytes, at; /* at: what is read next */
    bool failed;      /* something is beyond this reader; stays */
};

enum template_word_kind { WORD_END, WORD_NAME, WORD_STRING, WORD_SIGN };

struct template_word {
    enum template_word_kind kind;
    char text[TEMPLATE_WORD_BYTES]; /* a name, the value of a string, or one sign; NUL-terminated */
    size_t bytes;
};

/* The next word of the tag that ends with `close` ("%}", "}}"); WORD_END behind that, and on failure. */
void template_next_word(struct template_text *in, const char *close, struct template_word *word);

static inline bool template_word_is(const struct template_word *word, enum template_word_kind kind,
                                    const char *text) {
    return word->kind == kind && strcmp(word->text, text) == 0;
}

static inline bool template_is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline bool template_begins_with(const char *text, size_t bytes, const char *with) {
    return bytes >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

#endif
