/*
 * lookup.c: see lookup.h. Pairs of tokens are in lists by hash, the latest first, so that a place is found without
 * reading the text, and tokens taken back leave the lists the way they came. A guess that came true is followed on.
 */
#include "lookup.h"

#include <string.h>

/* Lists are walked, and places compared, no further than this: the cost of a step stays the same at any context. */
#define PLACES_MOST 32u
#define SHARED_MOST 16u

/* Half, so that a text must first show that it repeats itself. */
#define RATE_AT_START (LOOKUP_ONE / 2)
/* A new result counts one eighth: eight of one kind turn the rate around. */
#define RATE_SHIFT 3u

void lookup_layout(struct lookup *lookup, uint32_t context, struct arena *arena) {
    lookup->head_count = 16;
    while (lookup->head_count < context)
        lookup->head_count *= 2;
    lookup->heads = arena_take(arena, lookup->head_count, sizeof(uint32_t));
    lookup->previous = arena_take(arena, context, sizeof(uint32_t));
}

void lookup_clear(struct lookup *lookup) {
    memset(lookup->heads, 0, (size_t)lookup->head_count * sizeof(uint32_t));
    lookup->count = 0;
    lookup->guess = (struct lookup_guess){0};
    lookup_forget_rates(lookup);
}

void lookup_forget_rates(struct lookup *lookup) {
    for (uint32_t i = 0; i < LOOKUP_CLASSES; i++)
        lookup->guess.rate[i] = RATE_AT_START;
}

/* The pair that ends at `position`. Multipliers: the golden ratio of 2^32, and one of MurmurHash3's. */
static uint32_t *head_of(const struct lookup *lookup, const uint32_t *history, uint32_t position) {
    uint32_t hash = history[position - 1] * 0x9E3779B1u ^ history[position] * 0x85EBCA6Bu;
    hash ^= hash >> 15;
    return &lookup->heads[hash & (lookup->head_count - 1)];
}

static void add_pair(struct lookup *lookup, const uint32_t *history, uint32_t position) {
    if (position == 0)
        return;
    uint32_t *head = head_of(lookup, history, position);
    lookup->previous[position] = *head;
    *head = position;
}

/* The place that shares the most tokens with the end of the text; of equal ones the latest. */
static void find_place(struct lookup *lookup, const uint32_t *history) {
    lookup->guess.source = 0;
    lookup->guess.shared = 1;
    if (lookup->count < 2)
        return;
    uint32_t last = lookup->count - 1;
    uint32_t place = lookup->previous[last];
    for (uint32_t i = 0; i < PLACES_MOST && place != 0; i++, place = lookup->previous[place]) {
        uint32_t shared = 0;
        while (shared < SHARED_MOST && shared <= place &&
               history[place - shared] == history[last - shared])
            shared++;
        if (shared > lookup->guess.shared) {
            lookup->guess.source = place + 1;
            lookup->guess.shared = shared;
        }
        if (shared == SHARED_MOST)
            return;
    }
}

void lookup_read(struct lookup *lookup, const uint32_t *history, uint32_t count) {
    for (uint32_t i = lookup->count; i < count; i++)
        add_pair(lookup, history, i);
    lookup->count = count;
    find_place(lookup, history);
}

static uint32_t class_of(uint32_t shared) {
    static const uint8_t classes[SHARED_MOST] = {0, 0, 0, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4};
    return shared < SHARED_MOST ? classes[shared] : LOOKUP_CLASSES - 1;
}

void lookup_follow(struct lookup *lookup, const uint32_t *history) {
    struct lookup_guess *guess = &lookup->guess;
    uint32_t position = lookup->count++;
    bool came_true = guess->source != 0 && history[guess->source] == history[position];
    if (guess->source != 0) {
        uint32_t *rate = &guess->rate[class_of(guess->shared)];
        if (came_true)
            *rate += (LOOKUP_ONE - *rate) >> RATE_SHIFT;
        else
            *rate -= *rate >> RATE_SHIFT;
    }
    add_pair(lookup, history, position);
    if (came_true) {
        guess->source++;
        guess->shared++;
    } else {
        find_place(lookup, history);
    }
}

void lookup_truncate(struct lookup *lookup, const uint32_t *history, uint32_t count) {
    while (lookup->count > count) {
        uint32_t position = --lookup->count;
        if (position > 0)
            *head_of(lookup, history, position) = lookup->previous[position];
    }
    lookup->guess.source = 0;
    lookup->guess.shared = 0;
}

/* How many of the first `count` guesses will come true before the first that does not, in units of 1/65536. */
static uint64_t expected_tokens(const struct lookup_guess *guess, uint32_t count) {
    uint64_t sum = 0, all_true = LOOKUP_ONE;
    for (uint32_t i = 0; i < count; i++) {
        all_true = all_true * guess->rate[class_of(guess->shared + i)] / LOOKUP_ONE;
        sum += all_true;
    }
    return sum;
}

/* Kernels compute tokens by fours, so only whole fours are weighed: the one that is sampled and 3 or 7 drafted ones. */
static uint32_t worthwhile(const struct lookup_guess *guess, uint32_t most,
                           const uint16_t cost[2]) {
    uint32_t best = 0;
    uint64_t best_gain = LOOKUP_ONE + LOOKUP_ONE / 32; /* what hardly pays may cost in truth */
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t count = 4 * i + 3;
        if (count > most)
            break;
        uint64_t gain = (LOOKUP_ONE + expected_tokens(guess, count)) * 100 / cost[i];
        if (gain > best_gain) {
            best = count;
            best_gain = gain;
        }
    }
    return best;
}

uint32_t lookup_draft(const struct lookup *lookup, uint32_t *history, uint32_t most,
                      const uint16_t cost[2]) {
    if (lookup->guess.source == 0)
        return 0;
    uint32_t count = cost == NULL ? most : worthwhile(&lookup->guess, most, cost);
    /* The place may run into the draft itself: a text that repeats its last tokens over and over. */
    for (uint32_t i = 0; i < count; i++)
        history[lookup->count + i] = history[lookup->guess.source + i];
    return count;
}
