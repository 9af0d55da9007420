/*
 * forward.c: the network, in reading order. Per layer (Llama, arXiv 2302.13971; BitNet b1.58, arXiv 2402.17764,
 * with the sub-norms of huggingface/transformers, models/bitnet/modeling_bitnet.py):
 *   h = norm(x);  x += O(subnorm(attention(rope(Q h), rope(K h), V h)))
 *   h = norm(x);  x += DOWN(subnorm(act(GATE h) * UP h))
 * or, without a gate (GPT-2, huggingface/transformers, models/gpt2/modeling_gpt2.py), x += DOWN(subnorm(gelu(UP h))). Each
 * matrix may have a bias, added to its result where that is used next.
 * A state-space model (BitMamba-2) has one block a layer: h = norm(x);  x += OUT(norm(mixer(IN h))), state_space.c's.
 * What q, k and v become is attention.c's. Every parallel step splits tokens or rows of outputs; no sum is ever split.
 */
#include "forward.h"

#include <string.h>

static uint32_t max_u32(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

void forward_layout(struct forward *f, const struct tercet_model *model, uint32_t kv,
                    uint32_t context, uint32_t slice, uint32_t logits_rows, struct arena *arena) {
    const struct model_config *c = &model->config;
    uint32_t widest = max_u32(max_u32(c->hidden, c->query_width), c->inner);
    f->model = model;
    f->kernels = &model->engine->kernels;
    f->pool = model->engine->pool;
    f->slice = slice;
    f->logits_rows = logits_rows;
    f->hidden_stride = tile_pad(c->hidden);
    f->inner_stride = tile_pad(c->inner);
    f->widest_stride = tile_pad(widest);
    f->widened_stride = tile_pad(model->weights.widest_half);
    f->widened = arena_take(arena, FORWARD_VECTORS * (uint64_t)f->widened_stride, sizeof(float));
    if (c->state_space) {
        state_space_layout(&f->state_space, model, slice, arena);
        f->attention.cache.form = kv; /* of a cache without rows */
    } else {
        attention_layout(&f->attention, model, kv, context, slice, arena);
        f->attention.widened = f->widened; /* never used by both at once */
        f->attention.widened_stride = f->widened_stride;
        if (c->gate)
            f->gate = arena_take(arena, (uint64_t)slice * f->inner_stride, sizeof(float));
        f->up = arena_take(arena, (uint64_t)slice * f->inner_stride, sizeof(float));
    }
    f->x = arena_take(arena, (uint64_t)slice * f->hidden_stride, sizeof(float));
    f->y = arena_take(arena, (uint64_t)slice * f->hidden_stride, sizeof(float));
    f->normed = arena_take(arena, (uint64_t)slice * f->widest_stride, sizeof(float));
    uint32_t stride = activation_stride(widest);
    f->quantised.added = c->activation_added;
    f->quantised.codes = arena_take(arena, slice, stride);
    f->quantised.step = arena_take(arena, slice, sizeof(float));
    f->quantised.group_sums = arena_take(arena, (uint64_t)slice * (stride / 64), sizeof(int32_t));
    f->logits_stride = tile_pad(c->vocabulary);
    f->logits = arena_take(arena, logits_rows * (uint64_t)f->logits_stride, sizeof(float));
}

/* ---------------------------------------------------------------- input of a linear layer */

struct norm_floats {
    const float *weight, *bias; /* NULL: there is none */
};

/* Steps in front of a group of matrices that share one input, per token, in this order; each optional. */
struct prepare {
    struct forward *f;
    float *source; /* [count][stride] */
    size_t stride;
    float *add;             /* source += add + add_bias, same stride */
    struct vector add_bias; /* with add */
    bool activate;          /* source = act(source + bias) [* (up + up_bias)] */
    struct vector bias;     /* with activate */
    float *up;              /* with activate: NULL without a gate; same stride */
    struct vector up_bias;  /* with up */
    struct norm norm;       /* normed = norm(source) */
    struct vector own;      /* RMS norm of that, or of source without a norm, by these weights */
    float own_epsilon;      /* with own */
    bool quantise;          /* of normed, or of source without a norm */
    /* The vectors above as floats, once for all tokens. */
    struct {
        const float *add_bias, *bias, *up_bias, *own;
        struct norm_floats norm;
    } floats;
};

static void add_if(const struct forward *f, float *row, const float *bias, uint32_t columns) {
    if (bias != NULL)
        f->kernels->add(row, bias, columns);
}

static void activate(const struct prepare *p, float *row, float *up, uint32_t columns) {
    const struct forward *f = p->f;
    add_if(f, row, p->floats.bias, columns);
    if (p->up != NULL)
        add_if(f, up, p->floats.up_bias, columns);
    switch (f->model->config.activation) {
    case ACTIVATION_GELU:
        f->kernels->gelu(row, columns);
        break;
    case ACTIVATION_RELU2:
        f->kernels->relu2_mul(row, up, columns);
        break;
    default:
        f->kernels->silu_mul(row, up, columns);
        break;
    }
}

static void normalise(const struct forward *f, const float *row, const struct norm_floats *norm,
                      uint32_t columns, float *normed) {
    float epsilon = f->model->config.norm_epsilon;
    if (norm->bias != NULL)
        f->kernels->layer_norm(row, norm->weight, norm->bias, columns, epsilon, normed);
    else
        f->kernels->rms_norm(row, norm->weight, columns, epsilon, normed);
}

static void prepare_tokens(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    (void)thread;
    const struct prepare *p = context;
    struct forward *f = p->f;
    const struct activations *all = &f->quantised;
    for (uint32_t t = begin; t < end; t++) {
        float *row = p->source + t * p->stride;
        if (p->add != NULL) {
            float *add = p->add + t * p->stride;
            add_if(f, add, p->floats.add_bias, all->columns);
            f->kernels->add(row, add, all->columns);
        }
        if (p->activate)
            activate(p, row, p->up == NULL ? NULL : p->up + t * p->stride, all->columns);
        if (p->floats.norm.weight != NULL) {
            float *normed = f->normed + t * f->widest_stride;
            normalise(f, row, &p->floats.norm, all->columns, normed);
            row = normed;
        }
        if (p->floats.own != NULL) {
            float *normed = f->normed + t * f->widest_stride;
            f->kernels->rms_norm(row, p->floats.own, all->columns, p->own_epsilon, normed);
            row = normed;
        }
        if (p->quantise) {
            struct activations one = {
                .codes = all->codes + (size_t)t * all->stride,
                .step = all->step + t,
                .group_sums = all->group_sums + (size_t)t * (all->stride / 64),
                .count = 1,
                .columns = all->columns,
                .stride = all->stride,
                .added = all->added,
            };
            f->kernels->quantise(row, p->stride, &one);
        }
    }
}

/* After this the matrices read f->quantised, or floats at `input`. */
struct input {
    const float *floats;
    size_t stride;
};

static const float *widen(const struct forward *f, const struct vector *vector, uint32_t place) {
    return vector_floats(vector, f->kernels, f->widened + place * f->widened_stride);
}

static struct norm_floats widen_norm(const struct forward *f, const struct norm *norm,
                                     uint32_t place) {
    return (struct norm_floats){widen(f, &norm->weight, place), widen(f, &norm->bias, place + 1)};
}

static struct input prepare_input(struct prepare *p, uint32_t columns, uint32_t count) {
    struct forward *f = p->f;
    f->quantised.count = count;
    f->quantised.columns = columns;
    f->quantised.stride = activation_stride(columns);
    p->floats.add_bias = widen(f, &p->add_bias, 0);
    p->floats.bias = widen(f, &p->bias, 1);
    p->floats.up_bias = widen(f, &p->up_bias, 2);
    p->floats.norm = widen_norm(f, &p->norm, 3);
    p->floats.own = widen(f, &p->own, 5);
    thread_pool_run(f->pool, prepare_tokens, p, count);
    if (p->floats.norm.weight != NULL || p->floats.own != NULL)
        return (struct input){f->normed, f->widest_stride};
    return (struct input){p->source, p->stride};
}

/* ---------------------------------------------------------------- matrices */

struct product {
    const struct weight *weight;
    float *y;
    size_t stride;
};

/* Up to three matrices that share an input, as one dispatch over all their strips of 16 rows. */
struct products {
    const struct forward *f;
    struct input input;
    struct product product[3];
    uint32_t count;
};

static void multiply_strips(const struct forward *f, const struct input *input,
                            const struct product *product, uint32_t begin, uint32_t end) {
    const struct weight *w = product->weight;
    switch (w->type) {
    case TENSOR_TERNARY:
        f->kernels->ternary_matmul(&w->as.ternary, &f->quantised, begin, end, product->y,
                                   product->stride);
        break;
    case TENSOR_INT8:
        f->kernels->int8_matmul(&w->as.int8, &f->quantised, begin, end, product->y,
                                product->stride);
        break;
    default: {
        uint32_t last = end * TILE_ROWS < w->rows ? end * TILE_ROWS : w->rows;
        f->kernels->float_matmul(&w->as.floats, input->floats, input->stride, f->quantised.count,
                                 begin * TILE_ROWS, last, product->y, product->stride);
        break;
    }
    }
}

static void multiply_range(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    (void)thread;
    const struct products *products = context;
    uint32_t first = 0; /* strip number where this matrix begins */
    for (uint32_t i = 0; i < products->count; i++) {
        uint32_t strips = tile_pad(products->product[i].weight->rows) / TILE_ROWS;
        uint32_t from = begin > first ? begin - first : 0;
        uint32_t to = end > first ? end - first : 0;
        if (to > strips)
            to = strips;
        if (from < to)
            multiply_strips(products->f, &products->input, &products->product[i], from, to);
        first += strips;
    }
}

static void multiply(const struct products *products) {
    uint32_t strips = 0;
    for (uint32_t i = 0; i < products->count; i++)
        strips += tile_pad(products->product[i].weight->rows) / TILE_ROWS;
    /* The pool hands the context through untouched. */
    struct products copy = *products;
    thread_pool_run(products->f->pool, multiply_range, &copy, strips);
}

/* Matrices behind one preparation; with norms of their own each has its input made for itself, what is added or activated
 * only once. own: one a product, all with values or none. */
static void multiply_prepared(struct prepare *p, const struct product *product,
                              const struct vector *own, uint32_t products, uint32_t columns,
                              uint32_t count) {
    struct forward *f = p->f;
    struct products together = {.f = f, .count = products};
    if (own[0].values == NULL) {
        memcpy(together.product, product, products * sizeof *product);
        together.input = prepare_input(p, columns, count);
        multiply(&together);
        return;
    }
    p->own_epsilon = f->model->config.linear_norm_epsilon;
    for (uint32_t i = 0; i < products; i++) {
        p->own = own[i];
        struct input input = prepare_input(p, columns, count);
        multiply(&(struct products){f, input, {product[i]}, 1});
        p->add = NULL;
        p->activate = false;
    }
}

/* ---------------------------------------------------------------- the network */

static void run_layer(struct forward *f, uint32_t l, uint32_t count, uint32_t position) {
    const struct model_config *c = &f->model->config;
    const struct layer_weights *w = &f->model->weights.layers[l];
    struct attention *a = &f->attention;

    struct prepare before_attention = {
        .f = f,
        .source = f->x,
        .stride = f->hidden_stride,
        .add = l > 0 ? f->y : NULL, /* what the layer below adds */
        .add_bias = l > 0 ? w[-1].down_bias : (struct vector){0},
        .norm = w->attention_norm,
        .quantise =
            weight_takes_int8(&w->q) || weight_takes_int8(&w->k) || weight_takes_int8(&w->v),
    };
    multiply_prepared(&before_attention,
                      (struct product[]){{&w->q, a->q, a->query_stride},
                                         {&w->k, a->k, a->kv_stride},
                                         {&w->v, a->v, a->kv_stride}},
                      (struct vector[]){w->q_in_norm, w->k_in_norm, w->v_in_norm}, 3, c->hidden,
                      count);
    attention_run(a, l, count, position);

    struct prepare before_o = {
        .f = f,
        .source = a->output,
        .stride = a->query_stride,
        .norm = w->attention_sub_norm,
        .quantise = weight_takes_int8(&w->o),
    };
    multiply_prepared(&before_o, &(struct product){&w->o, f->y, f->hidden_stride}, &w->o_in_norm, 1,
                      c->query_width, count);

    struct prepare before_ffn = {
        .f = f,
        .source = f->x,
        .stride = f->hidden_stride,
        .add = f->y,
        .add_bias = w->o_bias,
        .norm = w->ffn_norm,
        .quantise = (c->gate && weight_takes_int8(&w->gate)) || weight_takes_int8(&w->up),
    };
    const struct product gate = {&w->gate, f->gate, f->inner_stride};
    const struct product up = {&w->up, f->up, f->inner_stride};
    if (c->gate)
        multiply_prepared(&before_ffn, (struct product[]){gate, up},
                          (struct vector[]){w->gate_in_norm, w->up_in_norm}, 2, c->hidden, count);
    else
        multiply_prepared(&before_ffn, &up, &w->up_in_norm, 1, c->hidden, count);

    struct prepare before_down = {
        .f = f,
        .source = c->gate ? f->gate : f->up,
        .stride = f->inner_stride,
        .activate = true,
        .bias = c->gate ? w->gate_bias : w->up_bias,
        .up = c->gate ? f->up : NULL,
        .up_bias = c->gate ? w->up_bias : (struct vector){0},
        .norm = w->ffn_sub_norm,
        .quantise = weight_takes_int8(&w->down),
    };
    multiply_prepared(&before_down, &(struct product){&w->down, f->y, f->hidden_stride},
                      &w->down_in_norm, 1, c->inner, count);
}

static void run_mixer_layer(struct forward *f, uint32_t l, uint32_t count) {
    const struct model_config *c = &f->model->config;
    const struct layer_weights *w = &f->model->weights.layers[l];
    struct state_space *s = &f->state_space;

    struct prepare before_in = {
        .f = f,
        .source = f->x,
        .stride = f->hidden_stride,
        .add = l > 0 ? f->y : NULL, /* what the layer below adds */
        .norm = w->mixer_norm,
        .quantise = weight_takes_int8(&w->mixer_in),
    };
    struct input input = prepare_input(&before_in, c->hidden, count);
    multiply(&(struct products){f, input, {{&w->mixer_in, s->projected, s->projected_stride}}, 1});
    state_space_run(s, l, count);

    struct prepare before_out = {
        .f = f,
        .source = s->projected,
        .stride = s->projected_stride,
        .norm = w->mixer_out_norm,
        .quantise = weight_takes_int8(&w->mixer_out),
    };
    input = prepare_input(&before_out, c->inner, count);
    multiply(&(struct products){f, input, {{&w->mixer_out, f->y, f->hidden_stride}}, 1});
}

/* Logits of tokens [first, count) of the slice, whose residual stream is complete. */
static void run_head(struct forward *f, uint32_t first, uint32_t count, float *logits,
                     size_t stride) {
    const struct model_config *c = &f->model->config;
    const struct weight *head = &f->model->weights.head;
    struct prepare before_head = {
        .f = f,
        .source = f->x + first * f->hidden_stride,
        .stride = f->hidden_stride,
        .norm = f->model->weights.output_norm,
        .own = f->model->weights.head_norm,
        .own_epsilon = c->norm_epsilon,
        .quantise = weight_takes_int8(head),
    };
    struct input input = prepare_input(&before_head, c->hidden, count - first);
    multiply(&(struct products){f, input, {{head, logits, stride}}, 1});
    for (uint32_t t = 0; t < count - first; t++)
        add_if(f, logits + t * stride, f->model->weights.head_bias, c->vocabulary);
}

static void finish(struct forward *f, uint32_t count, uint32_t keep, float *all_logits) {
    const struct model_config *c = &f->model->config;
    uint32_t first = all_logits != NULL ? 0 : count - keep;
    const float *bias = widen(f, &f->model->weights.layers[c->layers - 1].down_bias, 0);
    for (uint32_t t = first; t < count; t++) {
        add_if(f, f->y + t * f->hidden_stride, bias, c->hidden);
        f->kernels->add(f->x + t * f->hidden_stride, f->y + t * f->hidden_stride, c->hidden);
    }
    if (all_logits == NULL) {
        if (keep > 0)
            run_head(f, first, count, f->logits, f->logits_stride);
        return;
    }
    if (c->vocabulary % TILE_ROWS == 0 || !weight_takes_int8(&f->model->weights.head)) {
        run_head(f, 0, count, all_logits, c->vocabulary);
        memcpy(f->logits, all_logits + (size_t)(count - 1) * c->vocabulary,
               c->vocabulary * sizeof(float));
        return;
    }
    /* The kernel writes whole strips, which would run into the caller's next row. */
    for (uint32_t t = 0; t < count; t++) {
        run_head(f, t, t + 1, f->logits, f->logits_stride);
        memcpy(all_logits + (size_t)t * c->vocabulary, f->logits, c->vocabulary * sizeof(float));
    }
}

static void embed(struct forward *f, const uint32_t *tokens, uint32_t count, uint32_t position) {
    const struct model_config *c = &f->model->config;
    for (uint32_t t = 0; t < count; t++) {
        float *row = f->x + t * f->hidden_stride;
        weight_row(&f->model->weights.embedding, tokens[t], row);
        if (c->learned_positions) {
            weight_row(&f->model->weights.positions, position + t, f->normed);
            f->kernels->add(row, f->normed, c->hidden);
        }
    }
}

void forward_begin(struct forward *f, const uint32_t *tokens, uint32_t count, uint32_t position) {
    f->count = count;
    f->position = position;
    f->layer = 0;
    embed(f, tokens, count, position);
    if (!f->model->config.state_space)
        attention_place(&f->attention, count, position);
    else if (position == 0)
        state_space_clear(&f->state_space);
}

bool forward_next(struct forward *f) {
    if (atomic_load(f->cancel) != 0)
        return false;
    atomic_fetch_add(f->layers_run, 1);
    if (f->model->config.state_space)
        run_mixer_layer(f, f->layer, f->count);
    else
        run_layer(f, f->layer, f->count, f->position);
    f->layer++;
    return true;
}

bool forward_finish(struct forward *f, uint32_t keep, float *all_logits) {
    if (atomic_load(f->cancel) != 0)
        return false;
    if (f->model->config.state_space)
        state_space_commit(&f->state_space);
    finish(f, f->count, keep, all_logits);
    return true;
}

bool forward_run(struct forward *f, const uint32_t *tokens, uint32_t count, uint32_t position,
                 uint32_t keep, float *all_logits) {
    forward_begin(f, tokens, count, position);
    while (f->layer < f->model->config.layers)
        if (!forward_next(f))
            return false;
    return forward_finish(f, keep, all_logits);
}

uint64_t forward_kept_bytes(const struct forward *f, uint32_t context) {
    const struct model_config *c = &f->model->config;
    if (c->state_space)
        return state_space_kept_bytes(&f->state_space);
    struct kv_cache cache;
    struct arena arena = {0};
    kv_cache_layout(&cache, c, f->attention.cache.form, context, &arena);
    return arena.used;
}

void forward_embed(struct forward *f, const uint32_t *tokens, uint32_t count, uint32_t position,
                   float *x) {
    float *own = f->x;
    f->x = x;
    embed(f, tokens, count, position);
    f->x = own;
}

void forward_layer(struct forward *f, uint32_t layer, uint32_t count, uint32_t position, float *x,
                   float *y) {
    float *own_x = f->x, *own_y = f->y;
    f->x = x;
    f->y = y;
    attention_place(&f->attention, count, position);
    run_layer(f, layer, count, position);
    f->x = own_x;
    f->y = own_y;
}

void forward_add_hidden(struct forward *f, uint32_t count, double *sums) {
    const struct model_config *c = &f->model->config;
    struct prepare last = {
        .f = f,
        .source = f->x,
        .stride = f->hidden_stride,
        .add = f->y,
        .add_bias = f->model->weights.layers[c->layers - 1].down_bias,
        .norm = f->model->weights.output_norm,
    };
    struct input input = prepare_input(&last, c->hidden, count);
    for (uint32_t t = 0; t < count; t++)
        for (uint32_t i = 0; i < c->hidden; i++)
            sums[i] += (double)input.floats[t * input.stride + i];
}
