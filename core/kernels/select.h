/*
 * select.h: the choice of a kernel set among given ones. Private to kernels/ and its tests, which
 * pass sets that are wrong; everyone else calls kernels_select.
 */
#ifndef TERCET_KERNELS_SELECT_H
#define TERCET_KERNELS_SELECT_H

#include "kernels.h"

#define KERNELS_NOTE_BYTES 192u /* of kernels_select's note */

/* kernels_select over `count` sets in rising order on a machine with these cpu_features. *out is
 * always a complete set that gives the known answers, also when the answer is false. */
bool kernels_select_from(const struct tercet_kernels *const *sets, uint32_t count,
                         uint32_t features, const char *name, struct tercet_kernels *out,
                         char note[KERNELS_NOTE_BYTES]);

#endif
