/*
 * logprobs.c: see logprobs.h. The sum runs in f64 in the order of the ids.
 */
#include "logprobs.h"
#include "../base/math.h"

double logprobs_total(const float *logits, uint32_t vocabulary) {
    float highest = logits[0];
    for (uint32_t i = 1; i < vocabulary; i++)
        highest = logits[i] > highest ? logits[i] : highest;
    double sum = 0.0;
    for (uint32_t i = 0; i < vocabulary; i++)
        sum += (double)math_exp(logits[i] - highest);
    return math_log(sum) + (double)highest;
}

void logprobs_read(tercet_logprobs *logprobs, const float *logits, uint32_t vocabulary,
                   uint32_t chosen, uint32_t top) {
    double total = logprobs_total(logits, vocabulary);
    uint32_t *best = logprobs->tokens;
    uint32_t count = 0;
    for (uint32_t i = 0; i < vocabulary && top > 0; i++) {
        if (count == top && !(logits[i] > logits[best[count - 1]]))
            continue;
        uint32_t at = count < top ? count++ : count - 1;
        for (; at > 0 && logits[i] > logits[best[at - 1]]; at--)
            best[at] = best[at - 1];
        best[at] = i;
    }
    logprobs->count = count;
    for (uint32_t i = 0; i < count; i++)
        logprobs->values[i] = (float)((double)logits[best[i]] - total);
    logprobs->chosen = (float)((double)logits[chosen] - total);
}
