/*
 * kernel_cases.h: what the programs that check kernels share: comparing, the sizes that reach every tail and the counts of
 * tokens that reach every block of every set, and the walk over the sets of this machine.
 */
#ifndef TERCET_TESTS_KERNEL_CASES_H
#define TERCET_TESTS_KERNEL_CASES_H

#include "base/cpu_features.h"
#include "kernel_inputs.h"
#include "kernel_reference.h"

#include <stdbool.h>

/* Bits, except that a NaN may be any NaN: IEEE 754 and WebAssembly leave its payload open. */
static inline bool same_floats(const float *a, const float *b, size_t n) {
    if (memcmp(a, b, n * sizeof *a) == 0) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        bool nans = a[i] != a[i] && b[i] != b[i];
        if (!nans && math_float_bits(a[i]) != math_float_bits(b[i])) {
            fprintf(stderr, "    value %zu of %zu: portable %a, got %a\n", i, n, (double)a[i],
                    (double)b[i]);
            return false;
        }
    }
    return true;
}

/* A failed comparison is reported with what was compared. */
#define CHECK_CASE(condition, ...)                                                                 \
    do {                                                                                           \
        if (!CHECK(condition)) {                                                                   \
            fprintf(stderr, "    " __VA_ARGS__);                                                   \
            fputc('\n', stderr);                                                                   \
        }                                                                                          \
    } while (0)

static const uint32_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 64};
enum { COUNTS = sizeof counts / sizeof counts[0] };

static const uint32_t real_sizes[] = {128, 240, 256, 257, 320, 768, 1600, 2560, 6912};
enum { REAL_SIZES = sizeof real_sizes / sizeof real_sizes[0], SMALL_SIZES = 70 };

/* 1 to 70, then the real ones. */
static inline uint32_t size_at(uint32_t index) {
    return index < SMALL_SIZES ? index + 1 : real_sizes[index - SMALL_SIZES];
}
enum { SIZES = SMALL_SIZES + REAL_SIZES };

/* Calls `check` for each set that runs here, complete as select.c makes it. The program's exit status. */
static inline int check_each_set(void (*check)(const struct tercet_kernels *set)) {
    for (uint32_t i = 0; kernels_at(i) != NULL; i++) {
        struct tercet_kernels set;
        char note[192];
        if ((kernels_at(i)->needs & ~cpu_features()) != 0) {
            printf("%s: not on this machine\n", kernels_at(i)->name);
            continue;
        }
        if (!CHECK(kernels_select(kernels_at(i)->name, &set, note))) {
            fprintf(stderr, "    %s\n", note);
            continue;
        }
        check(&set);
        printf("%s: checked\n", set.name);
    }
    return check_done();
}

#endif
