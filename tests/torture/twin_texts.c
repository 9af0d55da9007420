/*
 * twin_texts.c: the native side of the twins: texts out of a list, each computed in a session that the one before has used, and of
 * each its tokens and a hash of all logits that there were on the way. tests/torture/twin_texts.mjs does the same in WebAssembly.
 *
 *   twin_texts FILE LIST KERNELS THREADS SLICE KV FROM COUNT TOKENS     one line of JSON a text
 *
 * A line of LIST: seed, temperature, top-k, top-p, min-p, repetition penalty; 1 where the logits of every token of the prompt are
 * wanted, else 0; most tokens of the prompt; then "ids" and numbers, of which the remainder by the vocabulary is the token, or
 * "text" and the bytes of a text in hexadecimal digits. KV is one of TERCET_KV_*.
 */
#include "torture_host.h"

#include <inttypes.h>

enum { LINE_MOST = 1 << 14, IDS_MOST = 4096, TOKENS_MOST = 1024, HASH_SHOWN = 8 };

struct text {
    tercet_sampling sampling;
    bool rows;
    uint32_t prompt[IDS_MOST];
    size_t count;
};

/* The next word of the line, NULL behind the last. */
static char *next_word(char **line) {
    char *word = *line + strspn(*line, " \n");
    size_t length = strcspn(word, " \n");
    if (length == 0)
        return NULL;
    *line = word + length + (word[length] != '\0');
    word[length] = '\0';
    return word;
}

static char *need_word(char **line) {
    char *word = next_word(line);
    REQUIRE(word != NULL);
    return word;
}

static float next_number(char **line) {
    return (float)strtod(need_word(line), NULL);
}

static size_t read_hexadecimal(const char *digits, char *bytes) {
    size_t count = strlen(digits) / 2;
    for (size_t i = 0; i < count; i++) {
        char pair[3] = {digits[2 * i], digits[2 * i + 1], '\0'};
        bytes[i] = (char)strtoul(pair, NULL, 16);
    }
    return count;
}

static struct text read_text(const tercet_model *model, const tercet_model_info *info, char *line) {
    struct text text = {.sampling = {.struct_bytes = sizeof text.sampling}};
    text.sampling.seed = read_number(need_word(&line));
    text.sampling.temperature = next_number(&line);
    text.sampling.top_k = (uint32_t)read_number(need_word(&line));
    text.sampling.top_p = next_number(&line);
    text.sampling.min_p = next_number(&line);
    text.sampling.repetition_penalty = next_number(&line);
    text.sampling.repetition_window = 64;
    text.rows = read_number(need_word(&line)) != 0;
    size_t most = (size_t)read_number(need_word(&line));
    const char *kind = need_word(&line);
    if (strcmp(kind, "ids") == 0) {
        for (char *word; (word = next_word(&line)) != NULL && text.count < IDS_MOST;)
            text.prompt[text.count++] = (uint32_t)(read_number(word) % info->token_count);
    } else {
        static char bytes[LINE_MOST / 2];
        char *digits = next_word(&line);
        size_t length = digits == NULL ? 0 : read_hexadecimal(digits, bytes);
        REQUIRE(tercet_tokenize(model, bytes, length, TERCET_TEXT_ADD_BEGINNING, text.prompt,
                                IDS_MOST, &text.count, NULL) == TERCET_OK);
    }
    text.count = text.count < most ? text.count : most;
    /* Of no text, and of a model that begins with no token of its own. */
    text.count = text.count > 0 ? text.count : 1;
    return text;
}

static EVP_MD_CTX *begin_hash(void) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    REQUIRE(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    return context;
}

static void add_rows(EVP_MD_CTX *context, const float *rows, size_t count, uint32_t vocabulary) {
    REQUIRE(rows != NULL &&
            EVP_DigestUpdate(context, rows, count * vocabulary * sizeof *rows) == 1);
}

static void print_hash(EVP_MD_CTX *context) {
    uint8_t hash[32];
    REQUIRE(EVP_DigestFinal_ex(context, hash, NULL) == 1);
    EVP_MD_CTX_free(context);
    printf("\"");
    for (size_t i = 0; i < HASH_SHOWN; i++)
        printf("%02x", hash[i]);
    printf("\"");
}

/* One hash for the prompt, one for each token; then the tokens. */
static void write_text_of(tercet_session *session, const struct text *text, uint32_t vocabulary,
                          float *rows, size_t tokens) {
    uint32_t written[TOKENS_MOST];
    size_t count = 0, done = 0;
    REQUIRE(tercet_session_set_sampling(session, &text->sampling, NULL) == TERCET_OK);
    REQUIRE(tercet_session_reset(session, 0) == TERCET_OK);
    EVP_MD_CTX *hash = begin_hash();
    for (size_t at = 0; at < text->count; at += done) {
        REQUIRE(tercet_session_prefill(session, text->prompt + at, text->count - at, &done,
                                       text->rows ? rows : NULL, NULL) == TERCET_OK);
        if (text->rows)
            add_rows(hash, rows, done, vocabulary);
    }
    add_rows(hash, tercet_session_logits(session), 1, vocabulary);
    printf("{\"prompt\":%zu,\"logits\":[", text->count);
    print_hash(hash);
    for (; count < tokens; count++) {
        REQUIRE(tercet_session_step(session, written + count, NULL) == TERCET_OK);
        hash = begin_hash();
        add_rows(hash, tercet_session_logits(session), 1, vocabulary);
        printf(",");
        print_hash(hash);
    }
    printf("],\"tokens\":[");
    for (size_t i = 0; i < count; i++)
        printf("%s%" PRIu32, i > 0 ? "," : "", written[i]);
    printf("]}\n");
}

/* No text ends before it has all its tokens. */
static void forbid_ends(tercet_session *session, const tercet_model *model,
                        const tercet_model_info *info) {
    size_t words = ((size_t)info->vocabulary + 31) / 32;
    uint32_t *mask = calloc(words, sizeof *mask);
    REQUIRE(mask != NULL);
    for (uint32_t token = 0; token < info->vocabulary; token++) {
        if (!tercet_token_is_stop(model, token))
            mask[token / 32] |= 1u << token % 32;
    }
    REQUIRE(tercet_session_set_mask(session, mask, words, NULL) == TERCET_OK);
    free(mask);
}

int main(int count, char **arguments) {
    if (count != 10) {
        fprintf(stderr, "usage: twin_texts FILE LIST KERNELS THREADS SLICE KV FROM COUNT TOKENS\n");
        return 2;
    }
    struct bytes file = read_whole(arguments[1]);
    uint64_t numbers[6];
    for (int i = 0; i < 6; i++)
        numbers[i] = read_number(arguments[4 + i]);
    struct meter meter = {0};
    tercet_engine *engine = NULL;
    tercet_model *model;
    tercet_session *session = NULL;
    tercet_session_options options;
    tercet_model_info info;
    tercet_engine_info place;
    tercet_error error;
    const struct manner manner = {true, true};
    REQUIRE(open_engine_with(&meter, (uint32_t)numbers[0], arguments[3], &engine) == TERCET_OK);
    tercet_engine_get_info(engine, &place);
    REQUIRE(strcmp(place.kernels, arguments[3]) == 0 && place.threads == numbers[0]);
    REQUIRE(load(engine, file, manner, &model, &error) == TERCET_OK);
    tercet_model_get_info(model, &info);
    tercet_session_options_init(model, &options);
    options.context = 256;
    options.slice = (uint32_t)numbers[1];
    options.kv = (uint32_t)numbers[2];
    REQUIRE(tercet_session_create(model, &options, &session, NULL) == TERCET_OK);
    forbid_ends(session, model, &info);
    float *rows = malloc((size_t)options.slice * info.vocabulary * sizeof *rows);
    FILE *list = fopen(arguments[2], "r");
    REQUIRE(rows != NULL && list != NULL && numbers[5] <= TOKENS_MOST);
    static char line[LINE_MOST];
    for (uint64_t i = 0; i < numbers[3] + numbers[4]; i++) {
        REQUIRE(fgets(line, sizeof line, list) != NULL);
        if (i < numbers[3])
            continue;
        struct text text = read_text(model, &info, line);
        write_text_of(session, &text, info.vocabulary, rows, (size_t)numbers[5]);
    }
    fclose(list);
    free(rows);
    tercet_session_destroy(session);
    tercet_model_destroy(model);
    tercet_engine_destroy(engine);
    free((void *)(uintptr_t)file.bytes);
    return 0;
}
