/*
 * sampler.c: see sampler.h. Candidates leave a heap best first, ties by lower id, so only as many are ordered as top-k or
 * top-p ask for. Sums run in that order in f64, hence the same everywhere.
 */
#include "sampler.h"
#include "../base/math.h"

#include <string.h>

static uint32_t mask_words(uint32_t vocabulary) {
    return vocabulary / 32 + (vocabulary % 32 != 0);
}

void sampler_layout(struct sampler *sampler, uint32_t vocabulary, struct arena *arena) {
    sampler->vocabulary = vocabulary;
    sampler->logits = arena_take(arena, vocabulary, sizeof(float));
    sampler->weights = arena_take(arena, vocabulary, sizeof(float));
    sampler->heap = arena_take(arena, vocabulary, sizeof(uint32_t));
    sampler->kept = arena_take(arena, vocabulary, sizeof(uint32_t));
    sampler->marked_at = arena_take(arena, vocabulary, sizeof(uint32_t));
    sampler->allowed = arena_take(arena, mask_words(vocabulary), sizeof(uint32_t));
}

void sampler_clear(struct sampler *sampler) {
    memset(sampler->marked_at, 0, (size_t)sampler->vocabulary * sizeof(uint32_t));
    sampler->round = 0;
}

/* Written so that a NaN is out of every range. */
static bool within(float value, float least, float most) {
    return value >= least && value <= most;
}

tercet_status sampler_check(const tercet_sampling *o, tercet_error *error) {
    if (o->struct_bytes != sizeof *o)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "the sampling options were not initialised");
    if (!within(o->temperature, 0.0f, 100.0f))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "temperature must be between 0 and 100");
    if (!within(o->top_p, 0.0f, 1.0f) || o->top_p <= 0.0f)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "top-p must be above 0 and at most 1");
    if (!within(o->min_p, 0.0f, 1.0f))
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "min-p must be between 0 and 1");
    if (!within(o->repetition_penalty, 0.0f, 100.0f) || o->repetition_penalty <= 0.0f)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "repetition penalty must be above 0 and at most 100");
    if (o->repetition_window > SAMPLER_WINDOW_MAX)
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "repetition window must be at most %u",
                           SAMPLER_WINDOW_MAX);
    return TERCET_OK;
}

/* splitmix64 (Steele, Lea, Flood 2014) spreads the seed over the state, as the authors of xoshiro advise. */
static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t value, int bits) {
    return (value << bits) | (value >> (64 - bits));
}

/* xoshiro256** 1.0 (Blackman and Vigna 2018); the top 53 bits as a number in [0, 1). */
static double next_uniform(uint64_t s[4]) {
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return (double)(result >> 11) * 0x1p-53;
}

void sampler_start(struct sampler *sampler, const tercet_sampling *options) {
    sampler->options = *options;
    uint64_t state = options->seed;
    for (int i = 0; i < 4; i++)
        sampler->random[i] = splitmix64(&state);
}

void sampler_set_mask(struct sampler *sampler, const uint32_t *words) {
    sampler->masked = words != NULL;
    if (words != NULL)
        memmove(sampler->allowed, words, mask_words(sampler->vocabulary) * sizeof *words);
}

/* What is not allowed has the least of all logits, hence no weight in a draw. The first that is allowed, TERCET_NO_TOKEN
 * without one: nothing else is a safe answer where all logits are NaN. */
static uint32_t apply_mask(struct sampler *s) {
    uint32_t first = TERCET_NO_TOKEN;
    if (!s->masked)
        return 0;
    for (uint32_t i = 0; i < s->vocabulary; i++) {
        if ((s->allowed[i / 32] >> (i % 32) & 1) == 0)
            s->logits[i] = math_float_from_bits(0xFF800000u); /* minus infinity */
        else if (first == TERCET_NO_TOKEN)
            first = i;
    }
    return first;
}

/* Each recent token once, however often it occurred: marks instead of a clean-up after each round. */
static void apply_repetition_penalty(struct sampler *s, const uint32_t *history, uint32_t count) {
    float penalty = s->options.repetition_penalty;
    if (penalty == 1.0f || s->options.repetition_window == 0)
        return;
    if (++s->round == 0) {
        sampler_clear(s);
        s->round = 1;
    }
    uint32_t first =
        count > s->options.repetition_window ? count - s->options.repetition_window : 0;
    for (uint32_t i = first; i < count; i++) {
        uint32_t token = history[i];
        if (s->marked_at[token] == s->round)
            continue;
        s->marked_at[token] = s->round;
        float logit = s->logits[token];
        s->logits[token] = logit > 0.0f ? logit / penalty : logit * penalty;
    }
}

static uint32_t best_token(const float *logits, uint32_t count, uint32_t first) {
    uint32_t best = first;
    for (uint32_t i = first + 1; i < count; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* A candidate is better with the higher logit, then with the lower id. */
static bool better(const float *logits, uint32_t a, uint32_t b) {
    if (logits[a] > logits[b])
        return true;
    if (logits[a] < logits[b])
        return false;
    return a < b;
}

static void sift_down(uint32_t *heap, uint32_t count, uint32_t at, const float *logits) {
    uint32_t moved = heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && better(logits, heap[child + 1], heap[child]))
            child++;
        if (!better(logits, heap[child], moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

struct candidates {
    uint32_t count;
    double sum; /* of their weights */
};

/* Best first: at most top_k, and no more than top_p needs. */
static struct candidates keep_best(struct sampler *s) {
    const tercet_sampling *o = &s->options;
    uint32_t n = s->vocabulary;
    uint32_t most = o->top_k != 0 && o->top_k < n ? o->top_k : n;
    for (uint32_t i = 0; i < n; i++)
        s->heap[i] = i;
    for (uint32_t i = n / 2; i-- > 0;)
        sift_down(s->heap, n, i, s->logits);

    /* Without top-k the mass that top-p refers to is that of all tokens, known before any is ordered. */
    double target = 0.0;
    if (most == n) {
        for (uint32_t i = 0; i < n; i++)
            target += (double)s->weights[i];
        target *= (double)o->top_p;
    }
    struct candidates kept = {0, 0.0};
    uint32_t left = n;
    while (kept.count < most) {
        uint32_t token = s->heap[0];
        s->heap[0] = s->heap[--left];
        if (left > 0)
            sift_down(s->heap, left, 0, s->logits);
        s->kept[kept.count++] = token;
        kept.sum += (double)s->weights[token];
        if (most == n && kept.sum >= target)
            break;
    }
    if (most < n && o->top_p < 1.0f) {
        target = kept.sum * (double)o->top_p;
        double sum = 0.0;
        uint32_t count = 0;
        do
            sum += (double)s->weights[s->kept[count++]];
        while (count < kept.count && sum < target);
        kept = (struct candidates){count, sum};
    }
    return kept;
}

static struct candidates keep_all(struct sampler *s) {
    struct candidates kept = {s->vocabulary, 0.0};
    for (uint32_t i = 0; i < s->vocabulary; i++) {
        s->kept[i] = i;
        kept.sum += (double)s->weights[i];
    }
    return kept;
}

/* The best token has weight exp(0) = 1, so min_p is its own threshold and the best always stays. */
static struct candidates drop_unlikely(struct sampler *s, struct candidates kept) {
    if (s->options.min_p <= 0.0f)
        return kept;
    struct candidates left = {0, 0.0};
    for (uint32_t i = 0; i < kept.count; i++) {
        uint32_t token = s->kept[i];
        if (s->weights[token] < s->options.min_p)
            continue;
        s->kept[left.count++] = token;
        left.sum += (double)s->weights[token];
    }
    return left;
}

uint32_t sampler_sample(struct sampler *s, const float *logits, const uint32_t *history,
                        uint32_t history_count) {
    memcpy(s->logits, logits, (size_t)s->vocabulary * sizeof(float));
    uint32_t first = apply_mask(s);
    if (first == TERCET_NO_TOKEN)
        return first;
    apply_repetition_penalty(s, history, history_count);
    uint32_t best = best_token(s->logits, s->vocabulary, first);
    if (s->options.temperature == 0.0f)
        return best;

    float highest = s->logits[best], temperature = s->options.temperature;
    for (uint32_t i = 0; i < s->vocabulary; i++) {
        float weight = math_exp((s->logits[i] - highest) / temperature);
        s->weights[i] = weight >= 0.0f ? weight : 0.0f; /* a NaN has no chance */
    }
    bool ordered =
        s->options.top_p < 1.0f || (s->options.top_k != 0 && s->options.top_k < s->vocabulary);
    struct candidates kept = drop_unlikely(s, ordered ? keep_best(s) : keep_all(s));

    double threshold = next_uniform(s->random) * kept.sum, sum = 0.0;
    for (uint32_t i = 0; i < kept.count; i++) {
        sum += (double)s->weights[s->kept[i]];
        if (sum > threshold)
            return s->kept[i];
    }
    return best; /* rounding at the very end of the sum, or nothing but NaN */
}
