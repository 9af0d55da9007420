/*
 * arriving.h: a prompt that is computed while its model still arrives: layer after layer, each for all tokens as soon as its
 * weights are there, in place of token after token through all layers. Keys and values come out with the same bits. What is
 * behind tercet_session_arrive*; tercet.h has the contracts.
 */
#ifndef TERCET_GENERATE_ARRIVING_H
#define TERCET_GENERATE_ARRIVING_H

#include "session.h"

/* Of the two residual streams that are kept between layers; 0 when it overflows. */
uint64_t arriving_bytes(const struct tercet_model *model, size_t count);
tercet_status arriving_begin(struct tercet_session *session, const uint32_t *tokens, size_t count,
                             tercet_error *error);
tercet_status arriving_continue(struct tercet_session *session, int *more, tercet_error *error);

#endif
