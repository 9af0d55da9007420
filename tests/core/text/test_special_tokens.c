/* test_special_tokens.c - specials that tables may hold and no sound tokenizer has, and many that share their beginning. What
 * specials do to the text around them is in test_tokenizer.c.
 */
#include "small_tokenizers.h"

/* A container may hold two specials with the same text; the lower id is found. One without a text is nowhere. */
static void test_odd_specials(void) {
    struct tokenizer_builder builder;
    struct tokenizer_fixture fixture;
    CHECK_STATUS(tokenizer_builder_open(&builder, "test", 6, NULL), TERCET_OK);
    builder.kind = TOKENIZER_BYTE_BPE;
    builder.flags = TOKENIZER_FLAG_IGNORE_MERGES;
    add(&builder, 5, "", TOKEN_CONTROL);
    add(&builder, 0, "a", TOKEN_NORMAL);
    add(&builder, 1, "aa", TOKEN_NORMAL);
    add(&builder, 4, "<x>", TOKEN_CONTROL);
    add(&builder, 3, "<x>", TOKEN_CONTROL);
    add(&builder, 2, "<x>a", TOKEN_CONTROL);
    CHECK_STATUS(tokenizer_builder_index(&builder, NULL), TERCET_OK);
    REQUIRE(fixture_from_builder(&fixture, &builder, NULL) == TERCET_OK);
    check_ids(&fixture, "<x><x>aaa", TERCET_TEXT_PARSE_SPECIAL, "3 2 1");
    static const uint32_t with_empty[] = {2, 3, 4, 5};
    struct tokenizer_fixture empty = fixture;
    empty.tables.specials = with_empty;
    empty.tables.special_count = 4;
    check_ids(&empty, "<x><x>aaa", TERCET_TEXT_PARSE_SPECIAL, "3 2 1");
    fixture_free(&fixture);
}

/* A megabyte that is almost one of many specials everywhere. */
static void test_many_specials(void) {
    enum { BYTES = 1000000 };
    struct tokenizer_builder builder;
    struct tokenizer_fixture fixture;
    char *text = malloc(BYTES);
    REQUIRE(text != NULL);
    REQUIRE(tokenizer_builder_open(&builder, "test", 2001, NULL) == TERCET_OK);
    builder.kind = TOKENIZER_BYTE_BPE;
    add(&builder, 2000, "<", TOKEN_NORMAL);
    for (uint32_t id = 0; id < 2000; id++) {
        char name[32];
        (void)snprintf(name, sizeof name, "<<<<<<<<special_%u", id);
        add(&builder, id, name, TOKEN_CONTROL);
    }
    REQUIRE(tokenizer_builder_index(&builder, NULL) == TERCET_OK);
    REQUIRE(fixture_from_builder(&fixture, &builder, NULL) == TERCET_OK);
    memset(text, '<', BYTES);
    memcpy(text + BYTES - 20, "<<<<<<<<special_1999", 20);
    size_t count;
    uint32_t *tokens =
        fixture_encode(&fixture, text, BYTES, TERCET_TEXT_PARSE_SPECIAL, &count, NULL);
    REQUIRE(tokens != NULL);
    CHECK_EQ(count, BYTES - 19);
    CHECK_EQ(tokens[count - 1], 1999);
    free(tokens);
    free(text);
    fixture_free(&fixture);
}

int main(void) {
    test_odd_specials();
    test_many_specials();
    return check_done();
}
