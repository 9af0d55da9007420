/*
 * wide_vectors.h: marks the loops that packing spends its time in. For the native program on x86 the compiler makes each of
 * them twice, for AVX2 and for any processor, and the program takes the one that fits when it starts; everywhere else the mark
 * is empty. It is the same text both times, without fused multiply-adds (-ffp-contract=off), so the bits are the same. The
 * sanitizer and coverage builds have the plain version alone: the same tests hold both.
 */
#ifndef TERCET_PACKER_WIDE_VECTORS_H
#define TERCET_PACKER_WIDE_VECTORS_H

#include <stddef.h> /* __GLIBC__: others cannot choose while a program is loaded */

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&       \
    !defined(__SANITIZE_ADDRESS__)
#define WIDE_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define WIDE_VECTORS
#endif

#endif
