/* test_read_sentencepiece.c - the protocol buffer of a tokenizer.model: what is read, and every way
 * in which it can be damaged.
 */
#include "check.h"
#include "read_sentencepiece.h"
#include "sentencepiece_writer.h"
#include "tokenizer_folder.h"

/* From a copy of the exact size. */
static tercet_status read_model(const uint8_t *bytes, size_t count,
                                struct sentencepiece_model *model, uint8_t **copy,
                                tercet_error *error) {
    *copy = malloc(count > 0 ? count : 1);
    REQUIRE(*copy != NULL);
    memcpy(*copy, bytes, count);
    return sentencepiece_read("test.model", *copy, count, model, error);
}

static void check_refused(const struct message *message, tercet_status expected, const char *part) {
    struct sentencepiece_model model;
    tercet_error error = {TERCET_OK, 0, ""};
    uint8_t *copy;
    CHECK_STATUS(read_model(message->bytes, message->count, &model, &copy, &error), expected);
    if (!CHECK(strstr(error.detail, part) != NULL)) {
        fprintf(stderr, "    %s\n", error.detail);
    }
    CHECK(model.pieces == NULL);
    free(copy);
}

static void test_fields(void) {
    struct message message = {{0}, 0}, other = {{0}, 0};
    struct sentencepiece_model model;
    tercet_error error;
    uint8_t *copy;
    put_piece(&message, "<unk>", 0, SENTENCEPIECE_UNKNOWN);
    put_piece(&message, "ab", -1.5f, 0);
    put_bytes(&message, 1, "", 0);        /* an empty message: all defaults */
    put_number(&message, 99, UINT64_MAX); /* unknown fields are skipped, of each wire type */
    put_varint(&message, 98 << 3 | 1);
    for (int i = 0; i < 8; i++) {
        put_byte(&message, 0xEE);
    }
    put_float(&message, 97, 1);
    put_bytes(&message, 4, "self test", 9);
    REQUIRE(read_model(message.bytes, message.count, &model, &copy, &error) == TERCET_OK);
    CHECK_EQ(model.count, 3);
    CHECK_EQ(model.pieces[0].type, SENTENCEPIECE_UNKNOWN);
    CHECK_EQ(model.pieces[1].type, SENTENCEPIECE_NORMAL);
    CHECK_EQ(model.pieces[1].bytes, 2);
    CHECK_MEM(model.pieces[1].text, "ab", 2);
    CHECK_NEAR(model.pieces[1].score, -1.5, 0);
    CHECK_EQ(model.pieces[2].bytes, 0);
    /* Without the settings: the defaults of the format. */
    CHECK_EQ(model.model_type, SENTENCEPIECE_UNIGRAM);
    CHECK_EQ(model.beginning, 1);
    CHECK(!model.byte_fallback && !model.whitespace_is_suffix && !model.has_character_map);
    CHECK(model.add_dummy_prefix && model.remove_extra_whitespaces && model.escape_whitespaces);
    CHECK_STR(model.normalizer, "");
    sentencepiece_free(&model);
    free(copy);

    put_llama_settings(&message);
    put_number(&other, 41, UINT64_MAX); /* -1: none */
    put_number(&other, 24, 1);
    put_bytes(&message, 2, other.bytes, other.count); /* a part may come twice; it adds up */
    other.count = 0;
    put_bytes(&other, 1, "nmt_nfkc\x01 with a name that is far too long", 40);
    put_bytes(&other, 2, "map", 3);
    put_number(&other, 3, 0);
    put_number(&other, 5, 0);
    put_bytes(&message, 3, other.bytes, other.count);
    REQUIRE(read_model(message.bytes, message.count, &model, &copy, &error) == TERCET_OK);
    CHECK_EQ(model.model_type, SENTENCEPIECE_BPE);
    CHECK(model.byte_fallback && model.whitespace_is_suffix && model.has_character_map);
    CHECK(!model.add_dummy_prefix && !model.remove_extra_whitespaces && !model.escape_whitespaces);
    CHECK_EQ(model.beginning, TERCET_NO_TOKEN);
    CHECK_STR(model.normalizer, "nmt_nfkc??with?a?name?that?is?f");
    sentencepiece_free(&model);
    free(copy);
}

static void test_damage(void) {
    struct message message = {{0}, 0};
    check_refused(&message, TERCET_BAD_SOURCE, "has no pieces");
    put_llama_settings(&message);
    check_refused(&message, TERCET_BAD_SOURCE, "has no pieces");

    static const struct {
        const char *bytes;
        size_t count, where;
    } broken[] = {
        {"\x0A", 1, 1}, /* a length is missing */
        {"\x0A\x05"
         "abc",
         5, 2},                                                   /* ... and too long */
        {"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, 11}, /* 2^64 - 1 */
        {"\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11, 11}, /* more than 64 bits */
        {"\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00", 12, 11},
        {"\x08\x80", 2, 2},
        {"\x00\x00", 2, 1}, /* field 0 */
        {"\x0B", 1, 1},     /* a group */
        {"\x0C", 1, 1},
        {"\x0E", 1, 1}, /* wire types that are not used */
        {"\x0F", 1, 1},
        {"\x0D\x00\x00\x00", 4, 1}, /* fixed32, fixed64 cut */
        {"\x09\x00\x00\x00\x00\x00\x00\x00", 8, 1},
        {"\x0A\x02\x0A\x05", 4, 4},     /* inside a piece */
        {"\x0A\x02\x18\x00", 4, 4},     /* type 0 */
        {"\x0A\x02\x18\x07", 4, 4},     /* type 7 */
        {"\x0A\x00\x12\x01\x18", 5, 5}, /* inside trainer_spec */
        {"\x0A\x00\x1A\x01\x18", 5, 5}, /* inside normalizer_spec */
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct sentencepiece_model model;
        tercet_error error = {TERCET_OK, 0, ""};
        uint8_t *copy;
        CHECK_STATUS(
            read_model((const uint8_t *)broken[i].bytes, broken[i].count, &model, &copy, &error),
            TERCET_BAD_SOURCE);
        if (!CHECK_EQ(error.where, broken[i].where)) {
            fprintf(stderr, "    case %zu: %s\n", i, error.detail);
        }
        free(copy);
    }
}

/* One piece more than a vocabulary may have, all of them empty. */
static void test_many_pieces(void) {
    const size_t pieces = SENTENCEPIECE_PIECES_MAX + 1;
    struct sentencepiece_model model;
    tercet_error error = {TERCET_OK, 0, ""};
    uint8_t *bytes = calloc(pieces, 2), *copy;
    REQUIRE(bytes != NULL);
    for (size_t i = 0; i < pieces; i++) {
        bytes[2 * i] = 0x0A;
    }
    CHECK_STATUS(read_model(bytes, 2 * pieces, &model, &copy, &error), TERCET_LIMIT_EXCEEDED);
    CHECK_STR(error.detail, "test.model has more than 1048576 pieces");
    CHECK(model.pieces == NULL);
    free(copy);
    free(bytes);
}

/* A real file cut at every byte, and with every bit of its beginning and end flipped: an answer in each case, and never a
 * piece that points outside. */
static void test_cuts_and_flips(void) {
    size_t count;
    uint32_t accepted = 0, refused = 0, outside = 0;
    uint8_t *file = (uint8_t *)read_whole_file("golden/models/stories260K/tokenizer.model", &count);
    for (size_t change = 0; change < count + 8 * 400; change++) {
        struct sentencepiece_model model;
        tercet_error error;
        uint8_t *copy;
        size_t bytes = change < count ? change : count;
        size_t bit = change - bytes;
        size_t at = bit / 16 + (bit % 2 == 0 ? 0 : count - 200);
        file[at] = (uint8_t)(file[at] ^ (change < count ? 0 : 1u << (bit / 2 % 8)));
        if (read_model(file, bytes, &model, &copy, &error) == TERCET_OK) {
            accepted++;
            for (uint32_t i = 0; i < model.count; i++) {
                const struct sentencepiece_piece *piece = &model.pieces[i];
                outside += piece->text < copy || piece->text > copy + bytes ||
                           piece->bytes > (size_t)(copy + bytes - piece->text);
            }
            sentencepiece_free(&model);
        } else {
            refused++;
            CHECK(error.where <= bytes);
        }
        free(copy);
        file[at] = (uint8_t)(file[at] ^ (change < count ? 0 : 1u << (bit / 2 % 8)));
    }
    CHECK_EQ(outside, 0);
    CHECK(accepted > 500 && refused > 5000); /* a cut between two pieces is a smaller model */
    free(file);
}

int main(void) {
    test_fields();
    test_damage();
    test_many_pieces();
    test_cuts_and_flips();
    return check_done();
}
