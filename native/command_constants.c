/*
 * command_constants.c: `tercet constants`: what other languages must know of the C headers, as JSON.
 * web/src/generated_constants.ts is made from it and a test compares, so that each number has one
 * home.
 */
#include "arguments.h"
#include "commands.h"
#include "json_writer.h"
#include "open_model.h"
#include "tercet.h"

#include "container/container_layout.h"

#define WRITE_INTEGER(json, name) json_integer(json, #name, (uint64_t)(name))

static void write_statuses(struct json_writer *json) {
    static const tercet_status statuses[] = {
#define STATUS_ROW(value, name, text) TERCET_##name,
        TERCET_STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
    };
    json_array(json, "status");
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        json_object(json, NULL);
        json_text(json, "name", tercet_status_name(statuses[i]));
        json_integer(json, "value", (uint64_t)statuses[i]);
        json_text(json, "text", tercet_status_text(statuses[i]));
        json_close(json);
    }
    json_close(json);
}

static void write_container(struct json_writer *json) {
    static const char magic[] = CONTAINER_MAGIC;
    json_object(json, "container");
    json_inline_array(json, "CONTAINER_MAGIC");
    for (size_t i = 0; i + 1 < sizeof magic; i++) {
        json_integer(json, NULL, (unsigned char)magic[i]);
    }
    json_close(json);
    WRITE_INTEGER(json, CONTAINER_VERSION);
    WRITE_INTEGER(json, CONTAINER_ALIGNMENT);
    WRITE_INTEGER(json, CONTAINER_CHUNK_BYTES);
    WRITE_INTEGER(json, PREFIX_BYTES);
    WRITE_INTEGER(json, PREFIX_AT_MAGIC);
    WRITE_INTEGER(json, PREFIX_AT_VERSION);
    WRITE_INTEGER(json, PREFIX_AT_SECTION_COUNT);
    WRITE_INTEGER(json, PREFIX_AT_HEADER_BYTES);
    WRITE_INTEGER(json, PREFIX_AT_FILE_BYTES);
    WRITE_INTEGER(json, PREFIX_AT_SHA256);
    WRITE_INTEGER(json, SECTION_ENTRY_BYTES);
    WRITE_INTEGER(json, SECTION_AT_ID);
    WRITE_INTEGER(json, SECTION_AT_FLAGS);
    WRITE_INTEGER(json, SECTION_AT_OFFSET);
    WRITE_INTEGER(json, SECTION_AT_BYTES);
    WRITE_INTEGER(json, SECTION_CHUNKS);
    WRITE_INTEGER(json, LIMIT_HEADER_BYTES);
    WRITE_INTEGER(json, LIMIT_FILE_BYTES);
    WRITE_INTEGER(json, LIMIT_SECTIONS);
    WRITE_INTEGER(json, LIMIT_VOCABULARY);
    WRITE_INTEGER(json, LIMIT_CONTEXT);
    json_close(json);
}

int command_constants(int argc, char **argv) {
    const struct command_line line = {
        .command = "constants",
        .usage = "",
        .summary = "Prints the status codes and the constants of the .tercet format as JSON, for "
                   "programs in other languages.",
        .examples = "  tercet constants > constants.json",
    };
    struct json_writer json;
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    if (outcome != ARGUMENTS_RUN) {
        return (int)outcome;
    }
    json_start(&json, stdout);
    json_integer(&json, "api_version", TERCET_API_VERSION);
    json_integer(&json, "no_token", TERCET_NO_TOKEN);
    write_statuses(&json);
    json_object(&json, "want");
    json_integer(&json, "PREFIX", TERCET_WANT_PREFIX);
    json_integer(&json, "HEADER", TERCET_WANT_HEADER);
    json_integer(&json, "CHUNK", TERCET_WANT_CHUNK);
    json_close(&json);
    json_object(&json, "text_flags");
    json_integer(&json, "ADD_BEGINNING", TERCET_TEXT_ADD_BEGINNING);
    json_integer(&json, "PARSE_SPECIAL", TERCET_TEXT_PARSE_SPECIAL);
    json_close(&json);
    json_object(&json, "chat");
    json_integer(&json, "system", TERCET_CHAT_SYSTEM);
    json_integer(&json, "user", TERCET_CHAT_USER);
    json_integer(&json, "assistant", TERCET_CHAT_ASSISTANT);
    json_integer(&json, "NO_THINKING", TERCET_CHAT_NO_THINKING);
    json_close(&json);
    json_object(&json, "kv");
    for (uint32_t kv = TERCET_KV_F32; kv_name(kv)[0] != '\0'; kv++) {
        json_integer(&json, kv_name(kv), kv);
    }
    json_close(&json);
    json_object(&json, "session");
    json_integer(&json, "SPECULATION_AUTOMATIC", TERCET_SPECULATION_AUTOMATIC);
    json_integer(&json, "LOGPROBS_TOP_MAX", TERCET_LOGPROBS_TOP_MAX);
    json_integer(&json, "STATE_HEADER_BYTES", TERCET_STATE_HEADER_BYTES);
    json_close(&json);
    write_container(&json);
    json_finish(&json);
    return EXIT_CODE_OK;
}
