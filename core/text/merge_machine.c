/*
 * merge_machine.c: see merge_machine.h.
 *
 * A pair that waits in the heap may meanwhile be gone, because one of its two symbols was merged. It is not searched for
 * then, but recognised when its turn comes: its symbol no longer has a merge of that rank. Room: n symbols put at most
 * n - 1 pairs into the heap at first, and each of at most n - 1 merges takes one out and puts two in: 2n is enough.
 */
#include "merge_machine.h"

uint64_t merge_machine_bytes(uint64_t capacity) {
    _Static_assert(sizeof(struct merge_symbol) + 2 * sizeof(uint64_t) == MERGE_MACHINE_SYMBOL_BYTES,
                   "a symbol and its share of the heap");
    return capacity * MERGE_MACHINE_SYMBOL_BYTES;
}

void merge_machine_place(struct merge_machine *machine, const struct container_tokenizer *tables,
                         void *memory, uint32_t capacity) {
    machine->tables = tables;
    machine->heap = memory;
    machine->symbols = (struct merge_symbol *)(machine->heap + 2 * (size_t)capacity);
    machine->capacity = capacity;
    machine->looked_up = 0;
    merge_machine_clear(machine);
}

void merge_machine_clear(struct merge_machine *machine) {
    machine->count = 0;
    machine->waiting = 0;
}

bool merge_machine_push(struct merge_machine *machine, uint32_t token) {
    uint32_t index = machine->count;
    if (index == machine->capacity) {
        return false;
    }
    struct merge_symbol *symbol = &machine->symbols[index];
    symbol->token = token;
    symbol->previous = index > 0 ? index - 1 : MERGE_NONE;
    symbol->next = MERGE_NONE;
    symbol->merge = MERGE_NONE;
    if (index > 0) {
        symbol[-1].next = index;
    }
    machine->count = index + 1;
    return true;
}

/* Index of the merge of (left, right), MERGE_NONE if there is none. */
static uint32_t find_merge(const struct container_tokenizer *tables, uint32_t left,
                           uint32_t right) {
    const uint64_t wanted = (uint64_t)left << 32 | right;
    uint32_t low = 0, count = tables->merge_count;
    /* [low, low + count) is where it can be. The halving has no branch that depends on the data. */
    while (count > 1) {
        uint32_t half = count / 2;
        const uint32_t *merge = tables->merges + 4 * (size_t)(low + half);
        low = ((uint64_t)merge[0] << 32 | merge[1]) <= wanted ? low + half : low;
        count -= half;
    }
    if (count == 0) {
        return MERGE_NONE;
    }
    const uint32_t *merge = tables->merges + 4 * (size_t)low;
    return merge[0] == left && merge[1] == right ? low : MERGE_NONE;
}

static void sift_down(uint64_t *heap, uint32_t count, uint32_t at) {
    uint64_t moved = heap[at];
    for (;;) {
        size_t child = 2 * (size_t)at + 1; /* may be above 2^32 */
        if (child >= count) {
            break;
        }
        if (child + 1 < count && heap[child + 1] < heap[child]) {
            child++;
        }
        if (moved <= heap[child]) {
            break;
        }
        heap[at] = heap[child];
        at = (uint32_t)child;
    }
    heap[at] = moved;
}

static void sift_up(uint64_t *heap, uint32_t at) {
    uint64_t moved = heap[at];
    while (at > 0 && moved < heap[(at - 1) / 2]) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moved;
}

/* Looks up the merge of a symbol with its right neighbour; true when there is one. */
static bool find_pair(struct merge_machine *machine, uint32_t index, uint64_t *key) {
    struct merge_symbol *symbol = &machine->symbols[index];
    symbol->merge = MERGE_NONE;
    if (symbol->next == MERGE_NONE) {
        return false;
    }
    machine->looked_up++;
    symbol->merge =
        find_merge(machine->tables, symbol->token, machine->symbols[symbol->next].token);
    if (symbol->merge == MERGE_NONE) {
        return false;
    }
    *key = (uint64_t)machine->tables->merges[4 * (size_t)symbol->merge + 2] << 32 | index;
    return true;
}

static void wait_for_pair(struct merge_machine *machine, uint32_t index) {
    uint64_t key;
    if (find_pair(machine, index, &key)) {
        machine->heap[machine->waiting] = key;
        sift_up(machine->heap, machine->waiting++);
    }
}

void merge_machine_run(struct merge_machine *machine) {
    struct merge_symbol *symbols = machine->symbols;
    uint64_t *heap = machine->heap;
    machine->waiting = 0;
    for (uint32_t i = 0; i < machine->count; i++) {
        if (find_pair(machine, i, &heap[machine->waiting])) {
            machine->waiting++;
        }
    }
    for (uint32_t i = machine->waiting / 2; i > 0; i--) {
        sift_down(heap, machine->waiting, i - 1);
    }
    while (machine->waiting > 0) {
        uint64_t key = heap[0];
        heap[0] = heap[--machine->waiting];
        if (machine->waiting > 0) {
            sift_down(heap, machine->waiting, 0);
        }
        uint32_t index = (uint32_t)key;
        struct merge_symbol *left = &symbols[index];
        if (left->merge == MERGE_NONE) {
            continue;
        }
        const uint32_t *merge = machine->tables->merges + 4 * (size_t)left->merge;
        if (merge[2] != (uint32_t)(key >> 32)) {
            continue;
        }
        struct merge_symbol *right = &symbols[left->next];
        left->token = merge[3];
        left->next = right->next;
        right->merge = MERGE_NONE; /* the right symbol is gone: nothing may start there */
        if (left->next != MERGE_NONE) {
            symbols[left->next].previous = index;
        }
        if (left->previous != MERGE_NONE) {
            wait_for_pair(machine, left->previous);
        }
        wait_for_pair(machine, index);
    }
}
