/*
 * known_answers.h: what select.c asks before it trusts a kernel set. Private to kernels/ and its
 * tests.
 */
#ifndef TERCET_KERNELS_KNOWN_ANSWERS_H
#define TERCET_KERNELS_KNOWN_ANSWERS_H

#include "kernels.h"

/* Runs every slot of a complete set on small fixed inputs and compares with portable bit by bit.
 * NULL when all agree, else the name of the first slot that does not. About 60 KB of stack, no
 * allocation, well under a millisecond. */
const char *known_answers_fault(const struct tercet_kernels *set);

#endif
