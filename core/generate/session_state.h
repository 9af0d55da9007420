/*
 * session_state.h: what a session knows of its text, as bytes: the tokens, and what the model keeps of them (keys and values, or
 * states). The same on every build, so that a text begun in one twin goes on in the other. Written and read in parts of any
 * size, since no host has room for a second copy of a cache.
 *
 *   0   "TERCETSS"
 *   8   u32 version (1), u32 form of the cache (TERCET_KV_*), u32 tokens, u32 zero
 *   24  u64 bytes in all
 *   32  model id
 *   64  u32 [tokens]; then the runs of memory that kv_cache_runs or state_space_runs names, layer after layer
 *
 * Every number is checked before the first byte is taken over, the tokens and every value before the text counts. Hashes are the host's
 * business.
 */
#ifndef TERCET_GENERATE_SESSION_STATE_H
#define TERCET_GENERATE_SESSION_STATE_H

#include "session.h"

uint64_t session_state_bytes(const struct tercet_session *session);
/* Bytes [offset, offset + count) of the state. */
tercet_status session_save(struct tercet_session *session, uint64_t offset, void *bytes,
                           uint64_t count, tercet_error *error);
/* The parts in order, the first one with the whole header. */
tercet_status session_restore(struct tercet_session *session, uint64_t offset, const void *bytes,
                              uint64_t count, tercet_error *error);

#endif
