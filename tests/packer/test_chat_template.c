/*
 * test_chat_template.c: which templates are recognised, and that a change of any piece of one is enough not to be: a
 * conversation in a wrong format is worse than none. Real templates are in chat_format.test.mjs.
 */
#include "chat_template.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char chatml[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\\n' }}{% endif %}";
static const char llama3[] =
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
    "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim "
    "+ '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif "
    "%}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";
static const char bitnet[] =
    "{% for message in messages %}{{ message['role'] | capitalize + ': ' + message['content'] | "
    "trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif "
    "%}";

static struct chat_template found;

static const char *format_of(const char *text) {
    size_t bytes = strlen(text);
    char *exact = malloc(bytes == 0 ? 1 : bytes); /* no zero byte behind it */
    REQUIRE(exact != NULL);
    memcpy(exact, text, bytes);
    chat_template_read(exact, bytes, &found);
    free(exact);
    return found.format == NULL ? "" : found.format;
}

/* The template with the first `from` replaced. */
static const char *with(const char *text, const char *from, const char *to) {
    static char changed[4096];
    const char *at = strstr(text, from);
    REQUIRE(at != NULL && strlen(text) + strlen(to) < sizeof changed);
    (void)snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to,
                   at + strlen(from));
    return changed;
}

static void test_other_ways_to_write_the_same(void) {
    CHECK_STR(format_of(chatml), "chatml");
    CHECK_STR(format_of(llama3), "llama3");
    CHECK_STR(format_of(bitnet), "bitnet");
    /* Raw text, tags that trim, names with dots, comments, other quotes, ~ for +, strip() for trim. */
    CHECK_STR(format_of("{#- a comment #}\n{%- for m in messages -%}\n<|im_start|>{{ m.role }}\n{{ "
                        "m.content }}<|im_end|>\n{% endfor %}\n{%- if add_generation_prompt %}{{ "
                        "\"<|im_start|>assistant\\n\" }}{% endif %}\n"),
              "chatml");
    CHECK_STR(format_of(with(chatml, "+ '<|im_end|>' + '\\n'", "~ '<|im_end|>\\n'")), "chatml");
    CHECK_STR(format_of(with(llama3, "message['content'] | trim", "message.content.strip()")),
              "llama3");
    CHECK_STR(format_of(with(chatml, "{% for",
                             "{% if messages[0].role == 'x' %}{{ raise_exception('No!') }}{% endif "
                             "%}{% for")),
              "chatml");
    /* What is there for tools does not count. */
    CHECK_STR(format_of(with(chatml, "{% for",
                             "{% if tools %}{{ '# Tools\\n' }}{% for tool in tools %}{{ tool | "
                             "tojson }}{% endfor %}{% endif %}{% for")),
              "chatml");
    CHECK_STR(format_of(with(chatml, "{% endfor %}",
                             "{% if message.role == 'tool' %}{{ '<tool_response>' }}{% endif %}{% "
                             "endfor %}")),
              "chatml");
    CHECK_STR(format_of(with(chatml, "{{'<|im_start|>'",
                             "{% if not message.tool_calls %}{% endif %}{{'<|im_start|>'")),
              "chatml");
}

static void test_what_is_something_else(void) {
    CHECK_STR(format_of(""), "");
    CHECK_STR(format_of("Hello"), "");
    CHECK_STR(format_of("{{ messages }}"), "");
    /* Every one of these puts out something else than the format would. */
    CHECK_STR(format_of(with(chatml, "'\\n' + message", "' ' + message")), "");
    CHECK_STR(format_of(with(chatml, "<|im_end|>' + '\\n'", "<|im_end|>'")), "");
    CHECK_STR(format_of(with(chatml, "message['content']", "message['content'] | trim")), "");
    CHECK_STR(format_of(with(chatml, "message['content']", "message['content'] | upper")), "");
    CHECK_STR(format_of(with(chatml, "message['content']", "message.content.replace('a', 'b')")),
              "");
    CHECK_STR(format_of(with(chatml, "message['content']", "(message['content'] + 'x')")), "");
    CHECK_STR(format_of(with(chatml, "message['role'] +", "message['role'] | capitalize +")), "");
    CHECK_STR(format_of(with(chatml, "assistant\\n", "model\\n")), "");
    CHECK_STR(format_of(with(chatml, "{% for", "{{ bos_token }}{% for")), "");
    CHECK_STR(format_of(with(chatml, "{% for", "A preface.{% for")), "");
    CHECK_STR(format_of(with(chatml, "{% for", "{{ 'A preface.' }}{% for")), "");
    CHECK_STR(format_of(with(chatml, "{{'<|im_start|>'", "\n{{'<|im_start|>'")), "chatml");
    CHECK_STR(format_of(with(chatml, "'\\n'}}", "'\\n'}}\n")), ""); /* a newline more */
    CHECK_STR(format_of(with(chatml, "{% for", "{% macro m() %}{% endmacro %}{% for")), "");
    CHECK_STR(format_of(with(chatml, "{% for",
                             "{% if not tools %}{% else %}{{ '# Tools' }}{% endif %}{% for")),
              "");
    CHECK_STR(format_of(with(llama3, " | trim", "")), "");
    CHECK_STR(format_of(with(llama3, "{% set loop",
                             "{{ '<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge "
                             "Date: December 2023\n' }}{% set loop")),
              "");
    CHECK_STR(format_of(with(bitnet, " | capitalize", "")), "");
    CHECK_STR(format_of(with(bitnet, "'Assistant: '", "'Assistant:'")), "");
    /* The one that a conversion script put into the GGUF of BitNet: the model knows the other. */
    CHECK_STR(
        format_of("{% for message in messages %}{% if message['role'] == 'user' %}{{ "
                  "'Human: ' + message['content'] + '\\n\\nBITNETAssistant: ' }}{% endif %}{% "
                  "endfor %}"),
        "bitnet");
    /* Qwen3's switch, but earlier thinking stays. */
    CHECK_STR(format_of(with(chatml, "{% if add_generation_prompt %}",
                             "{{ '<think>\\n\\n</think>\\n\\n' }}{% if add_generation_prompt %}")),
              "");
}

static void test_default_system_text(void) {
    CHECK_STR(format_of(with(chatml, "{% for",
                             "{% if messages[0]['role'] != 'system' %}{{ "
                             "'<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}{% for")),
              "chatml");
    CHECK_STR(found.system, "Be kind.");
    CHECK_STR(format_of(chatml), "chatml");
    CHECK_STR(found.system, "");
    CHECK_STR(format_of(with(chatml, "{% for",
                             "{{ '<|im_start|>system\\nBe <|im_end|> kind.<|im_end|>\\n' }}{% "
                             "for")),
              "");
    CHECK_STR(found.system, "");
    /* Nothing that a container does not take. */
    static const char *const bad[] = {"\x1b", "\x7f", "\xff", "\xc2\x85", "\r"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char system[128];
        (void)snprintf(system, sizeof system,
                       "{{ '<|im_start|>system\\nBe %s kind.<|im_end|>\\n' }}{%% for", bad[i]);
        CHECK_STR(format_of(with(chatml, "{% for", system)), "");
    }
}

/* What runs a program where templates are run (CVE-2024-34359): here a template is compared with formats, never run. */
static void test_programs(void) {
    static const char *const programs[] = {
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% for x in ().__class__.__base__.__subclasses__() %}{{ x('id') }}{% endfor %}",
        "{{ self.__init__.__globals__.__builtins__.__import__('os').system('id') }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{% set x = namespace(f=lipsum.__globals__) %}{{ x.f }}",
    };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        char before[512];
        CHECK_STR(format_of(programs[i]), "");
        (void)snprintf(before, sizeof before, "%s{%% for", programs[i]);
        CHECK_STR(format_of(with(chatml, "{% for", before)), "");
    }
}

/* A piece of text that is longer than any format has. */
static void test_long_text(void) {
    static char text[3 * CHAT_TEMPLATE_PIECE_MAX];
    memset(text, 'x', sizeof text);
    memcpy(text, "{{ '", 4);
    memcpy(text + sizeof text - 6, "' }}", 5);
    CHECK_STR(format_of(text), "");
}

static void test_broken_text(void) {
    static const char *const broken[] = {"{{",
                                         "{%",
                                         "{#",
                                         "{{ 'a",
                                         "{% if",
                                         "{% if a %}",
                                         "{% endif %}",
                                         "{% else %}",
                                         "{% endfor %}",
                                         "{% for a in b %}{% endif %}",
                                         "{{ '\\",
                                         "{% set",
                                         "{% set a %}",
                                         "{",
                                         "{{ '\\x41' }}",
                                         "{{ a }",
                                         "{{ \"\x01\" }}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char text[1024];
        CHECK_STR(format_of(broken[i]), "");
        (void)snprintf(text, sizeof text, "%s%s", chatml, broken[i]);
        CHECK_STR(format_of(text), "");
    }
    /* Cut anywhere: never read beyond, and only the whole of it is a format. */
    for (size_t bytes = 0; bytes < sizeof llama3 - 1; bytes++) {
        char part[sizeof llama3];
        memcpy(part, llama3, bytes);
        part[bytes] = '\0';
        CHECK_STR(format_of(part), "");
    }
    /* More than it takes at once: a piece, the blocks, the whole. */
    char *large = malloc(CHAT_TEMPLATE_BYTES_MAX + 2);
    REQUIRE(large != NULL);
    memset(large, 'x', CHAT_TEMPLATE_BYTES_MAX + 1);
    large[CHAT_TEMPLATE_BYTES_MAX + 1] = '\0';
    CHECK_STR(format_of(large), "");
    large[CHAT_TEMPLATE_PIECE_MAX + 1] = '\0';
    CHECK_STR(format_of(large), "");
    large[0] = '\0';
    for (int i = 0; i < 100; i++) {
        strcat(large, "{% if a %}");
    }
    strcat(large, chatml);
    for (int i = 0; i < 100; i++) {
        strcat(large, "{% endif %}");
    }
    CHECK_STR(format_of(large), "");
    free(large);
}

int main(void) {
    test_other_ways_to_write_the_same();
    test_what_is_something_else();
    test_default_system_text();
    test_programs();
    test_long_text();
    test_broken_text();
    return check_done();
}
