/*
 * test_zip_entries.c: sound archives, small and with sizes in 64 bits, and every rule of the format broken once, by name. The
 * archives are made here.
 */
#include "npz_bytes.h"
#include "zip_entries.h"

static struct npz_bytes npz;

static void make(bool wide) {
    memset(&npz, 0, sizeof npz);
    npz.wide = wide;
    npz_add(&npz, "a.npy", "first", 5, false);
    npz_add(&npz, "b.npy", "second second second", 20, true);
    npz_close(&npz);
}

/* All three steps; the first failure is the answer. The bytes lie in blocks of their size: the sanitizer sees one too many. */
static tercet_status read_all(struct zip_entry entries[ZIP_ENTRIES_MAX], uint64_t offsets[2],
                              tercet_error *error) {
    struct zip_directory directory;
    uint8_t *copy = malloc(npz.count);
    memcpy(copy, npz.bytes, npz.count);
    tercet_status status =
        zip_find_directory("x.npz", copy, npz.count, npz.count, &directory, error);
    free(copy);
    if (status != TERCET_OK)
        return status;
    copy = malloc(directory.bytes + 1);
    memcpy(copy, npz.bytes + directory.offset, directory.bytes);
    status = zip_read_directory("x.npz", copy, &directory, entries, error);
    free(copy);
    for (uint32_t i = 0; status == TERCET_OK && i < directory.entries && i < 2; i++) {
        CHECK(entries[i].head + entries[i].packed_bytes <= directory.offset);
        if (directory.offset - entries[i].head < ZIP_HEAD_BYTES)
            return TERCET_BAD_SOURCE;
        status = zip_read_head("x.npz", npz.bytes + entries[i].head, &entries[i], &directory,
                               &offsets[i], error);
        CHECK(status != TERCET_OK || offsets[i] + entries[i].packed_bytes <= directory.offset);
    }
    return status;
}

static void test_sound(void) {
    for (int wide = 0; wide < 2; wide++) {
        struct zip_entry entries[ZIP_ENTRIES_MAX];
        uint64_t offsets[2];
        make(wide == 1);
        REQUIRE(read_all(entries, offsets, NULL) == TERCET_OK);
        CHECK_STR(entries[0].name, "a.npy");
        CHECK(!entries[0].deflated && entries[0].bytes == 5 && entries[0].packed_bytes == 5);
        CHECK_STR(entries[1].name, "b.npy");
        CHECK(entries[1].deflated && entries[1].bytes == 20);
        CHECK_EQ(entries[1].packed_bytes, npz.members[1].packed);
        CHECK_EQ(entries[1].crc32, npz.members[1].crc);
        CHECK_EQ(offsets[0], npz.members[0].data);
        CHECK_EQ(offsets[1], npz.members[1].data);
    }
}

/* With a comment behind it, and one that looks like another end. */
static void test_comment(void) {
    struct zip_entry entries[ZIP_ENTRIES_MAX];
    uint64_t offsets[2];
    make(false);
    npz_set(&npz, npz.end + 20, 30, 2);
    npz_put_text(&npz, "PK\5\6 is how an end begins, but ", 30);
    REQUIRE(read_all(entries, offsets, NULL) == TERCET_OK);
    CHECK_EQ(offsets[0], npz.members[0].data);
}

enum place { IN_END, IN_FIRST, IN_SECOND, IN_END_64, IN_LOCATOR, IN_EXTRA, IN_HEAD };

static const struct fault {
    const char *name;
    bool wide;
    enum place place;
    size_t offset;
    uint64_t value;
    int bytes;
    tercet_status want;
    const char *says;
} faults[] = {
    {"no end", false, IN_END, 0, 0, 4, TERCET_BAD_SOURCE, "no directory at its end"},
    {"comment too long", false, IN_END, 20, 1, 2, TERCET_BAD_SOURCE, "no directory at its end"},
    {"second disk", false, IN_END, 4, 1, 2, TERCET_UNSUPPORTED_SOURCE, "one part of a zip"},
    {"directory on another disk", false, IN_END, 6, 1, 2, TERCET_UNSUPPORTED_SOURCE, "one part"},
    {"too many members", false, IN_END, 10, 33, 2, TERCET_LIMIT_EXCEEDED, "more than the 32"},
    {"directory too long", false, IN_END, 12, 65537, 4, TERCET_LIMIT_EXCEEDED, "more than the 32"},
    {"directory larger than the file", false, IN_END, 12, 65000, 4, TERCET_BAD_SOURCE,
     "does not lie inside"},
    {"directory beyond the end", false, IN_END, 16, 4000, 4, TERCET_BAD_SOURCE,
     "does not lie inside"},
    {"one member more", false, IN_END, 10, 3, 2, TERCET_BAD_SOURCE, "fewer members than it says"},
    {"one member fewer", false, IN_END, 10, 1, 2, TERCET_BAD_SOURCE, "does not end where"},
    {"end in 64 bits beyond the file", true, IN_LOCATOR, 8, 1 << 20, 8, TERCET_BAD_SOURCE,
     "in 64 bits is not where"},
    {"end in 64 bits elsewhere", true, IN_LOCATOR, 8, 3, 8, TERCET_BAD_SOURCE,
     "in 64 bits is not where"},
    {"64 bits of members", true, IN_END_64, 32, UINT64_MAX, 8, TERCET_LIMIT_EXCEEDED, "more than"},
    {"64 bits of bytes", true, IN_END_64, 40, UINT64_MAX, 8, TERCET_LIMIT_EXCEEDED, "more than"},
    {"64 bits of offset", true, IN_END_64, 48, UINT64_MAX, 8, TERCET_BAD_SOURCE,
     "does not lie inside"},
    {"no member's signature", false, IN_FIRST, 0, 0, 4, TERCET_BAD_SOURCE, "fewer members"},
    {"encrypted", false, IN_FIRST, 8, 1, 2, TERCET_UNSUPPORTED_SOURCE, "encrypted"},
    {"another method", false, IN_FIRST, 10, 93, 2, TERCET_UNSUPPORTED_SOURCE, "method 93"},
    {"stored but smaller", false, IN_FIRST, 20, 4, 4, TERCET_BAD_SOURCE, "does not lie inside"},
    {"packed beyond the directory", false, IN_SECOND, 20, 60000, 4, TERCET_BAD_SOURCE,
     "does not lie inside"},
    {"head beyond the directory", false, IN_SECOND, 42, 60000, 4, TERCET_BAD_SOURCE,
     "does not lie inside"},
    {"name too long", false, IN_FIRST, 28, 60000, 2, TERCET_BAD_SOURCE, "cut short"},
    {"name empty", false, IN_FIRST, 28, 0, 2, TERCET_BAD_SOURCE, "no printable name"},
    {"extra too long", false, IN_SECOND, 30, 60000, 2, TERCET_BAD_SOURCE, "cut short"},
    {"comment of a member too long", false, IN_SECOND, 32, 600, 2, TERCET_BAD_SOURCE,
     "does not end where"},
    {"unprintable name", false, IN_FIRST, 46, 7, 1, TERCET_BAD_SOURCE, "no printable name"},
    {"same name twice", false, IN_SECOND, 46, 'a', 1, TERCET_BAD_SOURCE, "the same name"},
    {"sizes in 64 bits missing", false, IN_FIRST, 20, UINT32_MAX, 4, TERCET_BAD_SOURCE,
     "sizes of a member are missing"},
    {"field in 64 bits too short", true, IN_EXTRA, 6, 16, 2, TERCET_BAD_SOURCE,
     "sizes of a member are missing"},
    {"field in 64 bits too long", true, IN_EXTRA, 6, 600, 2, TERCET_BAD_SOURCE,
     "sizes of a member are missing"},
    {"field in 64 bits of another kind", true, IN_EXTRA, 4, 2, 2, TERCET_BAD_SOURCE,
     "sizes of a member are missing"},
    {"huge size", true, IN_EXTRA, 8, UINT64_MAX, 8, TERCET_BAD_SOURCE, "does not lie inside"},
    {"no head", false, IN_HEAD, 0, 0, 4, TERCET_BAD_SOURCE, "and the directory differ"},
    {"head of another method", false, IN_HEAD, 8, 0, 2, TERCET_BAD_SOURCE,
     "and the directory differ"},
    {"head's name runs on", false, IN_HEAD, 26, 60000, 2, TERCET_BAD_SOURCE,
     "runs into the directory"},
};

static size_t begin_of(enum place place) {
    size_t first = npz.directory, second = first + 46 + 5 + (npz.wide ? 32 : 0);
    switch (place) {
    case IN_FIRST:
        return first;
    case IN_SECOND:
        return second;
    case IN_EXTRA:
        return first + 46 + 5;
    case IN_LOCATOR:
        return npz.end - 20;
    case IN_END_64:
        return npz.end - 20 - 56;
    case IN_HEAD:
        return npz.members[1].head;
    default:
        return npz.end;
    }
}

static void test_faults(void) {
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct zip_entry entries[ZIP_ENTRIES_MAX];
        uint64_t offsets[2];
        tercet_error error = {0};
        make(faults[i].wide);
        npz_set(&npz, begin_of(faults[i].place) + faults[i].offset, faults[i].value,
                faults[i].bytes);
        tercet_status status = read_all(entries, offsets, &error);
        if (!CHECK(status == faults[i].want && strstr(error.detail, faults[i].says) != NULL))
            printf("  %s: %d, %s\n", faults[i].name, (int)status, error.detail);
    }
}

/* Cut anywhere there is no end of a directory. */
static void test_cut(void) {
    make(true);
    for (size_t count = npz.count; count-- > 0;) {
        struct zip_entry entries[ZIP_ENTRIES_MAX];
        uint64_t offsets[2];
        npz.count = count;
        CHECK_STATUS(read_all(entries, offsets, NULL), TERCET_BAD_SOURCE);
    }
}

int main(void) {
    test_sound();
    test_comment();
    test_faults();
    test_cut();
    return check_done();
}
