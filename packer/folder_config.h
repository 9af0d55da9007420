/*
 * folder_config.h: the configuration of a container as the config.json and generation_config.json of a Hugging Face folder:
 * which class of transformers computes what the model computes, and under which names it looks for tensors. What none of
 * them computes is refused.
 */
#ifndef TERCET_PACKER_FOLDER_CONFIG_H
#define TERCET_PACKER_FOLDER_CONFIG_H

#include "export.h"
#include "source_names.h"

#include "../core/container/container_reader.h"

struct folder_class {
    const char *class_name, *model_type;
    const struct source_naming *naming;
    bool attention_bias, mlp_bias; /* to be said in config.json */
};

/* CANNOT_EXPORT with the reason. */
tercet_status folder_class_choose(const struct container *container, struct folder_class *chosen,
                                  tercet_error *error);
/* Texts of the files, malloc'ed (cJSON_free). `dtype` is torch's name of the numbers, "bfloat16". Notes what is not exact. */
tercet_status folder_config_write(const struct container *container,
                                  const struct folder_class *chosen, const char *dtype,
                                  struct export_report *report, char **text, tercet_error *error);
tercet_status folder_generation_write(const struct container *container, char **text,
                                      tercet_error *error);

#endif
