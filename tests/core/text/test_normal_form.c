/* test_normal_form.c - texts in normal form C, and what finding and composing promise of memory and order.
 *
 * The whole conformance test of Unicode is run where Debian's unicode-data is installed (normal_form.test.mjs); here is
 * one case for each rule, so that it is known everywhere.
 */
#include "check.h"
#include "text/normal_form.h"
#include "text/unicode_forms.h"
#include "text/utf8.h"

/* Form C as a caller makes it, in blocks of exactly the size that is promised to be enough; malloc'ed. */
static char *form_of(const char *text, size_t bytes, size_t *formed) {
    const uint8_t *in = (const uint8_t *)text;
    struct normal_form_stretch stretch = {0, 0};
    size_t bound = (size_t)normal_form_bound(in, bytes), copied = 0;
    char *out = malloc(bound);
    REQUIRE(out != NULL);
    *formed = 0;
    while (normal_form_find(in, bytes, stretch.end, &stretch)) {
        size_t length = stretch.end - stretch.begin;
        void *memory = malloc(NORMAL_FORM_MEMORY(length));
        uint8_t *part = malloc(3 * length);
        REQUIRE(memory != NULL && part != NULL && stretch.begin >= copied && length > 0);
        memcpy(out + *formed, text + copied, stretch.begin - copied);
        *formed += stretch.begin - copied;
        size_t written = normal_form_compose(in + stretch.begin, length, memory, part);
        CHECK(written <= 3 * length);
        memcpy(out + *formed, part, written);
        *formed += written;
        copied = stretch.end;
        free(memory);
        free(part);
    }
    memcpy(out + *formed, text + copied, bytes - copied);
    *formed += bytes - copied;
    CHECK(*formed <= bound);
    return out;
}

static void check_form(const char *text, size_t bytes, const char *wanted, size_t wanted_bytes) {
    size_t formed, again;
    char *out = form_of(text, bytes, &formed);
    if (!CHECK(formed == wanted_bytes && memcmp(out, wanted, formed) == 0)) {
        fprintf(stderr, "    of \"%.*s\": \"%.*s\" in place of \"%.*s\"\n", (int)bytes, text,
                (int)formed, out, (int)wanted_bytes, wanted);
    }
    char *twice = form_of(out, formed, &again);
    CHECK(again == formed && memcmp(twice, out, formed) == 0);
    free(twice);
    free(out);
}

/* U+0300 grave, U+0301 acute, U+0308 diaeresis (class 230), U+0323 dot below (220), U+0338 stroke (1), U+0345 iota (240) */
static const struct {
    const char *text, *wanted;
} cases[] = {
    {"plain", "plain"},
    {"na\u00EFve \u4E16\u754C \uD55C \U0001F600", "na\u00EFve \u4E16\u754C \uD55C \U0001F600"},
    {"e\u0301", "\u00E9"},
    {"xe\u0301e\u0300y", "x\u00E9\u00E8y"},
    {"\u0301", "\u0301"}, /* nothing to join with */
    {"\u0301e", "\u0301e"},
    {"q\u0301", "q\u0301"}, /* there is no such character */
    {"a\u0308\u0301", "\u00E4\u0301"},
    {"u\u0308\u0301", "\u01D8"}, /* two joins, one after the other */
    {"\u01D8\u0323",
     "\u1EE5\u0308\u0301"},            /* a whole one is taken apart for a mark that sorts lower */
    {"a\u0301\u0323", "\u1EA1\u0301"}, /* sorted first */
    {"a\u0323\u0301", "\u1EA1\u0301"}, /* already sorted */
    {"a\u0301\u0300", "\u00E1\u0300"}, /* of one class: kept in order, the second does not jump */
    {"a\u0301a\u0323", "\u00E1\u1EA1"},
    {"o\u0345\u0301", "\u00F3\u0345"},
    {"=\u0338", "\u2260"},
    {"\u212B\u2126\u212A", "\u00C5\u03A9K"}, /* singletons */
    {"\uF900\U0002F800", "\u8C48\u4E3D"},
    {"\u0958", "\u0915\u093C"}, /* excluded: never whole */
    {"\u0915\u093C", "\u0915\u093C"},
    {"\u0344", "\u0308\u0301"},
    {"\u0F73", "\u0F71\u0F72"},             /* class 0, but its parts are not */
    {"\u0591\u05B0", "\u05B0\u0591"},       /* sorted, though neither joins with anything */
    {"\uAC00\u0301", "\uAC00\u0301"},       /* a syllable, and what is no part of one */
    {"\U00011935\U00011930", "\U00011938"}, /* of the last that there are */
    {"\u0F76\u0334", "\u0FB2\u0334\u0F80"},
    {"\U0001D160", "\U0001D158\U0001D165\U0001D16E"}, /* three times as long */
    {"\u0390", "\u0390"},
    {"\u03B9\u0308\u0301", "\u0390"},
    {"\u1100\u1161", "\uAC00"}, /* Hangul */
    {"\u1100\u1161\u11A8", "\uAC01"},
    {"\uAC00\u11A8", "\uAC01"},
    {"\uAC01\u11A8", "\uAC01\u11A8"}, /* one trailing is all */
    {"\uAC00\u11A7", "\uAC00\u11A7"}, /* not a trailing one */
    {"\u1100\u0301\u1161", "\u1100\u0301\u1161"},
    {"\u1100\u1175\u11C2\u1112\u1175\u11C2", "\uAE4B\uD7A3"},
    {"\u09C7\u09BE", "\u09CB"}, /* both of class 0 */
    {"\u09C7\u0334\u09BE", "\u09C7\u0334\u09BE"},
    {"\U00011099\U000110BA", "\U0001109A"},
};

static void test_cases(void) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_form(cases[i].text, strlen(cases[i].text), cases[i].wanted, strlen(cases[i].wanted));
    }
    check_form("a\0e\u0301\0", 6, "a\0\u00E9\0", 5); /* a zero byte is a character */
}

/* What falls apart into two joins again, alone and inside of a text, unless its form has it in parts. */
static void test_tables(void) {
    uint32_t apart = 0, joined = 0;
    for (uint32_t code = 0; code < 0x110000; code++) {
        uint32_t parts[UNICODE_MOST_PARTS];
        char text[20] = "a", whole[8] = "a";
        size_t count = unicode_decompose(code, parts), bytes = 1;
        REQUIRE(count >= 1 && count <= UNICODE_MOST_PARTS);
        if (count == 1 && parts[0] == code)
            continue;
        apart++;
        for (size_t i = 0; i < count; i++)
            bytes += utf8_encode(parts[i], (uint8_t *)text + bytes);
        text[bytes++] = 'z';
        if (unicode_mark_of(code).form == FORM_CHANGED)
            continue;
        joined++;
        size_t whole_bytes = 1 + utf8_encode(code, (uint8_t *)whole + 1);
        whole[whole_bytes++] = 'z';
        check_form(text, bytes, whole, whole_bytes);
        check_form(whole, whole_bytes, whole, whole_bytes);
    }
    /* Unicode 15.0: UnicodeData.txt has 2,061 with canonical ones, of which 1,120 are in Full_Composition_Exclusion. */
    CHECK_EQ(apart, 2061);
    CHECK_EQ(joined, 2061 - 1120);
    CHECK_EQ(unicode_join('a', 'b'), 0);
}

/* What is in the form costs no memory and is found at once; what is not is a short stretch. */
static void test_stretches(void) {
    static const char text[] = "plain \u00E9 text e\u0301x, \u65E5\u672C";
    const uint8_t *in = (const uint8_t *)text;
    struct normal_form_stretch stretch = {0, 0};
    CHECK(normal_form_find(in, sizeof text - 1, 0, &stretch));
    CHECK_EQ(stretch.end - stretch.begin, 3); /* e and its accent */
    CHECK_EQ(text[stretch.begin], 'e');
    CHECK(!normal_form_find(in, sizeof text - 1, stretch.end, &stretch));
    CHECK_EQ(normal_form_bound(in, sizeof text - 1), sizeof text - 1 + 8 + 2 * 3);
    CHECK_EQ(normal_form_bound(in, 9), 9 + 8);
    CHECK_EQ(normal_form_bound(in, 0), 8);
}

/* A million marks behind one letter, of falling classes in turn: sorted, in order within a class, and not in n^2 steps. */
static void test_long_run(void) {
    static const char *const marks[] = {"\u0301", "\u0323", "\u0338"}; /* classes 230, 220, 1 */
    enum { COUNT = 300000 };
    size_t bytes = 1 + (size_t)2 * COUNT, formed;
    char *text = malloc(bytes);
    REQUIRE(text != NULL);
    text[0] = '+';
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(text + 1 + 2 * i, marks[i % 3], 2);
    }
    char *out = form_of(text, bytes, &formed);
    CHECK_EQ(formed, bytes);
    for (size_t i = 0; i < COUNT; i++) {
        const char *wanted = marks[2 - i / (COUNT / 3)];
        if (memcmp(out + 1 + 2 * i, wanted, 2) != 0) {
            CHECK(!"marks are out of order");
            break;
        }
    }
    free(out);
    free(text);
}

int main(void) {
    test_cases();
    test_tables();
    test_stretches();
    test_long_run();
    return check_done();
}
