/*
 * cpu_features.h: what this machine has. The only file with cpuid; no cache, no globals. In WebAssembly a module either
 * has an instruction or was refused, so everything compiled in is there; what can differ is how fast it is.
 */
#ifndef TERCET_BASE_CPU_FEATURES_H
#define TERCET_BASE_CPU_FEATURES_H

#include <stdint.h>

#define CPU_AVX2 1u        /* AVX2 and F16C, and the OS saves YMM registers */
#define CPU_AVX_VNNI 2u    /* vpdpbusd on YMM registers without AVX-512; CPU_AVX2 is there too */
#define CPU_AVX512_VNNI 4u /* AVX-512 F, BW, DQ, VL and VNNI, and the OS saves ZMM; CPU_AVX2 too */
#define CPU_ARM_DOTPROD 8u /* Advanced SIMD with SDOT and UDOT */
#define CPU_WASM_DOT 16u   /* i32x4.relaxed_dot_i8x16_i7x16_add_s is no pair of 16-bit steps */

uint32_t cpu_features(void);

#endif
