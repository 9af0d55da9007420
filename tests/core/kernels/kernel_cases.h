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

/* 0 for the inputs and sizes of every day; another number for others (`--seed N`). */
static uint32_t case_seed;

/* 1 to 70, then the real ones; with a seed, up to as much above these. */
static inline uint32_t size_at(uint32_t index) {
    if (index < SMALL_SIZES)
        return index + 1;
    uint32_t real = real_sizes[index - SMALL_SIZES];
    uint32_t more = (case_seed * 0x9E3779B1u ^ index * 0x85EBCA77u) >> 8;
    return case_seed == 0 || real > 2560 ? real : real + more % 128;
}
enum { SIZES = SMALL_SIZES + REAL_SIZES };

/* `--seed N`: other inputs, and other sizes beyond the small ones. */
static inline void take_seed(int argc, char **argv) {
    if (argc < 3 || strcmp(argv[1], "--seed") != 0)
        return;
    char *end;
    unsigned long seed = strtoul(argv[2], &end, 10);
    REQUIRE(argv[2][0] != '\0' && *end == '\0' && seed > 0 && seed <= UINT32_MAX);
    case_seed = (uint32_t)seed;
    random_state ^= (uint64_t)seed << 17 ^ seed;
    for (int i = 0; i < 8; i++)
        (void)random_u32();
}

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
        unsigned long before = check_state_.made - guarded_askings;
        check(&set);
        printf("%s: checked\n", set.name);
        if (case_seed != 0)
            printf("%s: %lu cases\n", set.name, check_state_.made - guarded_askings - before);
    }
    return check_done();
}

#endif
