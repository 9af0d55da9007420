/*
 * test_about_source.c: the name and the licence that people see, out of hostile folders too.
 */
#define _GNU_SOURCE 1
#include "about_source.h"
#include "source_copy.h"

static void test_name(const char *folder) {
    char name[ABOUT_TEXT_BYTES], path[COPY_PATH_BYTES];
    about_source_name("golden/models/stories260K", name);
    CHECK_STR(name, "stories260K");
    about_source_name("golden/models/../models/stories260K/", name);
    CHECK_STR(name, "stories260K");
    about_source_name("golden/no-such-folder", name);
    CHECK_STR(name, "");
    static const struct {
        const char *folder, *want;
    } cases[] = {
        {"caf\xc3\xa9 \xe6\xbc\xa2", "caf\xc3\xa9 \xe6\xbc\xa2"},
        {"clear\x1b[2J", "clear?[2J"},
        {"bad\xff\xc3", "bad??"},
        {"c1\xc2\x9b", "c1??"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        REQUIRE(mkdir(folder_path(folder, cases[i].folder, path), 0700) == 0);
        about_source_name(path, name);
        CHECK_STR(name, cases[i].want);
        REQUIRE(rmdir(path) == 0);
    }
    char longest[256];
    memset(longest, 'x', 255);
    longest[255] = '\0';
    REQUIRE(mkdir(folder_path(folder, longest, path), 0700) == 0);
    about_source_name(path, name);
    CHECK(strlen(name) > 240 && strlen(name) < ABOUT_TEXT_BYTES);
    REQUIRE(rmdir(path) == 0);
}

static void test_licence(const char *folder) {
    static const struct {
        const char *card, *want;
    } cases[] = {
        {"---\nlicense: mit\n---\n# Model\n", "mit"},
        {"---\nlanguage: en\nlicense:   \"apache-2.0\"  \n---\n", "apache-2.0"},
        {"---\r\nlicense: mit\r\n---\r\n", ""}, /* not the front matter that is written today */
        {"---\nlicense: mit\r\n---\n", "mit"},
        {"# Model\nlicense: mit\n", ""},
        {"---\nlanguage: en\n---\nlicense: mit\n", ""},
        {"---\nlicense:\n---\n", ""},
        {"---\nlicense: \x1b[31mmit\n---\n", "?[31mmit"},
        {"---\nlicense: mit", "mit"},
        {"", ""},
    };
    char licence[ABOUT_TEXT_BYTES];
    about_source_licence(folder, licence);
    CHECK_STR(licence, "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        folder_write_text(folder, "README.md", cases[i].card);
        about_source_licence(folder, licence);
        CHECK_STR(licence, cases[i].want);
    }
}

int main(void) {
    char folder[COPY_PATH_BYTES];
    folder_make(folder);
    test_name(folder);
    test_licence(folder);
    folder_remove(folder);
    return check_done();
}
