/*
 * test_gguf_tokenizer.c: the tokenizer keys of GGUF files that are missing, wrong or not supported: each is refused with a sentence
 * that names the key. Sound files are in the golden models.
 */
#include "check.h"
#include "gguf_bytes.h"
#include "gguf_model.h"
#include "tokenizer_gguf.h"

enum { BOOL_TYPE = 7, I32_TYPE = 5, U32_TYPE = 4, F32_TYPE = 6, TOKENS = 8 };

#define KEY(name) "tokenizer.ggml." name

/* A small vocabulary, with one thing changed. */
struct change {
    const char *model, *pre;
    bool byte_types, no_merges, no_scores, other_types, other_scores, end, begin;
    uint32_t beginning, unknown; /* keys; 0: none */
    const char *token, *merge;   /* the last token, the last merge */
    uint32_t type;               /* of the last token; 0: as it is */
    uint32_t count;              /* of tokens; 0: TOKENS */
};

static void put_tokens(struct gguf_bytes *file, const struct change *change, bool bpe) {
    static const char *const words[TOKENS] = {"a", "b", "c", "d", "ab", "cd", "abc", "abcd"};
    static const char *const pieces[TOKENS] = {"<unk>",        "<s>", "</s>", "<0x0A>",
                                               "\xE2\x96\x81", "a",   "b",    "ab"};
    static const int32_t piece_types[TOKENS] = {2, 3, 3, 6, 1, 1, 1, 1};
    uint32_t count = change->count != 0 ? change->count : TOKENS;
    gguf_put_array(file, KEY("tokens"), STRING_TYPE, count);
    for (uint32_t i = 0; i < count; i++) {
        const char *text = bpe ? words[i % TOKENS] : pieces[i % TOKENS];
        gguf_put_text(file, i == count - 1 && change->token != NULL ? change->token : text);
    }
    uint32_t types = count - change->other_types, scores = count - change->other_scores;
    gguf_put_array(file, KEY("token_type"), I32_TYPE, types);
    for (uint32_t i = 0; i < types; i++) {
        uint32_t type = bpe ? (change->byte_types ? 6 : 1) : (uint32_t)piece_types[i % TOKENS];
        gguf_put_u32(file, i == count - 1 && change->type != 0 ? change->type : type);
    }
    if (!bpe && !change->no_scores) {
        gguf_put_array(file, KEY("scores"), F32_TYPE, scores);
        for (uint32_t i = 0; i < scores; i++) {
            gguf_put_u32(file, 0);
        }
    }
    if (bpe && !change->no_merges) {
        gguf_put_array(file, KEY("merges"), STRING_TYPE, 3);
        gguf_put_text(file, "a b");
        gguf_put_text(file, "c d");
        gguf_put_text(file, change->merge != NULL ? change->merge : "ab c");
    }
}

static tercet_status build(const struct change *change, struct tokenizer_section *section,
                           tercet_error *error) {
    struct gguf_bytes file;
    struct gguf_header header;
    bool cut, bpe = change->model == NULL || strcmp(change->model, "llama") != 0;
    bool none = change->model != NULL && change->model[0] == '\0';
    bool lists = change->count != UINT32_MAX;
    uint64_t keys = (uint64_t)!none + (change->pre != NULL) + change->end + change->begin +
                    (change->beginning != 0) + (change->unknown != 0);
    keys += lists ? 2u + (bpe ? !change->no_merges : !change->no_scores) : 0;
    gguf_start(&file, 3, 0, keys);
    if (!none) {
        gguf_put_key_text(&file, KEY("model"), change->model != NULL ? change->model : "gpt2");
    }
    if (change->pre != NULL) {
        gguf_put_key_text(&file, KEY("pre"), change->pre);
    }
    if (change->end) {
        gguf_put_key(&file, KEY("add_eos_token"), BOOL_TYPE, 1, 1);
    }
    if (change->begin) {
        gguf_put_key(&file, KEY("add_bos_token"), BOOL_TYPE, 1, 1);
    }
    if (change->beginning != 0) {
        gguf_put_key(&file, KEY("bos_token_id"), U32_TYPE, change->beginning, 4);
    }
    if (change->unknown != 0) {
        gguf_put_key(&file, KEY("unknown_token_id"), U32_TYPE, change->unknown, 4);
    }
    if (lists) {
        put_tokens(&file, change, bpe);
    }
    REQUIRE(gguf_parse_header("small.gguf", file.bytes, file.count, file.count, &header, &cut,
                              error) == TERCET_OK);
    tercet_status status = tokenizer_gguf_build(&header, 0, section, error);
    gguf_header_free(&header);
    gguf_free(&file);
    return status;
}

static void refuse(struct change change, tercet_status want, const char *named) {
    struct tokenizer_section section;
    tercet_error error = {0};
    CHECK_STATUS(build(&change, &section, &error), want);
    CHECK(section.bytes == NULL);
    if (!CHECK(strstr(error.detail, named) != NULL)) {
        fprintf(stderr, "    expected \"%s\" in \"%s\"\n", named, error.detail);
    }
}

static void accept(struct change change) {
    struct tokenizer_section section;
    tercet_error error = {0};
    if (CHECK_STATUS(build(&change, &section, &error), TERCET_OK)) {
        CHECK_EQ(section.token_count, TOKENS);
        tokenizer_section_free(&section);
    } else {
        fprintf(stderr, "    %s\n", error.detail);
    }
}

static void test_byte_level(void) {
    char longest[4000];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    accept((struct change){.pre = "gpt-2"});
    accept((struct change){.pre = "qwen2", .beginning = 3, .begin = true});
    refuse((struct change){.model = ""}, TERCET_BAD_SOURCE, "the file has no tokenizer");
    refuse((struct change){.model = "bert"}, TERCET_UNSUPPORTED_SOURCE, "\"bert\"");
    refuse((struct change){.count = UINT32_MAX, .pre = "gpt-2"}, TERCET_BAD_SOURCE,
           "the file has no vocabulary");
    refuse((struct change){.pre = "strange"}, TERCET_UNSUPPORTED_SOURCE, "\"strange\"");
    refuse((struct change){0}, TERCET_UNSUPPORTED_SOURCE, "how text is cut");
    refuse((struct change){.pre = "default"}, TERCET_UNSUPPORTED_SOURCE, "how text is cut");
    refuse((struct change){.pre = "gpt-2", .no_merges = true}, TERCET_BAD_SOURCE,
           "merges is missing");
    refuse((struct change){.pre = "gpt-2", .merge = "a x"}, TERCET_BAD_SOURCE, "merge 2 names");
    refuse((struct change){.pre = "gpt-2", .merge = "abc"}, TERCET_BAD_SOURCE, "merge 2");
    refuse((struct change){.pre = "gpt-2", .merge = "a c"}, TERCET_BAD_SOURCE,
           "small.gguf: merge 2 joins tokens 0 and 2 to something that is no token");
    refuse((struct change){.pre = "gpt-2", .other_types = true}, TERCET_BAD_SOURCE,
           "token_type has another length");
    refuse((struct change){.pre = "gpt-2", .byte_types = true}, TERCET_BAD_SOURCE,
           "token_type names byte tokens");
    refuse((struct change){.pre = "gpt-2", .type = 7}, TERCET_BAD_SOURCE,
           "token_type holds a number that is no type");
    refuse((struct change){.pre = "gpt-2", .type = UINT32_MAX}, TERCET_BAD_SOURCE,
           "token_type holds a number that is no type");
    refuse((struct change){.pre = "gpt-2", .end = true}, TERCET_UNSUPPORTED_SOURCE,
           "add_eos_token");
    refuse((struct change){.pre = "gpt-2", .begin = true}, TERCET_BAD_SOURCE, "add_bos_token");
    refuse((struct change){.pre = "gpt-2", .beginning = 99}, TERCET_BAD_SOURCE, "bos_token_id");
    refuse((struct change){.pre = "gpt-2", .token = "\xC3("}, TERCET_BAD_SOURCE,
           "token 7 is not UTF-8");
    refuse((struct change){.pre = "gpt-2", .token = longest}, TERCET_LIMIT_EXCEEDED, "token 7");
}

static void test_sentencepiece(void) {
    accept((struct change){.model = "llama"});
    refuse((struct change){.model = "llama", .no_scores = true}, TERCET_BAD_SOURCE,
           "scores is missing");
    refuse((struct change){.model = "llama", .other_scores = true}, TERCET_BAD_SOURCE,
           "scores has another length");
    refuse((struct change){.model = "llama", .type = 7}, TERCET_BAD_SOURCE,
           "token_type holds a number that is no type");
}

/* What the head of the section says of a tokenizer that is taken. */
static uint32_t head_word(struct change change, size_t at) {
    struct tokenizer_section section;
    uint32_t word = 0;
    REQUIRE(build(&change, &section, NULL) == TERCET_OK);
    memcpy(&word, section.bytes + at, sizeof word);
    tokenizer_section_free(&section);
    return word;
}

/* Llama 3's rule asks for a token in front of a text: only a key can ask for one that the vocabulary has not named. */
static void test_ids(void) {
    const struct change plain = {.pre = "llama-bpe"}, named = {.pre = "llama-bpe", .beginning = 3},
                        none = {.pre = "llama-bpe", .beginning = UINT32_MAX},
                        unknown = {.pre = "gpt-2", .token = "<?>", .merge = "c d", .type = 2};
    const uint32_t beginning = TOKENIZER_FLAG_ADD_BEGINNING;
    CHECK_EQ(head_word(plain, TOKENIZER_AT_FLAGS) & beginning, 0);
    CHECK_EQ(head_word(plain, TOKENIZER_AT_BEGINNING), TERCET_NO_TOKEN);
    CHECK_EQ(head_word(none, TOKENIZER_AT_FLAGS) & beginning, 0);
    CHECK_EQ(head_word(named, TOKENIZER_AT_FLAGS) & beginning, beginning);
    CHECK_EQ(head_word(named, TOKENIZER_AT_BEGINNING), 3);
    CHECK_EQ(head_word(plain, TOKENIZER_AT_UNKNOWN), TERCET_NO_TOKEN);
    CHECK_EQ(head_word(unknown, TOKENIZER_AT_UNKNOWN), TOKENS - 1); /* its type says so */
    struct change both = unknown;
    both.unknown = 2;
    CHECK_EQ(head_word(both, TOKENIZER_AT_UNKNOWN), 2); /* the key is asked last */
}

/* Lists of one more text than a container holds, all of them empty. */
static void test_limits(void) {
    static const struct {
        uint32_t tokens, merges;
        const char *part;
    } cases[] = {{LIMIT_VOCABULARY + 1, 0, "many.gguf has more than 1048576 tokens"},
                 {1, LIMIT_MERGES + 1, "many.gguf has more than 4194304 merges"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gguf_bytes start, merges;
        struct gguf_header header;
        struct tokenizer_section section;
        tercet_error error = {0};
        bool cut;
        gguf_start(&start, 3, 0, 4);
        gguf_put_key_text(&start, KEY("model"), "gpt2");
        gguf_put_key_text(&start, KEY("pre"), "gpt-2");
        gguf_put_array(&start, KEY("tokens"), STRING_TYPE, cases[i].tokens);
        gguf_start(&merges, 3, 0, 0);
        merges.count = 0;
        gguf_put_array(&merges, KEY("merges"), STRING_TYPE, cases[i].merges);
        size_t middle = start.count + (size_t)cases[i].tokens * 8;
        size_t count = middle + merges.count + (size_t)cases[i].merges * 8;
        uint8_t *bytes = calloc(1, count);
        REQUIRE(bytes != NULL);
        memcpy(bytes, start.bytes, start.count);
        memcpy(bytes + middle, merges.bytes, merges.count);
        REQUIRE(gguf_parse_header("many.gguf", bytes, count, count, &header, &cut, &error) ==
                TERCET_OK);
        CHECK_STATUS(tokenizer_gguf_build(&header, 0, &section, &error), TERCET_LIMIT_EXCEEDED);
        CHECK_STR(error.detail, cases[i].part);
        gguf_header_free(&header);
        gguf_free(&merges);
        gguf_free(&start);
        free(bytes);
    }
}

/* ---- tokens that end a text */

struct stops {
    const char *model;
    uint32_t end, turn, message; /* keys; 0: none */
    const char *text;            /* of the tokens from `from` on */
    uint32_t from, tokens, vocabulary;
};

static tercet_status read_stops(const struct stops *stops, struct container_config *config,
                                tercet_error *error) {
    struct gguf_bytes file;
    struct gguf_header header;
    bool cut;
    gguf_start(&file, 3, 0,
               1u + (stops->tokens > 0) + (stops->end != 0) + (stops->turn != 0) +
                   (stops->message != 0));
    gguf_put_key_text(&file, KEY("model"), stops->model);
    if (stops->end != 0) {
        gguf_put_key(&file, KEY("eos_token_id"), U32_TYPE, stops->end, 4);
    }
    if (stops->turn != 0) {
        gguf_put_key(&file, KEY("eot_token_id"), U32_TYPE, stops->turn, 4);
    }
    if (stops->message != 0) {
        gguf_put_key(&file, KEY("eom_token_id"), U32_TYPE, stops->message, 4);
    }
    if (stops->tokens > 0) {
        gguf_put_array(&file, KEY("tokens"), STRING_TYPE, stops->tokens);
    }
    for (uint32_t id = 0; id < stops->tokens; id++) {
        gguf_put_text(&file, stops->text != NULL && id >= stops->from ? stops->text : "a");
    }
    REQUIRE(gguf_parse_header("stops.gguf", file.bytes, file.count, file.count, &header, &cut,
                              error) == TERCET_OK);
    memset(config, 0, sizeof *config);
    config->vocabulary = stops->vocabulary;
    config->stop_count = 7; /* of before */
    tercet_status status = tokenizer_gguf_read_stops(&header, config, error);
    gguf_header_free(&header);
    gguf_free(&file);
    return status;
}

static void check_stops(struct stops stops, uint32_t count, const uint32_t *tokens) {
    struct container_config config;
    tercet_error error = {0};
    if (!CHECK_STATUS(read_stops(&stops, &config, &error), TERCET_OK)) {
        fprintf(stderr, "    %s\n", error.detail);
    } else if (CHECK_EQ(config.stop_count, count)) {
        CHECK_MEM(config.stop_tokens, tokens, count * sizeof *tokens);
    }
}

static void refuse_stops(struct stops stops, tercet_status want, const char *sentence) {
    struct container_config config;
    tercet_error error = {0};
    CHECK_STATUS(read_stops(&stops, &config, &error), want);
    CHECK_STR(error.detail, sentence);
}

static void test_stops(void) {
    static const uint32_t one[] = {3}, three[] = {3, 5, 4}, second[] = {2}, texts[] = {3, 6, 7},
                          eight[] = {0, 1, 2, 3, 4, 5, 6, 7};
    check_stops((struct stops){"gpt2", .tokens = 8, .vocabulary = 8}, 0, one);
    check_stops((struct stops){"gpt2", 3, 5, 4, .tokens = 8, .vocabulary = 8}, 3, three);
    check_stops((struct stops){"gpt2", 3, 3, 3, .tokens = 8, .vocabulary = 8}, 1, one);
    /* SentencePiece has its place for it, unless the vocabulary is too small or a key says that there is none. */
    check_stops((struct stops){"llama", .tokens = 8, .vocabulary = 8}, 1, second);
    check_stops((struct stops){"llama", .tokens = 2, .vocabulary = 2}, 0, one);
    check_stops((struct stops){"llama", UINT32_MAX, .tokens = 8, .vocabulary = 8}, 0, one);
    /* By their texts: those that the model has. */
    check_stops((struct stops){"gpt2", 3, .text = "<|im_end|>", 6, 10, 8}, 3, texts);
    check_stops((struct stops){"gpt2", .text = "<|eot_id|>", 0, 8, 8}, 8, eight);
    refuse_stops((struct stops){"gpt2", .text = "<|eot_id|>", 0, 9, 9}, TERCET_LIMIT_EXCEEDED,
                 "stops.gguf has more than 8 tokens that end a text");
    refuse_stops((struct stops){"gpt2", 8, .tokens = 9, .vocabulary = 8}, TERCET_BAD_SOURCE,
                 "stops.gguf: the key tokenizer.ggml.eos_token_id is no token of the model");
    refuse_stops((struct stops){"gpt2", .turn = 8, .tokens = 9, .vocabulary = 8}, TERCET_BAD_SOURCE,
                 "stops.gguf: the key tokenizer.ggml.eot_token_id is no token of the model");
    refuse_stops((struct stops){"gpt2", .message = 9, .tokens = 9, .vocabulary = 9},
                 TERCET_BAD_SOURCE,
                 "stops.gguf: the key tokenizer.ggml.eom_token_id is no token of the vocabulary");
    refuse_stops((struct stops){"gpt2", .vocabulary = 9}, TERCET_BAD_SOURCE,
                 "stops.gguf: the key tokenizer.ggml.tokens is missing or empty: the file has no "
                 "vocabulary");
}

/* The number of tokens and one of them tell the rule where no key does. */
static void test_rule_by_vocabulary(void) {
    static const struct {
        uint32_t count, splitter;
        const char *token;
    } known[] = {{128256, SPLITTER_LLAMA3, "<|begin_of_text|>"},
                 {151936, SPLITTER_QWEN2, "<|im_start|>"},
                 {50257, SPLITTER_GPT2, "<|endoftext|>"},
                 {128256, SPLITTER_NONE, "<|im_start|>"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct gguf_header header;
        struct tokenizer_section section;
        tercet_error error = {0};
        bool cut;
        size_t room = 64 + (size_t)known[i].count * 24, at = 0;
        struct gguf_bytes start;
        uint8_t *bytes = malloc(room);
        REQUIRE(bytes != NULL);
        gguf_start(&start, 3, 0, 3);
        gguf_put_key_text(&start, KEY("model"), "gpt2");
        gguf_put_array(&start, KEY("merges"), STRING_TYPE, 0);
        gguf_put_array(&start, KEY("tokens"), STRING_TYPE, known[i].count);
        memcpy(bytes, start.bytes, start.count);
        at = start.count;
        for (uint32_t id = 0; id < known[i].count; id++) {
            char text[32];
            if (id == 7) {
                (void)snprintf(text, sizeof text, "%s", known[i].token);
            } else {
                (void)snprintf(text, sizeof text, "t%u", id);
            }
            uint64_t length = strlen(text);
            REQUIRE(at + 8 + length <= room);
            memcpy(bytes + at, &length, 8);
            memcpy(bytes + at + 8, text, (size_t)length);
            at += 8 + (size_t)length;
        }
        REQUIRE(gguf_parse_header("known.gguf", bytes, at, at, &header, &cut, &error) == TERCET_OK);
        tercet_status status = tokenizer_gguf_build(&header, 0, &section, &error);
        if (known[i].splitter == SPLITTER_NONE) {
            CHECK_STATUS(status, TERCET_UNSUPPORTED_SOURCE);
        } else if (CHECK_STATUS(status, TERCET_OK)) {
            CHECK_EQ(section.bytes[TOKENIZER_AT_SPLITTER], known[i].splitter);
            tokenizer_section_free(&section);
        }
        gguf_header_free(&header);
        gguf_free(&start);
        free(bytes);
    }
}

int main(void) {
    test_byte_level();
    test_sentencepiece();
    test_rule_by_vocabulary();
    test_ids();
    test_limits();
    test_stops();
    return check_done();
}
