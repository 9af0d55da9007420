/*
 * logprobs.h: how likely a token was: the logarithm of its probability by the model's logits alone, before temperature and every
 * other choice of sampling. The same bits on every build, like all that a text is made from.
 */
#ifndef TERCET_GENERATE_LOGPROBS_H
#define TERCET_GENERATE_LOGPROBS_H

#include "../include/tercet.h"

/* ln of the sum of e^logit, the highest taken out first so that nothing overflows. */
double logprobs_total(const float *logits, uint32_t vocabulary);
/* The token that was chosen, and the `top` likeliest, best first, the lower id on a tie; top <= TERCET_LOGPROBS_TOP_MAX. */
void logprobs_read(tercet_logprobs *logprobs, const float *logits, uint32_t vocabulary,
                   uint32_t chosen, uint32_t top);

#endif
