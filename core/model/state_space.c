/*
 * state_space.c: see state_space.h. Per token and channel i of head h (Zhayr1/bitmamba.cpp; Mamba-2, arXiv 2405.21060, with
 * one state a channel), z, x, B, C and dt being the parts of `projected`:
 *   c = bias + w0 x[-3] + w1 x[-2] + w2 x[-1] + w3 x;  a = silu(c)
 *   step = softplus(dt_h + step_bias_h);  S = S exp(-(rate_h step)) + a (B_h step);  y = (S C_h + a skip) silu(z)
 * in this order of operations. Channels do not know of each other, so threads split heads, and any slicing of a prompt gives the
 * same bits. The loops are plain f32, which a compiler may make as wide as it likes; what is costly is the kernels' silu.
 */
#include "state_space.h"
#include "../base/math.h"

#include <string.h>

void state_space_layout(struct state_space *s, const struct tercet_model *model, uint32_t slice,
                        struct arena *arena) {
    const struct model_config *c = &model->config;
    s->model = model;
    s->kernels = &model->engine->kernels;
    s->pool = model->engine->pool;
    s->inner_stride = tile_pad(c->inner);
    s->projected_stride = tile_pad(state_space_projected(c));
    for (uint32_t i = 0; i < 2; i++)
        s->states[i] = arena_take(arena, (uint64_t)c->layers * STATE_SPACE_TAPS * s->inner_stride,
                                  sizeof(float));
    s->projected = arena_take(arena, (uint64_t)slice * s->projected_stride, sizeof(float));
    s->convolved = arena_take(arena, (uint64_t)slice * s->inner_stride, sizeof(float));
    s->ones = arena_take(arena, c->head_dim, sizeof(float));
}

uint64_t state_space_kept_bytes(const struct state_space *s) {
    return 2 * sizeof(float) * (uint64_t)s->model->config.layers * STATE_SPACE_TAPS *
           s->inner_stride;
}

static float *layer_states(const struct state_space *s, uint32_t which) {
    return s->states[which] + (size_t)s->layer * STATE_SPACE_TAPS * s->inner_stride;
}

void state_space_clear(struct state_space *s) {
    const struct model_config *c = &s->model->config;
    memset(s->states[s->now], 0,
           (size_t)c->layers * STATE_SPACE_TAPS * s->inner_stride * sizeof(float));
    for (uint32_t i = 0; i < c->head_dim; i++)
        s->ones[i] = 1.0f;
}

/* Input of the convolution `back` tokens before token t, from the slice or from what was before it. */
static const float *past_input(const struct state_space *s, uint32_t t, uint32_t back) {
    if (t >= back)
        return s->projected + (t - back) * s->projected_stride + s->model->config.inner;
    return layer_states(s, s->now) + (STATE_SPACE_TAPS - 1 + t - back) * s->inner_stride;
}

/* Channels [begin, begin + n) of every token of the slice. */
static void convolve(const struct state_space *s, const struct layer_weights *w, uint32_t begin,
                     uint32_t n) {
    uint32_t inner = s->model->config.inner;
    const float *restrict bias = w->mixer_conv_bias + begin;
    const float *restrict w0 = w->mixer_conv + begin, *restrict w1 = w0 + inner,
                          *restrict w2 = w1 + inner, *restrict w3 = w2 + inner;
    for (uint32_t t = 0; t < s->count; t++) {
        const float *restrict x0 = past_input(s, t, 3) + begin;
        const float *restrict x1 = past_input(s, t, 2) + begin;
        const float *restrict x2 = past_input(s, t, 1) + begin;
        const float *restrict x3 = past_input(s, t, 0) + begin;
        float *restrict out = s->convolved + t * s->inner_stride + begin;
        for (uint32_t i = 0; i < n; i++)
            out[i] = (((bias[i] + w0[i] * x0[i]) + w1[i] * x1[i]) + w2[i] * x2[i]) + w3[i] * x3[i];
        s->kernels->silu_mul(out, s->ones, n);
    }
}

/* The state of one head from token to token; its channels are [begin, begin + n). */
static void scan(const struct state_space *s, const struct layer_weights *w, uint32_t head,
                 uint32_t begin, uint32_t n) {
    const struct model_config *c = &s->model->config;
    const size_t at_state = (STATE_SPACE_TAPS - 1) * s->inner_stride + begin;
    const float *restrict skip = w->mixer_skip + begin;
    float *restrict state = layer_states(s, 1 - s->now) + at_state;
    memcpy(state, layer_states(s, s->now) + at_state, n * sizeof *state);
    for (uint32_t t = 0; t < s->count; t++) {
        float *row = s->projected + t * s->projected_stride;
        const float *heads = row + 2 * (size_t)c->inner + head;
        float step = math_softplus(heads[2 * (size_t)c->heads] + w->mixer_step_bias[head]);
        float decay = math_exp(-(w->mixer_rate[head] * step));
        float in = heads[0] * step, out = heads[c->heads];
        float *restrict a = s->convolved + t * s->inner_stride + begin;
        for (uint32_t i = 0; i < n; i++) {
            state[i] = state[i] * decay + a[i] * in;
            a[i] = state[i] * out + a[i] * skip[i];
        }
        s->kernels->silu_mul(row + begin, a, n);
    }
}

/* What the convolution of the next slice looks back at. */
static void keep_inputs(const struct state_space *s, uint32_t begin, uint32_t n) {
    float *next = layer_states(s, 1 - s->now) + begin;
    for (uint32_t k = 0; k + 1 < STATE_SPACE_TAPS; k++) {
        uint32_t back = STATE_SPACE_TAPS - 2 - k; /* from the last token of the slice */
        memcpy(next + k * s->inner_stride, past_input(s, s->count - 1, back) + begin,
               n * sizeof *next);
    }
}

static void run_heads(void *context, uint32_t begin, uint32_t end, uint32_t thread) {
    (void)thread;
    const struct state_space *s = context;
    const struct layer_weights *w = &s->model->weights.layers[s->layer];
    uint32_t width = s->model->config.head_dim;
    for (uint32_t head = begin; head < end; head++) {
        convolve(s, w, head * width, width);
        scan(s, w, head, head * width, width);
        keep_inputs(s, head * width, width);
    }
}

void state_space_run(struct state_space *s, uint32_t layer, uint32_t count) {
    s->layer = layer;
    s->count = count;
    thread_pool_run(s->pool, run_heads, s, s->model->config.heads);
}

void state_space_commit(struct state_space *s) {
    s->now = 1 - s->now;
}

uint32_t state_space_runs(const struct state_space *s, uint32_t layer,
                          struct memory_run runs[MEMORY_RUNS_MAX]) {
    _Static_assert(STATE_SPACE_TAPS <= MEMORY_RUNS_MAX, "a run for each");
    float *states = s->states[s->now] + (size_t)layer * STATE_SPACE_TAPS * s->inner_stride;
    for (uint32_t i = 0; i < STATE_SPACE_TAPS; i++)
        runs[i] = (struct memory_run){(uint8_t *)(states + i * s->inner_stride),
                                      s->model->config.inner * sizeof(float)};
    return STATE_SPACE_TAPS;
}

bool state_space_sound(const struct state_space *s) {
    const struct model_config *c = &s->model->config;
    bool sound = true;
    for (uint32_t row = 0; row < c->layers * STATE_SPACE_TAPS; row++) {
        const float *values = s->states[s->now] + (size_t)row * s->inner_stride;
        for (uint32_t i = 0; i < c->inner; i++)
            sound &= (math_float_bits(values[i]) & 0x7F800000u) != 0x7F800000u;
    }
    return sound;
}
