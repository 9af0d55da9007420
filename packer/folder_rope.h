/*
 * folder_rope.h: the rule behind a container's rotation frequencies, in the words of a config.json. The way back is
 * rope_frequencies.h, and every rule is held against it.
 */
#ifndef TERCET_PACKER_FOLDER_ROPE_H
#define TERCET_PACKER_FOLDER_ROPE_H

#include "../core/container/container_reader.h"
#include "json.h"

/* Adds rope_theta, and rope_scaling where it is needed. *exact: reading the object gives the same frequencies to the last
 * bit, else to six digits. CANNOT_EXPORT when no rule of config.json gives them. */
tercet_status folder_rope_add(const struct container *container, cJSON *config, bool *exact,
                              tercet_error *error);

#endif
