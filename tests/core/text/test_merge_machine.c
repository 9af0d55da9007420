/* test_merge_machine.c - merging against its definition (look at every pair, take the lowest rank, the leftmost on a tie) on random
 * vocabularies, and the work that a long text may cost.
 */
#include "text/merge_machine.h"
#include "small_tokenizers.h"

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

/* xorshift64*, as in fuzz/replay_main.c. */
static uint32_t random_below(uint32_t limit) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * UINT64_C(2685821657736338717)) >> 32) % limit;
}

/* ---- the merge machine against its definition */

enum { LETTERS = 4, WORDS = 40, TEXT_MAX = 60 };

static uint32_t find_rank(const struct container_tokenizer *tables, uint32_t left, uint32_t right,
                          uint32_t *result) {
    for (uint32_t i = 0; i < tables->merge_count; i++) {
        const uint32_t *entry = tables->merges + 4 * (size_t)i;
        if (entry[0] == left && entry[1] == right) {
            *result = entry[3];
            return entry[2];
        }
    }
    return NONE;
}

static size_t merge_by_definition(const struct container_tokenizer *tables, uint32_t *tokens,
                                  size_t count) {
    for (;;) {
        uint32_t best = NONE, best_result = 0, result = 0;
        size_t best_at = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            uint32_t rank = find_rank(tables, tokens[i], tokens[i + 1], &result);
            if (rank < best) {
                best = rank;
                best_at = i;
                best_result = result;
            }
        }
        if (best == NONE) {
            return count;
        }
        tokens[best_at] = best_result;
        memmove(tokens + best_at + 1, tokens + best_at + 2, (count - best_at - 2) * sizeof *tokens);
        count--;
    }
}

/* Letters a..d, then words that join two earlier ones; every way to cut a word is a merge with some chance, and ranks are
 * few, so that many are equal. */
static void make_random_vocabulary(struct tokenizer_fixture *fixture, uint32_t kind,
                                   bool equal_ranks) {
    struct tokenizer_builder builder;
    char words[LETTERS + WORDS][64];
    uint32_t count = LETTERS;
    CHECK_STATUS(tokenizer_builder_open(&builder, "test", LETTERS + WORDS, NULL), TERCET_OK);
    builder.kind = kind;
    for (uint32_t i = 0; i < LETTERS; i++) {
        words[i][0] = (char)('a' + i);
        words[i][1] = '\0';
        add(&builder, i, words[i], TOKEN_NORMAL);
    }
    for (uint32_t tries = 0; tries < 400 && count < LETTERS + WORDS; tries++) {
        char *word = words[count];
        const char *left = words[random_below(count)], *right = words[random_below(count)];
        if (strlen(left) + strlen(right) > 12) {
            continue;
        }
        memcpy(word, left, strlen(left));
        memcpy(word + strlen(left), right, strlen(right) + 1);
        bool known = false;
        for (uint32_t i = 0; i < count; i++) {
            known = known || strcmp(words[i], word) == 0;
        }
        if (!known) {
            add(&builder, count++, word, TOKEN_NORMAL);
        }
    }
    CHECK_STATUS(tokenizer_builder_index(&builder, NULL), TERCET_OK);
    uint32_t next_rank = 0;
    for (uint32_t id = LETTERS; id < count; id++) {
        uint32_t rank = equal_ranks ? random_below(6) : next_rank++;
        size_t length = strlen(words[id]);
        for (size_t cut = 1; cut < length; cut++) {
            uint32_t left = tokenizer_builder_find(&builder, (const uint8_t *)words[id], cut);
            uint32_t right =
                tokenizer_builder_find(&builder, (const uint8_t *)words[id] + cut, length - cut);
            if (left != NONE && right != NONE && random_below(4) > 0) {
                CHECK_STATUS(tokenizer_builder_add_merge(&builder, left, right, rank, NULL),
                             TERCET_OK);
            }
        }
    }
    REQUIRE(fixture_from_builder(fixture, &builder, NULL) == TERCET_OK);
}

static void test_machine(void) {
    uint32_t wrong = 0, merged = 0;
    for (uint32_t round = 0; round < 200; round++) {
        struct tokenizer_fixture fixture;
        make_random_vocabulary(
            &fixture, round % 2 == 0 ? TOKENIZER_BYTE_BPE : TOKENIZER_SENTENCEPIECE, round % 4 < 2);
        for (uint32_t t = 0; t < 40; t++) {
            char text[TEXT_MAX];
            uint32_t expected[TEXT_MAX];
            size_t bytes = random_below(TEXT_MAX), count;
            uint32_t letters = 1 + random_below(LETTERS);
            for (size_t i = 0; i < bytes; i++) {
                uint32_t letter = random_below(letters);
                text[i] = (char)('a' + letter);
                expected[i] = letter;
            }
            size_t expected_count = merge_by_definition(&fixture.tables, expected, bytes);
            uint32_t *tokens = fixture_encode(&fixture, text, bytes, 0, &count, NULL);
            REQUIRE(tokens != NULL);
            wrong +=
                count != expected_count || memcmp(tokens, expected, count * sizeof *tokens) != 0;
            merged += count < bytes;
            free(tokens);
        }
        fixture_free(&fixture);
    }
    CHECK_EQ(wrong, 0);
    CHECK(merged > 4000); /* the vocabularies did something */
}

/* ---- long texts */

/* Pairs that are looked up for n symbols: one each at first, two for each merge. The heap holds no more, so the whole costs
 * O(n log n), whatever the text. */
static void check_work(const struct tokenizer_fixture *fixture, const char *text, uint32_t bytes) {
    struct merge_machine machine;
    void *memory = malloc(merge_machine_bytes(bytes));
    uint32_t left = 0;
    REQUIRE(memory != NULL);
    merge_machine_place(&machine, &fixture->tables, memory, bytes);
    for (uint32_t i = 0; i < bytes; i++) {
        CHECK(merge_machine_push(&machine, (uint32_t)(text[i] - 'a')));
    }
    CHECK(!merge_machine_push(&machine, 0));
    merge_machine_run(&machine);
    for (uint32_t i = 0; i != MERGE_NONE; i = machine.symbols[i].next) {
        left++;
    }
    CHECK(left >= 1 && machine.looked_up >= bytes - 1);
    CHECK(machine.looked_up <= bytes + 2 * (uint64_t)(bytes - left));
    free(memory);
}

/* A megabyte as one piece, in the forms that are worst for a careless merge: had this cost n squared, it would end with
 * the test's time. */
static void test_long_text(void) {
    enum { BYTES = 1000000 };
    struct tokenizer_fixture fixture;
    char *text = malloc(BYTES);
    REQUIRE(text != NULL);
    random_state = 7;
    make_random_vocabulary(&fixture, TOKENIZER_SENTENCEPIECE, false);
    for (uint32_t letters = 1; letters <= LETTERS; letters++) {
        size_t count, bytes;
        for (size_t i = 0; i < BYTES; i++) {
            text[i] = (char)('a' + random_below(letters));
        }
        uint32_t *tokens = fixture_encode(&fixture, text, BYTES, 0, &count, NULL);
        REQUIRE(tokens != NULL);
        check_work(&fixture, text, BYTES);
        char *decoded = fixture_decode(&fixture, tokens, count, &bytes, NULL);
        REQUIRE(decoded != NULL);
        CHECK_EQ(bytes, BYTES);
        CHECK_MEM(decoded, text, BYTES);
        free(decoded);
        free(tokens);
    }
    free(text);
    fixture_free(&fixture);
}

int main(void) {
    test_machine();
    test_long_text();
    return check_done();
}
