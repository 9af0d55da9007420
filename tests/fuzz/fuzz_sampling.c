/*
 * fuzz_sampling.c: any sampling options over any logits, masks and histories. The bytes are, in this order: size of the vocabulary,
 * which of the parts below there are, tokens of history, the options' own bytes, the mask, the history, the logits; what is missing
 * is zero. Options are refused with a sentence or, from then on, each token is one that mask and top-k allow, whatever the logits
 * are: a hostile model's are infinite or no numbers. Twice the same is twice the same token.
 */
#include "base/arena.h"
#include "generate/sampler.h"
#include "promise.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VOCABULARY_MOST 48u
#define HISTORY_MOST 16u
#define TOKENS 2u

enum { MASKED = 1, TAMED = 2 };

struct input {
    const uint8_t *bytes;
    size_t left;
};

static void take(struct input *input, void *to, size_t count) {
    size_t there = count < input->left ? count : input->left;
    memset(to, 0, count);
    if (there > 0)
        memcpy(to, input->bytes, there);
    input->bytes += there;
    input->left -= there;
}

/* Into the range of an option that is a number: else nearly every input is refused. */
static float tamed(float value, float most) {
    return value >= 0.0f && value <= most ? value : most;
}

static void tame(tercet_sampling *options) {
    options->temperature = tamed(options->temperature, 2.0f);
    options->top_p = options->top_p > 0.0f ? tamed(options->top_p, 0.9f) : 0.9f;
    options->min_p = tamed(options->min_p, 0.1f);
    options->repetition_penalty =
        options->repetition_penalty > 0.0f ? tamed(options->repetition_penalty, 1.1f) : 1.1f;
    options->repetition_window %= SAMPLER_WINDOW_MAX + 1;
    options->top_k %= 2 * VOCABULARY_MOST;
}

struct question {
    tercet_sampling options;
    uint32_t vocabulary, history_count;
    uint32_t mask[(VOCABULARY_MOST + 31) / 32];
    uint32_t history[HISTORY_MOST];
    float logits[VOCABULARY_MOST];
    bool masked;
};

static bool is_allowed(const struct question *q, uint32_t token) {
    return !q->masked || (q->mask[token / 32] >> (token % 32) & 1) != 0;
}

/* As top-k sees it, reckoned anew: how many allowed tokens are better than this one. */
static uint32_t better_tokens(const struct question *q, uint32_t token) {
    float logits[VOCABULARY_MOST];
    bool met[VOCABULARY_MOST] = {false};
    memcpy(logits, q->logits, sizeof logits);
    uint32_t window = q->options.repetition_window;
    for (uint32_t i = q->history_count > window ? q->history_count - window : 0;
         i < q->history_count; i++) {
        uint32_t id = q->history[i];
        if (!met[id])
            logits[id] = logits[id] > 0.0f ? logits[id] / q->options.repetition_penalty
                                           : logits[id] * q->options.repetition_penalty;
        met[id] = true;
    }
    uint32_t better = 0;
    for (uint32_t i = 0; i < q->vocabulary; i++)
        better += is_allowed(q, i) && logits[i] > logits[token];
    return better;
}

static bool has_numbers_alone(const struct question *q) {
    for (uint32_t i = 0; i < q->vocabulary; i++)
        if (!(q->logits[i] >= -1e30f && q->logits[i] <= 1e30f))
            return false;
    return true;
}

static void check_token(const struct question *q, uint32_t token) {
    bool any = false;
    for (uint32_t i = 0; i < q->vocabulary; i++)
        any = any || is_allowed(q, i);
    if (!any) {
        PROMISE(token == TERCET_NO_TOKEN);
        return;
    }
    PROMISE(token < q->vocabulary);
    PROMISE(is_allowed(q, token));
    /* A penalty near 0 makes infinities out of numbers. */
    if (!has_numbers_alone(q) || q->options.repetition_penalty < 1e-6f)
        return;
    uint32_t better = better_tokens(q, token);
    if (q->options.temperature == 0.0f)
        PROMISE(better == 0);
    if (q->options.top_k != 0)
        PROMISE(better < q->options.top_k);
}

static void sample_all(const struct question *q, uint32_t tokens[TOKENS]) {
    struct sampler sampler = {.vocabulary = 0};
    struct arena arena = {.memory = NULL};
    sampler_layout(&sampler, q->vocabulary, &arena);
    size_t bytes = (size_t)arena.used;
    tercet_allocator allocator = arena_default_allocator();
    void *block = allocator.alloc(allocator.opaque, bytes);
    PROMISE(block != NULL);
    memset(block, 0xA5, bytes);
    arena = (struct arena){.memory = block, .capacity = bytes};
    sampler_layout(&sampler, q->vocabulary, &arena);
    sampler_clear(&sampler);
    sampler_start(&sampler, &q->options);
    sampler_set_mask(&sampler, q->masked ? q->mask : NULL);
    for (uint32_t i = 0; i < TOKENS; i++)
        tokens[i] = sampler_sample(&sampler, q->logits, q->history, q->history_count);
    allocator.free(allocator.opaque, block, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    struct question q = {.vocabulary = 1};
    uint8_t head[3];
    take(&input, head, sizeof head);
    q.vocabulary = 1 + head[0] % VOCABULARY_MOST;
    q.masked = (head[1] & MASKED) != 0;
    q.history_count = head[2] % (HISTORY_MOST + 1);
    take(&input, &q.options, sizeof q.options);
    q.options.struct_bytes = (head[1] & 0xF0) == 0xF0 ? q.options.struct_bytes : sizeof q.options;
    if ((head[1] & TAMED) != 0)
        tame(&q.options);
    tercet_error error = {TERCET_OK, 0, ""};
    tercet_status status = sampler_check(&q.options, &error);
    if (status != TERCET_OK) {
        PROMISE(status == TERCET_BAD_ARGUMENT && error.detail[0] != '\0');
        return 0;
    }
    take(&input, q.mask, sizeof q.mask);
    take(&input, q.history, sizeof q.history);
    take(&input, q.logits, sizeof q.logits);
    for (uint32_t i = 0; i < HISTORY_MOST; i++)
        q.history[i] %= q.vocabulary;
    uint32_t first[TOKENS], again[TOKENS];
    sample_all(&q, first);
    sample_all(&q, again);
    PROMISE(memcmp(first, again, sizeof first) == 0);
    for (uint32_t i = 0; i < TOKENS; i++)
        check_token(&q, first[i]);
    return 0;
}
