/*
 * merge_machine.h: byte-pair merging, the same for byte-level BPE and SentencePiece: of all adjacent pairs that a merge
 * joins, take the one of lowest rank, the leftmost on a tie, until none is left. Symbols stand in a linked list, waiting
 * pairs in a binary heap: n symbols cost O(n log n). Knows token ids only, no text.
 */
#ifndef TERCET_TEXT_MERGE_MACHINE_H
#define TERCET_TEXT_MERGE_MACHINE_H

#include "../container/container_reader.h"

#define MERGE_NONE 0xFFFFFFFFu

struct merge_symbol {
    uint32_t token;
    uint32_t previous, next; /* indices or MERGE_NONE */
    uint32_t merge;          /* the merge that joins this symbol and the next, or MERGE_NONE */
};

struct merge_machine {
    const struct container_tokenizer *tables;
    struct merge_symbol *symbols; /* [capacity] */
    uint64_t *heap;               /* [2 x capacity]: rank << 32 | symbol index */
    uint32_t capacity, count, waiting;
    uint64_t
        looked_up; /* pairs since `place`, at most 3 for each symbol: what the work is counted by */
};

#define MERGE_MACHINE_SYMBOL_BYTES 32u
/* Bytes of memory for `capacity` symbols. */
uint64_t merge_machine_bytes(uint64_t capacity);
/* `memory` is 8-aligned; capacity < 2^31. */
void merge_machine_place(struct merge_machine *machine, const struct container_tokenizer *tables,
                         void *memory, uint32_t capacity);
/* Forgets the symbols of the last run. */
void merge_machine_clear(struct merge_machine *machine);
/* Adds a symbol on the right; false when there is no room. */
bool merge_machine_push(struct merge_machine *machine, uint32_t token);
/* Merges. What is left is symbol 0 and on along `next`. */
void merge_machine_run(struct merge_machine *machine);

#endif
