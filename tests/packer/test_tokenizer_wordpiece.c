/* test_tokenizer_wordpiece.c - a tokenizer.json of BERT's kind: what the core gets of it, and a refusal by name for every switch and
 * part that is not reproduced, since the text would be cut otherwise without a word. That texts are cut right: wordpiece.test.mjs.
 */
#include "check.h"
#include "tokenizer_fixture.h"
#include "tokenizer_folder.h"

#define NONE TERCET_NO_TOKEN
#define NORMALIZER(options) "{\"type\":\"BertNormalizer\"" options "}"
#define SPLITTER "{\"type\":\"BertPreTokenizer\"}"
#define TEMPLATE(single) "{\"type\":\"TemplateProcessing\",\"single\":[" single "]}"
#define FIRST(name) "{\"SpecialToken\":{\"id\":\"" name "\",\"type_id\":0}}"
#define TEXT "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
#define WORDS "\"[UNK]\":0,\"[CLS]\":1,\"a\":2,\"##b\":3,\".\":4,\"##.\":5"

static struct tokenizer_folder folder;

/* The parts of a file; NULL stands for what uncased BERT has. */
struct parts {
    const char *normalizer, *splitter, *processor, *added, *options, *vocab;
};

static const char *or_else(const char *given, const char *usual) {
    return given != NULL ? given : usual;
}

static void write_parts(const struct parts *parts) {
    char text[4096];
    int count = snprintf(
        text, sizeof text,
        "{\"added_tokens\":[%s],\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":%s,"
        "\"model\":{\"type\":\"WordPiece\",%s\"vocab\":{%s}}}",
        or_else(parts->added, "{\"id\":1,\"content\":\"[CLS]\",\"special\":true}"),
        or_else(parts->normalizer, NORMALIZER("")), or_else(parts->splitter, SPLITTER),
        or_else(parts->processor, TEMPLATE(FIRST("[CLS]") "," TEXT)),
        or_else(parts->options, "\"unk_token\":\"[UNK]\","), or_else(parts->vocab, WORDS));
    REQUIRE(count > 0 && (size_t)count < sizeof text);
    folder_write(&folder, "tokenizer.json", text, (size_t)count);
}

static void test_sound(void) {
    static const struct {
        struct parts parts;
        uint32_t beginning;
    } cases[] = {
        {{0}, 1},
        {{.processor = "null"}, NONE},
        {{.processor = TEMPLATE(TEXT)}, NONE},
        {{.normalizer = NORMALIZER(",\"lowercase\":true,\"strip_accents\":null")}, 1},
        {{.options = "\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
                     "\"max_input_chars_per_word\":100,"},
         1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tokenizer_fixture fixture;
        tercet_error error = {TERCET_OK, 0, ""};
        write_parts(&cases[i].parts);
        if (!CHECK_STATUS(fixture_from_folder(&fixture, folder.path, 8, NONE, &error), TERCET_OK)) {
            fprintf(stderr, "    case %zu: %s\n", i, error.detail);
            continue;
        }
        CHECK_EQ(fixture.tables.kind, TOKENIZER_WORDPIECE);
        CHECK_EQ(fixture.tables.unknown, 0);
        CHECK_EQ(fixture.tables.beginning, cases[i].beginning);
        CHECK_EQ((fixture.tables.flags & TOKENIZER_FLAG_ADD_BEGINNING) != 0,
                 cases[i].beginning != NONE);
        CHECK_EQ(fixture.tables.kinds[1], TOKEN_CONTROL);
        size_t count;
        uint32_t *tokens = fixture_encode(&fixture, "AB.", 3, 0, &count, NULL);
        REQUIRE(tokens != NULL);
        if (CHECK_EQ(count, 3)) { /* the sign is a word: "##." is out of its way */
            CHECK(tokens[0] == 2 && tokens[1] == 3 && tokens[2] == 4);
        }
        free(tokens);
        fixture_free(&fixture);
    }
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

static void test_unsupported(void) {
    static const struct {
        struct parts parts;
        const char *part;
    } cases[] = {
        {{.normalizer = "null"}, "with a part missing around it"},
        {{.normalizer = "{\"type\":\"NFC\"}"}, "with NFC"},
        {{.normalizer = NORMALIZER(",\"clean_text\":false")}, "with clean_text"},
        {{.normalizer = NORMALIZER(",\"handle_chinese_chars\":false")}, "handle_chinese_chars"},
        {{.normalizer = NORMALIZER(",\"strip_accents\":false")}, "with strip_accents"},
        {{.normalizer = NORMALIZER(",\"lowercase\":false")}, "with lowercase is not supported"},
        {{.splitter = "null"}, "with a part missing around it"},
        {{.splitter = "{\"type\":\"Whitespace\"}"}, "with Whitespace"},
        {{.options = "\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"@@\","},
         "another continuing_subword_prefix"},
        {{.options = "\"unk_token\":\"[UNK]\",\"max_input_chars_per_word\":50,"},
         "another max_input_chars_per_word"},
        {{.added = "{\"id\":1,\"content\":\"[CLS]\",\"lstrip\":true}"}, "with lstrip"},
        {{.added = "{\"id\":1,\"content\":\"[CLS]\",\"rstrip\":true}"}, "with rstrip"},
        {{.added = "{\"id\":1,\"content\":\"[CLS]\",\"single_word\":true}"}, "with single_word"},
        {{.added = "{\"id\":1,\"content\":\"[CLS]\",\"normalized\":true}"}, "with normalized"},
        {{.processor = "{\"type\":\"BertProcessing\"}"}, "with BertProcessing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_refused(cases[i].parts, TERCET_UNSUPPORTED_SOURCE, cases[i].part);
    }
}

static void test_damaged(void) {
    static const struct {
        struct parts parts;
        const char *part;
    } cases[] = {
        {{.normalizer = "7"}, "\"normalizer\" is not an object"},
        {{.normalizer = "{}"}, "lacks the key \"type\""},
        {{.normalizer = NORMALIZER(",\"lowercase\":1")}, "\"lowercase\" is not"},
        {{.options = ""}, "lacks the key \"unk_token\""},
        {{.options = "\"unk_token\":\"<unk>\","}, "unk_token \"<unk>\" is not in the vocabulary"},
        {{.options = "\"unk_token\":\"[UNK]\",\"max_input_chars_per_word\":-1,"},
         "max_input_chars_per_word"},
        {{.vocab = "\"[UNK]\":0,\"a\":-1"}, "the id of token \"a\" is not a whole number"},
        {{.vocab = "\"[UNK]\":0,\"a\":\"1\""}, "the id of token \"a\" is not a whole number"},
        {{.vocab = "\"[UNK]\":0,\"a\":8"}, "token 8, but the embedding of the model has only 8"},
        {{.vocab = "\"[UNK]\":0,\"a\":2,\"b\":2"}, "two tokens with the id 2"},
        {{.added = "{\"id\":1,\"content\":\"[CLS]\",\"lstrip\":1}"}, "\"lstrip\" is not"},
        {{.processor = "{}"}, "lacks the key \"type\""},
        {{.processor = "{\"type\":\"TemplateProcessing\"}"}, "lacks the key \"single\""},
        {{.processor = TEMPLATE("{\"SpecialToken\":{}}")}, "lacks the key \"id\""},
        {{.processor = TEMPLATE(FIRST("a") "," TEXT)}, "adds \"a\", which is no special token"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_refused(cases[i].parts, TERCET_BAD_SOURCE, cases[i].part);
    }
    char vocab[LIMIT_TOKEN_BYTES + 32];
    int count = snprintf(vocab, sizeof vocab, "\"[UNK]\":0,\"%0*d\":2", LIMIT_TOKEN_BYTES, 1);
    REQUIRE(count > 0 && (size_t)count < sizeof vocab);
    check_refused((struct parts){.vocab = vocab}, TERCET_LIMIT_EXCEEDED,
                  "token 2 has more than 1023 bytes");
}

int main(void) {
    folder_make(&folder);
    test_sound();
    test_unsupported();
    test_damaged();
    folder_remove(&folder);
    return check_done();
}
