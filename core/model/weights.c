/*
 * weights.c: see weights.h. The tensors come in the order that model_config.c has checked, so binding is one walk.
 */
#include "weights.h"
#include "../base/math.h"

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
    struct arena *arena;
    uint32_t index;
    uint32_t widest_half;
};

/* NULL for a model without data. */
static const uint8_t *tensor_bytes(const struct walk *walk, const struct container_tensor *tensor) {
    return walk->data == NULL
               ? NULL
               : walk->data + (tensor->offset - walk->container->prefix.header_bytes);
}

static const void *tensor_scales(const uint8_t *bytes, const struct container_tensor *tensor) {
    return bytes == NULL
               ? NULL
               : bytes + container_scales_offset(tensor->type, tensor->rows, tensor->columns);
}

static struct weight next_matrix(struct walk *walk) {
    struct container_tensor tensor = container_get_tensor(walk->container, walk->index++);
    const uint8_t *bytes = tensor_bytes(walk, &tensor);
    struct weight weight = {.type = tensor.type, .rows = tensor.rows, .columns = tensor.columns};
    if (tensor.type == TENSOR_TERNARY) {
        weight.as.ternary = (struct ternary_matrix){
            .codes = bytes,
            .scales = tensor_scales(bytes, &tensor),
            .scale = kernel_scale_of(tensor.scale),
            .rows = tensor.rows,
            .columns = tensor.columns,
        };
    } else if (tensor.type == TENSOR_INT8) {
        weight.as.int8 = (struct int8_matrix){
            .codes = (const int8_t *)bytes,
            .scales = tensor_scales(bytes, &tensor),
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

/* As it lies in the file. */
static struct vector next_vector(struct walk *walk, bool present) {
    if (!present)
        return (struct vector){0};
    struct container_tensor tensor = container_get_tensor(walk->container, walk->index++);
    struct vector vector = {
        .values = tensor_bytes(walk, &tensor),
        .count = tensor.rows * tensor.columns,
        .half = tensor.type == TENSOR_F16,
    };
    if (vector.half && vector.count > walk->widest_half)
        walk->widest_half = vector.count;
    return vector;
}

/* Halves become floats once, here: for what threads read bit by bit. NULL when not there, and of halves in a counting pass.
 * Without data their place is taken, so that the model is counted right, but nothing is read. */
static const float *next_floats(struct walk *walk, bool present) {
    if (!present)
        return NULL;
    struct container_tensor tensor = container_get_tensor(walk->container, walk->index++);
    const void *bytes = tensor_bytes(walk, &tensor);
    if (tensor.type == TENSOR_F32)
        return bytes;
    float *values = arena_take(walk->arena, (uint64_t)tensor.rows * tensor.columns, sizeof *values);
    const struct float_matrix halves = {bytes, true, tensor.rows, tensor.columns};
    for (uint32_t row = 0; row < tensor.rows && values != NULL && bytes != NULL; row++)
        float_row(&halves, row, values + (size_t)row * tensor.columns);
    return values;
}

/* e^x of a vector, once. */
static const float *next_exponentials(struct walk *walk, uint32_t count) {
    const float *logs = next_floats(walk, true);
    float *values = arena_take(walk->arena, count, sizeof *values);
    for (uint32_t i = 0; i < count && values != NULL && logs != NULL && walk->data != NULL; i++)
        values[i] = math_exp(logs[i]);
    return values;
}

static void bind_mixer(struct walk *walk, const struct model_config *c, struct layer_weights *l) {
    l->mixer_norm = (struct norm){.weight = next_vector(walk, true)};
    l->mixer_in = next_matrix(walk);
    l->mixer_conv = next_floats(walk, true);
    l->mixer_conv_bias = next_floats(walk, true);
    l->mixer_step_bias = next_floats(walk, true);
    l->mixer_rate = next_exponentials(walk, c->heads);
    l->mixer_skip = next_floats(walk, true);
    l->mixer_out_norm = (struct norm){.weight = next_vector(walk, true)};
    l->mixer_out = next_matrix(walk);
}

static void bind_layer(struct walk *walk, const struct model_config *c, struct layer_weights *l) {
    l->attention_norm.weight = next_vector(walk, true);
    l->q = next_matrix(walk);
    l->k = next_matrix(walk);
    l->v = next_matrix(walk);
    l->q_bias = next_vector(walk, c->qkv_biases);
    l->k_bias = next_vector(walk, c->qkv_biases);
    l->v_bias = next_vector(walk, c->qkv_biases);
    l->attention_sub_norm = (struct norm){.weight = next_vector(walk, c->sub_norms)};
    l->o = next_matrix(walk);
    l->o_bias = next_vector(walk, c->o_bias);
    l->attention_norm.bias = next_vector(walk, c->layer_norms);
    l->q_norm = next_vector(walk, c->qk_norms);
    l->k_norm = next_vector(walk, c->qk_norms);
    l->ffn_norm.weight = next_vector(walk, true);
    l->gate = c->gate ? next_matrix(walk) : (struct weight){0};
    l->up = next_matrix(walk);
    l->ffn_sub_norm = (struct norm){.weight = next_vector(walk, c->sub_norms)};
    l->down = next_matrix(walk);
    l->ffn_norm.bias = next_vector(walk, c->layer_norms);
    l->gate_bias = next_vector(walk, c->ffn_biases && c->gate);
    l->up_bias = next_vector(walk, c->ffn_biases);
    l->down_bias = next_vector(walk, c->ffn_biases);
    l->q_in_norm = next_vector(walk, c->linear_norms);
    l->k_in_norm = next_vector(walk, c->linear_norms);
    l->v_in_norm = next_vector(walk, c->linear_norms);
    l->o_in_norm = next_vector(walk, c->linear_norms);
    l->gate_in_norm = next_vector(walk, c->linear_norms && c->gate);
    l->up_in_norm = next_vector(walk, c->linear_norms);
    l->down_in_norm = next_vector(walk, c->linear_norms);
}

void weights_bind(struct model_weights *weights, const struct model_config *config,
                  const struct container *container, const uint8_t *data, struct arena *arena) {
    weights->layers = arena_take(arena, config->layers, sizeof *weights->layers);
    struct walk walk = {container, data, arena, 0, 0};
    struct layer_weights unused; /* the counting pass has no table, but vectors to count */
    weights->embedding = next_matrix(&walk);
    weights->positions = config->learned_positions ? next_matrix(&walk) : (struct weight){0};
    for (uint32_t l = 0; l < config->layers; l++) {
        struct layer_weights *layer = weights->layers == NULL ? &unused : &weights->layers[l];
        *layer = (struct layer_weights){0};
        if (config->state_space)
            bind_mixer(&walk, config, layer);
        else
            bind_layer(&walk, config, layer);
    }
    weights->output_norm.weight = next_vector(&walk, true);
    weights->head = config->tied_head ? weights->embedding : next_matrix(&walk);
    weights->output_norm.bias = next_vector(&walk, config->layer_norms);
    weights->head_bias = next_floats(&walk, config->head_bias);
    weights->head_norm = next_vector(&walk, config->head_norm);
    weights->widest_half = walk.widest_half;
}

const float *vector_floats(const struct vector *vector, const struct tercet_kernels *kernels,
                           float *place) {
    if (vector->values == NULL || !vector->half)
        return vector->values;
    kernels->widen(vector->values, vector->count, place);
    return place;
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
