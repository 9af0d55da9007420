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
        gguf_put_u32(file, bpe ? (change->byte_types ? 6 : 1) : (uint32_t)piece_types[i % TOKENS]);
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
    refuse((struct change){.pre = "gpt-2", .other_types = true}, TERCET_BAD_SOURCE,
           "token_type has another length");
    refuse((struct change){.pre = "gpt-2", .byte_types = true}, TERCET_BAD_SOURCE,
           "token_type names byte tokens");
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
    return check_done();
}
