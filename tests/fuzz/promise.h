/* promise.h - what a fuzz target says must hold: the program ends where it does not, so that a fuzzer keeps the input. */
#ifndef TERCET_TESTS_FUZZ_PROMISE_H
#define TERCET_TESTS_FUZZ_PROMISE_H

#include <stdio.h>
#include <stdlib.h>

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: this does not hold: %s\n", __FILE__, __LINE__, #condition);    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
