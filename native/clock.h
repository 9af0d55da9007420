/*
 * clock.h: seconds that never go back, for timings. Core has no clock; hosts have this one.
 * The including file must have asked for POSIX (_GNU_SOURCE) before its first include.
 */
#ifndef TERCET_NATIVE_CLOCK_H
#define TERCET_NATIVE_CLOCK_H

#include <time.h>

static inline double clock_seconds(void) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A rate that stays finite for work too short to time. */
static inline double clock_rate(double amount, double seconds) {
    return seconds > 0 ? amount / seconds : 0;
}

#endif
