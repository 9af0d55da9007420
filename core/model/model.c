/*
 * model.c: makes a model out of a finished load, and answers questions about it.
 */
#include "model.h"

tercet_status model_create(tercet_engine *engine, const struct loaded_file *file,
                           struct tercet_model **out, tercet_error *error) {
    struct model_config config;
    TERCET_TRY(model_config_read(&file->container, &config, error));
    struct arena counting = {0};
    struct model_weights weights;
    weights_bind(&weights, &config, &file->container, file->data, &counting);

    struct tercet_model *model = allocator_take(&engine->allocator, sizeof *model);
    void *block = model == NULL ? NULL : allocator_take(&engine->allocator, counting.used);
    if (block == NULL) {
        allocator_give(&engine->allocator, model, sizeof *model);
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, counting.used,
                           "no memory for the table of %u layers", config.layers);
    }
    struct arena arena = {.memory = block, .capacity = counting.used};
    weights_bind(&weights, &config, &file->container, file->data, &arena);
    *model = (struct tercet_model){
        .engine = engine,
        .file = *file,
        .config = config,
        .weights = weights,
        .block = block,
        .block_bytes = counting.used,
        .arrived_bytes = file->data_bytes,
    };
    *out = model;
    return TERCET_OK;
}

void model_destroy(struct tercet_model *model) {
    if (model == NULL)
        return;
    tercet_allocator allocator = model->engine->allocator;
    loaded_file_release(&model->file);
    allocator_give(&allocator, model->block, model->block_bytes);
    allocator_give(&allocator, model, sizeof *model);
}

void model_get_info(const struct tercet_model *model, tercet_model_info *info) {
    static const char *const families[] = {"",      "llama",     "bitnet",   "gpt2",
                                           "qwen3", "ternarylm", "bitmamba2"};
    static const char *const tokenizers[] = {"", "byte-level BPE", "SentencePiece BPE",
                                             "WordPiece"};
    const struct container *container = &model->file.container;
    const struct container_config *config = &container->config;
    const struct container_tokenizer *tokenizer = &container->tokenizer;
    *info = (tercet_model_info){
        .name = container->name,
        .family = families[config->family],
        .licence = container->licence,
        .source = container->source,
        .tokenizer = tokenizers[tokenizer->kind],
        .layers = config->layers,
        .hidden = config->hidden,
        .inner = config->inner,
        .heads = config->heads,
        .kv_heads = config->kv_heads,
        .head_dim = config->head_dim,
        .vocabulary = config->vocabulary,
        .context = config->context,
        .tied_head = model->config.tied_head ? 1 : 0,
        .activation_bits = config->activation_bits,
        .tensors = container->tensor_count,
        .token_count = tokenizer->token_count,
        .beginning_token = tokenizer->beginning,
        .data_bytes = model->file.data_bytes,
        .file_bytes = container->prefix.file_bytes,
        .temperature = config->temperature,
        .top_p = config->top_p,
        .min_p = config->min_p,
        .top_k = config->top_k,
    };
    memcpy(info->model_id, container->model_id, sizeof info->model_id);
    for (uint32_t i = 0; i < container->tensor_count; i++) {
        struct container_tensor tensor = container_get_tensor(container, i);
        uint64_t weights = (uint64_t)tensor.rows * tensor.columns;
        info->parameters += weights;
        if (tensor.type == TENSOR_TERNARY)
            info->ternary_parameters += weights;
    }
}

/* Logical weights only: padding also holds code 1 and must not count. */
static uint64_t count_zeros(const uint8_t *codes, uint32_t rows, uint32_t columns) {
    uint64_t zeros = 0;
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t column = 0; column < columns; column++)
            zeros +=
                (((uint32_t)codes[ternary_byte(row, column, columns)] >> ternary_shift(column)) &
                 3u) == 1u;
    return zeros;
}

tercet_status model_get_tensor(const struct tercet_model *model, uint32_t index,
                               tercet_tensor_info *info) {
    static const char *const types[] = {"", "f32", "f16", "int8", "ternary"};
    static const char *const scales[] = {"none", "tensor", "row", "group64", "group128"};
    const struct container *container = &model->file.container;
    if (index >= container->tensor_count)
        return TERCET_BAD_ARGUMENT;
    struct container_tensor tensor = container_get_tensor(container, index);
    *info = (tercet_tensor_info){
        .type = types[tensor.type],
        .scale = scales[tensor.scale],
        .rows = tensor.rows,
        .columns = tensor.columns,
        .offset = tensor.offset,
        .bytes = tensor.bytes,
    };
    container_tensor_name(tensor.stage, tensor.role, info->name);
    if (tensor.type == TENSOR_TERNARY && model->file.data != NULL)
        info->zeros =
            count_zeros(model->file.data + (tensor.offset - container->prefix.header_bytes),
                        tensor.rows, tensor.columns);
    return TERCET_OK;
}
