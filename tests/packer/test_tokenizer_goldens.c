/* test_tokenizer_goldens.c - real tokenizers on real texts, against ids from other programs.
 *
 *   bundled model    ids of its golden.json (SentencePiece itself); tokenizer.json and
 *                    tokenizer.model of the same folder must agree
 *   stories260K      ids of its golden.json (llama2.c's vocabulary)
 *   llama-spm        llama.cpp's 46 vectors with the pieces of Llama 2
 *
 * Vocabularies that come from npm are tested by tokenizer_vectors.test.mjs.
 */
#include "check.h"
#include "json.h"
#include "text/utf8.h"
#include "tokenizer_fixture.h"
#include "tokenizer_folder.h"

#define BUNDLED "../models/gutenberg-6m-b158"
#define VECTORS "golden/tokenizers/llama.cpp-vectors"

static void open_folder(struct tokenizer_fixture *fixture, const char *folder,
                        uint32_t vocabulary) {
    tercet_error error = {TERCET_OK, 0, ""};
    if (!CHECK_STATUS(fixture_from_folder(fixture, folder, vocabulary, TERCET_NO_TOKEN, &error),
                      TERCET_OK)) {
        fprintf(stderr, "    %s: %s\n", folder, error.detail);
        exit(check_done());
    }
}

/* Ids equal, and decoding gives the text back. */
static void check_text(const struct tokenizer_fixture *fixture, const char *text, size_t bytes,
                       uint32_t flags, const uint32_t *expected, size_t expected_count) {
    size_t count, decoded_bytes;
    uint32_t *tokens = fixture_encode(fixture, text, bytes, flags, &count, NULL);
    REQUIRE(tokens != NULL);
    if (!CHECK_EQ(count, expected_count) || !CHECK_MEM(tokens, expected, count * sizeof *tokens)) {
        fprintf(stderr, "    text: %.60s\n", text);
    }
    char *decoded = fixture_decode(fixture, tokens, count, &decoded_bytes, NULL);
    REQUIRE(decoded != NULL);
    CHECK_EQ(decoded_bytes, bytes);
    CHECK(decoded_bytes == bytes && memcmp(decoded, text, bytes) == 0);
    free(decoded);
    free(tokens);
}

/* golden.json: cases of {prompt, ids}. */
static void check_golden_cases(const struct tokenizer_fixture *fixture, const char *folder) {
    struct json_document document;
    tercet_error error;
    const cJSON *cases = NULL;
    REQUIRE(json_load(folder, "golden.json", 1 << 20, &document, &error) == TERCET_OK);
    REQUIRE(json_get_array(&document, document.root, "cases", JSON_REQUIRED, &cases, &error) ==
            TERCET_OK);
    uint32_t checked = 0;
    for (const cJSON *item = cases->child; item != NULL; item = item->next) {
        const char *prompt = NULL;
        const cJSON *ids = NULL;
        uint32_t expected[256];
        size_t count = 0;
        REQUIRE(json_get_string(&document, item, "prompt", JSON_REQUIRED, &prompt, &error) ==
                TERCET_OK);
        REQUIRE(json_get_array(&document, item, "ids", JSON_REQUIRED, &ids, &error) == TERCET_OK);
        for (const cJSON *id = ids->child; id != NULL; id = id->next) {
            uint64_t value = 0;
            REQUIRE(count < 256 && json_take_u64(id, UINT32_MAX, &value));
            expected[count++] = (uint32_t)value;
        }
        check_text(fixture, prompt, strlen(prompt), TERCET_TEXT_ADD_BEGINNING, expected, count);
        checked++;
    }
    CHECK(checked >= 4);
    json_free(&document);
}

/* The bundled model's validation text, a line at a time, as its golden.json was made: 1 first, 13 behind each line. */
static void check_golden_text(const struct tokenizer_fixture *fixture, const char *text) {
    struct json_document document;
    tercet_error error;
    const cJSON *ids = NULL;
    enum { WANTED = 257 };
    uint32_t got[WANTED + 2048];
    size_t count = 0;
    REQUIRE(json_load(BUNDLED, "golden.json", 1 << 20, &document, &error) == TERCET_OK);
    REQUIRE(json_get_array(&document, document.root, "valid_token_ids_first_257", JSON_REQUIRED,
                           &ids, &error) == TERCET_OK);
    got[count++] = 1;
    while (count < WANTED) {
        const char *end = strchr(text, '\n');
        REQUIRE(end != NULL);
        size_t line_count;
        uint32_t *line =
            fixture_encode(fixture, text, (size_t)(end - text), 0, &line_count, &error);
        REQUIRE(line != NULL && line_count < 2048);
        memcpy(got + count, line, line_count * sizeof *line);
        count += line_count;
        got[count++] = 13;
        free(line);
        text = end + 1;
    }
    size_t compared = 0;
    for (const cJSON *id = ids->child; id != NULL; id = id->next, compared++) {
        uint64_t value = 0;
        REQUIRE(compared < WANTED && json_take_u64(id, UINT32_MAX, &value));
        CHECK_EQ(got[compared], value);
    }
    CHECK_EQ(compared, WANTED);
    json_free(&document);
}

static void copy_file(const struct tokenizer_folder *folder, const char *name) {
    char path[256];
    size_t count;
    (void)snprintf(path, sizeof path, "%s/%s", BUNDLED, name);
    char *bytes = read_whole_file(path, &count);
    folder_write(folder, name, bytes, count);
    free(bytes);
}

static void test_bundled(void) {
    struct tokenizer_fixture from_json, from_model;
    struct tokenizer_folder folder;
    size_t bytes, vector_bytes;
    char *text = read_whole_file("golden/tokenizers/real-text.txt", &bytes);
    char *vectors = read_whole_file(VECTORS "/texts.inp", &vector_bytes);

    open_folder(&from_json, BUNDLED, 4096);
    CHECK_EQ(from_json.tables.beginning, 1);
    check_golden_cases(&from_json, BUNDLED);
    check_golden_text(&from_json, text);

    folder_make(&folder);
    copy_file(&folder, "tokenizer.model");
    copy_file(&folder, "tokenizer_config.json");
    open_folder(&from_model, folder.path, 4096);
    folder_remove(&folder);
    CHECK_EQ(from_model.tables.flags, from_json.tables.flags);
    CHECK_EQ(from_model.tables.beginning, from_json.tables.beginning);
    CHECK_EQ(from_model.tables.unknown, from_json.tables.unknown);
    check_golden_cases(&from_model, BUNDLED);

    /* The two files give the same ids: prose as one piece, and texts of all scripts. */
    const struct {
        const char *text;
        size_t bytes;
    } texts[] = {{text, bytes}, {vectors, vector_bytes}};
    for (size_t i = 0; i < 2; i++) {
        size_t count;
        uint32_t *tokens =
            fixture_encode(&from_json, texts[i].text, texts[i].bytes, 0, &count, NULL);
        REQUIRE(tokens != NULL);
        check_text(&from_model, texts[i].text, texts[i].bytes, 0, tokens, count);
        check_text(&from_json, texts[i].text, texts[i].bytes, 0, tokens, count);
        free(tokens);
    }
    fixture_free(&from_model);
    fixture_free(&from_json);
    free(vectors);
    free(text);
}

static void test_stories(void) {
    struct tokenizer_fixture fixture;
    open_folder(&fixture, "golden/models/stories260K", 512);
    check_golden_cases(&fixture, "golden/models/stories260K");
    fixture_free(&fixture);
}

/* texts.inp has a line of its own between two texts, the other file a line of ids for each. */
static void test_llama_vectors(void) {
    static const char between[] = "\n__ggml_vocab_test__\n";
    struct tokenizer_fixture fixture;
    size_t text_bytes, id_bytes;
    uint32_t cases = 0;
    char *texts = read_whole_file(VECTORS "/texts.inp", &text_bytes);
    char *ids = read_whole_file(VECTORS "/llama-spm.out", &id_bytes);
    open_folder(&fixture, "golden/tokenizers/llama-spm", 32000);
    char *line = ids;
    for (char *text = texts, *end; (end = strstr(text, between)) != NULL;
         text = end + sizeof between - 1) {
        uint32_t expected[1024];
        size_t count = 0;
        char *line_end = strchr(line, '\n');
        REQUIRE(line_end != NULL);
        *line_end = '\0';
        for (char *at = line; *at != '\0' && count < 1024;) {
            char *next;
            unsigned long id = strtoul(at, &next, 10);
            if (next == at) {
                break;
            }
            expected[count++] = (uint32_t)id;
            at = next;
        }
        check_text(&fixture, text, (size_t)(end - text), 0, expected, count);
        line = line_end + 1;
        cases++;
    }
    CHECK_EQ(cases, 46);
    CHECK(*line == '\0');
    fixture_free(&fixture);
    free(ids);
    free(texts);
}

/* Random valid UTF-8 through both kinds of tokenizer and back. The prefixed space of SentencePiece is taken off again. */
static void test_round_trips(const char *folder, uint32_t vocabulary) {
    struct tokenizer_fixture fixture;
    uint64_t state = UINT64_C(0x2545F4914F6CDD1D);
    uint32_t wrong = 0;
    open_folder(&fixture, folder, vocabulary);
    for (uint32_t round = 0; round < 3000; round++) {
        uint8_t text[4 * 40];
        size_t bytes = 0, count, decoded_bytes;
        for (uint32_t i = 0; i < 40; i++) {
            state ^= state << 13; /* xorshift64, Marsaglia 2003 */
            state ^= state >> 7;
            state ^= state << 17;
            /* Half ASCII, and otherwise from planes that are more and more empty. U+2581 is a space to SentencePiece. */
            static const uint32_t limits[] = {0x80,  0x80,   0x80,   0x80,
                                              0x100, 0x3000, 0xD800, 0x110000};
            uint32_t code_point = (uint32_t)(state >> 32) % limits[state % 8];
            bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
            if (!surrogate && code_point != 0x2581 && round % 41 >= i) {
                bytes += utf8_encode(code_point, text + bytes);
            }
        }
        uint32_t *tokens = fixture_encode(&fixture, (const char *)text, bytes, 0, &count, NULL);
        REQUIRE(tokens != NULL);
        char *decoded = fixture_decode(&fixture, tokens, count, &decoded_bytes, NULL);
        REQUIRE(decoded != NULL);
        wrong += decoded_bytes != bytes || memcmp(decoded, text, bytes) != 0;
        free(decoded);
        free(tokens);
    }
    CHECK_EQ(wrong, 0);
    fixture_free(&fixture);
}

int main(void) {
    test_bundled();
    test_stories();
    test_llama_vectors();
    test_round_trips(BUNDLED, 4096);
    test_round_trips("golden/models/stories260K", 512);
    test_round_trips("golden/tokenizers/llama-spm", 32000);
    return check_done();
}
