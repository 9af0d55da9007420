/*
 * math.c: sin and cos in f64 and half-precision conversion, without libm, so that every build gives
 * the same bits (math_exp is inline in math.h). Must never call libm or depend on the rounding
 * mode, on contraction or on a table.
 */
#include "math.h"

/* 1.5 * 2^52: adding it leaves the nearest integer in the low mantissa bits. */
#define SINCOS_SHIFTER 0x1.8p+52
#define TWO_OVER_PI 0x1.45f306dc9c883p-1
/* pi/2 = HIGH + MIDDLE + LOW; the first two have 25 bits, so that their product with n < 2^27 is
 * exact (Cody and Waite, "Software Manual for the Elementary Functions", 1980). */
#define HALF_PI_HIGH 0x1.921fb5p+0
#define HALF_PI_MIDDLE 0x1.110b46p-26
#define HALF_PI_LOW 0x1.1a62633145c07p-54

/* Taylor coefficients 1/k!: on |r| <= pi/4 the first term left out is below 5e-17 (sine, r^17/17!)
 * and 2e-18 (cosine, r^18/18!). A quotient of two exact f64 is correctly rounded by any compiler. */
static double sine_of_reduced(double r) {
    double z = r * r;
    double p = -1.0 / 1307674368000.0;
    p = p * z + 1.0 / 6227020800.0;
    p = p * z + -1.0 / 39916800.0;
    p = p * z + 1.0 / 362880.0;
    p = p * z + -1.0 / 5040.0;
    p = p * z + 1.0 / 120.0;
    p = p * z + -1.0 / 6.0;
    return (r * z) * p + r;
}

static double cosine_of_reduced(double r) {
    double z = r * r;
    double p = 1.0 / 20922789888000.0;
    p = p * z + -1.0 / 87178291200.0;
    p = p * z + 1.0 / 479001600.0;
    p = p * z + -1.0 / 3628800.0;
    p = p * z + 1.0 / 40320.0;
    p = p * z + -1.0 / 720.0;
    p = p * z + 1.0 / 24.0;
    return (z * z) * p + (1.0 - 0.5 * z);
}

void math_sincos(double x, double *sine, double *cosine) {
    double shifted = x * TWO_OVER_PI + SINCOS_SHIFTER;
    double n = shifted - SINCOS_SHIFTER;
    double r = ((x - n * HALF_PI_HIGH) - n * HALF_PI_MIDDLE) - n * HALF_PI_LOW;
    /* n mod 4 from the bits, which is defined for every input; a cast of NaN would not be. */
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);

    double s = sine_of_reduced(r);
    double c = cosine_of_reduced(r);
    switch (bits & 3u) {
    case 0:
        *sine = s;
        *cosine = c;
        break;
    case 1:
        *sine = c;
        *cosine = -s;
        break;
    case 2:
        *sine = -s;
        *cosine = -c;
        break;
    default:
        *sine = -c;
        *cosine = s;
        break;
    }
}

/* ln(1 + e) = 2 artanh(e / (2 + e)) in f64; e <= 1, so the argument s is at most 1/3 and the first term left out below
 * 2 s^23 / 23 < 1e-12. */
float math_softplus(float x) {
    double e = (double)math_exp(x > 0.0f ? -x : x);
    double s = e / (2.0 + e), square = s * s, p = 0.0;
    for (int k = 21; k >= 1; k -= 2)
        p = p * square + 1.0 / k;
    return (float)((x > 0.0f ? (double)x : 0.0) + 2.0 * (s * p));
}

/* x = m 2^n with m in [sqrt 1/2, sqrt 2), ln m = 2 artanh s with |s| <= 0.1716; the first term left out is below 2 s^25 / 25 < 1e-19.
 * LN2_HIGH has 32 bits, so that n LN2_HIGH is exact. */
double math_log(double x) {
    const double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
    if (!(x >= 1.0 && x <= 0x1.fffffffffffffp+1023))
        return x;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int n = (int)(bits >> 52) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFu) | (uint64_t)1023 << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 0x1.6a09e667f3bcdp+0) { /* sqrt 2 */
        m *= 0.5;
        n++;
    }
    double s = (m - 1.0) / (m + 1.0), square = s * s, p = 0.0;
    for (int k = 23; k >= 3; k -= 2)
        p = (p + 1.0 / k) * square;
    return n * ln2_high + (2.0 * s + (2.0 * s * p + n * ln2_low));
}

float math_half_to_float(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000u) << 16;
    uint32_t exponent = (bits >> 10) & 31u;
    uint32_t mantissa = bits & 0x3FFu;
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24, exact */
        float magnitude = (float)mantissa * 0x1p-24f;
        return math_float_from_bits(sign | math_float_bits(magnitude));
    }
    if (exponent == 31) {
        uint32_t quiet = mantissa != 0 ? 0x400000u : 0u;
        return math_float_from_bits(sign | 0x7F800000u | quiet | mantissa << 13);
    }
    return math_float_from_bits(sign | (exponent + 112u) << 23 | mantissa << 13);
}

uint16_t math_float_to_half(float value) {
    uint32_t bits = math_float_bits(value);
    uint32_t sign = (bits >> 16) & 0x8000u;
    uint32_t magnitude = bits & 0x7FFFFFFFu;
    uint32_t half;
    if (magnitude > 0x7F800000u) { /* NaN */
        half = 0x7E00u | ((magnitude >> 13) & 0x3FFu);
    } else if (magnitude >= 0x477FF000u) { /* 65520 and up round to infinity */
        half = 0x7C00u;
    } else if (magnitude < 0x38800000u) {
        /* Below 2^-14: in the sum with 0.5 the last mantissa bit weighs 2^-24, the half's unit. */
        half = math_float_bits(math_float_from_bits(magnitude) + 0.5f) - 0x3F000000u;
    } else {
        half = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
    }
    return (uint16_t)(sign | half);
}
