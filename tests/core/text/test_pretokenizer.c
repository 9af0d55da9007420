/* test_pretokenizer.c - the splitters against the regular expressions they stand for.
 *
 * Each case shows a text cut by bars where the expression cuts it (checked once with another engine
 * of regular expressions, \s written out as Unicode's White_Space). The table of Unicode classes is
 * checked for its shape and at its edges.
 */
#include "check.h"
#include "container/container_layout.h"
#include "text/pretokenizer.h"
#include "text/unicode_ranges.h"

#define NBSP "\xC2\xA0"      /* white space, as the next four */
#define NEL "\xC2\x85"       /* U+0085 */
#define WIDE "\xE3\x80\x80"  /* U+3000 */
#define OGHAM "\xE1\x9A\x80" /* U+1680 */
#define LINE "\xE2\x80\xA8"  /* U+2028 */
#define ZWSP "\xE2\x80\x8B"  /* U+200B, which is not white space */
#define LONG_S "\xC5\xBF"    /* U+017F, a letter that (?i) takes for an s */
#define E_ACUTE "\xC3\xA9"   /* letters */
#define I_DIAERESIS "\xC3\xAF"
#define HALF "\xC2\xBD" /* numbers: No, Nl, Nd */
#define ROMAN_8 "\xE2\x85\xA7"
#define ARABIC_3 "\xD9\xA3"
#define ACCENT "\xCC\x81"        /* U+0301, a mark: neither letter nor number */
#define LLAMA "\xF0\x9F\xA6\x99" /* U+1F999 */

/* Contractions in lower case only; one space, and nothing else, joins what follows it; a run of white space leaves its last
 * character to the rest, except at the end of the text. */
static const char *const gpt2_cases[] = {
    "Hello| world",
    " Hello|  ",
    "it|'s| I|'ll| you|'re| we|'ve| I|'m| he|'d| don|'t",
    "IT|'|S| I|'|LL| you|'|RE| '|vE",
    "'s|'t|'re|'ve|'m|'ll|'d",
    "'d|og| '|rx| '|v",
    "'",
    "''|s| '",
    "'|" LONG_S "x| " LONG_S,
    "a|1|b|22|c|333| 4444| x",
    "x| 123|abc| " HALF ROMAN_8 ARABIC_3,
    "x| 12345678",
    "Hello|,| world|!!!| ...?",
    "(|a|)| [|b|]| | {|c|}",
    "a|  | b",
    "a|  \t| b",
    "a|\n|\n|b",
    "a|\n\n| b",
    "a| \n  \n | b",
    "a|\r\n\r|\n|b",
    "a|  ",
    "a| \n",
    "a| \n  ",
    "\t|x",
    "\t|\t|x",
    "x|" NBSP "|y",
    "x|" WIDE NBSP "| y",
    "x|" NEL "|y",
    "caf" E_ACUTE "|'s| na" I_DIAERESIS "ve",
    "e|" ACCENT "|x",
    LLAMA ".|cpp",
    "a|.|\n|\n|b",
    "a|.| \n| b",
    "!|\r\n|\n|?",
    "  |" NBSP "|x",
    " '",
    "hi|" ZWSP "|x",
    "\xE6\x97\xA5"
    "\xE6\x9C\xAC"
    "\xE8\xAA\x9E"
    "|123",
    OGHAM "|a|" LINE "|b",
    "x|=\"|1|\"",
    " 1",
    " " HALF "|!",
    "abc",
    "\r",
    "  \r\n\t",
    "a|_|b",
};

/* Contractions in any case; any one character that is no newline, letter or number joins letters; numbers in threes; white
 * space up to its last newline stays together, and newlines join what is other. */
static const char *const llama3_cases[] = {
    "Hello| world",
    " Hello|  ",
    "it|'s| I|'ll| you|'re| we|'ve| I|'m| he|'d| don|'t",
    "IT|'S| I|'LL| you|'RE| '|vE",
    "'s|'t|'re|'ve|'m|'ll|'d",
    "'d|og| '|rx| '|v",
    "'",
    "''|s| '",
    "'" LONG_S "|x| " LONG_S,
    "a|1|b|22|c|333| |444|4| x",
    "x| |123|abc| |" HALF ROMAN_8 ARABIC_3,
    "x| |123|456|78",
    "Hello|,| world|!!!| ...?",
    "(a|)| [|b|]| | {|c|}",
    "a|  | b",
    "a|  \t| b",
    "a|\n\n|b",
    "a|\n\n| b",
    "a| \n  \n| | b",
    "a|\r\n\r\n|b",
    "a|  ",
    "a| \n",
    "a| \n|  ",
    "\tx",
    "\t|\tx",
    "x|" NBSP "y",
    "x|" WIDE NBSP "| y",
    "x|" NEL "y",
    "caf" E_ACUTE "|'s| na" I_DIAERESIS "ve",
    "e|" ACCENT "x",
    LLAMA ".|cpp",
    "a|.\n\n|b",
    "a|.| \n| b",
    "!\r\n\n|?",
    "  |" NBSP "x",
    " '",
    "hi|" ZWSP "x",
    "\xE6\x97\xA5"
    "\xE6\x9C\xAC"
    "\xE8\xAA\x9E"
    "|123",
    OGHAM "a|" LINE "b",
    "x|=\"|1|\"",
    " |1",
    " |" HALF "|!",
    "abc",
    "\r",
    "  \r\n|\t",
    "a|_b",
};

/* Only what differs from Llama-3: numbers one by one. */
static const char *const qwen2_cases[] = {
    "a|1|b|2|2|c|3|3|3| |4|4|4|4| x",
    "x| |1|2|3|abc| |" HALF "|" ROMAN_8 "|" ARABIC_3,
    "x| |1|2|3|4|5|6|7|8",
    "\xE6\x97\xA5"
    "\xE6\x9C\xAC"
    "\xE8\xAA\x9E"
    "|1|2|3",
};

static void check_splits(uint32_t splitter, const char *const *cases, size_t count) {
    for (size_t c = 0; c < count; c++) {
        char text[128], got[256];
        size_t bytes = 0, written = 0;
        REQUIRE(strlen(cases[c]) < sizeof text);
        for (const char *p = cases[c]; *p != '\0'; p++) {
            if (*p != '|') {
                text[bytes++] = *p;
            }
        }
        for (size_t at = 0; at < bytes;) {
            /* A copy of its exact size, so that a sanitizer sees a look beyond the end. */
            uint8_t *rest = malloc(bytes - at);
            REQUIRE(rest != NULL);
            memcpy(rest, text + at, bytes - at);
            size_t piece = pretokenizer_next(splitter, rest, bytes - at);
            free(rest);
            REQUIRE(piece >= 1 && piece <= bytes - at);
            if (at > 0) {
                got[written++] = '|';
            }
            memcpy(got + written, text + at, piece);
            written += piece;
            at += piece;
        }
        got[written] = '\0';
        CHECK_STR(got, cases[c]);
    }
}

#define CHECK_SPLITS(splitter, cases)                                                              \
    check_splits((splitter), (cases), sizeof(cases) / sizeof((cases)[0]))

static void test_single_pieces(void) {
    /* The one character that the tables cannot show, and what only looks like a contraction. */
    const uint8_t short_r[] = "'r", other_letter[] = "'\xC5\x93x";
    CHECK_EQ(pretokenizer_next(SPLITTER_GPT2, short_r, 2), 1);
    CHECK_EQ(pretokenizer_next(SPLITTER_LLAMA3, short_r, 2), 2);
    CHECK_EQ(pretokenizer_next(SPLITTER_LLAMA3, other_letter, 4), 4);
    const uint8_t text[] = "a || b";
    CHECK_EQ(pretokenizer_next(SPLITTER_GPT2, text + 1, 5), 3);
    CHECK_EQ(pretokenizer_next(SPLITTER_LLAMA3, text + 1, 5), 3);
    CHECK_EQ(pretokenizer_next(SPLITTER_NONE, text, 6), 6);
}

static void test_class_table(void) {
    uint32_t counts[4] = {0, 0, 0, 0};
    for (uint32_t code_point = 0; code_point < 0x110000; code_point++) {
        enum unicode_kind kind = unicode_classify(code_point);
        REQUIRE(kind <= UNICODE_SPACE);
        counts[kind]++;
        /* The quick way for ASCII gives what the table says. */
        if (code_point < 0x80) {
            enum unicode_kind there = unicode_kind_beyond_ascii(code_point);
            CHECK_EQ(kind, there <= UNICODE_SPACE ? there : UNICODE_OTHER);
        }
    }
    /* Unicode 15.0: DerivedGeneralCategory.txt counts 136,104 in L* and 1,831 in N*; PropList.txt 25 in White_Space. */
    CHECK_EQ(counts[UNICODE_LETTER], 136104);
    CHECK_EQ(counts[UNICODE_NUMBER], 1831);
    CHECK_EQ(counts[UNICODE_SPACE], 25);
    CHECK_EQ(unicode_classify(0x110000), UNICODE_OTHER); /* what no text has ends as well */
    CHECK_EQ(unicode_classify(UINT32_MAX), UNICODE_OTHER);
    CHECK_EQ(unicode_classify(0x200B), UNICODE_OTHER);
    CHECK_EQ(unicode_classify(0x180E), UNICODE_OTHER); /* no white space since Unicode 6.3 */
    CHECK_EQ(unicode_classify(0x4E00), UNICODE_LETTER);
    CHECK_EQ(unicode_classify(0x9FFF), UNICODE_LETTER);
    CHECK_EQ(unicode_classify(0x10FFFF), UNICODE_OTHER);
}

int main(void) {
    CHECK_SPLITS(SPLITTER_GPT2, gpt2_cases);
    CHECK_SPLITS(SPLITTER_LLAMA3, llama3_cases);
    CHECK_SPLITS(SPLITTER_QWEN2, qwen2_cases);
    test_single_pieces();
    test_class_table();
    return check_done();
}
