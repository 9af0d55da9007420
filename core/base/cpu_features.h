/*
 * cpu_features.h: what this machine has. The only file with cpuid; no cache, no globals. In WebAssembly a module either
 * has an instruction or was refused, so everything compiled in is there.
 */
#ifndef TERCET_BASE_CPU_FEATURES_H
#define TERCET_BASE_CPU_FEATURES_H

#include <stdint.h>

#define CPU_AVX2 1u /* AVX2 and F16C, and the OS saves YMM registers */

uint32_t cpu_features(void);

#endif
