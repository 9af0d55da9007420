/*
 * source_tensors.h: finds every tensor that a model of a known shape needs among those of a source, checks its shape and
 * type, and refuses what is left over.
 */
#ifndef TERCET_PACKER_SOURCE_TENSORS_H
#define TERCET_PACKER_SOURCE_TENSORS_H

#include "architectures.h"
#include "json.h"
#include "source_names.h"

/* How a head that is in the source relates to the embedding. */
enum head_rule {
    HEAD_OWN,   /* another matrix */
    HEAD_TIED,  /* the embedding: one that is there must be equal */
    HEAD_EITHER /* the embedding if it is equal */
};

/* What was read of a model before its tensors are looked at. */
struct tensor_rules {
    const struct source_naming *naming;
    enum source_quantization quantization;
    const char *file;           /* that says the shape: for sentences */
    const cJSON *not_converted; /* modules_to_not_convert: array of strings or NULL */
    enum head_rule head;
    uint32_t
        found_flags; /* CONFIG_FLAG_* that are set where a tensor of them is in the first layer */
    enum i2s_layout i2s_layout;
};

/* Sets config's vocabulary (rows of the embedding) and its flags for what is found (tied head, sub-norms), then lists the tensors in (stage, role) order; the list is
 * malloc'ed. Errors as architecture_read's; on failure *tensors is NULL. */
tercet_status source_tensors_list(const struct source_weights *source,
                                  const struct tensor_rules *rules, struct container_config *config,
                                  struct planned_tensor **tensors, uint32_t *count,
                                  tercet_error *error);

#endif
