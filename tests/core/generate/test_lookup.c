/* test_lookup.c - guesses from the text: what is found, in which order of preference, what is learned, and that tokens
 * taken back leave no trace. Against a search that reads the whole text. */
#include "generate/lookup.h"
#include "check.h"

#define CONTEXT 300u

struct text {
    struct lookup lookup;
    uint32_t history[CONTEXT];
    void *memory;
};

static void start(struct text *text) {
    struct arena arena = {0};
    memset(text, 0, sizeof *text);
    lookup_layout(&text->lookup, CONTEXT, &arena);
    text->memory = aligned_alloc(64, (arena.used + 63) / 64 * 64);
    REQUIRE(text->memory != NULL);
    memset(text->memory, 0xA5, arena.used);
    arena = (struct arena){.memory = text->memory, .capacity = arena.used};
    lookup_layout(&text->lookup, CONTEXT, &arena);
    lookup_clear(&text->lookup);
}

static void read(struct text *text, const uint32_t *tokens, uint32_t count) {
    memcpy(text->history + text->lookup.count, tokens, count * sizeof *tokens);
    lookup_read(&text->lookup, text->history, text->lookup.count + count);
}

static void follow(struct text *text, uint32_t token) {
    text->history[text->lookup.count] = token;
    lookup_follow(&text->lookup, text->history);
}

/* What it would draft at no cost, as text. */
static void check_draft(struct text *text, uint32_t most, const char *expected) {
    char found[256] = "";
    uint32_t count = lookup_draft(&text->lookup, text->history, most, NULL);
    for (uint32_t i = 0; i < count; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), i == 0 ? "%u" : " %u",
                 text->history[text->lookup.count + i]);
    CHECK_STR(found, expected);
}

static void finds_what_followed(void) {
    struct text text;
    start(&text);
    check_draft(&text, 4, "");
    read(&text, (const uint32_t[]){7}, 1);
    check_draft(&text, 4, "");
    read(&text, (const uint32_t[]){8, 9, 10, 7}, 4);
    check_draft(&text, 4, ""); /* one token alone is no reason */
    follow(&text, 8);
    check_draft(&text, 4, "9 10 7 8");
    check_draft(&text, 2, "9 10");
    follow(&text, 9);
    check_draft(&text, 3, "10 7 8");
    follow(&text, 11);
    check_draft(&text, 3, "");
    free(text.memory);

    /* More in common goes before later; of equals the later one. */
    start(&text);
    read(&text, (const uint32_t[]){1, 2, 3, 20, 9, 2, 3, 21, 8, 2, 3, 22, 1, 2, 3}, 15);
    check_draft(&text, 1, "20");
    free(text.memory);
    start(&text);
    read(&text, (const uint32_t[]){9, 2, 3, 21, 8, 2, 3, 22, 1, 2, 3}, 11);
    check_draft(&text, 1, "22");
    free(text.memory);

    /* A text that repeats its last tokens runs into its own draft. */
    start(&text);
    read(&text, (const uint32_t[]){4, 5, 4, 5}, 4);
    check_draft(&text, 7, "4 5 4 5 4 5 4");
    free(text.memory);
    start(&text);
    read(&text, (const uint32_t[]){6, 6, 6}, 3);
    check_draft(&text, 5, "6 6 6 6 6");
    free(text.memory);
}

static const uint16_t cheap[2] = {110, 120}, fair[2] = {200, 350}, dear[2] = {390, 780};

static uint32_t drafted(struct text *text, uint32_t most, const uint16_t cost[2]) {
    return lookup_draft(&text->lookup, text->history, most, cost);
}

static void learns_what_it_is_worth(void) {
    struct text text;
    start(&text);
    /* An even chance at first: 1.88 tokens of 4, 1.99 of 8. */
    read(&text, (const uint32_t[]){1, 2, 3, 4, 5, 6, 7, 8, 1, 2}, 10);
    CHECK_EQ(drafted(&text, 8, cheap), 3);
    CHECK_EQ(drafted(&text, 2, cheap), 0); /* no room for a whole pass */
    CHECK_EQ(drafted(&text, 8, fair), 0);
    CHECK_EQ(drafted(&text, 5, NULL), 5);
    /* A text that goes round and round is soon drafted far ahead, though not at a price that eats the gain. */
    for (uint32_t i = 2; i < 82; i++)
        follow(&text, 1 + i % 8);
    CHECK_EQ(drafted(&text, 7, cheap), 7);
    CHECK_EQ(drafted(&text, 7, fair), 7);
    CHECK_EQ(drafted(&text, 6, fair), 3);
    CHECK_EQ(drafted(&text, 7, dear), 0);
    /* One that never comes back to what it seemed to repeat is not drafted at all. */
    for (uint32_t i = 0; i < 60; i++) {
        follow(&text, 1);
        follow(&text, 2);
        follow(&text, 1000 + i);
    }
    follow(&text, 1);
    follow(&text, 2);
    CHECK(text.lookup.guess.source != 0);
    CHECK_EQ(drafted(&text, 8, cheap), 0);
    lookup_forget_rates(&text.lookup);
    CHECK_EQ(drafted(&text, 8, cheap), 3);
    free(text.memory);
}

/* The end of the longest of the latest places, by reading everything. */
static uint32_t search(const uint32_t *history, uint32_t count) {
    uint32_t best = 0, longest = 1;
    for (uint32_t place = count - 1; place-- > 1;) {
        uint32_t shared = 0;
        while (shared < 16 && shared <= place &&
               history[place - shared] == history[count - 1 - shared])
            shared++;
        if (shared > longest) {
            longest = shared;
            best = place + 1;
        }
    }
    return best;
}

static void finds_what_a_search_finds(void) {
    struct text text, other;
    uint64_t state = 5;
    uint32_t found = 0;
    for (uint32_t round = 0; round < 200; round++) {
        start(&text);
        uint32_t letters = 3 + round % 40;
        while (text.lookup.count < 120) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            uint32_t token = (uint32_t)(state >> 40) % letters;
            read(&text, &token, 1);
            if (text.lookup.count < 3)
                continue;
            /* With few letters a list is longer than it is walked. */
            if (letters > 8 || text.lookup.count < 30) {
                CHECK_EQ(text.lookup.guess.source, search(text.history, text.lookup.count));
                found += text.lookup.guess.source != 0;
            }
        }
        /* Taken back, then other tokens: as if they alone had been read. */
        uint32_t keep = round % 60;
        lookup_truncate(&text.lookup, text.history, keep);
        CHECK_EQ(lookup_draft(&text.lookup, text.history, 4, NULL), 0);
        start(&other);
        memcpy(other.history, text.history, sizeof other.history);
        lookup_read(&other.lookup, other.history, keep);
        for (uint32_t i = 0; i < 100; i++) {
            follow(&text, (i * i + round) % 7);
            follow(&other, (i * i + round) % 7);
            CHECK_EQ(text.lookup.guess.source, other.lookup.guess.source);
            CHECK_EQ(text.lookup.guess.shared, other.lookup.guess.shared);
        }
        CHECK_MEM(text.lookup.heads, other.lookup.heads,
                  text.lookup.head_count * sizeof *text.lookup.heads);
        free(text.memory);
        free(other.memory);
    }
    CHECK(found > 1000);
}

int main(void) {
    finds_what_followed();
    learns_what_it_is_worth();
    finds_what_a_search_finds();
    return check_done();
}
