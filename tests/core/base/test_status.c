/* test_status.c - names, sentences and the error formatter. */
#include "base/status.h"
#include "check.h"

static void names_and_values_are_pinned(void) {
    CHECK_EQ(TERCET_OK, 0);
    CHECK_EQ(TERCET_CANCELLED, 33);
    CHECK_EQ(TERCET_BAD_ARGUMENT, 64);
    CHECK_EQ(TERCET_BAD_MAGIC, 80);
    CHECK_EQ(TERCET_CHUNK_HASH_MISMATCH, 86);
    CHECK_EQ(TERCET_INVALID_UTF8, 96);
    CHECK_EQ(TERCET_NOT_TERNARY, 113);
    CHECK_EQ(TERCET_DISK_FULL, 131);
    CHECK_STR(tercet_status_name(TERCET_CHUNK_HASH_MISMATCH), "CHUNK_HASH_MISMATCH");
    CHECK_STR(tercet_status_name((tercet_status)9999), "UNKNOWN");
    CHECK(strlen(tercet_status_text((tercet_status)9999)) > 0);
#define CHECK_TEXTS(value, name, text)                                                             \
    CHECK_STR(tercet_status_name(TERCET_##name), #name);                                           \
    CHECK_STR(tercet_status_text(TERCET_##name), text);
    TERCET_STATUS_LIST(CHECK_TEXTS)
#undef CHECK_TEXTS
    CHECK(!tercet_status_is_error(TERCET_NEED_BYTES));
    CHECK(tercet_status_is_error(TERCET_BAD_ARGUMENT));
}

static void formats_what_core_uses(void) {
    tercet_error error;
    CHECK_STATUS(tercet_fail(&error, TERCET_BAD_HEADER, 77, "a %s of %u in %llu, %%", "tensor",
                             4294967295u, 18446744073709551615ull),
                 TERCET_BAD_HEADER);
    CHECK_EQ(error.status, TERCET_BAD_HEADER);
    CHECK_EQ(error.where, 77);
    CHECK_STR(error.detail, "a tensor of 4294967295 in 18446744073709551615, %");
    CHECK_STATUS(tercet_fail(NULL, TERCET_DISABLED, 0, "nobody listens to %s", "this"),
                 TERCET_DISABLED);
    CHECK_STATUS(tercet_fail(&error, TERCET_BAD_TOKEN, 0, "%u", 0u), TERCET_BAD_TOKEN);
    CHECK_STR(error.detail, "0");
}

/* Shown as they stand, and nothing is taken for them. */
static void leaves_other_formats(void) {
    const char *const formats[] = {"%x %s", "%lu %s", "%llx %s", "%d %s"};
    const char *const shown[] = {"%x a", "%lu a", "%llx a", "%d a"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        tercet_error error;
        tercet_fail(&error, TERCET_BAD_SOURCE, 0, formats[i], "a");
        CHECK_STR(error.detail, shown[i]);
    }
}

static void cuts_long_text_between_characters(void) {
    char name[300];
    for (size_t i = 0; i + 3 < sizeof name; i += 3)
        memcpy(name + i, "\xE2\x96\x81", 3);
    name[297] = '\0';
    for (int shift = 0; shift < 3; shift++) {
        tercet_error error;
        const char *const formats[] = {"%s", "x%s", "xx%s"};
        tercet_fail(&error, TERCET_BAD_SOURCE, 0, formats[shift], name);
        size_t length = strlen(error.detail);
        CHECK(length < sizeof error.detail);
        CHECK(length >= sizeof error.detail - 4);
        CHECK_EQ((length - (size_t)shift) % 3, 0);
    }
    /* Bytes that belong to no character: no place to cut, and nothing in front of the text is looked at. */
    tercet_error error;
    memset(name, 0x80, sizeof name - 1);
    name[sizeof name - 1] = '\0';
    tercet_fail(&error, TERCET_BAD_SOURCE, 0, "%s", name);
    CHECK_EQ(strlen(error.detail), sizeof error.detail - 1);
}

int main(void) {
    names_and_values_are_pinned();
    formats_what_core_uses();
    leaves_other_formats();
    cuts_long_text_between_characters();
    return check_done();
}
