/*
 * select.c: which kernel set runs here. Walks the compiled sets in rising order, lays each usable
 * one over what has been accepted so far, and accepts the result when it gives the known answers.
 * Must never keep a choice in a global: the caller owns it. Knows no set by name except portable.
 */
#include "select.h"
#include "known_answers.h"
#include "../base/cpu_features.h"
#include <string.h>

static const struct tercet_kernels *const compiled_sets[] = {
#define TERCET_KERNEL_SET(set_name) &kernels_##set_name,
#include "kernel_sets.inc"
#undef TERCET_KERNEL_SET
};

#define COMPILED_SETS ((uint32_t)(sizeof compiled_sets / sizeof compiled_sets[0]))

const struct tercet_kernels *kernels_at(uint32_t index) {
    return index < COMPILED_SETS ? compiled_sets[index] : NULL;
}

/* Appends as much of text as fits; note stays terminated. */
static void append(char note[KERNELS_NOTE_BYTES], const char *text) {
    size_t at = strlen(note);
    while (*text != '\0' && at < KERNELS_NOTE_BYTES - 1) {
        note[at++] = *text++;
    }
    note[at] = '\0';
}

static void append_dropped(char note[KERNELS_NOTE_BYTES], const char *name, const char *why,
                           const char *slot) {
    append(note, note[0] == '\0' ? "kernel set " : "; kernel set ");
    append(note, name);
    append(note, why);
    append(note, slot);
}

/* `set`, its empty slots filled from `below`. */
static struct tercet_kernels complete(const struct tercet_kernels *set,
                                      const struct tercet_kernels *below) {
    struct tercet_kernels whole = *set;
#define INHERIT(slot) whole.slot = set->slot != NULL ? set->slot : below->slot
    INHERIT(quantise);
    INHERIT(ternary_matmul);
    INHERIT(int8_matmul);
    INHERIT(float_matmul);
    INHERIT(rms_norm);
    INHERIT(layer_norm);
    INHERIT(rope);
    INHERIT(attend);
    INHERIT(attend_int8);
    INHERIT(silu_mul);
    INHERIT(relu2_mul);
    INHERIT(gelu);
    INHERIT(add);
    INHERIT(widen);
#undef INHERIT
    if (set->pass_cost[0][0] == 0)
        memcpy(whole.pass_cost, below->pass_cost, sizeof whole.pass_cost);
    return whole;
}

bool kernels_select_from(const struct tercet_kernels *const *sets, uint32_t count,
                         uint32_t features, const char *name, struct tercet_kernels *out,
                         char note[KERNELS_NOTE_BYTES]) {
    struct tercet_kernels accepted = kernels_portable;
    note[0] = '\0';

    for (uint32_t i = 0; i < count; i++) {
        const struct tercet_kernels *set = sets[i];
        bool usable = (set->needs & ~features) == 0;
        bool named = name != NULL && strcmp(name, set->name) == 0;
        if (!usable && named) { /* a machine that lacks a set nobody asked for is no news */
            append_dropped(note, set->name, " not used: this machine lacks its instructions", "");
        } else if (usable && set != &kernels_portable) {
            struct tercet_kernels candidate = complete(set, &accepted);
            const char *fault = known_answers_fault(&candidate);
            usable = fault == NULL;
            if (usable) {
                accepted = candidate;
            } else {
                append_dropped(note, set->name, " dropped: wrong known answer in ", fault);
            }
        }
        if (named) {
            *out = accepted;
            return usable;
        }
    }
    *out = accepted;
    if (name != NULL) {
        append(note, note[0] == '\0' ? "no kernel set is called " : "; no kernel set is called ");
        append(note, name);
        return false;
    }
    return true;
}

bool kernels_select(const char *name, struct tercet_kernels *out, char note[KERNELS_NOTE_BYTES]) {
    return kernels_select_from(compiled_sets, COMPILED_SETS, cpu_features(), name, out, note);
}
