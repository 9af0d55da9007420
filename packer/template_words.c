/*
 * template_words.c: see template_words.h.
 */
#include "template_words.h"

static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void read_string(struct template_text *in, struct template_word *word) {
    char quote = in->text[in->at++];
    word->kind = WORD_STRING;
    while (in->at < in->bytes && in->text[in->at] != quote) {
        char c = in->text[in->at++];
        if (c == '\\' && in->at < in->bytes) {
            char escaped = in->text[in->at++];
            c = escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped == 'r' ? '\r' : escaped;
            if (is_name(escaped) && escaped != 'n' && escaped != 't' && escaped != 'r') {
                in->failed = true; /* \x41 and the like */
            }
        }
        if (word->bytes == sizeof word->text - 1) {
            in->failed = true;
            return;
        }
        word->text[word->bytes++] = c;
    }
    in->failed = in->failed || in->at == in->bytes;
    in->at++;
}

void template_next_word(struct template_text *in, const char *close, struct template_word *word) {
    word->bytes = 0;
    word->kind = WORD_END;
    while (in->at < in->bytes && template_is_blank(in->text[in->at])) {
        in->at++;
    }
    const char *at = in->text + in->at;
    size_t left = in->at < in->bytes ? in->bytes - in->at : 0;
    if (left == 0) {
        in->failed = true;
    } else if (template_begins_with(at, left, close)) {
        in->at += 2;
    } else if (at[0] == '-' && template_begins_with(at + 1, left - 1, close)) {
        in->at += 3;
    } else if (at[0] == '\'' || at[0] == '"') {
        read_string(in, word);
    } else if (is_name(at[0])) {
        word->kind = WORD_NAME;
        while (word->bytes < left && is_name(at[word->bytes]) &&
               word->bytes < sizeof word->text - 1) {
            word->text[word->bytes] = at[word->bytes];
            word->bytes++;
        }
        in->at += word->bytes;
    } else {
        word->kind = WORD_SIGN;
        word->text[word->bytes++] = at[0];
        in->at++;
    }
    word->text[word->bytes] = '\0';
}
