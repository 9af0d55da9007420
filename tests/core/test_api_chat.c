/*
 * test_api_chat.c: the public functions of chat: the model's own format and a chosen one, what they say of it, arguments
 * that make no sense, and no memory. What they render is shown in tests/core/text and tests/packer.
 */
#include "core/generate/session_fixture.h"

static tercet_chat_message message(uint32_t role, const char *text) {
    return (tercet_chat_message){role, text, strlen(text)};
}

static struct file pack_with_format(const char *folder, const char *format) {
    char path[] = "/tmp/tercet-chat-XXXXXX";
    int descriptor = mkstemp(path);
    REQUIRE(descriptor >= 0);
    close(descriptor);
    struct pack_options options;
    struct pack_report report;
    pack_options_init(&options);
    options.source = folder;
    options.destination = path;
    options.chat_format = format;
    REQUIRE(pack(&options, &report, NULL) == TERCET_OK);
    CHECK_STR(report.chat_format, format);
    pack_report_free(&report);
    FILE *stream = fopen(path, "rb");
    struct file file = {malloc(1 << 20), 0};
    REQUIRE(stream != NULL && file.bytes != NULL);
    file.count = fread(file.bytes, 1, 1 << 20, stream);
    REQUIRE(file.count < 1 << 20);
    fclose(stream);
    unlink(path);
    return file;
}

static void own_and_chosen_formats(struct setup *setup) {
    tercet_chat_info own, chosen;
    tercet_error error;
    CHECK_STATUS(tercet_chat_get_info(setup->model, NULL, &own, &error), TERCET_OK);
    CHECK_STR(own.name, "qwen3");
    CHECK_EQ(own.thinking_switch, 1);
    CHECK_EQ(own.system_bytes, 0);
    CHECK_STR(own.thinking_begin, "<think>");
    CHECK_STR(own.thinking_end, "</think>");
    CHECK_EQ(own.stop_count, 2);
    CHECK_EQ(own.stop_tokens[0], 298);
    CHECK_EQ(own.stop_tokens[2], TERCET_NO_TOKEN);
    CHECK_STATUS(tercet_chat_get_info(setup->model, "qwen3", &chosen, &error), TERCET_OK);
    CHECK_STR(chosen.name, "qwen3");
    CHECK_STATUS(tercet_chat_get_info(setup->model, "chatml", &chosen, &error), TERCET_OK);
    CHECK_STR(chosen.name, "chatml");
    CHECK_EQ(chosen.thinking_switch, 0);
    CHECK_STR(chosen.thinking_begin, "");
    CHECK_STATUS(tercet_chat_get_info(setup->model, "llama3", &chosen, &error),
                 TERCET_NO_CHAT_FORMAT);
    CHECK_STATUS(tercet_chat_get_info(setup->model, "", &chosen, &error), TERCET_BAD_ARGUMENT);
    CHECK(strstr(error.detail, "known are qwen3") != NULL);
    for (uint32_t i = 0; i < 4; i++)
        CHECK(tercet_chat_format_name(i) != NULL);
    CHECK(tercet_chat_format_name(4) == NULL);
}

static void both_ways_give_the_same(struct setup *own, struct setup *bare) {
    tercet_chat_message messages[] = {message(TERCET_CHAT_SYSTEM, "Be kind."),
                                      message(TERCET_CHAT_USER, "Hi"),
                                      message(TERCET_CHAT_ASSISTANT, "<think>x</think>\n\nYes"),
                                      message(TERCET_CHAT_USER, "<|im_end|>")};
    uint32_t a[512], b[512];
    size_t a_count, b_count, needed;
    for (uint32_t flags = 0; flags <= TERCET_CHAT_NO_THINKING; flags++) {
        CHECK_STATUS(
            tercet_chat_tokenize(own->model, NULL, messages, 4, flags, NULL, 0, &needed, NULL),
            TERCET_BAD_ARGUMENT);
        CHECK_STATUS(
            tercet_chat_tokenize(own->model, NULL, messages, 4, flags, a, needed, &a_count, NULL),
            TERCET_OK);
        CHECK_EQ(a_count, needed);
        CHECK_STATUS(
            tercet_chat_tokenize(bare->model, "qwen3", messages, 4, flags, b, 512, &b_count, NULL),
            TERCET_OK);
        CHECK_EQ(b_count, a_count);
        CHECK_MEM(a, b, a_count * sizeof *a);
    }
}

static void arguments_are_checked(struct setup *own, struct setup *bare) {
    tercet_chat_message messages[] = {message(TERCET_CHAT_USER, "Hi")};
    tercet_chat_info info;
    tercet_error error;
    uint32_t tokens[64];
    size_t count = 7;
    CHECK_STATUS(tercet_chat_get_info(bare->model, NULL, &info, &error), TERCET_NO_CHAT_FORMAT);
    CHECK_STATUS(tercet_chat_get_info(NULL, NULL, &info, &error), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_chat_get_info(own->model, NULL, NULL, &error), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(
        tercet_chat_tokenize(bare->model, NULL, messages, 1, 0, tokens, 64, &count, &error),
        TERCET_NO_CHAT_FORMAT);
    CHECK_EQ(count, 0);
    CHECK_STATUS(tercet_chat_tokenize(NULL, NULL, messages, 1, 0, tokens, 64, &count, &error),
                 TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_chat_tokenize(own->model, NULL, NULL, 1, 0, tokens, 64, &count, &error),
                 TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_chat_tokenize(own->model, NULL, messages, 1, 0, NULL, 64, &count, &error),
                 TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_chat_tokenize(own->model, NULL, messages, 1, 0, tokens, 64, NULL, &error),
                 TERCET_BAD_ARGUMENT);
    CHECK_STATUS(tercet_chat_tokenize(own->model, NULL, messages, 0, 0, tokens, 64, &count, &error),
                 TERCET_BAD_ARGUMENT);
    /* No memory: said, and nothing is lost. */
    uint64_t before = own->meter.now;
    own->meter.fail_at = own->meter.calls + 1;
    CHECK_STATUS(tercet_chat_tokenize(own->model, NULL, messages, 1, 0, tokens, 64, &count, &error),
                 TERCET_OUT_OF_MEMORY);
    own->meter.fail_at = 0;
    CHECK_EQ(own->meter.now, before);
    CHECK_STATUS(tercet_chat_tokenize(own->model, NULL, messages, 1, 0, tokens, 64, &count, &error),
                 TERCET_OK);
    CHECK_EQ(own->meter.now, before);
}

int main(void) {
    static const char folder[] = "golden/models/qwen3-grid-bf16";
    struct file own_file = pack_with_format(folder, "qwen3");
    struct file bare_file = pack_folder(folder, PACK_QUANTIZE_NONE, PACK_DENSE_NO);
    struct setup own, bare;
    set_up(&own, &own_file, 1);
    set_up(&bare, &bare_file, 1);
    own_and_chosen_formats(&own);
    both_ways_give_the_same(&own, &bare);
    arguments_are_checked(&own, &bare);
    tear_down(&own);
    tear_down(&bare);
    free(own_file.bytes);
    free(bare_file.bytes);
    return check_done();
}
