/* test_tokenizer_sentencepiece.c - a tokenizer.model and its tokenizer_config.json -> the tables that
 * the core reads: kinds, derived merges and their ranks, the beginning token, and every refusal.
 */
#include "check.h"
#include "read_sentencepiece.h"
#include "sentencepiece_writer.h"
#include "tokenizer_fixture.h"
#include "tokenizer_folder.h"

#define NONE TERCET_NO_TOKEN
#define SYMBOL "\xE2\x96\x81" /* U+2581 */

static struct tokenizer_folder folder;

static void write_model(const struct message *model) {
    folder_write(&folder, "tokenizer.model", model->bytes, model->count);
}

static void write_config(const char *text) {
    folder_write(&folder, "tokenizer_config.json", text, strlen(text));
}

/* unk, <s>, </s>, <0x0A>, space, a, b, c, then words with scores; 0-based ids 0..7, words from 8 on. */
static void start_model(struct message *model) {
    model->count = 0;
    put_piece(model, "<unk>", 0, SENTENCEPIECE_UNKNOWN);
    put_piece(model, "<s>", 0, SENTENCEPIECE_CONTROL);
    put_piece(model, "</s>", 0, SENTENCEPIECE_CONTROL);
    put_piece(model, "<0x0A>", 0, SENTENCEPIECE_BYTE);
    put_piece(model, SYMBOL, -10, 0);
    put_piece(model, "a", -11, 0);
    put_piece(model, "b", -12, 0);
    put_piece(model, "c", -13, 0);
}

static void check_refused(const struct message *model, tercet_status expected, const char *part) {
    struct tokenizer_section section;
    tercet_error error = {TERCET_OK, 0, ""};
    write_model(model);
    CHECK_STATUS(tokenizer_section_build(folder.path, 16, NONE, &section, &error), expected);
    if (!CHECK(strstr(error.detail, part) != NULL)) {
        fprintf(stderr, "    %s\n", error.detail);
    }
    CHECK(section.bytes == NULL);
}

static uint32_t rank_of(const struct container_tokenizer *tables, uint32_t left, uint32_t right,
                        uint32_t *result) {
    for (uint32_t i = 0; i < tables->merge_count; i++) {
        const uint32_t *merge = tables->merges + 4 * (size_t)i;
        if (merge[0] == left && merge[1] == right) {
            *result = merge[3];
            return merge[2];
        }
    }
    return NONE;
}

static void test_tables(void) {
    struct message model;
    struct tokenizer_section section;
    struct tokenizer_fixture fixture;
    tercet_error error;
    uint32_t result;
    start_model(&model);
    put_piece(&model, "ab", -2, 0);                          /* 8 */
    put_piece(&model, SYMBOL "a", -1, 0);                    /* 9 */
    put_piece(&model, SYMBOL "ab", -2, 0);                   /* 10: as good as ab */
    put_piece(&model, "<u>", 0, SENTENCEPIECE_USER_DEFINED); /* 11 */
    put_piece(&model, "zz", -20, SENTENCEPIECE_UNUSED);      /* 12: no text gives it */
    put_piece(&model, "c d", -3, 0); /* 13: has a space of its own: no text gives it */
    put_llama_settings(&model);
    write_model(&model);
    folder_remove_file(&folder, "tokenizer_config.json");
    REQUIRE(tokenizer_section_build(folder.path, 16, NONE, &section, &error) == TERCET_OK);
    CHECK_EQ(section.token_count, 16);
    CHECK_EQ(section.beginning_token, 1);
    CHECK_STR(section.source, "tokenizer.model");
    REQUIRE(fixture_from_section(&fixture, &section, &error) == TERCET_OK);
    const struct container_tokenizer *tables = &fixture.tables;
    CHECK_EQ(tables->kind, TOKENIZER_SENTENCEPIECE);
    CHECK_EQ(tables->flags, TOKENIZER_FLAG_ADD_BEGINNING | TOKENIZER_FLAG_ADD_PREFIX_SPACE |
                                TOKENIZER_FLAG_PREFIX_EVERY_PART | TOKENIZER_FLAG_BYTE_FALLBACK);
    CHECK_EQ(tables->unknown, 0);
    static const uint8_t kinds[16] = {
        TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_CONTROL, TOKEN_BYTE,   TOKEN_NORMAL, TOKEN_NORMAL,
        TOKEN_NORMAL,  TOKEN_NORMAL,  TOKEN_NORMAL,  TOKEN_NORMAL, TOKEN_NORMAL, TOKEN_USER_DEFINED,
        TOKEN_UNUSED,  TOKEN_NORMAL,  TOKEN_UNUSED,  TOKEN_UNUSED};
    CHECK_MEM(tables->kinds, kinds, sizeof kinds);
    CHECK_EQ(tables->sorted_count, 7); /* without the one that has a space of its own */
    CHECK_EQ(tables->byte_tokens['\n'], 3);
    CHECK_EQ(tables->byte_tokens['a'], NONE);
    CHECK_EQ(tables->special_count, 4);
    /* Every cut of a piece; equal scores give equal ranks, the highest score comes first. */
    CHECK_EQ(tables->merge_count, 4);
    CHECK_EQ(rank_of(tables, 4, 5, &result), 0);
    CHECK_EQ(result, 9);
    CHECK_EQ(rank_of(tables, 5, 6, &result), 1);
    CHECK_EQ(result, 8);
    CHECK_EQ(rank_of(tables, 4, 8, &result), 1);
    CHECK_EQ(result, 10);
    CHECK_EQ(rank_of(tables, 9, 6, &result), 1);
    CHECK_EQ(result, 10);
    fixture_free(&fixture);
}

/* Who decides about the beginning token, and which it is. */
static void test_beginning(void) {
    static const struct {
        const char *config; /* NULL: none */
        uint32_t bos;       /* of config.json */
        uint32_t beginning;
        bool added;
    } cases[] = {
        {NULL, NONE, 1, true},
        {"{}", 2, 1, true}, /* the model's own first */
        {"{\"add_bos_token\":true}", NONE, 1, true},
        {"{\"add_bos_token\":false}", NONE, 1, false},
        {"{\"add_bos_token\":null,\"bos_token\":\"</s>\"}", NONE, 1, true},
    };
    struct message model;
    start_model(&model);
    put_llama_settings(&model);
    write_model(&model);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tokenizer_fixture fixture;
        tercet_error error;
        folder_remove_file(&folder, "tokenizer_config.json");
        if (cases[i].config != NULL) {
            write_config(cases[i].config);
        }
        REQUIRE(fixture_from_folder(&fixture, folder.path, 16, cases[i].bos, &error) == TERCET_OK);
        CHECK_EQ(fixture.tables.beginning, cases[i].beginning);
        CHECK_EQ((fixture.tables.flags & TOKENIZER_FLAG_ADD_BEGINNING) != 0, cases[i].added);
        fixture_free(&fixture);
    }

    /* A model without one: the config files may name it. */
    struct message trainer = {{0}, 0};
    struct tokenizer_fixture fixture;
    struct tokenizer_section section;
    tercet_error error;
    put_number(&trainer, 41, UINT64_MAX);
    put_bytes(&model, 2, trainer.bytes, trainer.count);
    write_model(&model);
    write_config("{}");
    REQUIRE(fixture_from_folder(&fixture, folder.path, 16, 2, &error) == TERCET_OK);
    CHECK_EQ(fixture.tables.beginning, 2);
    CHECK_EQ(fixture.tables.flags & TOKENIZER_FLAG_ADD_BEGINNING, 0);
    fixture_free(&fixture);
    write_config("{\"add_bos_token\":true,\"bos_token\":{\"content\":\"</s>\"}}");
    REQUIRE(fixture_from_folder(&fixture, folder.path, 16, NONE, &error) == TERCET_OK);
    CHECK_EQ(fixture.tables.beginning, 2);
    CHECK_EQ(fixture.tables.flags & TOKENIZER_FLAG_ADD_BEGINNING, TOKENIZER_FLAG_ADD_BEGINNING);
    fixture_free(&fixture);
    write_config("{\"add_bos_token\":true,\"bos_token\":\"<nothing>\"}");
    CHECK_STATUS(tokenizer_section_build(folder.path, 16, NONE, &section, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STATUS(tokenizer_section_build(folder.path, 16, 16, &section, &error), TERCET_BAD_SOURCE);
    CHECK_STR(error.detail, "config.json: bos_token_id is 16, but there are only 16 tokens");
    write_config("{\"add_eos_token\":true}");
    CHECK_STATUS(tokenizer_section_build(folder.path, 16, NONE, &section, &error),
                 TERCET_UNSUPPORTED_SOURCE);
    write_config("{\"add_bos_token\":");
    CHECK_STATUS(tokenizer_section_build(folder.path, 16, NONE, &section, &error),
                 TERCET_BAD_SOURCE);
}

static void test_added_tokens(void) {
    struct message model;
    struct tokenizer_fixture fixture;
    struct tokenizer_section section;
    tercet_error error;
    start_model(&model);
    put_llama_settings(&model);
    write_model(&model);
    write_config("{\"added_tokens_decoder\":{\"1\":{\"content\":\"<s>\",\"special\":true},"
                 "\"8\":{\"content\":\"<|end|>\",\"special\":true},"
                 "\"9\":{\"content\":\"<tool>\",\"special\":false}}}");
    REQUIRE(fixture_from_folder(&fixture, folder.path, 12, NONE, &error) == TERCET_OK);
    CHECK_EQ(fixture.tables.kinds[8], TOKEN_CONTROL);
    CHECK_EQ(fixture.tables.kinds[9], TOKEN_USER_DEFINED);
    size_t count;
    uint32_t *tokens = fixture_encode(&fixture, "a<tool>b", 8, 0, &count, &error);
    static const uint32_t expected[] = {4, 5, 9, 4, 6};
    CHECK_EQ(count, 5);
    CHECK_MEM(tokens, expected, sizeof expected);
    free(tokens);
    fixture_free(&fixture);
    static const struct {
        const char *config;
        tercet_status status;
    } bad[] = {
        {"{\"added_tokens_decoder\":{\"12\":{\"content\":\"x\"}}}", TERCET_BAD_SOURCE},
        {"{\"added_tokens_decoder\":{\"99999999999999999999\":{\"content\":\"x\"}}}",
         TERCET_BAD_SOURCE},
        {"{\"added_tokens_decoder\":{\"-8\":{\"content\":\"x\"}}}", TERCET_BAD_SOURCE},
        {"{\"added_tokens_decoder\":{\"8x\":{\"content\":\"x\"}}}", TERCET_BAD_SOURCE},
        {"{\"added_tokens_decoder\":{\"8\":{}}}", TERCET_BAD_SOURCE},
        {"{\"added_tokens_decoder\":{\"8\":\"x\"}}", TERCET_BAD_SOURCE},
        {"{\"added_tokens_decoder\":{\"8\":{\"content\":\"x\",\"lstrip\":true}}}",
         TERCET_UNSUPPORTED_SOURCE},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_config(bad[i].config);
        CHECK_STATUS(tokenizer_section_build(folder.path, 12, NONE, &section, &error),
                     bad[i].status);
    }
    folder_remove_file(&folder, "tokenizer_config.json");
}

/* One trainer_spec or normalizer_spec field changed. */
static void check_setting(uint32_t part, uint32_t field, uint64_t value, const char *name) {
    struct message model, spec = {{0}, 0};
    start_model(&model);
    put_llama_settings(&model);
    put_number(&spec, field, value);
    put_bytes(&model, part, spec.bytes, spec.count);
    check_refused(&model, TERCET_UNSUPPORTED_SOURCE, name);
}

static void test_refusals(void) {
    struct message model, spec = {{0}, 0};
    check_setting(2, 3, 1, "the model type unigram");
    check_setting(2, 3, 4, "a model type other than BPE");
    check_setting(2, 24, 1, "treat_whitespace_as_suffix");
    check_setting(3, 4, 1, "remove_extra_whitespaces");
    check_setting(3, 5, 0, "escape_whitespaces");
    start_model(&model);
    put_llama_settings(&model);
    put_bytes(&spec, 1, "nmt_nfkc", 8);
    put_bytes(&spec, 2, "map", 3);
    put_bytes(&model, 3, spec.bytes, spec.count);
    check_refused(&model, TERCET_UNSUPPORTED_SOURCE, "the normalizer \"nmt_nfkc\"");

    static const struct {
        const char *text;
        uint32_t type;
        tercet_status status;
        const char *part;
    } pieces[] = {
        {"a", 0, TERCET_BAD_SOURCE, "tokens 5 and 8 have the same text"},
        {"<0xZZ>", SENTENCEPIECE_BYTE, TERCET_BAD_SOURCE, "piece 8 stands for a byte"},
        {"<0x0>", SENTENCEPIECE_BYTE, TERCET_BAD_SOURCE, "piece 8 stands for a byte"},
        {"<0x0a>", SENTENCEPIECE_BYTE, TERCET_BAD_SOURCE, "piece 8 stands for a byte"},
        {"\xC3", 0, TERCET_BAD_SOURCE, "piece 8 is not UTF-8"},
        {"ab", SENTENCEPIECE_UNUSED, TERCET_UNSUPPORTED_SOURCE, "an unused piece"},
        {SYMBOL "x", SENTENCEPIECE_USER_DEFINED, TERCET_UNSUPPORTED_SOURCE,
         "a user-defined piece with a space"},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        start_model(&model);
        put_piece(&model, pieces[i].text, 0, pieces[i].type);
        put_llama_settings(&model);
        check_refused(&model, pieces[i].status, pieces[i].part);
    }
    uint32_t not_a_number = 0x7FC00000;
    float score;
    memcpy(&score, &not_a_number, sizeof score);
    start_model(&model);
    put_piece(&model, "x", score, 0);
    put_llama_settings(&model);
    check_refused(&model, TERCET_BAD_SOURCE, "its score is not a number");

    char *long_text = calloc(1, LIMIT_TOKEN_BYTES + 2);
    REQUIRE(long_text != NULL);
    memset(long_text, 'x', LIMIT_TOKEN_BYTES + 1);
    start_model(&model);
    put_piece(&model, long_text, 0, 0);
    put_llama_settings(&model);
    check_refused(&model, TERCET_LIMIT_EXCEEDED, "piece 8 has 1025 bytes");
    free(long_text);

    model.count = 0;
    put_piece(&model, "a", 0, 0);
    put_llama_settings(&model);
    check_refused(&model, TERCET_UNSUPPORTED_SOURCE, "without a piece for the space");

    start_model(&model);
    for (int i = 0; i < 9; i++) {
        char text[2] = {(char)('p' + i), '\0'};
        put_piece(&model, text, 0, 0);
    }
    put_llama_settings(&model);
    check_refused(&model, TERCET_BAD_SOURCE, "has a token 16, but the embedding");
    model.count--;
    check_refused(&model, TERCET_BAD_SOURCE, "not a SentencePiece model, or damaged");

    struct tokenizer_section section;
    tercet_error error;
    folder_remove_file(&folder, "tokenizer.model");
    CHECK_STATUS(tokenizer_section_build(folder.path, 16, NONE, &section, &error),
                 TERCET_FILE_NOT_FOUND);
    CHECK(strstr(error.detail, "has no tokenizer.json, no tokenizer.model") != NULL);
    start_model(&model);
    put_llama_settings(&model);
    write_model(&model);
    CHECK_STATUS(tokenizer_section_build(folder.path, 0, NONE, &section, &error),
                 TERCET_LIMIT_EXCEEDED);
    CHECK_STATUS(tokenizer_section_build(folder.path, LIMIT_VOCABULARY + 1, NONE, &section, &error),
                 TERCET_LIMIT_EXCEEDED);
}

int main(void) {
    folder_make(&folder);
    test_tables();
    test_beginning();
    test_added_tokens();
    test_refusals();
    folder_remove(&folder);
    return check_done();
}
