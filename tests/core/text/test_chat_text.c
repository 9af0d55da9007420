/*
 * test_chat_text.c: what the real templates of tests/packer/chat_format.test.mjs do not show: formats that a container
 * brings itself, a default system text, trimming of every kind of white space, SentencePiece, too little room, and what is
 * refused.
 */
#include "text/chat_text.h"
#include "check.h"
#include "text/chat_format.h"
#include "tokenizer_fixture.h"

enum { BEGIN = 256, END, THINK, OTHER, WORDS, SIZE = 300 };

/* Bytes are tokens; "\n\n" and " a" are words, so that text which is joined shows. */
static void make_tables(struct tokenizer_fixture *fixture, bool sentencepiece) {
    static const char *const words[] = {"\n\n", " a", "<think"};
    struct tokenizer_builder builder;
    tercet_status status = tokenizer_builder_open(&builder, "test", SIZE, NULL);
    builder.kind = sentencepiece ? TOKENIZER_SENTENCEPIECE : TOKENIZER_BYTE_BPE;
    builder.splitter = sentencepiece ? SPLITTER_NONE : SPLITTER_QWEN2;
    builder.flags =
        sentencepiece ? TOKENIZER_FLAG_ADD_PREFIX_SPACE | TOKENIZER_FLAG_BYTE_FALLBACK : 0;
    builder.beginning = BEGIN;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint8_t text = (uint8_t)byte;
        status |=
            tokenizer_builder_add(&builder, byte, &text, 1,
                                  sentencepiece ? TOKEN_BYTE : TOKEN_NORMAL, !sentencepiece, NULL);
    }
    const struct {
        const char *text;
        uint8_t kind;
    } specials[] = {{"<|begin|>", TOKEN_CONTROL},
                    {"<|im_end|>", TOKEN_CONTROL},
                    {"<think>", TOKEN_USER_DEFINED},
                    {"<other>", TOKEN_USER_DEFINED}};
    uint32_t next = BEGIN;
    for (size_t i = 0; i < 4; i++) {
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)specials[i].text,
                                        strlen(specials[i].text), specials[i].kind, false, NULL);
    }
    for (size_t i = 0; i < 3; i++) {
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)words[i],
                                        strlen(words[i]), TOKEN_NORMAL, true, NULL);
    }
    if (sentencepiece) {
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)" ", 1, TOKEN_NORMAL,
                                        true, NULL);
        status |= tokenizer_builder_add(&builder, next++, (const uint8_t *)"a", 1, TOKEN_NORMAL,
                                        true, NULL);
    }
    status |= tokenizer_builder_index(&builder, NULL);
    if (!sentencepiece) {
        status |= tokenizer_builder_add_merge(&builder, '\n', '\n', 0, NULL);
        status |= tokenizer_builder_add_merge(&builder, ' ', 'a', 1, NULL);
    }
    status |= fixture_from_builder(fixture, &builder, NULL);
    REQUIRE(status == TERCET_OK);
}

/* [begin] "U\n" text [end]; an answer is asked for by "A"; thinking ends with "/" and begins with the token. */
static const uint32_t segments[] = {BEGIN, 0, TERCET_NO_TOKEN, 2, END, 0, TERCET_NO_TOKEN, 2,
                                    END,   0, TERCET_NO_TOKEN, 2, END, 0, TERCET_NO_TOKEN, 1,
                                    THINK, 0, TERCET_NO_TOKEN, 1};
static struct container_chat own_format(uint32_t flags, const char *system) {
    return (struct container_chat){
        .name = "own",
        .flags = flags,
        .system = system,
        .system_bytes = (uint32_t)strlen(system),
        .part_ends = {1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 10},
        .segments = segments,
        .text = (const uint8_t *)"S\nU\nA\nA/",
    };
}

static tercet_chat_message message(uint32_t role, const char *text) {
    return (tercet_chat_message){role, text, strlen(text)};
}

/* The tokens as one string: bytes as themselves, others in brackets; or the error. */
static const char *render(const struct tokenizer_fixture *fixture,
                          const struct container_chat *chat, const tercet_chat_message *messages,
                          size_t count) {
    static char out[1024];
    struct chat_text text;
    tercet_error error = {0};
    uint32_t tokens[256];
    size_t used = 0, token_count;
    if (chat_text_measure(&fixture->tables, chat, messages, count, 0, &text, &error) != TERCET_OK) {
        (void)snprintf(out, sizeof out, "%s %llu", tercet_status_name(error.status),
                       (unsigned long long)error.where);
        return out;
    }
    void *scratch = malloc(text.scratch_bytes);
    REQUIRE(scratch != NULL);
    REQUIRE(chat_text_encode(&text, tokens, 256, &token_count, scratch, &error) == TERCET_OK);
    for (size_t i = 0; i < token_count; i++) {
        used += (size_t)(tokens[i] < 256
                             ? snprintf(out + used, sizeof out - used, "%c", (char)tokens[i])
                             : snprintf(out + used, sizeof out - used, "[%u]", tokens[i]));
    }
    free(scratch);
    return out;
}

static void test_own_format(const struct tokenizer_fixture *fixture) {
    struct container_chat chat = own_format(0, "");
    tercet_chat_message messages[] = {message(TERCET_CHAT_USER, "b")};
    CHECK_STR(render(fixture, &chat, messages, 1), "[256]U\nb[257]A");
    /* The newline of the format and that of the message are one token. */
    messages[0] = message(TERCET_CHAT_USER, "\nb a");
    CHECK_STR(render(fixture, &chat, messages, 1), "[256]U[260]b[261][257]A");
    /* What a message says is text: control tokens, tokens of the format. Others of the vocabulary stay what they are. */
    messages[0] = message(TERCET_CHAT_USER, "<|im_end|><think><other>");
    CHECK_STR(render(fixture, &chat, messages, 1), "[256]U\n<|im_end|><think>[259][257]A");
    messages[0] = message(TERCET_CHAT_USER, "");
    messages[0].text = NULL;
    CHECK_STR(render(fixture, &chat, messages, 1), "[256]U\n[257]A");
}

static void test_system(const struct tokenizer_fixture *fixture) {
    struct container_chat chat = own_format(CHAT_FLAG_TRIM, "Be kind.\n");
    tercet_chat_message messages[] = {message(TERCET_CHAT_USER, "b"),
                                      message(TERCET_CHAT_SYSTEM, "c"),
                                      message(TERCET_CHAT_USER, "d")};
    CHECK_STR(render(fixture, &chat, messages, 1), "[256]S\nBe kind.\n[257]U\nb[257]A");
    CHECK_STR(render(fixture, &chat, messages, 3),
              "[256]S\nBe kind.\n[257]U\nb[257]S\nc[257]U\nd[257]A");
    CHECK_STR(render(fixture, &chat, messages + 1, 2), "[256]S\nc[257]U\nd[257]A");
    CHECK_STR(render(fixture, &chat, messages + 1, 1), "[256]S\nc[257]A");
}

static void test_trim(const struct tokenizer_fixture *fixture) {
    struct container_chat chat = own_format(CHAT_FLAG_TRIM, "");
    static const char *const blanks[] = {" ",
                                         "\t\n\v\f\r",
                                         "\x1c\x1d\x1e\x1f",
                                         "\xc2\x85",
                                         "\xc2\xa0",
                                         "\xe1\x9a\x80",
                                         "\xe2\x80\x80\xe2\x80\x8a",
                                         "\xe2\x80\xa8\xe2\x80\xa9",
                                         "\xe2\x80\xaf",
                                         "\xe2\x81\x9f",
                                         "\xe3\x80\x80"};
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%sb c%s", blanks[i], blanks[i]);
        tercet_chat_message messages[] = {message(TERCET_CHAT_USER, text)};
        CHECK_STR(render(fixture, &chat, messages, 1), "[256]U\nb c[257]A");
        messages[0] = message(TERCET_CHAT_USER, blanks[i]);
        CHECK_STR(render(fixture, &chat, messages, 1), "[256]U\n[257]A");
    }
    /* U+200B and U+FEFF are no white space. */
    tercet_chat_message messages[] = {message(TERCET_CHAT_USER, "\xe2\x80\x8b")};
    CHECK_STR(render(fixture, &chat, messages, 1), "[256]U\n\xe2\x80\x8b[257]A");
}

static void test_thinking(const struct tokenizer_fixture *fixture) {
    struct container_chat chat = own_format(CHAT_FLAG_DROP_THINKING, "");
    tercet_chat_message messages[] = {message(TERCET_CHAT_USER, "x/\ny"),
                                      message(TERCET_CHAT_ASSISTANT, "hm/no/\n\nb"),
                                      message(TERCET_CHAT_USER, "c")};
    CHECK_STR(render(fixture, &chat, messages, 3), "[256]U\nx/\ny[257]A\nb[257]U\nc[257]A");
    messages[1] = message(TERCET_CHAT_ASSISTANT, "b/");
    CHECK_STR(render(fixture, &chat, messages, 3), "[256]U\nx/\ny[257]A\n[257]U\nc[257]A");
    messages[1] = message(TERCET_CHAT_ASSISTANT, "b");
    CHECK_STR(render(fixture, &chat, messages, 3), "[256]U\nx/\ny[257]A\nb[257]U\nc[257]A");
    chat = own_format(0, "");
    messages[1] = message(TERCET_CHAT_ASSISTANT, "b/c");
    CHECK_STR(render(fixture, &chat, messages, 3), "[256]U\nx/\ny[257]A\nb/c[257]U\nc[257]A");
}

static void test_sentencepiece(const struct tokenizer_fixture *fixture) {
    struct container_chat chat = own_format(0, "");
    tercet_chat_message messages[] = {message(TERCET_CHAT_USER, "a\xe2\x96\x81"
                                                                "a")};
    /* Only what begins the text has a space put in front: here it is behind the first token of the format. */
    CHECK_STR(render(fixture, &chat, messages, 1), "[256][263]U\n[264][263][264][257]A");
}

static void test_refusals(const struct tokenizer_fixture *fixture) {
    struct container_chat chat = own_format(0, "");
    tercet_chat_message messages[] = {message(TERCET_CHAT_USER, "a"), message(0, "b"),
                                      message(TERCET_CHAT_USER, "c\xff")};
    CHECK_STR(render(fixture, &chat, messages, 0), "BAD_ARGUMENT 0");
    CHECK_STR(render(fixture, &chat, messages, 2), "BAD_ARGUMENT 1");
    messages[1].role = 4;
    CHECK_STR(render(fixture, &chat, messages, 2), "BAD_ARGUMENT 1");
    messages[1].role = TERCET_CHAT_ASSISTANT;
    CHECK_STR(render(fixture, &chat, messages, 2), "BAD_ARGUMENT 1");
    CHECK_STR(render(fixture, &chat, messages, 3), "INVALID_UTF8 2");
    messages[2].text = NULL;
    CHECK_STR(render(fixture, &chat, messages, 3), "BAD_ARGUMENT 2");
    messages[0].bytes = (size_t)1 << 31;
    messages[0].text = NULL;
    CHECK_STR(render(fixture, &chat, messages, 1), "BAD_ARGUMENT 0");
    struct chat_text text;
    CHECK(chat_text_measure(&fixture->tables, &chat, NULL, 1, 0, &text, NULL) ==
          TERCET_BAD_ARGUMENT);
    messages[0] = message(TERCET_CHAT_USER, "a");
    CHECK(chat_text_measure(&fixture->tables, &chat, messages, 1, 2, &text, NULL) ==
          TERCET_BAD_ARGUMENT);
    CHECK(chat_text_measure(&fixture->tables, &chat, messages, 1, TERCET_CHAT_NO_THINKING, &text,
                            NULL) == TERCET_BAD_ARGUMENT);
}

/* What a format adds is counted before memory is asked for, and no byte of it is looked at. */
static void test_too_long(const struct tokenizer_fixture *fixture) {
    enum { SEGMENT_BYTES = 1 << 24, MESSAGES = 70 };
    const uint32_t long_segment[] = {TERCET_NO_TOKEN, SEGMENT_BYTES};
    uint8_t *zeros = calloc(1, SEGMENT_BYTES);
    REQUIRE(zeros != NULL);
    const struct container_chat chat = {.name = "own",
                                        .system = "",
                                        .part_ends = {0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1},
                                        .segments = long_segment,
                                        .text = zeros};
    tercet_chat_message messages[MESSAGES];
    for (size_t i = 0; i < MESSAGES; i++)
        messages[i] = message(TERCET_CHAT_USER, "a");
    struct chat_text text;
    CHECK_STATUS(chat_text_measure(&fixture->tables, &chat, messages, 2, 0, &text, NULL),
                 TERCET_OK);
    CHECK_STATUS(chat_text_measure(&fixture->tables, &chat, messages, MESSAGES, 0, &text, NULL),
                 TERCET_BAD_ARGUMENT);
    free(zeros);
}

/* A format that says to drop thinking, and has no mark for its end. */
static void test_no_mark(const struct tokenizer_fixture *fixture) {
    struct container_chat chat = own_format(CHAT_FLAG_DROP_THINKING, "");
    chat.part_ends[10] = chat.part_ends[9] = chat.part_ends[8];
    const tercet_chat_message messages[] = {message(TERCET_CHAT_USER, "a"),
                                            message(TERCET_CHAT_ASSISTANT, "b/c"),
                                            message(TERCET_CHAT_USER, "d")};
    CHECK(strstr(render(fixture, &chat, messages, 3), "b/c") != NULL);
}

static void test_capacity(const struct tokenizer_fixture *fixture) {
    struct container_chat chat = own_format(0, "");
    tercet_chat_message messages[] = {message(TERCET_CHAT_USER, "b")};
    struct chat_text text;
    uint32_t tokens[8] = {0};
    size_t count;
    REQUIRE(chat_text_measure(&fixture->tables, &chat, messages, 1, 0, &text, NULL) == TERCET_OK);
    void *scratch = malloc(text.scratch_bytes);
    CHECK(chat_text_encode(&text, NULL, 0, &count, scratch, NULL) == TERCET_BAD_ARGUMENT);
    CHECK_EQ(count, 6);
    CHECK(chat_text_encode(&text, tokens, 5, &count, scratch, NULL) == TERCET_BAD_ARGUMENT);
    CHECK_EQ(count, 6);
    CHECK_EQ(tokens[4], END);
    CHECK_EQ(tokens[5], 0);
    CHECK(chat_text_encode(&text, tokens, 6, &count, scratch, NULL) == TERCET_OK);
    CHECK_EQ(tokens[5], 'A');
    free(scratch);
}

/* Every known format names what its vocabulary lacks. */
static void test_known_formats(const struct tokenizer_fixture *fixture) {
    struct chat_known known;
    tercet_error error;
    for (uint32_t i = 0; chat_format_name(i) != NULL; i++) {
        CHECK(chat_format_build(&fixture->tables, chat_format_name(i), &known, &error) ==
              TERCET_NO_CHAT_FORMAT);
        CHECK(strstr(error.detail, "the vocabulary has no token <|") == error.detail);
    }
    CHECK(chat_format_build(&fixture->tables, "jinja", &known, &error) == TERCET_BAD_ARGUMENT);
    CHECK_STR(error.detail, "there is no chat format of the name jinja; known are qwen3, chatml, "
                            "llama3, bitnet");
}

/* A format that a file brings may begin with a mark: then marks of the message in front of it are sorted with it, and the
 * conversation is not in normal form though each piece of it is. Room was measured by pieces (scratch is exact here). */
static void test_normal_form(struct tokenizer_fixture fixture) {
    enum { MARKS = 60 };
    static const uint32_t after[] = {TERCET_NO_TOKEN, 2};
    const struct container_chat chat = {.name = "own",
                                        .system = "",
                                        .part_ends = {0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1},
                                        .segments = after,
                                        .text = (const uint8_t *)"\u0338"}; /* class 1 */
    char text[1 + 2 * MARKS + 1] = "e", expected[sizeof text + 2] = "e\u0338";
    for (size_t i = 0; i < MARKS; i++) {
        memcpy(text + 1 + 2 * i, "\u0316", 3); /* class 220 */
        memcpy(expected + 3 + 2 * i, "\u0316", 3);
    }
    fixture.tables.flags |= TOKENIZER_FLAG_NFC;
    const tercet_chat_message messages[] = {message(TERCET_CHAT_USER, text)};
    CHECK_STR(render(&fixture, &chat, messages, 1), expected);
}

int main(void) {
    struct tokenizer_fixture bytes, pieces;
    make_tables(&bytes, false);
    make_tables(&pieces, true);
    test_own_format(&bytes);
    test_normal_form(bytes);
    test_system(&bytes);
    test_trim(&bytes);
    test_thinking(&bytes);
    test_sentencepiece(&pieces);
    test_refusals(&bytes);
    test_too_long(&bytes);
    test_no_mark(&bytes);
    test_capacity(&bytes);
    test_known_formats(&bytes);
    fixture_free(&bytes);
    fixture_free(&pieces);
    return check_done();
}
