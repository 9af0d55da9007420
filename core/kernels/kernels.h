/*
 * kernels.h: math on rows. struct tercet_kernels is a named set of function pointers; portable.c defines every result,
 * bit for bit, and each SIMD file must equal it. Knows no model, no threads, no memory management.
 *
 * Arithmetic rules (they make native and WebAssembly, any set and any thread count equal in bits):
 *   - integer sums are exact, so their order is free;
 *   - float: f32, round to nearest even, no fused multiply-add, operations in the order written here;
 *   - a float reduction has 16 lanes: lane j takes elements j, j + 16, ... in rising order starting from +0, then
 *     lane[j] += lane[j + 8] for j < 8, then 4, 2, 1 ("dot16"). Adding +0 for padding does not change a lane.
 *   - exp, sin, cos are base/math.h's, operation for operation;
 *   - where the answer is a NaN, which NaN is left open: machines differ in its sign and payload.
 * Threads split rows (strips of 16) of the output, never a sum.
 */
#ifndef TERCET_KERNELS_H
#define TERCET_KERNELS_H

#include "ternary_tile.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the slot gelu. */
#define KERNEL_GELU_CUBE 0.044715f
#define KERNEL_GELU_EXPONENT (-1.5957691f)

/* Mirrors SCALE_* of the container; model/weights.c translates. */
enum kernel_scale {
    KERNEL_SCALE_TENSOR = 1,
    KERNEL_SCALE_ROW = 2,
    KERNEL_SCALE_GROUP64 = 3,
    KERNEL_SCALE_GROUP128 = 4
};

/* A ternary matrix in V16 tiles; all pointers aligned to 64. */
struct ternary_matrix {
    const uint8_t *codes;
    const void *scales; /* f32[1] | f32[padded rows] | f16 bits [strip][group][16] */
    enum kernel_scale scale;
    uint32_t rows, columns;
};

/* An int8 matrix in 16 x 4 tiles with one f32 scale a (padded) row. */
struct int8_matrix {
    const int8_t *codes;
    const float *scales;
    uint32_t rows, columns;
};

/* A float matrix, row-major, rows x columns, f32 or IEEE half bits. */
struct float_matrix {
    const void *values;
    bool half;
    uint32_t rows, columns;
};

/* Quantised activations of `count` tokens. codes: [count][stride] int8, zero from `columns` to stride; stride =
 * padded columns (multiple of 64, see activation_stride). step: [count], x is about code * step.
 * group_sums: [count][stride / 64] sum of the codes of each 64 columns. */
struct activations {
    int8_t *codes;
    float *step;
    int32_t *group_sums;
    uint32_t count, columns, stride;
    float added; /* to the largest magnitude: 0, or BitMamba-2's 1e-5 */
};
static inline uint32_t activation_stride(uint32_t columns) {
    return (columns + 63u) & ~63u;
}

/* ---- attention over an int8 cache */

/* Values lie in blocks of so many positions, counted from position 0. */
#define KV_BLOCK 64u
/* Most queries of one call. */
#define ATTEND_QUERIES 8u

/* Keys and values of one head, quantised row by row by `quantise`; pointers aligned to 64, readable to the end of the block
 * in which the last position lies (what is there beyond it changes nothing).
 * Key of position p, column i: keys[int8_byte(p, i, head_dim)], a matrix of positions; columns up to tile_pad(head_dim) hold 0.
 * Value: values[(p / 64) * 64 * tile_pad(head_dim) + int8_byte(i, p % 64, 64)], each block a matrix of columns. */
struct kv_int8 {
    const int8_t *keys, *values;
    const float *key_steps, *value_steps; /* [positions] */
    uint32_t head_dim;
};

/* tokens x group <= ATTEND_QUERIES quantised queries that read the same head: query (t, g) is row first + t * heads + g of
 * `rows` (columns = head_dim), and sees positions 0 .. positions + t - 1. */
struct attend_queries {
    const struct activations *rows;
    uint32_t first, heads, tokens, group;
    uint32_t positions;
};

/* Floats of scratch that attend_int8 needs: scores and sums of every query. */
static inline size_t attend_scratch(uint32_t most_positions, uint32_t head_dim) {
    size_t scores = ((size_t)most_positions + KV_BLOCK - 1) / KV_BLOCK * KV_BLOCK;
    return ATTEND_QUERIES * (scores + tile_pad(head_dim));
}

struct tercet_kernels {
    const char *name;
    /* cpu_features bits (base/cpu_features.h) that must all be there. */
    uint32_t needs;
    /* What a pass over 4 and over 8 tokens takes, in percent of a pass over one; [0] weights in a cache, [1] weights from
     * memory. 0 inherits. Decides how much is drafted (generate/lookup.h), never a result. */
    uint16_t pass_cost[2][2];

    /* x: [count][x_stride] f32 -> activations (count, columns set by the caller). Per token:
     *   m = max|x| by "a > m ? a : m" from +0 (a NaN is passed over); m = m + added; m = m > 1e-5f ? m : 1e-5f; s = 127.0f / m;
     *   step = m / 127.0f; v = x * s; v = v < 127 ? v : 127; v = v > -127 ? v : -127; code = round half to even(v).
     * BitNet's rule (huggingface/transformers, integrations/bitnet.py). */
    void (*quantise)(const float *x, size_t x_stride, struct activations *out);

    /* y[t][row] for rows of strips [strip_begin, strip_end), all 16 rows of a strip, t < x->count; y_stride >= padded rows.
     * x->columns == w->columns. With integer dots d = sum(code*x) - sum(x) over the tensor or group:
     *   tensor: y = (float)d * (scale * step); row: y = (float)d * (scale[row] * step);
     *   group:  y = (sum over groups in rising order from +0 of (float)d_g * scale_g[row]) * step.
     * Codes are 0, 1 and 2. For the code 3, which only a hostile file holds (nobody looks for it), y of that strip may be
     * anything and differ between sets; nothing else may change. */
    void (*ternary_matmul)(const struct ternary_matrix *w, const struct activations *x,
                           uint32_t strip_begin, uint32_t strip_end, float *y, size_t y_stride);

    /* Same for int8 rows: y = (float)d * (scale[row] * step), d = sum(code * x). |d| < 2^31: columns <= 131072. */
    void (*int8_matmul)(const struct int8_matrix *w, const struct activations *x,
                        uint32_t strip_begin, uint32_t strip_end, float *y, size_t y_stride);

    /* y[t][row] = dot16(x[t], w[row]) for rows [row_begin, row_end); x: [count][x_stride]. */
    void (*float_matmul)(const struct float_matrix *w, const float *x, size_t x_stride,
                         uint32_t count, uint32_t row_begin, uint32_t row_end, float *y,
                         size_t y_stride);

    /* y = (x * r) * weight, r = 1.0f / sqrtf(dot16(x, x) / (float)n + epsilon). y may be x. */
    void (*rms_norm)(const float *x, const float *weight, uint32_t n, float epsilon, float *y);

    /* Layer norm, population variance: mean = dot16(x, ones) / (float)n; d = x - mean;
     * r = 1.0f / sqrtf(dot16(d, d) / (float)n + epsilon); y = (d * r) * weight + bias. y may be x. */
    void (*layer_norm)(const float *x, const float *weight, const float *bias, uint32_t n,
                       float epsilon, float *y);

    /* In place on one head of one token: pair (a, b) -> (a*cos - b*sin, b*cos + a*sin), cos_sin[pairs][2];
     * half split: pair p is (x[p], x[p + pairs]); interleaved: (x[2p], x[2p+1]). */
    void (*rope)(float *x, const float *cos_sin, uint32_t pairs, bool interleaved);

    /* One query head over `positions` keys and values of f32, or of halves (row p at k + p * stride elements):
     * score_p = dot16(q, k_p) * scale; m = max by "a > m ? a : m" from score_0; e_p = exp(score_p - m); z = dot16(e, ones);
     * out[i] = (sum over p in rising order from +0 of e_p * v_p[i]) * (1.0f / z). scores: scratch f32[positions]. */
    void (*attend)(const float *q, const void *k, const void *v, bool half, size_t stride,
                   uint32_t positions, uint32_t head_dim, float scale, float *scores, float *out);

    /* The same over an int8 cache, for several queries; (t, g) writes head_dim floats at out + t * out_stride + g * head_dim.
     * Per query, n = positions + t, and d always an exact integer:
     *   score_p = (float)d * (key_step_p * (query_step * scale)), d = sum(query code * key code);
     *   m, e_p and z as above;
     *   per block b of 64 positions, the last one cut at n: w_p = e_p * value_step_p; most = max by "a > m ? a : m" from
     *   1e-30f; v = w_p * (16383.0f / most); v = v < 16383 ? v : 16383; weight_p = round half to even(v);
     *   out[i] = (sum over b in rising order from +0 of (float)d_b * (most / 16383.0f)) * (1.0f / z),
     *   d_b = sum(weight_p * value code of (p, i)).
     * So the result depends on the query and on the rows below n alone. scratch: attend_scratch(positions + tokens - 1,
     * head_dim) floats, aligned to 64. */
    void (*attend_int8)(const struct kv_int8 *kv, const struct attend_queries *queries, float scale,
                        float *scratch, float *out, size_t out_stride);

    /* In place into gate: silu: (g / (1 + exp(-g))) * u; relu2: r = g > 0 ? g : +0; (r * r) * u. */
    void (*silu_mul)(float *gate, const float *up, size_t n);
    void (*relu2_mul)(float *gate, const float *up, size_t n);

    /* In place: x / (1 + exp((x + 0.044715f * ((x * x) * x)) * -1.5957691f)), which is 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715
     * x^3))), "gelu_new". The constant is -2 sqrt(2 / pi). */
    void (*gelu)(float *x, size_t n);

    /* x += y. */
    void (*add)(float *x, const float *y, size_t n);

    /* out = the halves as f32, exact; a NaN becomes quiet. */
    void (*widen)(const uint16_t *halves, size_t n, float *out);
};

/* A set leaves a slot NULL to inherit from the set below it. Each is defined in the file of its name. */
extern const struct tercet_kernels kernels_portable;
extern const struct tercet_kernels kernels_x86_avx2;
extern const struct tercet_kernels kernels_x86_avxvnni;
extern const struct tercet_kernels kernels_x86_avx512vnni;
extern const struct tercet_kernels kernels_arm_neon_dotprod;
extern const struct tercet_kernels kernels_wasm_simd128;
extern const struct tercet_kernels kernels_wasm_relaxed;
extern const struct tercet_kernels kernels_wasm_relaxed_dot;

/* select.c: the compiled sets in rising order, from sources.cmake. NULL past the end. */
const struct tercet_kernels *kernels_at(uint32_t index);
/* Fills *out with a complete set (no NULL slot): the best usable one, or the one named. Each candidate is checked against
 * portable on known answers; one that fails is passed over and `note` (192 bytes) says so. False when the named set does
 * not exist, does not run here or fails its check. */
bool kernels_select(const char *name, struct tercet_kernels *out, char note[192]);
/* Known-answer check of a complete set against portable: every slot, tails included. */
bool kernels_check(const struct tercet_kernels *set);

/* One row of an embedding as f32: `columns` values. Exact for f32, f16 and ternary (trit * scale); int8: code * scale. */
void ternary_row(const struct ternary_matrix *w, uint32_t row, float *out);
void int8_row(const struct int8_matrix *w, uint32_t row, float *out);
void float_row(const struct float_matrix *w, uint32_t row, float *out);

#endif
