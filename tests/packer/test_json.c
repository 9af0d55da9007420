/* test_json.c - the bounded JSON layer and the reading of whole files.
 *
 * What the library would let through is refused here, and each getter says what it did not get.
 */
#include "check.h"
#include "json.h"
#include "source_file.h"
#include "tokenizer_folder.h"

static tercet_status parse(const char *text, struct json_document *document, tercet_error *error) {
    /* A copy of its exact size: nothing may be read behind the text. */
    size_t count = strlen(text);
    uint8_t *bytes = malloc(count > 0 ? count : 1);
    REQUIRE(bytes != NULL);
    memcpy(bytes, text, count);
    tercet_status status = json_parse("test.json", bytes, count, document, error);
    free(bytes);
    if (status != TERCET_OK) {
        CHECK(document->root == NULL);
    }
    return status;
}

static void check_refused(const char *text, tercet_status expected, const char *part) {
    struct json_document document;
    tercet_error error = {TERCET_OK, 0, ""};
    if (!CHECK_STATUS(parse(text, &document, &error), expected) ||
        !CHECK(strstr(error.detail, part) != NULL)) {
        fprintf(stderr, "    %.40s: %s\n", text, error.detail);
    }
    json_free(&document);
}

static void test_refusals(void) {
    struct json_document document;
    static const char *const broken[] = {
        "",      "{",     "[1,]",        "{\"a\"}", "{\"a\":1,}", "nul", "\"open", "\"\\x\"",
        "[1] 2", "{} {}", "\"\\ud800\"", "[1}",     "+1",         "'a'", "{a:1}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        check_refused(broken[i], TERCET_BAD_SOURCE, "test.json");
    }
    check_refused("\"\xC3\x28\"", TERCET_BAD_SOURCE, "not UTF-8 at byte 1");
    check_refused("[\"a\\u0000b\"]", TERCET_BAD_SOURCE, "NUL character at byte 3");
    tercet_error error;
    CHECK_STATUS(json_parse("test.json", (const uint8_t *)"[\"\0\"]", 5, &document, &error),
                 TERCET_BAD_SOURCE);
    /* an escaped backslash in front of the same five characters is harmless */
    CHECK_STATUS(parse(" [\"a\\\\u0000b\", \"\\u0001\"] \n", &document, &error), TERCET_OK);
    CHECK_STR(document.root->child->valuestring, "a\\u0000b");
    json_free(&document);
}

static void test_limits(void) {
    struct json_document document;
    tercet_error error;
    char text[2 * JSON_DEPTH_MAX + 4];
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    text[2 * JSON_DEPTH_MAX] = '\0';
    CHECK_STATUS(parse(text, &document, &error), TERCET_OK);
    json_free(&document);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    check_refused(text, TERCET_LIMIT_EXCEEDED, "deeper than 64");
    /* Brackets in a string do not count. */
    text[0] = '"';
    text[JSON_DEPTH_MAX + 1] = '"';
    text[JSON_DEPTH_MAX + 2] = '\0';
    CHECK_STATUS(parse(text, &document, &error), TERCET_OK);
    json_free(&document);

    size_t count = 2 * (size_t)JSON_VALUES_MAX + 1;
    uint8_t *many = malloc(count);
    REQUIRE(many != NULL);
    memset(many, ',', count);
    many[0] = '[';
    CHECK_STATUS(json_parse("test.json", many, count, &document, &error), TERCET_LIMIT_EXCEEDED);
    free(many);
}

static void test_getters(void) {
    struct json_document document;
    tercet_error error;
    const cJSON *item = NULL;
    const char *text = "default";
    bool flag = true;
    uint32_t number = 7;
    double real = 0.5;
    REQUIRE(parse("{\"o\":{},\"l\":[],\"s\":\"x\",\"t\":true,\"f\":false,\"n\":12,\"r\":-1.5,"
                  "\"z\":null,\"twice\":1,\"twice\":2,\"big\":4294967296,\"inf\":1e999}",
                  &document, &error) == TERCET_OK);
    const cJSON *root = document.root;

    CHECK_STATUS(json_get_object(&document, root, "o", JSON_REQUIRED, &item, &error), TERCET_OK);
    CHECK(cJSON_IsObject(item));
    CHECK_STATUS(json_get_array(&document, root, "l", JSON_REQUIRED, &item, &error), TERCET_OK);
    CHECK(cJSON_IsArray(item));
    CHECK_STATUS(json_get_string(&document, root, "s", JSON_REQUIRED, &text, &error), TERCET_OK);
    CHECK_STR(text, "x");
    CHECK_STATUS(json_get_bool(&document, root, "f", JSON_REQUIRED, &flag, &error), TERCET_OK);
    CHECK(!flag);
    CHECK_STATUS(json_get_bool(&document, root, "t", JSON_REQUIRED, &flag, &error), TERCET_OK);
    CHECK(flag);
    CHECK_STATUS(json_get_u32(&document, root, "n", JSON_REQUIRED, 12, &number, &error), TERCET_OK);
    CHECK_EQ(number, 12);
    CHECK_STATUS(json_get_number(&document, root, "r", JSON_REQUIRED, &real, &error), TERCET_OK);
    CHECK_NEAR(real, -1.5, 0);

    /* Optional: nothing changes. Required: the key is named. */
    CHECK_STATUS(json_get_u32(&document, root, "no", JSON_OPTIONAL, 9, &number, &error), TERCET_OK);
    CHECK_STATUS(json_get_u32(&document, root, "z", JSON_OPTIONAL, 9, &number, &error), TERCET_OK);
    CHECK_EQ(number, 12);
    CHECK_STATUS(json_get_string(&document, root, "no", JSON_REQUIRED, &text, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STR(error.detail, "test.json lacks the key \"no\"");
    CHECK_STATUS(json_get_bool(&document, root, "z", JSON_REQUIRED, &flag, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STR(error.detail, "test.json: \"z\" is null");

    /* Wrong types, wrong numbers. */
    CHECK_STATUS(json_get_object(&document, root, "l", JSON_OPTIONAL, &item, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STATUS(json_get_array(&document, root, "o", JSON_OPTIONAL, &item, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STATUS(json_get_string(&document, root, "n", JSON_OPTIONAL, &text, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STATUS(json_get_bool(&document, root, "n", JSON_OPTIONAL, &flag, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STR(error.detail, "test.json: \"n\" is not true or false");
    CHECK_STATUS(json_get_number(&document, root, "inf", JSON_OPTIONAL, &real, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STATUS(json_get_u32(&document, root, "n", JSON_OPTIONAL, 11, &number, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STR(error.detail, "test.json: \"n\" is not a whole number from 0 to 11");
    static const char *const no_u32[] = {"r", "big", "inf", "s", "t"};
    for (size_t i = 0; i < sizeof no_u32 / sizeof no_u32[0]; i++) {
        CHECK_STATUS(
            json_get_u32(&document, root, no_u32[i], JSON_REQUIRED, UINT32_MAX, &number, &error),
            TERCET_BAD_SOURCE);
    }
    CHECK_EQ(number, 12);
    CHECK_STATUS(json_get_u32(&document, root, "twice", JSON_OPTIONAL, 9, &number, &error),
                 TERCET_BAD_SOURCE);
    CHECK_STR(error.detail, "test.json has the key \"twice\" twice");
    CHECK_STATUS(json_get(&document, root->child->next, "x", JSON_OPTIONAL, &item, &error),
                 TERCET_BAD_SOURCE); /* a list has no keys */
    json_free(&document);
    json_free(&document); /* harmless */
}

static void test_files(void) {
    struct tokenizer_folder folder;
    struct json_document document;
    tercet_error error;
    uint8_t *bytes = NULL;
    size_t count = 0;
    char path[128];
    folder_make(&folder);
    folder_write(&folder, "other.json", "[1]", 3);
    CHECK(source_file_exists(folder.path, "other.json"));
    CHECK(!source_file_exists(folder.path, "tokenizer.json"));
    CHECK_STATUS(json_load(folder.path, "other.json", 3, &document, &error), TERCET_OK);
    json_free(&document);
    CHECK_STATUS(json_load(folder.path, "other.json", 2, &document, &error), TERCET_LIMIT_EXCEEDED);
    CHECK_STATUS(json_load(folder.path, "tokenizer.json", 9, &document, &error),
                 TERCET_FILE_NOT_FOUND);
    CHECK(strstr(error.detail, "tokenizer.json") != NULL);
    CHECK(document.root == NULL);
    CHECK_STATUS(source_file_read(folder.path, "other.json", 3, &bytes, &count, &error), TERCET_OK);
    CHECK_EQ(count, 3);
    CHECK_MEM(bytes, "[1]", 4); /* and a zero behind it */
    free(bytes);
    folder_file_path(&folder, "tokenizer.json", path);
    REQUIRE(mkdir(path, 0700) == 0);
    CHECK_STATUS(source_file_read(folder.path, "tokenizer.json", 3, &bytes, &count, &error),
                 TERCET_FILE_READ_FAILED);
    REQUIRE(rmdir(path) == 0);
    folder_write(&folder, "tokenizer.json", "", 0);
    CHECK_STATUS(source_file_read(folder.path, "tokenizer.json", 3, &bytes, &count, &error),
                 TERCET_OK);
    CHECK_EQ(count, 0);
    free(bytes);
    CHECK_STATUS(source_file_read(folder.path, "other.json/x", 3, &bytes, &count, &error),
                 TERCET_FILE_NOT_FOUND);
    char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    CHECK_STATUS(source_file_read(folder.path, long_name, 3, &bytes, &count, &error),
                 TERCET_FILE_READ_FAILED);
    folder_remove(&folder);
}

int main(void) {
    test_refusals();
    test_limits();
    test_getters();
    test_files();
    return check_done();
}
