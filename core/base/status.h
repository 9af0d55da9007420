/*
 * status.h: filling a tercet_error. The list of statuses itself is public and lives in tercet.h; this is the one way
 * that core reports one. No I/O, no allocation; works with error == NULL.
 */
#ifndef TERCET_BASE_STATUS_H
#define TERCET_BASE_STATUS_H

#include "../include/tercet.h"

/* Fills *error (if not NULL) and returns status. The format knows %s (char*), %u (uint32_t), %llu (unsigned long long)
 * and %%; core has no printf. Text is cut at the end of detail. */
tercet_status tercet_fail(tercet_error *error, tercet_status status, uint64_t where,
                          const char *format, ...);

/* Hands an error up unchanged. */
#define TERCET_TRY(call)                                                                           \
    do {                                                                                           \
        tercet_status try_status = (call);                                                         \
        if (try_status != TERCET_OK)                                                               \
            return try_status;                                                                     \
    } while (0)

#endif
