/* check.h - the assertion macros of every C test.
 *
 * A test is a program: main runs checks and returns check_done(). A failed check prints where and
 * what and the test goes on, so that one run shows every failure; check_done() turns the count into
 * the exit status, and also fails a program that checked nothing. REQUIRE ends the test at once,
 * for what the rest cannot do without.
 *
 * Never included by the product, and never compiled out: it does not depend on NDEBUG. Checks may
 * be made from one thread at a time only.
 */
#ifndef TERCET_TESTS_CHECK_H
#define TERCET_TESTS_CHECK_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_state {
    unsigned long made;
    unsigned long failed;
};

/* One state per program: a test is one translation unit, so `static` is enough. */
static struct check_state check_state_;

/* After this many failures the rest are counted and not printed: a broken loop over a million
 * values must not bury its first line. */
enum { CHECK_MAX_PRINTED = 20 };

static inline int check_report_(int ok, const char *file, int line, const char *text) {
    check_state_.made++;
    if (ok) {
        return 1;
    }
    check_state_.failed++;
    if (check_state_.failed <= CHECK_MAX_PRINTED) {
        fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
    }
    return 0;
}

static inline int check_eq_(intmax_t a, intmax_t b, const char *file, int line, const char *text) {
    int ok = check_report_(a == b, file, line, text);
    if (!ok && check_state_.failed <= CHECK_MAX_PRINTED) {
        fprintf(stderr, "    left  = %" PRIdMAX "\n    right = %" PRIdMAX "\n", a, b);
    }
    return ok;
}

static inline int check_near_(double a, double b, double tolerance, const char *file, int line,
                              const char *text) {
    double distance = a > b ? a - b : b - a;
    /* Written so that a NaN on either side fails. */
    int ok = check_report_(distance <= tolerance, file, line, text);
    if (!ok && check_state_.failed <= CHECK_MAX_PRINTED) {
        fprintf(stderr, "    left  = %.9g\n    right = %.9g\n    allowed distance %.3g, is %.3g\n",
                a, b, tolerance, distance);
    }
    return ok;
}

static inline int check_str_(const char *a, const char *b, const char *file, int line,
                             const char *text) {
    int ok = check_report_(a && b && strcmp(a, b) == 0, file, line, text);
    if (!ok && check_state_.failed <= CHECK_MAX_PRINTED) {
        fprintf(stderr, "    left  = \"%s\"\n    right = \"%s\"\n", a ? a : "(null)",
                b ? b : "(null)");
    }
    return ok;
}

static inline int check_mem_(const void *a, const void *b, size_t bytes, const char *file, int line,
                             const char *text) {
    const unsigned char *x = a, *y = b;
    size_t at = 0;
    while (at < bytes && x[at] == y[at]) {
        at++;
    }
    int ok = check_report_(at == bytes, file, line, text);
    if (!ok && check_state_.failed <= CHECK_MAX_PRINTED) {
        fprintf(stderr, "    first difference at byte %zu of %zu: 0x%02x, 0x%02x\n", at, bytes,
                x[at], y[at]);
    }
    return ok;
}

static inline int check_done(void) {
    if (check_state_.made == 0) {
        fprintf(stderr, "no check was made: the test proves nothing\n");
        return 1;
    }
    if (check_state_.failed > 0) {
        fprintf(stderr, "%lu of %lu checks failed\n", check_state_.failed, check_state_.made);
        return 1;
    }
    printf("%lu checks passed\n", check_state_.made);
    return 0;
}

/* Each evaluates its arguments once and yields 1 when it holds, 0 when not. */
#define CHECK(cond) check_report_((cond) ? 1 : 0, __FILE__, __LINE__, #cond)

/* Any integer or enum type; 64-bit unsigned values compare by their bits. */
#define CHECK_EQ(a, b) check_eq_((intmax_t)(a), (intmax_t)(b), __FILE__, __LINE__, #a " == " #b)

/* A call that answers with a status: what it answered must be `want`. */
#define CHECK_STATUS(call, want)                                                                   \
    check_eq_((intmax_t)(call), (intmax_t)(want), __FILE__, __LINE__, #call " gives " #want)

/* |a - b| <= tolerance; a NaN never holds. */
#define CHECK_NEAR(a, b, tolerance)                                                                \
    check_near_((double)(a), (double)(b), (double)(tolerance), __FILE__, __LINE__, #a " ~ " #b)

#define CHECK_STR(a, b) check_str_((a), (b), __FILE__, __LINE__, #a " is " #b)

#define CHECK_MEM(a, b, bytes)                                                                     \
    check_mem_((a), (b), (bytes), __FILE__, __LINE__, #a " has the bytes of " #b)

/* Ends the program when it does not hold. */
#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!check_report_((cond) ? 1 : 0, __FILE__, __LINE__, #cond)) {                           \
            exit(check_done());                                                                    \
        }                                                                                          \
    } while (0)

#endif
