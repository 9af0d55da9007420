/* tokenize_folder.c - a tokenizer folder and texts in, token ids out: for tests in JavaScript.
 *
 * Why it exists: vocabularies that come from npm packages are known only to node:test files, and
 * their ids must come from the packer's reader and the core's encoder. Texts are read from standard
 * input, separated by NUL bytes; each gives one line of ids on standard output, followed by "!" when
 * decoding them does not give the text back.
 *
 *   usage: tokenize_folder FOLDER VOCABULARY [--special] [--beginning] < texts
 */
#include "tokenizer_fixture.h"

static char *read_input(size_t *count) {
    size_t capacity = 1 << 16;
    char *text = malloc(capacity);
    *count = 0;
    while (text != NULL) {
        size_t got = fread(text + *count, 1, capacity - *count, stdin);
        *count += got;
        if (got == 0) {
            return text;
        }
        if (*count == capacity) {
            capacity *= 2;
            text = realloc(text, capacity);
        }
    }
    return NULL;
}

static int fail(const char *what, const tercet_error *error) {
    fprintf(stderr, "%s: %s [%s]\n", what, error->detail, tercet_status_name(error->status));
    return 1;
}

int main(int argc, char **argv) {
    uint32_t flags = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: tokenize_folder FOLDER VOCABULARY [--special] [--beginning]\n");
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        flags |= strcmp(argv[i], "--special") == 0 ? TERCET_TEXT_PARSE_SPECIAL : 0u;
        flags |= strcmp(argv[i], "--beginning") == 0 ? TERCET_TEXT_ADD_BEGINNING : 0u;
    }
    struct tokenizer_fixture fixture;
    tercet_error error = {TERCET_OK, 0, ""};
    uint32_t vocabulary = (uint32_t)strtoul(argv[2], NULL, 10);
    if (fixture_from_folder(&fixture, argv[1], vocabulary, TERCET_NO_TOKEN, &error) != TERCET_OK) {
        return fail(argv[1], &error);
    }
    size_t bytes;
    char *input = read_input(&bytes);
    if (input == NULL) {
        return 1;
    }
    for (size_t at = 0; at <= bytes;) {
        const char *end = memchr(input + at, '\0', bytes - at);
        size_t length = end != NULL ? (size_t)(end - input) - at : bytes - at, count, decoded;
        uint32_t *tokens = fixture_encode(&fixture, input + at, length, flags, &count, &error);
        char *text =
            tokens != NULL ? fixture_decode(&fixture, tokens, count, &decoded, &error) : NULL;
        if (text == NULL) {
            return fail("text", &error);
        }
        for (size_t i = 0; i < count; i++) {
            printf("%s%u", i > 0 ? " " : "", tokens[i]);
        }
        bool same = decoded == length && memcmp(text, input + at, length) == 0;
        printf("%s\n", same ? "" : count > 0 ? " !" : "!");
        free(text);
        free(tokens);
        at += length + 1;
    }
    free(input);
    fixture_free(&fixture);
    return 0;
}
