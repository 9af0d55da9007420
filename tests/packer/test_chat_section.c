/*
 * test_chat_section.c: a chat template becomes a section, or it is said why not: one that is not known, one of another model.
 */
#include "failing_memory.h"

#include "chat_section.h"
#include "check.h"
#include "tokenizer_builder.h"

static void make_tokenizer(bool with_tokens, struct tokenizer_section *section) {
    static const char *const texts[] = {"<|im_start|>", "<|im_end|>"};
    struct tokenizer_builder builder;
    REQUIRE(tokenizer_builder_open(&builder, "test", 300, NULL) == TERCET_OK);
    builder.kind = TOKENIZER_BYTE_BPE;
    builder.splitter = SPLITTER_QWEN2;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint8_t text = (uint8_t)byte;
        REQUIRE(tokenizer_builder_add(&builder, byte, &text, 1, TOKEN_NORMAL, true, NULL) ==
                TERCET_OK);
    }
    for (uint32_t i = 0; i < (with_tokens ? 2 : 0); i++) {
        REQUIRE(tokenizer_builder_add(&builder, 256 + i, (const uint8_t *)texts[i],
                                      strlen(texts[i]), TOKEN_CONTROL, false, NULL) == TERCET_OK);
    }
    REQUIRE(tokenizer_builder_index(&builder, NULL) == TERCET_OK);
    REQUIRE(tokenizer_builder_finish(&builder, section, NULL) == TERCET_OK);
    tokenizer_builder_close(&builder);
}

#define CHATML                                                                                     \
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "                  \
    "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"                                     \
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

static tercet_status make(bool with_tokens, const char *name, const char *text,
                          struct chat_section *chat, tercet_error *error) {
    struct tokenizer_section section;
    make_tokenizer(with_tokens, &section);
    tercet_status status =
        chat_section_from_template(section.bytes, section.count, section.token_count, name, text,
                                   text == NULL ? 0 : strlen(text), chat, error);
    tokenizer_section_free(&section);
    return status;
}

/* Memory that ends at each allocation, once or for good: an error with a sentence, and nothing is held. */
static void test_memory(bool from_then_on) {
    struct tokenizer_section section;
    struct chat_section chat;
    make_tokenizer(true, &section);
    unsigned failed = 0;
    for (unsigned at = 1;; at++) {
        tercet_error error = {0};
        long held = blocks_held;
        allocations = 0;
        fail_allocation = at;
        fail_from_then_on = from_then_on;
        tercet_status status =
            chat_section_from_template(section.bytes, section.count, section.token_count, NULL,
                                       CHATML, strlen(CHATML), &chat, &error);
        bool reached = allocations >= at;
        fail_allocation = 0;
        if (!reached) {
            CHECK_STATUS(status, TERCET_OK);
            chat_section_free(&chat);
            CHECK_EQ(blocks_held, held);
            break;
        }
        CHECK_STATUS(status, TERCET_OUT_OF_MEMORY);
        CHECK(strstr(error.detail, "no memory for") != NULL);
        CHECK_EQ(blocks_held, held);
        failed++;
    }
    CHECK_EQ(failed, MEMORY_CAN_FAIL ? 2 : 0); /* the template as it is read, and the section */
    tokenizer_section_free(&section);
}

int main(void) {
    struct chat_section chat;
    tercet_error error = {0};
    test_memory(false);
    test_memory(true);
    CHECK_STATUS(make(true, NULL, CHATML, &chat, &error), TERCET_OK);
    CHECK_STR(chat.format, "chatml");
    CHECK(chat.bytes != NULL && chat.note[0] == '\0');
    chat_section_free(&chat);

    CHECK_STATUS(make(true, "none", CHATML, &chat, &error), TERCET_OK);
    CHECK(chat.bytes == NULL && chat.note[0] == '\0');
    CHECK_STATUS(make(true, NULL, NULL, &chat, &error), TERCET_OK);
    CHECK(chat.bytes == NULL && chat.note[0] == '\0');
    CHECK_STATUS(make(true, "chatml", NULL, &chat, &error), TERCET_OK);
    CHECK_STR(chat.format, "chatml");
    chat_section_free(&chat);
    CHECK_STATUS(make(true, "strange", NULL, &chat, &error), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(make(false, "chatml", NULL, &chat, &error), TERCET_NO_CHAT_FORMAT);

    /* The template is known, the vocabulary is another model's: packed without, and it is said why. */
    CHECK_STATUS(make(false, NULL, CHATML, &chat, &error), TERCET_OK);
    CHECK(chat.bytes == NULL && strstr(chat.note, "<|im_start|>") != NULL);
    CHECK_STR(chat.format, "");

    /* Not known: how it begins, in printable characters and no longer than there is room. */
    char text[1000];
    memset(text, 'x', sizeof text);
    memcpy(text, "\x01  \n\t{{", 7);
    text[sizeof text - 1] = '\0';
    CHECK_STATUS(make(true, NULL, text, &chat, &error), TERCET_OK);
    CHECK(chat.bytes == NULL && strstr(chat.note, "it begins: ? {{xxx") != NULL);
    CHECK(strlen(chat.note) == sizeof chat.note - 1 && strstr(chat.note, "x...") != NULL);
    return check_done();
}
