/*
 * model.h: what is behind tercet_engine and tercet_model: the loaded bytes, the checked configuration, the views.
 * Immutable after model_create; sessions share it.
 */
#ifndef TERCET_MODEL_MODEL_H
#define TERCET_MODEL_MODEL_H

#include "../base/thread_pool.h"
#include "../container/loader.h"
#include "weights.h"

struct tercet_engine {
    tercet_allocator allocator;
    struct tercet_kernels kernels;
    struct thread_pool *pool;
    char kernels_note[192];
};

struct tercet_model {
    tercet_engine *engine;
    struct loaded_file file;
    struct model_config config;
    struct model_weights weights;
    void *block; /* the layer table, vectors widened from halves */
    uint64_t block_bytes;
    uint64_t
        arrived_bytes; /* of the data, from its beginning; all of it but in tercet_loader_open */
};

static inline bool model_is_whole(const struct tercet_model *model) {
    return model->arrived_bytes == model->file.data_bytes;
}

/* Takes the file's blocks over on success; on failure they stay with `file`. */
tercet_status model_create(tercet_engine *engine, const struct loaded_file *file,
                           struct tercet_model **model, tercet_error *error);
void model_destroy(struct tercet_model *model);
void model_get_info(const struct tercet_model *model, tercet_model_info *info);
tercet_status model_get_tensor(const struct tercet_model *model, uint32_t index,
                               tercet_tensor_info *info);

#endif
