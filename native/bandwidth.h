/*
 * bandwidth.h: how fast this machine reads memory: the limit that a token of a ternary model cannot
 * beat. Four concurrent streams a thread, because one stream leaves a third of it unused. Measured
 * in a child process, so that its buffer never counts as this program's memory.
 */
#ifndef TERCET_NATIVE_BANDWIDTH_H
#define TERCET_NATIVE_BANDWIDTH_H

#include <stdbool.h>
#include <stdint.h>

enum { BANDWIDTH_STREAMS = 4 };

struct bandwidth {
    double bytes_per_second;
    uint64_t buffer_bytes;
    bool
        buffer_is_large; /* at least four times the last-level cache, so that memory was measured */
};

/* The best of several passes with `threads` threads of `streams` streams each (1 to BANDWIDTH_STREAMS). False when it could not be measured (no
 * memory, no process). Call while no other thread of this process is running. */
bool bandwidth_measure(uint32_t threads, uint32_t streams, struct bandwidth *result);

#endif
