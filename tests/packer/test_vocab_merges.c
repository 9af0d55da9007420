/* test_vocab_merges.c - vocab.json and merges.txt -> the tables that the core reads: what GPT-2's two files may say, what is
 * wrong with a damaged one, in a sentence that names it, and a refusal of tokenizers that have such files but cut text
 * in other ways.
 */
#include "check.h"
#include "tokenizer_fixture.h"
#include "tokenizer_folder.h"

#include <cjson/cJSON.h>

#define NONE TERCET_NO_TOKEN
#define VOCAB                                                                                      \
    "{\"a\":0,\"b\":1,\"\xC4\xA0\":2,\"ab\":3,\"\xC4\xA0"                                          \
    "ab\":4,\"<|endoftext|>\":5}"
#define MERGES "#version: 0.2\na b\n\xC4\xA0 ab\n"

static struct tokenizer_folder folder;

static void write_text(const char *name, const char *text) {
    folder_write(&folder, name, text, strlen(text));
}

static void write_sound(void) {
    write_text("vocab.json", VOCAB);
    write_text("merges.txt", MERGES);
    folder_remove_file(&folder, "tokenizer_config.json");
    folder_remove_file(&folder, "added_tokens.json");
    folder_remove_file(&folder, "special_tokens_map.json");
}

static void check_refused(const char *name, const char *text, size_t count, tercet_status expected,
                          const char *part) {
    struct tokenizer_section section;
    tercet_error error = {TERCET_OK, 0, ""};
    write_sound();
    folder_write(&folder, name, text, count);
    CHECK_STATUS(tokenizer_section_build(folder.path, 8, NONE, &section, &error), expected);
    if (!CHECK(strstr(error.detail, part) != NULL)) {
        fprintf(stderr, "    got: %s\n    not: %s\n", error.detail, part);
    }
    /* Nobody who has this folder knows of a tokenizer.json, but as advice. */
    CHECK(strncmp(error.detail, "tokenizer.json", 14) != 0);
    CHECK(section.bytes == NULL);
}

static void check_merges(const char *merges) {
    struct tokenizer_fixture fixture;
    tercet_error error = {TERCET_OK, 0, ""};
    write_text("merges.txt", merges);
    REQUIRE(fixture_from_folder(&fixture, folder.path, 8, NONE, &error) == TERCET_OK);
    CHECK_EQ(fixture.tables.kind, TOKENIZER_BYTE_BPE);
    CHECK_EQ(fixture.tables.splitter, SPLITTER_GPT2);
    CHECK_EQ(fixture.tables.merge_count, 2);
    CHECK_EQ(fixture.tables.kinds[5], TOKEN_CONTROL);
    size_t count;
    uint32_t *tokens =
        fixture_encode(&fixture, "ab ab<|endoftext|>", 18, TERCET_TEXT_PARSE_SPECIAL, &count, NULL);
    REQUIRE(tokens != NULL);
    CHECK_EQ(count, 3);
    CHECK(count == 3 && tokens[0] == 3 && tokens[1] == 4 && tokens[2] == 5);
    free(tokens);
    fixture_free(&fixture);
}

static void test_sound(void) {
    write_sound();
    check_merges(MERGES);
    check_merges("a b\r\n\r\n\xC4\xA0 ab"); /* no version, Windows, no last line end */
    write_text("tokenizer_config.json",
               "{\"tokenizer_class\":\"GPT2TokenizerFast\",\"add_prefix_space\":false}");
    check_merges(MERGES);
    write_text("tokenizer_config.json", "{}");
    check_merges(MERGES);
}

static void refuse_text(const char *name, const char *text, tercet_status expected,
                        const char *part) {
    check_refused(name, text, strlen(text), expected, part);
}

static void test_damaged(void) {
    const tercet_status bad = TERCET_BAD_SOURCE;
    refuse_text("merges.txt", "a b\na c\n", bad,
                "vocab.json and merges.txt: merge 1 names \"c\", which is no token");
    refuse_text("merges.txt", "a b\nb a\n", bad,
                "vocab.json and merges.txt: merge 1 joins tokens 1 and 0");
    refuse_text("merges.txt", "ab\n", bad, "merge 0 is not two names");
    refuse_text("merges.txt", "a b b\n", bad, "merge 0 is not two names");
    refuse_text("merges.txt", "a b\n#version: 0.2\n", bad, "merge 1 names \"#version:\"");
    check_refused("merges.txt", "a b\0\n", 5, bad, "merges.txt holds a zero byte");
    /* Of a file in Latin-1 the last byte would pass for the character U+00E4. */
    refuse_text("merges.txt", "a b\na \xE4", bad, "merges.txt is not UTF-8 at byte 6");
    refuse_text("vocab.json", "{\"a\":0", bad, "vocab.json");
    refuse_text("vocab.json", "[\"a\"]", bad,
                "vocab.json and merges.txt: \"vocab\" is not an object");
    refuse_text("vocab.json", "{\"a\":-1}", bad,
                "vocab.json and merges.txt: the id of token \"a\" is not a whole number");
    refuse_text("vocab.json", "{\"a\":9}", bad, "vocab.json and merges.txt has a token 9");
    refuse_text("vocab.json", "{\"a\":0,\"<|endoftext|>\":\"5\"}", bad, "\"<|endoftext|>\"");
    refuse_text("vocab.json", "{\"a\":0,\"<|endoftext|>\":5e9}", bad,
                "\"id\" is not a whole number");
    refuse_text("vocab.json", "{\"a\":0,\"<|endoftext|>\":8}", bad, "adds token 8");
    refuse_text("vocab.json", "{\"a\":0,\"a\":1}", bad, "tokens 0 and 1 have the same text");
}

/* Kinds of the tokens of a folder whose vocabulary has a few more: "1144..." by rising id. */
static void check_kinds(const char *vocab, const char *expected) {
    struct tokenizer_fixture fixture;
    tercet_error error = {TERCET_OK, 0, ""};
    char kinds[16] = "";
    write_text("vocab.json", vocab);
    if (!CHECK(fixture_from_folder(&fixture, folder.path, 12, NONE, &error) == TERCET_OK)) {
        fprintf(stderr, "    %s\n", error.detail);
        return;
    }
    for (uint32_t i = 0; i < fixture.tables.token_count; i++) {
        kinds[i] = (char)('0' + fixture.tables.kinds[i]);
    }
    CHECK_STR(kinds, expected);
    fixture_free(&fixture);
}

/* Control tokens: those that every model calls so, and those that the files beside the vocabulary name; what is only added is
 * user-defined. */
static void test_added_tokens(void) {
#define MORE                                                                                       \
    "{\"a\":0,\"b\":1,\"\xC4\xA0\":2,\"ab\":3,\"\xC4\xA0"                                          \
    "ab\":4,\"<|im_end|>\":5,\"<mine>\":6,\"<x>\":7,\"<|eot_id|>\":8}"
    write_sound();
    check_kinds(MORE, "111113113555");
    write_text("tokenizer_config.json", "{\"eos_token\":\"<mine>\",\"pad_token\":\"<none>\","
                                        "\"bos_token\":null,\"additional_special_tokens\":null}");
    check_kinds(MORE, "111113313555");
    write_text("tokenizer_config.json", "{\"additional_special_tokens\":[\"<x>\","
                                        "{\"content\":\"<mine>\"}]}");
    check_kinds(MORE, "111113333555");
    write_sound();
    write_text("special_tokens_map.json", "{\"eos_token\":{\"content\":\"<x>\",\"lstrip\":false}}");
    check_kinds(MORE, "111113133555");
    write_text("added_tokens.json", "{\"<new>\":9,\"<user>\":10}");
    check_kinds(MORE, "111113133445");
    write_text("special_tokens_map.json", "{\"additional_special_tokens\":[\"<user>\"]}");
    check_kinds(MORE, "111113113435");
    refuse_text("added_tokens.json", "{\"<new>\":9}", TERCET_BAD_SOURCE, "adds token 9");
    refuse_text("added_tokens.json", "{\"<new>\":\"9\"}", TERCET_BAD_SOURCE,
                "added_tokens.json must hold the id of each text");
    refuse_text("added_tokens.json", "[7]", TERCET_BAD_SOURCE, "added_tokens.json");
    refuse_text("added_tokens.json", "{", TERCET_BAD_SOURCE, "added_tokens.json");
    refuse_text("special_tokens_map.json", "{", TERCET_BAD_SOURCE, "special_tokens_map.json");
    char *many = malloc(64 * 1024 * 2);
    REQUIRE(many != NULL);
    size_t at = (size_t)sprintf(many, "{\"t\":7");
    for (int i = 0; i < 4096; i++) {
        at += (size_t)sprintf(many + at, ",\"t%d\":7", i);
    }
    memcpy(many + at, "}", 2);
    refuse_text("added_tokens.json", many, TERCET_LIMIT_EXCEEDED, "more than 4096 tokens");
    free(many);
    write_sound();
}

static void test_other_tokenizers(void) {
    const tercet_status unsupported = TERCET_UNSUPPORTED_SOURCE;
    refuse_text("tokenizer_config.json", "{\"tokenizer_class\":\"Qwen2Tokenizer\"}", unsupported,
                "tokenizer_config.json: how a Qwen2Tokenizer cuts text does not follow from");
    refuse_text("tokenizer_config.json", "{\"add_prefix_space\":true}", unsupported,
                "tokenizer_config.json: add_prefix_space with vocab.json and merges.txt");
    refuse_text("tokenizer_config.json", "{\"tokenizer_class\":7}", TERCET_BAD_SOURCE,
                "tokenizer_config.json");
}

/* More merges than the format holds, in a file that is not too long: refused before they take memory. */
static void test_many_merges(void) {
    size_t count = ((size_t)LIMIT_MERGES + 1) * 4;
    char *text = malloc(count);
    REQUIRE(text != NULL);
    for (size_t i = 0; i < count; i += 4) {
        memcpy(text + i, "a b\n", 4);
    }
    check_refused("merges.txt", text, count, TERCET_LIMIT_EXCEEDED, "merges.txt has more than");
    free(text);
}

/* Each file cut at every byte and with every byte changed: an answer each time. */
static void test_cuts(const char *name, const char *sound) {
    size_t count = strlen(sound);
    char text[256];
    uint32_t refused = 0;
    REQUIRE(count < sizeof text);
    write_sound();
    for (size_t i = 0; i < 2 * count; i++) {
        struct tokenizer_section section;
        tercet_error error;
        memcpy(text, sound, count);
        text[i % count] = (char)(text[i % count] ^ 1);
        folder_write(&folder, name, text, i < count ? count : i - count);
        if (tokenizer_section_build(folder.path, 8, NONE, &section, &error) == TERCET_OK) {
            struct tokenizer_fixture fixture;
            CHECK_STATUS(fixture_from_section(&fixture, &section, &error), TERCET_OK);
            fixture_free(&fixture);
        } else {
            refused++;
        }
    }
    CHECK(refused > count / 2);
}

/* ---- memory of the JSON library that ends */

static unsigned json_allocations, json_failing;
static long json_blocks;

static void *take_json(size_t bytes) {
    void *block = ++json_allocations == json_failing ? NULL : malloc(bytes);
    json_blocks += block != NULL;
    return block;
}

static void give_json(void *block) {
    json_blocks -= block != NULL;
    free(block);
}

/* At any allocation: refused with a sentence, and nothing is kept. */
static void test_json_memory(void) {
    cJSON_Hooks hooks = {take_json, give_json};
    unsigned told = 0;
    tercet_status status = TERCET_OUT_OF_MEMORY;
    write_sound();
    write_text("added_tokens.json", "{\"<one>\":6,\"<two>\":7}");
    write_text("tokenizer_config.json",
               "{\"eos_token\":\"<|endoftext|>\",\"bos_token\":\"<one>\"}");
    cJSON_InitHooks(&hooks);
    for (json_failing = 1; status != TERCET_OK && json_failing < 10000; json_failing++) {
        struct tokenizer_section section;
        tercet_error error = {TERCET_OK, 0, ""};
        json_allocations = 0;
        status = tokenizer_section_build(folder.path, 8, NONE, &section, &error);
        CHECK_EQ(json_blocks, 0);
        if (status == TERCET_OK) {
            CHECK(json_allocations < json_failing);
            CHECK_EQ(section.token_count, 8);
            tokenizer_section_free(&section);
        } else {
            CHECK(section.bytes == NULL && error.detail[0] != '\0');
            told += status == TERCET_OUT_OF_MEMORY && strstr(error.detail, "no memory") != NULL;
        }
    }
    cJSON_InitHooks(NULL);
    CHECK_STATUS(status, TERCET_OK);
    CHECK(told > 10);
}

int main(void) {
    folder_make(&folder);
    test_json_memory();
    test_sound();
    test_damaged();
    test_added_tokens();
    test_other_tokenizers();
    test_many_merges();
    test_cuts("vocab.json", VOCAB);
    test_cuts("merges.txt", MERGES);
    folder_remove(&folder);
    return check_done();
}
