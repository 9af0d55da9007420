/* test_utf8.c - validation, decoding and streaming of UTF-8.
 *
 * The ill-formed cases are the classes of the Unicode Standard 15.0, table 3-7 (well-formed byte
 * sequences) and the examples of tables 3-8 to 3-11 (one U+FFFD for each maximal subpart). Streams
 * are cut at every position, and the answer must not depend on where.
 */
#include "check.h"
#include "text/utf8.h"

/* A second judge, written apart from utf8.c: by value instead of by byte ranges. */
static size_t reference_length(const uint8_t *text, size_t bytes) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] < 0x80   ? 1
                    : text[0] < 0xC0 ? 0
                    : text[0] < 0xE0 ? 2
                    : text[0] < 0xF0 ? 3
                    : text[0] < 0xF8 ? 4
                                     : 0;
    if (length == 0 || length > bytes) {
        return 0;
    }
    uint32_t value = length == 1 ? text[0] : text[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
        value = value << 6 | (text[i] & 0x3Fu);
    }
    bool scalar = value <= 0x10FFFF && !(value >= 0xD800 && value <= 0xDFFF);
    return scalar && value >= least[length] ? length : 0;
}

static void test_every_scalar_value(void) {
    uint32_t wrong = 0;
    for (uint32_t code_point = 0; code_point <= 0x10FFFF; code_point++) {
        if (code_point >= 0xD800 && code_point <= 0xDFFF) {
            continue;
        }
        uint8_t bytes[4];
        size_t length, written = utf8_encode(code_point, bytes);
        wrong += utf8_valid_prefix(bytes, written) != written;
        wrong += utf8_decode(bytes, written, &length) != code_point || length != written;
        wrong += written > 1 && utf8_valid_prefix(bytes, written - 1) != 0;
    }
    CHECK_EQ(wrong, 0);
    /* Of a character that is cut, no byte behind the cut is read. */
    const uint8_t cut[4] = {0xF0, 0x9F, 0x98, 0x80};
    for (size_t bytes = 1; bytes <= 4; bytes++) {
        size_t length;
        uint8_t *exact = malloc(bytes);
        memcpy(exact, cut, bytes);
        (void)utf8_decode(exact, bytes, &length);
        CHECK_EQ(length, bytes);
        free(exact);
    }
}

/* All sequences of one to three bytes, and of four with every first and second byte. */
static void test_every_short_sequence(void) {
    uint32_t wrong = 0;
    for (uint32_t value = 0; value < 1u << 24; value++) {
        /* The third byte needs only its interesting values, which keeps this quick. */
        uint8_t third = (uint8_t)value;
        if (third != 0x00 && third != 0x7F && third != 0x80 && third != 0xBF && third != 0xC0 &&
            third != 0xFF) {
            continue;
        }
        uint8_t bytes[4] = {(uint8_t)(value >> 16), (uint8_t)(value >> 8), third, 0x80};
        for (size_t count = 1; count <= 4; count++) {
            size_t at = 0, length;
            while (at < count && (length = reference_length(bytes + at, count - at)) > 0) {
                at += length;
            }
            wrong += utf8_valid_prefix(bytes, count) != at;
        }
    }
    CHECK_EQ(wrong, 0);
}

static void test_valid_prefix_of_long_text(void) {
    /* The fast path steps over eight ASCII bytes at a time: a bad byte at each place of it. */
    uint8_t text[40];
    for (size_t bad = 0; bad < sizeof text; bad++) {
        memset(text, 'a', sizeof text);
        text[bad] = 0xFF;
        CHECK_EQ(utf8_valid_prefix(text, sizeof text), bad);
        CHECK_EQ(utf8_valid_prefix(text, bad), bad);
    }
    CHECK_EQ(utf8_valid_prefix(text, 0), 0);
}

struct stream_case {
    const char *in;
    size_t in_bytes;
    const char *out; /* NUL-terminated */
};

#define CASE(in, out)                                                                              \
    { in, sizeof(in) - 1, out }
#define X "\xEF\xBF\xBD"

static const struct stream_case stream_cases[] = {
    CASE("", ""), CASE("abc", "abc"),
    CASE("\xC3\xA9\xE2\x82\xAC\xF0\x9F\xA6\x99", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\xA6\x99"),
    /* lone continuation bytes, bytes that never occur */
    CASE("\x80", X), CASE("\xBF\x80", X X), CASE("\xFE\xFF\xF5\xF8", X X X X),
    CASE("a\xC0\x80z", "a" X X "z"), CASE("\xC1\xBF", X X),
    /* cut by an ASCII byte, by the start of another character, by the end */
    CASE("\xC3z", X "z"), CASE("\xE2\x82z", X "z"), CASE("\xF0\x9F\xA6z", X "z"),
    CASE("\xF0\x9F\xC3\xA9", X "\xC3\xA9"), CASE("\xC3", X), CASE("\xE2\x82", X),
    CASE("\xF0\x9F\xA6", X),
    /* longer than needed: the second byte does not continue the first */
    CASE("\xE0\x80\x80", X X X), CASE("\xE0\x9F\xBF", X X X), CASE("\xF0\x80\x80\x80", X X X X),
    CASE("\xF0\x8F\xBF\xBF", X X X X),
    /* surrogates, beyond U+10FFFF */
    CASE("\xED\xA0\x80", X X X), CASE("\xED\xBF\xBF", X X X), CASE("\xF4\x90\x80\x80", X X X X),
    CASE("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", X X X X X "A" X X "B"), /* table 3-10 */
    CASE("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", X X X X X X X X "A"),   /* table 3-8 */
    CASE("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", X X X X X X X X "A"),   /* table 3-9 */
    CASE("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", X X X X "A"),           /* table 3-11 */
};

static void test_streams(void) {
    for (size_t c = 0; c < sizeof stream_cases / sizeof stream_cases[0]; c++) {
        const struct stream_case *given = &stream_cases[c];
        const uint8_t *in = (const uint8_t *)given->in;
        /* Cut in three at every pair of positions. */
        for (size_t first = 0; first <= given->in_bytes; first++) {
            for (size_t second = first; second <= given->in_bytes; second++) {
                struct utf8_stream stream = {{0}, 0};
                uint8_t out[64];
                size_t at = utf8_stream_push(&stream, in, first, out);
                CHECK(at <= 3 * (first + 3));
                at += utf8_stream_push(&stream, in + first, second - first, out + at);
                at += utf8_stream_push(&stream, in + second, given->in_bytes - second, out + at);
                CHECK_EQ(utf8_valid_prefix(out, at), at); /* whole characters only */
                at += utf8_stream_flush(&stream, out + at);
                CHECK_EQ(utf8_stream_flush(&stream, out + at), 0);
                CHECK_EQ(at, strlen(given->out));
                if (at == strlen(given->out)) {
                    CHECK_MEM(out, given->out, at);
                }
            }
        }
    }
}

static void test_stream_room(void) {
    /* The worst case of the promised room: three bytes held back, then bytes that are never good. */
    struct utf8_stream stream = {{0}, 0};
    const uint8_t start[3] = {0xF0, 0x9F, 0xA6}, bad[5] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    uint8_t *out = malloc(3 * (sizeof bad + 3));
    REQUIRE(out != NULL);
    CHECK_EQ(utf8_stream_push(&stream, start, sizeof start, out), 0);
    CHECK_EQ(utf8_stream_push(&stream, bad, sizeof bad, out), 3 * (1 + sizeof bad));
    free(out);
}

int main(void) {
    test_every_scalar_value();
    test_every_short_sequence();
    test_valid_prefix_of_long_text();
    test_streams();
    test_stream_room();
    return check_done();
}
