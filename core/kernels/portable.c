/*
 * portable.c: the definition of every kernel, scalar and readable. It runs where no SIMD set fits,
 * and it is what every other set must equal bit for bit. Must never be tuned in a way that changes
 * the order of a float operation, and never uses intrinsics.
 */
#include "kernels.h"
#include "../base/math.h"
#include <math.h>

#define LANES 16u

static float add_lanes(float lane[LANES]) {
    for (uint32_t width = LANES / 2; width > 0; width /= 2) {
        for (uint32_t j = 0; j < width; j++) {
            lane[j] += lane[j + width];
        }
    }
    return lane[0];
}

static float dot16(const float *a, const float *b, uint32_t n) {
    float lane[LANES] = {0};
    uint32_t whole = n - n % LANES;
    for (uint32_t i = 0; i < whole; i += LANES) {
        for (uint32_t j = 0; j < LANES; j++) {
            lane[j] += a[i + j] * b[i + j];
        }
    }
    for (uint32_t i = whole; i < n; i++) {
        lane[i - whole] += a[i] * b[i];
    }
    return add_lanes(lane);
}

static float dot16_half(const float *a, const uint16_t *b, uint32_t n) {
    float lane[LANES] = {0};
    for (uint32_t i = 0; i < n; i++) {
        lane[i % LANES] += a[i] * math_half_to_float(b[i]);
    }
    return add_lanes(lane);
}

/* Half to even by the shifter: |v| <= 127, so the sum keeps every integer exactly. */
static int8_t round_to_code(float v) {
    float shifted = v + MATH_EXP_SHIFTER;
    return (int8_t)(shifted - MATH_EXP_SHIFTER);
}

static void quantise(const float *x, size_t x_stride, struct activations *out) {
    for (uint32_t t = 0; t < out->count; t++) {
        const float *row = x + t * x_stride;
        int8_t *codes = out->codes + (size_t)t * out->stride;
        int32_t *sums = out->group_sums + (size_t)t * (out->stride / 64);

        float m = 0.0f;
        for (uint32_t i = 0; i < out->columns; i++) {
            float a = math_float_from_bits(math_float_bits(row[i]) & 0x7FFFFFFFu);
            m = a > m ? a : m;
        }
        m = m + out->added;
        m = m > 1e-5f ? m : 1e-5f;
        float s = 127.0f / m;
        out->step[t] = m / 127.0f;

        for (uint32_t i = 0; i < out->columns; i++) {
            float v = row[i] * s;
            v = v < 127.0f ? v : 127.0f; /* a NaN (infinity * 0) ends here */
            v = v > -127.0f ? v : -127.0f;
            codes[i] = round_to_code(v);
        }
        for (uint32_t i = out->columns; i < out->stride; i++) {
            codes[i] = 0;
        }
        for (uint32_t g = 0; g < out->stride / 64; g++) {
            sums[g] = 0;
            for (uint32_t i = 0; i < 64; i++) {
                sums[g] += codes[g * 64 + i];
            }
        }
    }
}

/* sums[r] = sum over the tiles [tile_begin, tile_end) of (code - 1) * x for the 16 rows of a strip:
 * written with the codes as they are stored, less the sum of x. */
static void ternary_dots(const uint8_t *strip, const int8_t *x, uint32_t tile_begin,
                         uint32_t tile_end, int32_t x_sum, int32_t sums[TILE_ROWS]) {
    for (uint32_t r = 0; r < TILE_ROWS; r++) {
        sums[r] = -x_sum;
    }
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint8_t *bytes = strip + (size_t)tile * TILE_BYTES;
        const int8_t *codes = x + (size_t)tile * TILE_COLUMNS;
        for (uint32_t r = 0; r < TILE_ROWS; r++) {
            int32_t sum = 0;
            for (uint32_t c = 0; c < 4; c++) {
                int32_t byte = bytes[r * 4 + c];
                sum += (byte & 3) * codes[c];
                sum += (byte >> 2 & 3) * codes[c + 4];
                sum += (byte >> 4 & 3) * codes[c + 8];
                sum += (byte >> 6) * codes[c + 12];
            }
            sums[r] += sum;
        }
    }
}

static void ternary_strip_whole(const struct ternary_matrix *w, const struct activations *x,
                                uint32_t token, uint32_t strip, float *y) {
    const float *scales = w->scales;
    uint32_t tiles = tile_pad(w->columns) / TILE_COLUMNS;
    const int8_t *codes = x->codes + (size_t)token * x->stride;
    const int32_t *group_sums = x->group_sums + (size_t)token * (x->stride / 64);
    int32_t x_sum = 0;
    for (uint32_t g = 0; g < x->stride / 64; g++) {
        x_sum += group_sums[g];
    }

    int32_t d[TILE_ROWS];
    ternary_dots(w->codes + (size_t)strip * tiles * TILE_BYTES, codes, 0, tiles, x_sum, d);
    for (uint32_t r = 0; r < TILE_ROWS; r++) {
        uint32_t row = strip * TILE_ROWS + r;
        float scale = w->scale == KERNEL_SCALE_ROW ? scales[row] : scales[0];
        y[row] = (float)d[r] * (scale * x->step[token]);
    }
}

static void ternary_strip_groups(const struct ternary_matrix *w, const struct activations *x,
                                 uint32_t token, uint32_t strip, float *y) {
    uint32_t tiles = tile_pad(w->columns) / TILE_COLUMNS;
    uint32_t group_tiles = w->scale == KERNEL_SCALE_GROUP64 ? 4 : 8;
    uint32_t groups = (tiles + group_tiles - 1) / group_tiles;
    const uint16_t *scales = (const uint16_t *)w->scales + (size_t)strip * groups * TILE_ROWS;
    const int8_t *codes = x->codes + (size_t)token * x->stride;
    const int32_t *group_sums = x->group_sums + (size_t)token * (x->stride / 64);

    float sum[TILE_ROWS] = {0};
    for (uint32_t g = 0; g < groups; g++) {
        uint32_t begin = g * group_tiles;
        uint32_t end = begin + group_tiles < tiles ? begin + group_tiles : tiles;
        int32_t x_sum = 0;
        for (uint32_t tile = begin; tile < end; tile += 4) {
            x_sum += group_sums[tile / 4];
        }
        int32_t d[TILE_ROWS];
        ternary_dots(w->codes + (size_t)strip * tiles * TILE_BYTES, codes, begin, end, x_sum, d);
        for (uint32_t r = 0; r < TILE_ROWS; r++) {
            sum[r] += (float)d[r] * math_half_to_float(scales[g * TILE_ROWS + r]);
        }
    }
    for (uint32_t r = 0; r < TILE_ROWS; r++) {
        y[strip * TILE_ROWS + r] = sum[r] * x->step[token];
    }
}

static void ternary_matmul(const struct ternary_matrix *w, const struct activations *x,
                           uint32_t strip_begin, uint32_t strip_end, float *y, size_t y_stride) {
    bool groups = w->scale == KERNEL_SCALE_GROUP64 || w->scale == KERNEL_SCALE_GROUP128;
    for (uint32_t strip = strip_begin; strip < strip_end; strip++) {
        for (uint32_t t = 0; t < x->count; t++) {
            if (groups) {
                ternary_strip_groups(w, x, t, strip, y + t * y_stride);
            } else {
                ternary_strip_whole(w, x, t, strip, y + t * y_stride);
            }
        }
    }
}

static void int8_matmul(const struct int8_matrix *w, const struct activations *x,
                        uint32_t strip_begin, uint32_t strip_end, float *y, size_t y_stride) {
    uint32_t tiles = tile_pad(w->columns) / INT8_TILE_COLUMNS;
    for (uint32_t strip = strip_begin; strip < strip_end; strip++) {
        const int8_t *strip_codes = w->codes + (size_t)strip * tiles * TILE_BYTES;
        for (uint32_t t = 0; t < x->count; t++) {
            const int8_t *codes = x->codes + (size_t)t * x->stride;
            int32_t d[TILE_ROWS] = {0};
            for (uint32_t tile = 0; tile < tiles; tile++) {
                for (uint32_t r = 0; r < TILE_ROWS; r++) {
                    for (uint32_t c = 0; c < INT8_TILE_COLUMNS; c++) {
                        d[r] += strip_codes[(size_t)tile * TILE_BYTES + r * 4 + c] *
                                codes[tile * INT8_TILE_COLUMNS + c];
                    }
                }
            }
            for (uint32_t r = 0; r < TILE_ROWS; r++) {
                uint32_t row = strip * TILE_ROWS + r;
                y[t * y_stride + row] = (float)d[r] * (w->scales[row] * x->step[t]);
            }
        }
    }
}

static void float_matmul(const struct float_matrix *w, const float *x, size_t x_stride,
                         uint32_t count, uint32_t row_begin, uint32_t row_end, float *y,
                         size_t y_stride) {
    for (uint32_t row = row_begin; row < row_end; row++) {
        size_t at = (size_t)row * w->columns;
        for (uint32_t t = 0; t < count; t++) {
            const float *token = x + t * x_stride;
            y[t * y_stride + row] =
                w->half ? dot16_half(token, (const uint16_t *)w->values + at, w->columns)
                        : dot16(token, (const float *)w->values + at, w->columns);
        }
    }
}

static void rms_norm(const float *x, const float *weight, uint32_t n, float epsilon, float *y) {
    float r = 1.0f / sqrtf(dot16(x, x, n) / (float)n + epsilon);
    for (uint32_t i = 0; i < n; i++) {
        y[i] = (x[i] * r) * weight[i];
    }
}

static void layer_norm(const float *x, const float *weight, const float *bias, uint32_t n,
                       float epsilon, float *y) {
    float lane[LANES] = {0};
    for (uint32_t i = 0; i < n; i++) {
        lane[i % LANES] += x[i];
    }
    float mean = add_lanes(lane) / (float)n;
    for (uint32_t i = 0; i < n; i++) {
        y[i] = x[i] - mean;
    }
    float r = 1.0f / sqrtf(dot16(y, y, n) / (float)n + epsilon);
    for (uint32_t i = 0; i < n; i++) {
        y[i] = (y[i] * r) * weight[i] + bias[i];
    }
}

static void rope(float *x, const float *cos_sin, uint32_t pairs, bool interleaved) {
    for (uint32_t p = 0; p < pairs; p++) {
        uint32_t at_a = interleaved ? 2 * p : p;
        uint32_t at_b = interleaved ? 2 * p + 1 : p + pairs;
        float a = x[at_a], b = x[at_b];
        float cosine = cos_sin[2 * p], sine = cos_sin[2 * p + 1];
        x[at_a] = a * cosine - b * sine;
        x[at_b] = b * cosine + a * sine;
    }
}

static float greatest(const float *scores, uint32_t n) {
    float m = scores[0];
    for (uint32_t p = 1; p < n; p++) {
        m = scores[p] > m ? scores[p] : m;
    }
    return m;
}

/* scores[p] = exp(scores[p] - m); their sum. */
static float exponentials(float *scores, uint32_t n, float m) {
    float lane[LANES] = {0};
    for (uint32_t p = 0; p < n; p++) {
        scores[p] = math_exp(scores[p] - m);
        lane[p % LANES] += scores[p];
    }
    return add_lanes(lane);
}

static void attend(const float *q, const void *k, const void *v, bool half, size_t stride,
                   uint32_t positions, uint32_t head_dim, float scale, float *scores, float *out) {
    for (uint32_t p = 0; p < positions; p++) {
        float dot = half ? dot16_half(q, (const uint16_t *)k + p * stride, head_dim)
                         : dot16(q, (const float *)k + p * stride, head_dim);
        scores[p] = dot * scale;
    }
    float z = exponentials(scores, positions, greatest(scores, positions));

    for (uint32_t i = 0; i < head_dim; i++) {
        out[i] = 0.0f;
    }
    for (uint32_t p = 0; p < positions; p++) {
        for (uint32_t i = 0; i < head_dim; i++) {
            out[i] += scores[p] * (half ? math_half_to_float(((const uint16_t *)v)[p * stride + i])
                                        : ((const float *)v)[p * stride + i]);
        }
    }
    float inverse = 1.0f / z;
    for (uint32_t i = 0; i < head_dim; i++) {
        out[i] *= inverse;
    }
}

/* Adds `count` <= 64 positions from `begin` on, the beginning of a block; e are their exponentials. */
static void attend_block(const struct kv_int8 *kv, uint32_t begin, uint32_t count, const float *e,
                         float *out) {
    float w[KV_BLOCK], most = 1e-30f;
    int32_t weight[KV_BLOCK];
    for (uint32_t p = 0; p < count; p++) {
        w[p] = e[p] * kv->value_steps[begin + p];
        most = w[p] > most ? w[p] : most;
    }
    float s = 16383.0f / most;
    for (uint32_t p = 0; p < count; p++) {
        float v = w[p] * s;
        v = v < 16383.0f ? v : 16383.0f; /* a NaN ends here; z is one, too */
        weight[p] = (int32_t)((v + MATH_EXP_SHIFTER) - MATH_EXP_SHIFTER);
    }
    const int8_t *values = kv->values + (size_t)begin * tile_pad(kv->head_dim);
    for (uint32_t i = 0; i < kv->head_dim; i++) {
        int32_t d = 0; /* at most 64 * 16383 * 127 */
        for (uint32_t p = 0; p < count; p++) {
            d += weight[p] * values[int8_byte(i, p, KV_BLOCK)];
        }
        out[i] += (float)d * (most / 16383.0f);
    }
}

static void attend_int8(const struct kv_int8 *kv, const struct attend_queries *queries, float scale,
                        float *scratch, float *out, size_t out_stride) {
    uint32_t dim = kv->head_dim;
    for (uint32_t t = 0; t < queries->tokens; t++) {
        for (uint32_t g = 0; g < queries->group; g++) {
            uint32_t n = queries->positions + t, row = queries->first + t * queries->heads + g;
            const int8_t *codes = queries->rows->codes + (size_t)row * queries->rows->stride;
            float *result = out + t * out_stride + (size_t)g * dim;
            for (uint32_t p = 0; p < n; p++) {
                int32_t d = 0;
                for (uint32_t i = 0; i < dim; i++) {
                    d += codes[i] * kv->keys[int8_byte(p, i, dim)];
                }
                scratch[p] = (float)d * (kv->key_steps[p] * (queries->rows->step[row] * scale));
            }
            float z = exponentials(scratch, n, greatest(scratch, n));
            for (uint32_t i = 0; i < dim; i++) {
                result[i] = 0.0f;
            }
            for (uint32_t p = 0; p < n; p += KV_BLOCK) {
                attend_block(kv, p, n - p < KV_BLOCK ? n - p : KV_BLOCK, scratch + p, result);
            }
            float inverse = 1.0f / z;
            for (uint32_t i = 0; i < dim; i++) {
                result[i] *= inverse;
            }
        }
    }
}

static void silu_mul(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        gate[i] = (gate[i] / (1.0f + math_exp(-gate[i]))) * up[i];
    }
}

static void relu2_mul(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float r = gate[i] > 0.0f ? gate[i] : 0.0f;
        gate[i] = (r * r) * up[i];
    }
}

static void gelu(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float bent = x[i] + KERNEL_GELU_CUBE * ((x[i] * x[i]) * x[i]);
        x[i] = x[i] / (1.0f + math_exp(bent * KERNEL_GELU_EXPONENT));
    }
}

static void add(float *x, const float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        x[i] += y[i];
    }
}

static void widen(const uint16_t *halves, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) {
        out[i] = math_half_to_float(halves[i]);
    }
}

const struct tercet_kernels kernels_portable = {
    .name = "portable",
    .needs = 0,
    .pass_cost = {{395, 790}, {395, 790}},
    .quantise = quantise,
    .ternary_matmul = ternary_matmul,
    .int8_matmul = int8_matmul,
    .float_matmul = float_matmul,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .rope = rope,
    .attend = attend,
    .attend_int8 = attend_int8,
    .silu_mul = silu_mul,
    .relu2_mul = relu2_mul,
    .gelu = gelu,
    .add = add,
    .widen = widen,
};
