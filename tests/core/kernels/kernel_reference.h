/*
 * kernel_reference.h: what portable.c itself is checked against: the mathematics of kernels.h, in
 * 64-bit integers and in double, in the plainest order. Integer kernels must agree bit for bit,
 * float ones within the rounding of their sums.
 */
#ifndef TERCET_TESTS_KERNEL_REFERENCE_H
#define TERCET_TESTS_KERNEL_REFERENCE_H

#include "base/math.h"
#include "check.h"
#include "kernels/kernels.h"
#include <math.h>

static inline int32_t trit_of(const struct ternary_matrix *w, uint32_t row, uint32_t column) {
    uint32_t byte = w->codes[ternary_byte(row, column, w->columns)];
    return (int32_t)(byte >> ternary_shift(column) & 3u) - 1;
}

static inline float reference_ternary(const struct ternary_matrix *w, const struct activations *x,
                                      uint32_t token, uint32_t row) {
    const int8_t *codes = x->codes + (size_t)token * x->stride;
    uint32_t group = w->scale == KERNEL_SCALE_GROUP64    ? 64
                     : w->scale == KERNEL_SCALE_GROUP128 ? 128
                                                         : w->columns;
    uint32_t groups = (w->columns + group - 1) / group;
    float total = 0.0f;
    for (uint32_t g = 0; g < groups; g++) {
        int64_t d = 0;
        for (uint32_t column = g * group; column < (g + 1) * group && column < w->columns;
             column++) {
            d += trit_of(w, row, column) * codes[column];
        }
        if (w->scale == KERNEL_SCALE_TENSOR) {
            return (float)d * (((const float *)w->scales)[0] * x->step[token]);
        }
        if (w->scale == KERNEL_SCALE_ROW) {
            return (float)d * (((const float *)w->scales)[row] * x->step[token]);
        }
        size_t at = ((size_t)(row / 16) * groups + g) * 16 + row % 16;
        total += (float)d * math_half_to_float(((const uint16_t *)w->scales)[at]);
    }
    return total * x->step[token];
}

static inline float reference_int8(const struct int8_matrix *w, const struct activations *x,
                                   uint32_t token, uint32_t row) {
    int64_t d = 0;
    for (uint32_t column = 0; column < w->columns; column++) {
        d += w->codes[int8_byte(row, column, w->columns)] *
             x->codes[(size_t)token * x->stride + column];
    }
    return (float)d * (w->scales[row] * x->step[token]);
}

/* |got - sum of a * b| against the sum of the magnitudes. */
static inline void check_dot(float got, const float *a, const float *b, uint32_t n) {
    double want = 0, magnitude = 0;
    for (uint32_t i = 0; i < n; i++) {
        want += (double)a[i] * (double)b[i];
        magnitude += fabs((double)a[i] * (double)b[i]);
    }
    CHECK_NEAR(got, want, magnitude * 1e-5 + 1e-30);
}

static inline void check_quantised(const float *x, const struct activations *got, uint32_t token) {
    double m = 0;
    for (uint32_t i = 0; i < got->columns; i++) {
        double a = fabs((double)x[i]);
        m = a > m ? a : m;
    }
    m = (double)((float)m + got->added);
    m = m > (double)1e-5f ? m : (double)1e-5f;
    CHECK(got->step[token] == (float)m / 127.0f);
    const int8_t *codes = got->codes + (size_t)token * got->stride;
    for (uint32_t i = 0; i < got->stride; i++) {
        double v = i < got->columns ? (double)(x[i] * (127.0f / (float)m)) : 0;
        int want = isnan(v) ? 127 : (int)nearbyint(v < -127 ? -127 : v > 127 ? 127 : v);
        CHECK_EQ(codes[i], want);
    }
    for (uint32_t g = 0; g < got->stride / 64; g++) {
        int32_t sum = 0;
        for (uint32_t i = 0; i < 64; i++) {
            sum += codes[g * 64 + i];
        }
        CHECK_EQ(got->group_sums[(size_t)token * (got->stride / 64) + g], sum);
    }
}

static inline void check_normed(const float *x, const float *weight, uint32_t n, float epsilon,
                                const float *got) {
    double square = 0;
    for (uint32_t i = 0; i < n; i++) {
        square += (double)x[i] * (double)x[i];
    }
    double r = 1 / sqrt(square / n + (double)epsilon);
    for (uint32_t i = 0; i < n; i++) {
        double want = (double)x[i] * r * (double)weight[i];
        CHECK_NEAR(got[i], want, fabs(want) * 1e-5 + 1e-30);
    }
}

static inline void check_layer_normed(const float *x, const float *weight, const float *bias,
                                      uint32_t n, float epsilon, const float *got) {
    double mean = 0, magnitude = 0, variance = 0;
    for (uint32_t i = 0; i < n; i++) {
        mean += (double)x[i] / n;
        magnitude += fabs((double)x[i]) / n;
    }
    for (uint32_t i = 0; i < n; i++) {
        variance += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
    }
    double r = 1 / sqrt(variance + (double)epsilon);
    for (uint32_t i = 0; i < n; i++) {
        double factor = r * (double)weight[i];
        double want = ((double)x[i] - mean) * factor + (double)bias[i];
        double sizes = (fabs((double)x[i]) + magnitude) * fabs(factor) + fabs((double)bias[i]);
        CHECK_NEAR(got[i], want, sizes * 1e-5 + 1e-30);
    }
}

/* steps: NULL, or those of the values, whose weights have then been rounded (attend_int8). */
static inline void check_attended(const float *q, const float *k, const float *v, size_t stride,
                                  uint32_t positions, uint32_t head_dim, float scale,
                                  const float *steps, const float *got) {
    double *score = calloc(positions, sizeof *score);
    REQUIRE(score != NULL);
    double m = -HUGE_VAL, z = 0;
    for (uint32_t p = 0; p < positions; p++) {
        for (uint32_t i = 0; i < head_dim; i++) {
            score[p] += (double)q[i] * (double)k[p * stride + i];
        }
        score[p] *= (double)scale;
        m = score[p] > m ? score[p] : m;
    }
    for (uint32_t p = 0; p < positions; p++) {
        score[p] = exp(score[p] - m);
        z += score[p];
    }
    for (uint32_t i = 0; i < head_dim; i++) {
        double want = 0, magnitude = 0, rounding = 0;
        for (uint32_t p = 0; steps != NULL && p < positions; p++) {
            double most = 0; /* half a unit of the block's weights, times the code */
            for (uint32_t o = p / KV_BLOCK * KV_BLOCK; o / KV_BLOCK == p / KV_BLOCK; o++) {
                double w = o < positions ? score[o] * (double)steps[o] : 0;
                most = w > most ? w : most;
            }
            rounding += most / 32766 * fabs((double)(v[p * stride + i] / steps[p]));
        }
        for (uint32_t p = 0; p < positions; p++) {
            want += score[p] * (double)v[p * stride + i];
            magnitude += score[p] * fabs((double)v[p * stride + i]);
        }
        /* The error of a score is that of its sum, up to some hundreds of units here. */
        CHECK_NEAR(got[i], want / z, (magnitude * 1e-3 + rounding) / z + 1e-6);
    }
    free(score);
}

#endif
