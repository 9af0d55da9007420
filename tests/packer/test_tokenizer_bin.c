/*
 * test_tokenizer_bin.c: tokens without merges: the merges are found again, and what is no list of tokens is refused. Merges of the
 * golden file are compared with those that made it by the vectors of text below.
 */
#include "source_copy.h"
#include "tokenizer_bin.h"
#include "tokenizer_tables.h"

static char folder[COPY_PATH_BYTES];

/* The tokens of `texts`, NULL at the end, as tokenizer.bin. */
static void write_tokens(const char *const *texts) {
    uint8_t bytes[4096];
    size_t count = 0;
    for (; *texts != NULL; texts++) {
        size_t length = strlen(*texts);
        memcpy(bytes + count, (const uint8_t[4]){(uint8_t)length, (uint8_t)(length >> 8), 0, 0}, 4);
        memcpy(bytes + count + 4, *texts, length);
        count += 4 + length;
    }
    folder_write(folder, TOKENIZER_BIN_FILE, bytes, count);
}

static void check_merges(const char *const *tokens, const char *const *want) {
    struct json_document document = {NULL, ""};
    tercet_error error = {TERCET_OK, 0, ""};
    write_tokens(tokens);
    CHECK_STATUS(tokenizer_bin_load(folder, &document, &error), TERCET_OK);
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(document.root, "model");
    const cJSON *merge = cJSON_GetObjectItemCaseSensitive(model, "merges");
    merge = merge == NULL ? NULL : merge->child;
    for (; *want != NULL; want++, merge = merge == NULL ? NULL : merge->next)
        CHECK_STR(merge == NULL ? "nothing" : merge->valuestring, *want);
    CHECK(merge == NULL);
    json_free(&document);
}

static void test_merges(void) {
    /* "abc" is "ab c" because "ab" came before "bc"; "xbc" is "x bc"; "aab" is "a ab", not "aa b", which is later. */
    check_merges((const char *[]){"a", "b", "c", "x", "ab", "bc", "abc", "xbc", "aab", "aa", "aaab",
                                  "<|endoftext|>", NULL},
                 (const char *[]){"a b", "b c", "ab c", "x bc", "a ab", "a a", "a aab", NULL});
    /* What cannot be reached stays whole. */
    check_merges((const char *[]){"a", "b", "ba", "abab", "\xC4\xA0",
                                  "\xC4\xA0"
                                  "a",
                                  NULL},
                 (const char *[]){"b a", "\xC4\xA0 a", NULL});
    check_merges((const char *[]){"<", "|", "e", "<|endoftext|>", "<|", NULL},
                 (const char *[]){"< |", NULL});
}

static void refuse(const void *bytes, size_t count, tercet_status want, const char *word) {
    struct json_document document = {NULL, ""};
    tercet_error error = {TERCET_OK, 0, ""};
    folder_write(folder, TOKENIZER_BIN_FILE, bytes, count);
    CHECK_STATUS(tokenizer_bin_load(folder, &document, &error), want);
    CHECK(strstr(error.detail, word) != NULL);
}

static void test_faults(void) {
    refuse("\1\0\0\0a\1\0", 7, TERCET_BAD_SOURCE, "token 1");
    refuse("\1\0\0\0a\2\0\0\0b", 10, TERCET_BAD_SOURCE, "token 1");
    refuse("\xFF\xFF\xFF\xFF", 4, TERCET_BAD_SOURCE, "token 0");
    refuse("\0\0\0\0", 4, TERCET_BAD_SOURCE, "token 0");
    refuse("\1\0\0\0\xFF", 5, TERCET_BAD_SOURCE, "token 0");
    refuse("\1\0\0\0\0", 5, TERCET_BAD_SOURCE, "token 0");
    refuse("\1\0\0\0a\1\0\0\0a", 10, TERCET_BAD_SOURCE, "0 and 1");
    static uint8_t long_token[4 + 1025];
    memset(long_token, 'a', sizeof long_token);
    memcpy(long_token, "\1\4\0\0", 4);
    refuse(long_token, sizeof long_token, TERCET_LIMIT_EXCEEDED, "1025 bytes");
}

int main(void) {
    folder_make(folder);
    CHECK(!tokenizer_bin_exists(folder));
    test_merges();
    CHECK(tokenizer_bin_exists(folder));
    test_faults();
    folder_remove(folder);
    return check_done();
}
