/*
 * cpu_features.c: asks the processor and the operating system. Must never cache the answer in a
 * global (the question is asked once, when an engine is made) nor promise an instruction set whose
 * registers the system does not save.
 */
#include "cpu_features.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

/* XCR0 says which registers the system saves on a switch: bit 1 XMM, bit 2 the upper half of YMM. */
static uint32_t saved_registers(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

uint32_t cpu_features(void) {
    const uint32_t osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29; /* leaf 1, ECX */
    const uint32_t avx2 = 1u << 5;                                      /* leaf 7.0, EBX */
    uint32_t a, b, c, d;
    uint32_t features = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (osxsave | avx | f16c)) != (osxsave | avx | f16c)) {
        return 0;
    }
    if ((saved_registers() & 6u) != 6u) {
        return 0;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & avx2) != 0) {
        features |= CPU_AVX2;
    }
    return features;
}

#else

uint32_t cpu_features(void) {
    return 0;
}

#endif
