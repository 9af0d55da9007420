/*
 * model_config.c: see model_config.h. The expected tensors are produced in the container's own order (stage, role), so
 * one walk over both lists finds what is missing, extra or misshaped.
 */
#include "model_config.h"

#include <math.h>

enum tensor_use { USE_MATRIX, USE_VECTOR /* or a few of them: of floats in any case */ };

struct expected_tensor {
    uint32_t role;
    enum tensor_use use;
    uint32_t rows, columns;
    bool present;
};

static tercet_status check_tensor(const struct container_tensor *tensor, uint32_t stage,
                                  const struct expected_tensor *expected, tercet_error *error) {
    char name[64];
    container_tensor_name(stage, expected->role, name);
    if (tensor->stage != stage || tensor->role != expected->role) {
        char found[64];
        container_tensor_name(tensor->stage, tensor->role, found);
        return tercet_fail(error, TERCET_BAD_HEADER, tensor->offset,
                           "tensor %s is missing: found %s in its place", name, found);
    }
    if (tensor->rows != expected->rows || tensor->columns != expected->columns)
        return tercet_fail(error, TERCET_BAD_HEADER, tensor->offset,
                           "tensor %s is %u x %u, but the configuration asks for %u x %u", name,
                           tensor->rows, tensor->columns, expected->rows, expected->columns);
    if (expected->use == USE_VECTOR && tensor->type != TENSOR_F32 && tensor->type != TENSOR_F16)
        return tercet_fail(error, TERCET_BAD_HEADER, tensor->offset, "tensor %s must be f32 or f16",
                           name);
    return TERCET_OK;
}

/* Walks one stage's expected tensors; *index moves along the container's table. */
static tercet_status check_stage(const struct container *container, uint32_t stage,
                                 const struct expected_tensor *expected, size_t count,
                                 uint32_t *index, tercet_error *error) {
    for (size_t i = 0; i < count; i++) {
        if (!expected[i].present)
            continue;
        if (*index >= container->tensor_count) {
            char name[64];
            container_tensor_name(stage, expected[i].role, name);
            return tercet_fail(error, TERCET_BAD_HEADER, *index,
                               "tensor %s is missing at the end of the table", name);
        }
        struct container_tensor tensor = container_get_tensor(container, *index);
        TERCET_TRY(check_tensor(&tensor, stage, &expected[i], error));
        *index += 1;
    }
    return TERCET_OK;
}

static tercet_status check_tensors(const struct container *container, const struct model_config *c,
                                   tercet_error *error) {
    uint32_t index = 0;
    const struct expected_tensor input[] = {
        {ROLE_EMBEDDING, USE_MATRIX, c->vocabulary, c->hidden, true},
        {ROLE_POSITION_EMBEDDING, USE_MATRIX, c->context, c->hidden, c->learned_positions},
    };
    TERCET_TRY(check_stage(container, 0, input, 2, &index, error));
    const struct expected_tensor layer[] = {
        {ROLE_ATTENTION_NORM, USE_VECTOR, 1, c->hidden, true},
        {ROLE_Q, USE_MATRIX, c->query_width, c->hidden, true},
        {ROLE_K, USE_MATRIX, c->kv_width, c->hidden, true},
        {ROLE_V, USE_MATRIX, c->kv_width, c->hidden, true},
        {ROLE_Q_BIAS, USE_VECTOR, 1, c->query_width, c->qkv_biases},
        {ROLE_K_BIAS, USE_VECTOR, 1, c->kv_width, c->qkv_biases},
        {ROLE_V_BIAS, USE_VECTOR, 1, c->kv_width, c->qkv_biases},
        {ROLE_ATTENTION_SUB_NORM, USE_VECTOR, 1, c->query_width, c->sub_norms},
        {ROLE_O, USE_MATRIX, c->hidden, c->query_width, true},
        {ROLE_O_BIAS, USE_VECTOR, 1, c->hidden, c->o_bias},
        {ROLE_ATTENTION_NORM_BIAS, USE_VECTOR, 1, c->hidden, c->layer_norms},
        {ROLE_Q_NORM, USE_VECTOR, 1, c->head_dim, c->qk_norms},
        {ROLE_K_NORM, USE_VECTOR, 1, c->head_dim, c->qk_norms},
        {ROLE_FFN_NORM, USE_VECTOR, 1, c->hidden, true},
        {ROLE_GATE, USE_MATRIX, c->inner, c->hidden, c->gate},
        {ROLE_UP, USE_MATRIX, c->inner, c->hidden, true},
        {ROLE_FFN_SUB_NORM, USE_VECTOR, 1, c->inner, c->sub_norms},
        {ROLE_DOWN, USE_MATRIX, c->hidden, c->inner, true},
        {ROLE_FFN_NORM_BIAS, USE_VECTOR, 1, c->hidden, c->layer_norms},
        {ROLE_GATE_BIAS, USE_VECTOR, 1, c->inner, c->ffn_biases && c->gate},
        {ROLE_UP_BIAS, USE_VECTOR, 1, c->inner, c->ffn_biases},
        {ROLE_DOWN_BIAS, USE_VECTOR, 1, c->hidden, c->ffn_biases},
        {ROLE_Q_IN_NORM, USE_VECTOR, 1, c->hidden, c->linear_norms},
        {ROLE_K_IN_NORM, USE_VECTOR, 1, c->hidden, c->linear_norms},
        {ROLE_V_IN_NORM, USE_VECTOR, 1, c->hidden, c->linear_norms},
        {ROLE_O_IN_NORM, USE_VECTOR, 1, c->query_width, c->linear_norms},
        {ROLE_GATE_IN_NORM, USE_VECTOR, 1, c->hidden, c->linear_norms && c->gate},
        {ROLE_UP_IN_NORM, USE_VECTOR, 1, c->hidden, c->linear_norms},
        {ROLE_DOWN_IN_NORM, USE_VECTOR, 1, c->inner, c->linear_norms},
    };
    const struct expected_tensor mixer[] = {
        {ROLE_MIXER_NORM, USE_VECTOR, 1, c->hidden, true},
        {ROLE_MIXER_IN, USE_MATRIX, 2 * c->inner + 3 * c->heads, c->hidden, true},
        {ROLE_MIXER_CONV, USE_VECTOR, STATE_SPACE_TAPS, c->inner, true},
        {ROLE_MIXER_CONV_BIAS, USE_VECTOR, 1, c->inner, true},
        {ROLE_MIXER_STEP_BIAS, USE_VECTOR, 1, c->heads, true},
        {ROLE_MIXER_LOG_RATE, USE_VECTOR, 1, c->heads, true},
        {ROLE_MIXER_SKIP, USE_VECTOR, 1, c->inner, true},
        {ROLE_MIXER_OUT_NORM, USE_VECTOR, 1, c->inner, true},
        {ROLE_MIXER_OUT, USE_MATRIX, c->hidden, c->inner, true},
    };
    size_t count = c->state_space ? sizeof mixer / sizeof *mixer : sizeof layer / sizeof *layer;
    for (uint32_t l = 0; l < c->layers; l++)
        TERCET_TRY(
            check_stage(container, 1 + l, c->state_space ? mixer : layer, count, &index, error));
    const struct expected_tensor output[] = {
        {ROLE_OUTPUT_NORM, USE_VECTOR, 1, c->hidden, true},
        {ROLE_HEAD, USE_MATRIX, c->vocabulary, c->hidden, !c->tied_head},
        {ROLE_OUTPUT_NORM_BIAS, USE_VECTOR, 1, c->hidden, c->layer_norms},
        {ROLE_HEAD_BIAS, USE_VECTOR, 1, c->vocabulary, c->head_bias},
        {ROLE_HEAD_NORM, USE_VECTOR, 1, c->hidden, c->head_norm},
    };
    TERCET_TRY(check_stage(container, 1 + c->layers, output, 5, &index, error));
    if (index != container->tensor_count) {
        struct container_tensor tensor = container_get_tensor(container, index);
        char name[64];
        container_tensor_name(tensor.stage, tensor.role, name);
        return tercet_fail(error, TERCET_BAD_HEADER, tensor.offset,
                           "tensor %s does not belong to this kind of model", name);
    }
    return TERCET_OK;
}

/* The graph quantises activations in front of every ternary and int8 matrix. A file that wants them kept as floats there
 * would silently give other results. */
static tercet_status check_activations(const struct container *container, tercet_error *error) {
    if (container->config.activation_bits == 8)
        return TERCET_OK;
    for (uint32_t i = 0; i < container->tensor_count; i++) {
        struct container_tensor tensor = container_get_tensor(container, i);
        bool of_layer = tensor.stage >= 1 && tensor.stage <= container->config.layers;
        if (!of_layer || tensor.type == TENSOR_F32 || tensor.type == TENSOR_F16)
            continue;
        char name[64];
        container_tensor_name(tensor.stage, tensor.role, name);
        return tercet_fail(error, TERCET_UNSUPPORTED, tensor.offset,
                           "tensor %s is ternary or int8, but the configuration asks for "
                           "activations of %u bits in front of it",
                           name, container->config.activation_bits);
    }
    return TERCET_OK;
}

tercet_status model_config_read(const struct container *container, struct model_config *config,
                                tercet_error *error) {
    const struct container_config *c = &container->config;
    /* At most 1024 x 1024 by the format's limits: no overflow. */
    *config = (struct model_config){
        .layers = c->layers,
        .hidden = c->hidden,
        .inner = c->inner,
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .head_dim = c->head_dim,
        .vocabulary = c->vocabulary,
        .context = c->context,
        .query_width = c->heads * c->head_dim,
        .kv_width = c->kv_heads * c->head_dim,
        .activation = c->activation,
        .tied_head = (c->flags & CONFIG_FLAG_TIED_HEAD) != 0,
        .sub_norms = (c->flags & CONFIG_FLAG_SUB_NORMS) != 0,
        .rope_interleaved = (c->flags & CONFIG_FLAG_ROPE_INTERLEAVED) != 0,
        .layer_norms = (c->flags & CONFIG_FLAG_LAYER_NORMS) != 0,
        .learned_positions = (c->flags & CONFIG_FLAG_LEARNED_POSITIONS) != 0,
        .qkv_biases = (c->flags & CONFIG_FLAG_QKV_BIASES) != 0,
        .o_bias = (c->flags & CONFIG_FLAG_O_BIAS) != 0,
        .ffn_biases = (c->flags & CONFIG_FLAG_FFN_BIASES) != 0,
        .qk_norms = (c->flags & CONFIG_FLAG_QK_NORMS) != 0,
        .gate = c->activation != ACTIVATION_GELU,
        .state_space = (c->flags & CONFIG_FLAG_STATE_SPACE) != 0,
        .head_bias = (c->flags & CONFIG_FLAG_HEAD_BIAS) != 0,
        .head_norm = (c->flags & CONFIG_FLAG_HEAD_NORM) != 0,
        .linear_norms = (c->flags & CONFIG_FLAG_LINEAR_NORMS) != 0,
        .linear_norm_epsilon = c->linear_norm_epsilon,
        .activation_added = (c->flags & CONFIG_FLAG_ADDED_FLOOR) != 0 ? 1e-5f : 0.0f,
        .norm_epsilon = c->norm_epsilon,
        .attention_scale = 1.0f / sqrtf((float)c->head_dim),
    };
    TERCET_TRY(check_tensors(container, config, error));
    return check_activations(container, error);
}
