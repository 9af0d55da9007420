/* test_tokenizer_json.c - a tokenizer.json -> the tables that the core reads: each known form of the
 * pipeline, and a refusal by name for whatever is not reproduced.
 */
#include "check.h"
#include "tokenizer_fixture.h"
#include "tokenizer_folder.h"

#define NONE TERCET_NO_TOKEN
#define SYMBOL "\xE2\x96\x81" /* U+2581 */
#define GPT2_REGEX                                                                                 \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|" \
    "\\\\s+"
#define LLAMA3_REGEX(numbers)                                                                      \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}" numbers        \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define SPLIT(regex)                                                                               \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"        \
    "\"" regex "\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","          \
    "\"add_prefix_space\":false,\"use_regex\":false}]}"
#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define PREPEND "{\"type\":\"Prepend\",\"prepend\":\"" SYMBOL "\"}"
#define REPLACE "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" SYMBOL "\"}"
#define SEQUENCE(items) "{\"type\":\"Sequence\",\"normalizers\":[" items "]}"
#define TEMPLATE(single)                                                                           \
    "{\"type\":\"TemplateProcessing\",\"single\":[" single "],\"special_tokens\":{\"<s>\":{"       \
    "\"id\":\"<s>\",\"ids\":[6],\"tokens\":[\"<s>\"]}}}"
#define BEGINNING "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}}"
#define TEXT "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"

static struct tokenizer_folder folder;

/* The parts of a file; NULL stands for what a small byte-level one has. */
struct parts {
    const char *added, *normalizer, *pre_tokenizer, *post_processor, *options, *vocab, *merges;
};

static const char *or_else(const char *given, const char *usual) {
    return given != NULL ? given : usual;
}

static void write_parts(const struct parts *parts) {
    char text[8192];
    int count = snprintf(
        text, sizeof text,
        "{\"version\":\"1.0\",\"added_tokens\":[%s],\"normalizer\":%s,\"pre_tokenizer\":%s,"
        "\"post_processor\":%s,\"model\":{%s\"vocab\":{%s},\"merges\":[%s]}}",
        or_else(parts->added, "{\"id\":6,\"content\":\"<s>\",\"special\":true}"),
        or_else(parts->normalizer, "null"), or_else(parts->pre_tokenizer, BYTE_LEVEL),
        or_else(parts->post_processor, "null"), or_else(parts->options, "\"type\":\"BPE\","),
        or_else(parts->vocab, "\"a\":0,\"b\":1,\"\xC4\xA0\":2,\"ab\":3,\"\xC4\xA0"
                              "ab\":4,\"\xC4\x8A\":5"),
        or_else(parts->merges, "\"a b\",\"\xC4\xA0 ab\""));
    REQUIRE(count > 0 && (size_t)count < sizeof text);
    folder_write(&folder, "tokenizer.json", text, (size_t)count);
}

static void check_refused(struct parts parts, tercet_status expected, const char *part) {
    struct tokenizer_section section;
    tercet_error error = {TERCET_OK, 0, ""};
    write_parts(&parts);
    CHECK_STATUS(tokenizer_section_build(folder.path, 8, NONE, &section, &error), expected);
    if (!CHECK(strstr(error.detail, part) != NULL)) {
        fprintf(stderr, "    got: %s\n    not: %s\n", error.detail, part);
    }
    CHECK(section.bytes == NULL);
}

static void read_parts(struct parts parts, struct tokenizer_fixture *fixture) {
    tercet_error error = {TERCET_OK, 0, ""};
    write_parts(&parts);
    if (!CHECK_STATUS(fixture_from_folder(fixture, folder.path, 8, NONE, &error), TERCET_OK)) {
        fprintf(stderr, "    %s\n", error.detail);
        exit(check_done());
    }
}

static void check_ids(const struct tokenizer_fixture *fixture, const char *text, uint32_t flags,
                      const char *expected) {
    char got[256] = "";
    size_t count, at = 0;
    uint32_t *tokens = fixture_encode(fixture, text, strlen(text), flags, &count, NULL);
    REQUIRE(tokens != NULL && count < 20);
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%u", i > 0 ? " " : "", tokens[i]);
    }
    free(tokens);
    CHECK_STR(got, expected);
}

static void test_byte_level(void) {
    struct tokenizer_fixture fixture;
    read_parts((struct parts){0}, &fixture);
    CHECK_EQ(fixture.tables.kind, TOKENIZER_BYTE_BPE);
    CHECK_EQ(fixture.tables.splitter, SPLITTER_GPT2);
    CHECK_EQ(fixture.tables.flags, 0);
    CHECK_EQ(fixture.tables.token_count, 8);
    CHECK_EQ(fixture.tables.sorted_count, 6);
    CHECK_EQ(fixture.tables.merge_count, 2);
    CHECK_EQ(fixture.tables.byte_tokens[' '], 2);
    CHECK_EQ(fixture.tables.byte_tokens['\n'], 5);
    CHECK_EQ(fixture.tables.byte_tokens['c'], NONE);
    CHECK_EQ(fixture.tables.kinds[6], TOKEN_CONTROL);
    CHECK_EQ(fixture.tables.kinds[7], TOKEN_UNUSED);
    CHECK_EQ(fixture.tables.beginning, NONE);
    check_ids(&fixture, "ab ab\n", 0, "3 4 5");
    check_ids(&fixture, "<s>ab", TERCET_TEXT_PARSE_SPECIAL, "6 3");
    fixture_free(&fixture);

    /* Merges as pairs, a token that no text gives, an unknown token that is only added. */
    read_parts((struct parts){.merges = "[\"a\",\"b\"]",
                              .vocab = "\"a\":0,\"b\":1,\"ab\":2,\"a b\":3,\"\":4",
                              .options = "\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"\","
                                         "\"continuing_subword_prefix\":\"\","
                                         "\"ignore_merges\":true,"},
               &fixture);
    CHECK_EQ(fixture.tables.sorted_count, 3);
    CHECK_EQ(fixture.tables.flags, TOKENIZER_FLAG_IGNORE_MERGES);
    check_ids(&fixture, "ab", 0, "2");
    fixture_free(&fixture);

    /* The same merge twice: the later one counts, as where it comes from. */
    read_parts((struct parts){.merges = "\"a b\",\"b a\",\"a b\"",
                              .vocab = "\"a\":0,\"b\":1,\"ab\":2,\"ba\":3"},
               &fixture);
    CHECK_EQ(fixture.tables.merge_count, 2);
    check_ids(&fixture, "aba", 0, "0 3");
    fixture_free(&fixture);
}

static void test_splitters(void) {
    static const struct {
        const char *pre_tokenizer;
        uint32_t splitter;
    } forms[] = {
        {BYTE_LEVEL, SPLITTER_GPT2},
        {"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}", SPLITTER_NONE},
        {SPLIT(GPT2_REGEX), SPLITTER_GPT2},
        {SPLIT(LLAMA3_REGEX("{1,3}")), SPLITTER_LLAMA3},
        {SPLIT(LLAMA3_REGEX("")), SPLITTER_QWEN2},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tokenizer_fixture fixture;
        read_parts((struct parts){.pre_tokenizer = forms[i].pre_tokenizer}, &fixture);
        CHECK_EQ(fixture.tables.splitter, forms[i].splitter);
        fixture_free(&fixture);
    }
}

static void test_prefixes(void) {
    const uint32_t add = TOKENIZER_FLAG_ADD_PREFIX_SPACE, every = TOKENIZER_FLAG_PREFIX_EVERY_PART,
                   missing = TOKENIZER_FLAG_PREFIX_IF_MISSING;
    static const char vocab[] = "\"" SYMBOL "\":0,\"a\":1,\"" SYMBOL "a\":2,\"<unk>\":3";
#define METASPACE(options) "{\"type\":\"Metaspace\",\"replacement\":\"" SYMBOL "\"" options "}"
    const struct {
        const char *normalizer, *pre_tokenizer;
        uint32_t flags;
        const char *ids; /* of " a<u>a" */
    } forms[] = {
        {SEQUENCE(PREPEND "," REPLACE), "null", add | every, "0 2 5 2"},
        {REPLACE, "null", 0, "2 5 1"},
        {REPLACE,
         "{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},\"behavior\":"
         "\"MergedWithPrevious\",\"invert\":false}",
         0, "2 5 1"},
        {"null", METASPACE(""), add | every | missing, "2 5 2"},
        {"null", METASPACE(",\"prepend_scheme\":\"always\""), add | every | missing, "2 5 2"},
        {"null", METASPACE(",\"prepend_scheme\":\"first\",\"split\":false"), add | missing,
         "2 5 1"},
        {"null", METASPACE(",\"prepend_scheme\":\"never\""), 0, "2 5 1"},
        {"null", METASPACE(",\"add_prefix_space\":true"), add | every | missing, "2 5 2"},
        {"null", METASPACE(",\"add_prefix_space\":false,\"prepend_scheme\":\"never\""), 0, "2 5 1"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tokenizer_fixture fixture;
        read_parts((struct parts){.normalizer = forms[i].normalizer,
                                  .pre_tokenizer = forms[i].pre_tokenizer,
                                  .added = "{\"id\":5,\"content\":\"<u>\",\"special\":false}",
                                  .options = "\"type\":\"BPE\",\"unk_token\":\"<unk>\","
                                             "\"fuse_unk\":true,",
                                  .vocab = vocab,
                                  .merges = "\"" SYMBOL " a\""},
                   &fixture);
        CHECK_EQ(fixture.tables.kind, TOKENIZER_SENTENCEPIECE);
        CHECK_EQ(fixture.tables.flags, forms[i].flags);
        CHECK_EQ(fixture.tables.kinds[3], TOKEN_UNKNOWN);
        check_ids(&fixture, " a<u>a", 0, forms[i].ids);
        check_ids(&fixture, "", 0, "");
        fixture_free(&fixture);
    }
}

static void test_sentencepiece_vocabulary(void) {
    struct tokenizer_fixture fixture;
    /* Byte tokens, an added token in the vocabulary, a user-defined run of spaces that merges find. */
    read_parts((struct parts){.normalizer = REPLACE,
                              .pre_tokenizer = "null",
                              .added = "{\"id\":0,\"content\":\"<unk>\",\"special\":true},"
                                       "{\"id\":4,\"content\":\"" SYMBOL SYMBOL "\"}",
                              .options = "\"unk_token\":\"<unk>\",\"fuse_unk\":true,"
                                         "\"byte_fallback\":true,",
                              .vocab = "\"<unk>\":0,\"<0x0A>\":1,\"<0x0a>\":2,\"" SYMBOL
                                       "\":3,\"" SYMBOL SYMBOL "\":4,\" \":5",
                              .merges = "\"" SYMBOL " " SYMBOL "\""},
               &fixture);
    CHECK_EQ(fixture.tables.flags, TOKENIZER_FLAG_BYTE_FALLBACK);
    CHECK_EQ(fixture.tables.kinds[0], TOKEN_CONTROL); /* special: it is not shown */
    CHECK_EQ(fixture.tables.unknown, 0);
    CHECK_EQ(fixture.tables.kinds[1], TOKEN_BYTE);
    CHECK_EQ(fixture.tables.kinds[2], TOKEN_NORMAL); /* only capital digits name a byte */
    CHECK_EQ(fixture.tables.kinds[4], TOKEN_NORMAL);
    check_ids(&fixture, "  \n x", 0, "4 1 3 0");
    fixture_free(&fixture);
}

static void test_beginning(void) {
    static const struct {
        const char *post_processor, *config;
        uint32_t beginning;
        bool added;
    } cases[] = {
        {"null", NULL, NONE, false},
        {TEMPLATE(TEXT), NULL, NONE, false},
        {TEMPLATE(BEGINNING "," TEXT), NULL, 6, true},
        {"{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"}," TEMPLATE(BEGINNING
                                                                                     "," TEXT) "]}",
         NULL, 6, true},
        {TEMPLATE(BEGINNING "," TEXT), "{\"add_bos_token\":false}", 6, false},
        {"{\"type\":\"ByteLevel\"}", "{\"add_bos_token\":true,\"bos_token\":\"<s>\"}", 6, true},
        {"null", "{\"bos_token\":\"<s>\"}", 6, false},
        {"null", "{\"bos_token\":null}", NONE, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tokenizer_fixture fixture;
        folder_remove_file(&folder, "tokenizer_config.json");
        if (cases[i].config != NULL) {
            folder_write(&folder, "tokenizer_config.json", cases[i].config,
                         strlen(cases[i].config));
        }
        read_parts((struct parts){.post_processor = cases[i].post_processor}, &fixture);
        CHECK_EQ(fixture.tables.beginning, cases[i].beginning);
        CHECK_EQ((fixture.tables.flags & TOKENIZER_FLAG_ADD_BEGINNING) != 0, cases[i].added);
        check_ids(&fixture, "a", TERCET_TEXT_ADD_BEGINNING, cases[i].added ? "6 0" : "0");
        fixture_free(&fixture);
    }
    folder_remove_file(&folder, "tokenizer_config.json");
}

static void test_unsupported(void) {
    static const struct {
        struct parts parts;
        const char *part;
    } cases[] = {
        {{.options = "\"type\":\"Unigram\","}, "the model type \"Unigram\""},
        {{.options = "\"dropout\":0.1,"}, "dropout"},
        {{.options = "\"continuing_subword_prefix\":\"##\","}, "continuing_subword_prefix"},
        {{.options = "\"end_of_word_suffix\":\"</w>\","}, "end_of_word_suffix"},
        {{.options = "\"unk_token\":\"<unk>\",", .vocab = "\"<unk>\":0,\"a\":1", .merges = ""},
         "unk_token without fuse_unk"},
        {{.normalizer = "{\"type\":\"NFD\"}"}, "the normalizer \"NFD\""},
        {{.normalizer = SEQUENCE("{\"type\":\"NFKC\"}," REPLACE)}, "the normalizer \"NFKC\""},
        {{.normalizer = SEQUENCE(REPLACE ",{\"type\":\"Strip\"}")}, "the normalizer \"Strip\""},
        {{.normalizer = PREPEND}, "Prepend without Replace"},
        {{.normalizer = "{\"type\":\"Prepend\",\"prepend\":\"x\"}"}, "Prepend of"},
        {{.normalizer = "{\"type\":\"Replace\",\"pattern\":{\"String\":\"x\"},\"content\":\"y\"}"},
         "Replace of something else"},
        {{.normalizer = REPLACE}, "pre_tokenizer behind a normalizer \"ByteLevel\""},
        {{.normalizer = REPLACE,
          .pre_tokenizer = "{\"type\":\"Split\",\"pattern\":{\"String\":\"x\"},"
                           "\"behavior\":\"Isolated\"}"},
         "\"Split\""},
        {{.pre_tokenizer = "null"}, "neither a normalizer nor a pre_tokenizer"},
        {{.pre_tokenizer = "{\"type\":\"Whitespace\"}"}, "the pre_tokenizer \"Whitespace\""},
        {{.pre_tokenizer = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"},"
                           "{\"type\":\"ByteLevel\"}]}"},
         "the pre_tokenizer \"Digits\""},
        {{.pre_tokenizer = "{\"type\":\"ByteLevel\"}"}, "ByteLevel with add_prefix_space"},
        {{.pre_tokenizer = SPLIT("\\\\s+")},
         "GPT-2, Llama 3 and Qwen 2 are known, which this is not: Split expression \"\\s+\""},
        {{.pre_tokenizer = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" GPT2_REGEX
                           "\"},\"behavior\":\"Isolated\"}"},
         "Split without ByteLevel"},
        {{.pre_tokenizer = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
                           "\"pattern\":{\"Regex\":\"" GPT2_REGEX
                           "\"},\"behavior\":\"Removed\"},{\"type\":\"ByteLevel\"}]}"},
         "other than an isolated Regex"},
        {{.pre_tokenizer = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
                           "\"pattern\":{\"Regex\":\"" GPT2_REGEX
                           "\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\","
                           "\"add_prefix_space\":false}]}"},
         "ByteLevel with use_regex"},
        {{.pre_tokenizer = METASPACE(",\"prepend_scheme\":\"last\"")}, "prepend_scheme \"last\""},
        {{.pre_tokenizer = "{\"type\":\"Metaspace\",\"replacement\":\"_\"}"}, "Metaspace of"},
        {{.pre_tokenizer = METASPACE(""), .options = "\"ignore_merges\":true,"},
         "ignore_merges without ByteLevel"},
        {{.pre_tokenizer = METASPACE(""),
          .vocab = "\"" SYMBOL "\":0,\"a\":1,\"a" SYMBOL "\":2",
          .merges = "\"a " SYMBOL "\""},
         "token 2 spans words"},
        {{.pre_tokenizer = METASPACE(""), .vocab = "\"a\":0", .merges = ""},
         "without a token for the space"},
        {{.normalizer = SEQUENCE(REPLACE "," REPLACE "," REPLACE "," REPLACE "," REPLACE)},
         "the normalizer \"Sequence of many steps\""},
        {{.pre_tokenizer = "{\"type\":\"Sequence\",\"pretokenizers\":[" METASPACE(
              "") ",{\"type\":\"Digits\"}]}"},
         "the pre_tokenizer \"Digits\""},
        {{.post_processor = "{\"type\":\"TemplateProcessing\",\"single\":[" BEGINNING "," TEXT
                            "],\"special_tokens\":{\"<s>\":{\"ids\":[6,5]}}}"},
         "TemplateProcessing with several ids"},
        {{.post_processor = "{\"type\":\"BertProcessing\"}"},
         "the post_processor \"BertProcessing\""},
        {{.post_processor = TEMPLATE(TEXT "," BEGINNING)}, "other than one token in front"},
        {{.post_processor = TEMPLATE(BEGINNING "," BEGINNING "," TEXT)},
         "other than one token in front"},
        {{.post_processor = TEMPLATE("")}, "other than one token in front"},
        {{.added = "{\"id\":6,\"content\":\"<s>\",\"lstrip\":true}"}, "\"<s>\" needs lstrip"},
        {{.added = "{\"id\":6,\"content\":\"<s>\",\"rstrip\":true}"}, "\"<s>\" needs rstrip"},
        {{.added = "{\"id\":6,\"content\":\"<s>\",\"single_word\":true}"}, "needs single_word"},
        {{.added = "{\"id\":6,\"content\":\"<u>\",\"normalized\":true}",
          .normalizer = SEQUENCE(PREPEND "," REPLACE),
          .pre_tokenizer = "null"},
         "\"<u>\" is matched after normalization"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_refused(cases[i].parts, TERCET_UNSUPPORTED_SOURCE, cases[i].part);
    }
}

static void test_damaged(void) {
    static const struct {
        struct parts parts;
        const char *part;
    } cases[] = {
        {{.vocab = "\"a\":0,\"b\":0"}, "two tokens with the id 0"},
        {{.vocab = "\"a\":0,\"b\":8"}, "token 8, but the embedding of the model has only 8"},
        {{.vocab = "\"a\":0,\"b\":4294967295"}, "the id of token \"b\""},
        {{.vocab = "\"a\":0,\"b\":-1"}, "the id of token \"b\""},
        {{.vocab = "\"a\":0,\"b\":\"1\""}, "the id of token \"b\""},
        {{.vocab = "\"a\":0,\"a\":1"}, "tokens 0 and 1 have the same text"},
        {{.vocab = "\"a\":0,\"b\":1,\"x\":6"}, "token 6 has another text in added_tokens"},
        {{.merges = "\"a c\""}, "merge 0 names \"c\""},
        {{.merges = "\"a b\",\"b a\""}, "merge 1 joins tokens 1 and 0"},
        {{.merges = "\"ab\""}, "merge 0 is not two names"},
        {{.merges = "\"a b b\""}, "merge 0 is not two names"},
        {{.merges = "\"a \""}, "merge 0 names \"\""},
        {{.merges = "[\"a\"]"}, "merge 0 is not two names"},
        {{.merges = "[\"a\",\"b\",\"b\"]"}, "merge 0 is not two names"},
        {{.merges = "[\"a\",1]"}, "merge 0 is not two names"},
        {{.merges = "3"}, "merge 0 is not two names"},
        {{.options = "\"unk_token\":\"<none>\","}, "unk_token \"<none>\" is not in the vocabulary"},
        {{.options = "\"vocab\":{},"}, "the key \"vocab\" twice"},
        {{.added = "{\"id\":8,\"content\":\"x\"}"}, "adds token 8"},
        {{.added = "{\"id\":6,\"content\":\"\"}"}, "is empty or there twice"},
        {{.added = "{\"id\":6,\"content\":\"x\"},{\"id\":6,\"content\":\"y\"}"}, "there twice"},
        {{.added = "{\"content\":\"x\"}"}, "lacks the key \"id\""},
        {{.added = "7"}, "an object with the key"},
        {{.normalizer = "7"}, "\"normalizer\" is not an object"},
        {{.pre_tokenizer = "{}"}, "lacks the key \"type\""},
        {{.pre_tokenizer = "{\"type\":\"Sequence\"}"}, "lacks the key \"pretokenizers\""},
        {{.post_processor = TEMPLATE("{\"SpecialToken\":{\"id\":\"</s>\"}}," TEXT)},
         "lacks the key \"</s>\""},
        {{.post_processor = "{\"type\":\"TemplateProcessing\",\"single\":[" BEGINNING "," TEXT
                            "],\"special_tokens\":{\"<s>\":{\"ids\":[\"6\"]}}}"},
         "the template token \"<s>\" has no id"},
        {{.added = "", .post_processor = TEMPLATE(BEGINNING "," TEXT)},
         "adds token 6, which does not exist"},
    };
    struct tokenizer_section section;
    tercet_error error;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_refused(cases[i].parts, TERCET_BAD_SOURCE, cases[i].part);
    }
    folder_write(&folder, "tokenizer.json", "{}", 2);
    CHECK_STATUS(tokenizer_section_build(folder.path, 8, NONE, &section, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STR(error.detail, "tokenizer.json lacks the key \"model\"");
    folder_write(&folder, "tokenizer.json", "[", 1);
    CHECK_STATUS(tokenizer_section_build(folder.path, 8, NONE, &section, &error),
                 TERCET_BAD_SOURCE);
    /* A token longer than the format holds. */
    char vocab[1400];
    memset(vocab, 'x', sizeof vocab);
    memcpy(vocab, "\"a\":0,\"", 7);
    memcpy(vocab + 7 + LIMIT_TOKEN_BYTES + 1, "\":1", 4);
    check_refused((struct parts){.vocab = vocab, .merges = ""}, TERCET_LIMIT_EXCEEDED,
                  "token 1 has 1025 bytes");
    memcpy(vocab + 7 + LIMIT_TOKEN_BYTES, "\":1", 4);
    struct tokenizer_fixture fixture;
    read_parts((struct parts){.vocab = vocab, .merges = ""}, &fixture);
    fixture_free(&fixture);
}

/* A sound file cut at every byte and with every byte changed: an answer each time. */
static void test_cuts(void) {
    struct tokenizer_section section;
    tercet_error error;
    char path[128];
    size_t count;
    uint32_t refused = 0;
    write_parts(&(struct parts){.post_processor = TEMPLATE(BEGINNING "," TEXT)});
    folder_file_path(&folder, "tokenizer.json", path);
    char *text = read_whole_file(path, &count);
    for (size_t i = 0; i < count; i++) {
        folder_write(&folder, "tokenizer.json", text, i);
        CHECK_STATUS(tokenizer_section_build(folder.path, 8, NONE, &section, &error),
                     TERCET_BAD_SOURCE);
        char kept = text[i];
        text[i] = (char)(kept ^ 1);
        folder_write(&folder, "tokenizer.json", text, count);
        struct tokenizer_fixture fixture;
        if (tokenizer_section_build(folder.path, 8, NONE, &section, &error) == TERCET_OK) {
            CHECK_STATUS(fixture_from_section(&fixture, &section, &error), TERCET_OK);
            fixture_free(&fixture);
        } else {
            refused++;
        }
        text[i] = kept;
    }
    CHECK(refused > count / 2);
    free(text);
}

int main(void) {
    folder_make(&folder);
    test_byte_level();
    test_splitters();
    test_prefixes();
    test_sentencepiece_vocabulary();
    test_beginning();
    test_unsupported();
    test_damaged();
    test_cuts();
    folder_remove(&folder);
    return check_done();
}
