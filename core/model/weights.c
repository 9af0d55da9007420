/*
 * weights.c: see weights.h. The tensors come in the order that model_config.c has checked, so binding is one walk.
 */
#include "weights.h"

static enum kernel_scale kernel_scale_of(uint32_t scale) {
    switch (scale) {
    case SCALE_ROW:
        return KERNEL_SCALE_ROW;
    case SCALE_GROUP64:
        return KERNEL_SCALE_GROUP64;
    case SCALE_GROUP128:
        return KERNEL_SCALE_GROUP128;
    default:
        return KERNEL_SCALE_TENSOR;
    }
}

struct walk {
    const struct container *container;
    const uint8_t *data;
    uint32_t index;
};

static const uint8_t *tensor_bytes(const struct walk *walk, const struct container_tensor *tensor) {
    return walk->data + (tensor->offset - walk->container->prefix.header_bytes);
}

static struct weight next_matrix(struct walk *walk) {
    struct container_tensor tensor = container_get_tensor(walk->container, walk->index++);
    const uint8_t *bytes = tensor_bytes(walk, &tensor);
    struct weight weight = {.type = tensor.type, .rows = tensor.rows, .columns = tensor.columns};
    if (tensor.type == TENSOR_TERNARY) {
        weight.as.ternary = (struct ternary_matrix){
            .codes = bytes,
            .scales = bytes + container_scales_offset(tensor.type, tensor.rows, tensor.columns),
            .scale = kernel_scale_of(tensor.scale),
            .rows = tensor.rows,
            .columns = tensor.columns,
        };
    } else if (tensor.type == TENSOR_INT8) {
        weight.as.int8 = (struct int8_matrix){
            .codes = (const int8_t *)bytes,
            .scales = (const float *)(const void *)(bytes +
                                                    container_scales_offset(
                                                        tensor.type, tensor.rows, tensor.columns)),
            .rows = tensor.rows,
            .columns = tensor.columns,
        };
    } else {
        weight.as.floats = (struct float_matrix){
            .values = bytes,
            .half = tensor.type == TENSOR_F16,
            .rows = tensor.rows,
            .columns = tensor.columns,
        };
    }
    return weight;
}

static const float *next_vector(struct walk *walk) {
    struct container_tensor tensor = container_get_tensor(walk->container, walk->index++);
    return (const float *)(const void *)tensor_bytes(walk, &tensor);
}

void weights_bind(struct model_weights *weights, const struct model_config *config,
                  const struct container *container, const uint8_t *data, struct arena *arena) {
    weights->layers = arena_take(arena, config->layers, sizeof *weights->layers);
    if (weights->layers == NULL)
        return;
    struct walk walk = {container, data, 0};
    weights->embedding = next_matrix(&walk);
    for (uint32_t l = 0; l < config->layers; l++) {
        struct layer_weights *layer = &weights->layers[l];
        layer->attention_norm = next_vector(&walk);
        layer->q = next_matrix(&walk);
        layer->k = next_matrix(&walk);
        layer->v = next_matrix(&walk);
        layer->attention_sub_norm = config->sub_norms ? next_vector(&walk) : NULL;
        layer->o = next_matrix(&walk);
        layer->ffn_norm = next_vector(&walk);
        layer->gate = next_matrix(&walk);
        layer->up = next_matrix(&walk);
        layer->ffn_sub_norm = config->sub_norms ? next_vector(&walk) : NULL;
        layer->down = next_matrix(&walk);
    }
    weights->output_norm = next_vector(&walk);
    weights->head = config->tied_head ? weights->embedding : next_matrix(&walk);
}

void weight_row(const struct weight *weight, uint32_t row, float *out) {
    switch (weight->type) {
    case TENSOR_TERNARY:
        ternary_row(&weight->as.ternary, row, out);
        break;
    case TENSOR_INT8:
        int8_row(&weight->as.int8, row, out);
        break;
    default:
        float_row(&weight->as.floats, row, out);
        break;
    }
}
