/*
 * math.h: the float functions that libm may round differently from platform to platform, as fixed
 * sequences of IEEE operations, so that every build gives the same bits. Plus half-precision
 * conversion. No state, no libm, no table. Needs round to nearest even and no contraction
 * (-ffp-contract=off).
 */
#ifndef TERCET_BASE_MATH_H
#define TERCET_BASE_MATH_H

#include <stdint.h>
#include <string.h>

/* Constants of math_exp, shared with the SIMD kernels that repeat it lane by lane.
 * SHIFTER is 1.5 * 2^23: adding it leaves the nearest integer (ties to even) in the low mantissa
 * bits. LN2_HIGH is 355/512, so that n * LN2_HIGH is exact for every n that occurs; LN2_LOW is
 * ln 2 - 355/512. C2..C6: minimax coefficients (Remez, |r| <= ln 2 / 2, relative error of e^r 2^-28)
 * of (e^r - 1 - r) / r^2, rounded to f32. */
#define MATH_EXP_LOG2_E 0x1.715476p+0f
#define MATH_EXP_SHIFTER 0x1.8p+23f
#define MATH_EXP_LN2_HIGH 0x1.63p-1f
#define MATH_EXP_LN2_LOW (-0x1.bd0106p-13f)
#define MATH_EXP_C2 0x1.fffffcp-2f
#define MATH_EXP_C3 0x1.555492p-3f
#define MATH_EXP_C4 0x1.5558f2p-5f
#define MATH_EXP_C5 0x1.123a2p-7f
#define MATH_EXP_C6 0x1.6a23dp-10f
/* Below LEAST the result is 0 (no subnormals: they cost hundreds of cycles and change no text);
 * above MOST, the largest f32 below ln(FLT_MAX), it is infinity. */
#define MATH_EXP_LEAST (-87.3f)
#define MATH_EXP_MOST 0x1.62e42ep+6f

static inline uint32_t math_float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float math_float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* e^x in f32, error at most 1 ulp (exhaustively checked) for x in [-87.3, 88.72]; 0 below, +inf
 * above; a NaN comes back unchanged. The scale by 2^n is an integer addition to the exponent field:
 * the polynomial lies in [0.70, 1.42) and n in [-126, 128]; with n = 128 it is below 1 because of
 * MOST, with n = -126 it is above 1 because of LEAST, so the field never leaves 1..254.
 * Outside the range the lanes hold rubbish, which the selections at the end replace. */
static inline float math_exp(float x) {
    float shifted = x * MATH_EXP_LOG2_E + MATH_EXP_SHIFTER;
    float n = shifted - MATH_EXP_SHIFTER;
    float r = (x - n * MATH_EXP_LN2_HIGH) - n * MATH_EXP_LN2_LOW;
    float p = MATH_EXP_C6;
    p = p * r + MATH_EXP_C5;
    p = p * r + MATH_EXP_C4;
    p = p * r + MATH_EXP_C3;
    p = p * r + MATH_EXP_C2;
    p = ((r * r) * p + r) + 1.0f;
    /* The bits of `shifted` are a multiple of 2^22 plus n; all but n falls off the end. */
    float y = math_float_from_bits(math_float_bits(p) + (math_float_bits(shifted) << 23));
    y = x < MATH_EXP_LEAST ? 0.0f : y;
    y = x > MATH_EXP_MOST ? math_float_from_bits(0x7F800000u) : y;
    return x == x ? y : x;
}

/* ln(1 + e^x) in f32, error at most 2 ulp: x + ln(1 + e^-x) for x > 0. A NaN comes back. */
float math_softplus(float x);

/* ln x in f64 for a finite x >= 1, error at most 2 ulp (of sums of probabilities). A NaN comes back, infinity stays. */
double math_log(double x);

/* sin and cos in f64 for |x| <= 2^27, absolute error below 1e-15; rounded to f32 by the caller.
 * Beyond that the result is meaningless but finite or NaN; NaN and infinities give NaN. */
void math_sincos(double x, double *sine, double *cosine);

/* IEEE half bits <-> f32. To f32 is exact; to half rounds to nearest even, overflow gives infinity.
 * A NaN becomes quiet and keeps its sign and the upper bits of its payload, as F16C does it. */
float math_half_to_float(uint16_t bits);
uint16_t math_float_to_half(float value);

#endif
