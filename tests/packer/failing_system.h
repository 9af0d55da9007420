/*
 * failing_system.h: calls to the system that fail when a test asks: each of these functions stands in for libc's and
 * forwards to it until `inject` chose the n-th call of its kind; with `fault.from_then_on` every later one fails too. For one test program, which includes it once and first
 * (it needs _GNU_SOURCE).
 */
#ifndef TERCET_TESTS_FAILING_SYSTEM_H
#define TERCET_TESTS_FAILING_SYSTEM_H

#include "failing_memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <unistd.h>

enum call { NOTHING, PWRITE, PREAD, FSYNC, RENAME, CLOSE };

static struct {
    enum call call;
    unsigned at;          /* which call of the kind, from 1 */
    int number;           /* errno; 0: pwrite and pread do only part of the work */
    bool from_then_on;    /* set after `inject`: every later one as well */
    unsigned made;        /* calls of the kind so far */
    uint64_t free_blocks; /* fstatvfs answers this if not 0 */
} fault;

static void inject(enum call call, unsigned at, int number) {
    memset(&fault, 0, sizeof fault);
    fault.call = call;
    fault.at = at;
    fault.number = number;
}

static bool is_due(enum call call) {
    if (fault.call != call)
        return false;
    fault.made++;
    return fault.made == fault.at || (fault.from_then_on && fault.made > fault.at);
}

/* POSIX lets dlsym's result be called; ISO C does not let it be cast. */
static void find_next(const char *name, void *function, size_t bytes) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    memcpy(function, &found, bytes);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    ssize_t (*next)(int, const void *, size_t, off_t);
    find_next("pwrite", &next, sizeof next);
    if (is_due(PWRITE)) {
        if (fault.number == 0)
            return next(descriptor, bytes, count / 2, offset);
        errno = fault.number;
        return -1;
    }
    return next(descriptor, bytes, count, offset);
}

ssize_t pread(int descriptor, void *bytes, size_t count, off_t offset) {
    ssize_t (*next)(int, void *, size_t, off_t);
    find_next("pread", &next, sizeof next);
    if (is_due(PREAD)) {
        if (fault.number == 0)
            return next(descriptor, bytes, count / 2, offset);
        errno = fault.number;
        return -1;
    }
    return next(descriptor, bytes, count, offset);
}

int fsync(int descriptor) {
    int (*next)(int);
    find_next("fsync", &next, sizeof next);
    if (is_due(FSYNC)) {
        errno = fault.number;
        return -1;
    }
    return next(descriptor);
}

int rename(const char *from, const char *to) {
    int (*next)(const char *, const char *);
    find_next("rename", &next, sizeof next);
    if (is_due(RENAME)) {
        errno = fault.number;
        return -1;
    }
    return next(from, to);
}

int close(int descriptor) {
    int (*next)(int);
    find_next("close", &next, sizeof next);
    int result = next(descriptor);
    if (is_due(CLOSE)) {
        errno = fault.number;
        return -1;
    }
    return result;
}

int fstatvfs(int descriptor, struct statvfs *system) {
    int (*next)(int, struct statvfs *);
    find_next("fstatvfs", &next, sizeof next);
    int result = next(descriptor, system);
    if (fault.free_blocks != 0)
        system->f_bavail = fault.free_blocks;
    return result;
}

#endif
