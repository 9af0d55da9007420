/*
 * edge_mutator.h: a mutator for binary tables, which only a fuzzer calls. It never makes an input right: it puts edge values
 * into 32- and 64-bit fields, which blind byte changes seldom hit. For one target, which includes it once.
 */
#ifndef TERCET_TESTS_FUZZ_EDGE_MUTATOR_H
#define TERCET_TESTS_FUZZ_EDGE_MUTATOR_H

#ifdef TERCET_LIBFUZZER
#include <stddef.h>
#include <stdint.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    static const uint64_t edges[] = {0,  1,      2,          3,          4,          6,         7,
                                     64, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, UINT64_MAX};
    if (seed % 2 == 0 || size < 8)
        return LLVMFuzzerMutate(data, size, max_size);
    size_t width = (seed >> 1) % 2 == 0 ? 4 : 8;
    size_t at = ((seed >> 2) % (size / 4)) * 4;
    if (size - at < width)
        return LLVMFuzzerMutate(data, size, max_size);
    uint64_t value = 0;
    memcpy(&value, data + at, width);
    switch ((seed >> 20) % 4) {
    case 0:
        value = edges[(seed >> 22) % (sizeof edges / sizeof *edges)];
        break;
    case 1:
        value += 1;
        break;
    case 2:
        value -= 1;
        break;
    default:
        value ^= UINT64_C(1) << ((seed >> 22) % (8 * width));
        break;
    }
    memcpy(data + at, &value, width);
    return size;
}
#endif

#endif
