/*
 * cpu_features.c: asks the processor and the operating system. Must never cache the answer in a
 * global (the question is asked once, when an engine is made) nor promise an instruction set whose
 * registers the system does not save.
 */
#include "cpu_features.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#include <stdbool.h>

/* XCR0 says which registers the system saves on a switch: bit 1 XMM, bit 2 the upper half of YMM,
 * bits 5 to 7 the mask registers, the upper half of ZMM and the registers 16 to 31. */
enum { SAVES_YMM = 0x06, SAVES_ZMM = 0xE6 };
static uint32_t saved_registers(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has_all(uint32_t word, uint32_t bits) {
    return (word & bits) == bits;
}

uint32_t cpu_features(void) {
    const uint32_t osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29; /* leaf 1, ECX */
    const uint32_t avx2 = 1u << 5;                                      /* leaf 7.0, EBX */
    const uint32_t avx512 =
        1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* there too: F, DQ, BW, VL */
    const uint32_t avx512_vnni = 1u << 11;         /* leaf 7.0, ECX */
    const uint32_t avx_vnni = 1u << 4;             /* leaf 7.1, EAX */
    uint32_t a, b, c, d;
    /* Branches not counted: another machine answers otherwise */
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has_all(c, osxsave | avx | f16c)) {
        return 0;
    }
    uint32_t saved = saved_registers();
    /* Branches not counted: so does another system */
    if (!has_all(saved, SAVES_YMM) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
        !has_all(b, avx2)) {
        return 0;
    }
    uint32_t features = CPU_AVX2;
    /* Branches not counted: and here */
    if (has_all(saved, SAVES_ZMM) && has_all(b, avx512) && has_all(c, avx512_vnni)) {
        features |= CPU_AVX512_VNNI;
    }
    /* EAX of leaf 7.0 is the last leaf below it that exists. */
    /* Branches not counted: and here */
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && has_all(a, avx_vnni)) {
        features |= CPU_AVX_VNNI;
    }
    return features;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

uint32_t cpu_features(void) {
    const unsigned long dot_product = 1ul << 20; /* HWCAP_ASIMDDP of <asm/hwcap.h> */
    return (getauxval(AT_HWCAP) & dot_product) != 0 ? CPU_ARM_DOTPROD : 0;
}

#elif defined(__wasm_relaxed_simd__)
#include <wasm_simd128.h>

/* Where an engine has to build the dot product from vpmaddubsw and vpmaddwd, an operand beyond 127 (which no kernel
 * uses) makes the sum of two products, 2 * 127 * 255, stop at 32767. AVX-VNNI does not stop, SDOT takes 255 for -1. */
uint32_t cpu_features(void) {
    volatile int8_t beyond = -1, most = 127; /* so that no compiler works it out itself */
    v128_t dot = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(
        wasm_i8x16_splat(most), wasm_i8x16_splat(beyond), wasm_i32x4_splat(0));
    return wasm_i32x4_extract_lane(dot, 0) != 2 * 32767 ? CPU_WASM_DOT : 0;
}

#else

uint32_t cpu_features(void) {
    return 0;
}

#endif
