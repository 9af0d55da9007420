/*
 * test_math.c: the float functions against libm, over dense sweeps and at every edge. Their exact
 * bits are what the twins share; here only the promised error bounds are checked, and that the
 * half-precision conversions are exact.
 */
#include "base/math.h"
#include "check.h"
#include <math.h>

/* Distance in units of the last place of an f32 of that magnitude. */
static double ulps_between(float got, double want) {
    int exponent;
    frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1.0, exponent - 24);
}

static void check_exp(void) {
    double worst = 0;
    unsigned long seen = 0;
    /* Every 97th bit pattern (a prime) of both signs in the range. */
    for (uint32_t sign = 0; sign < 2; sign++) {
        for (uint32_t bits = 0x2F000000u; bits < 0x42B20000u; bits += 97) {
            float x = math_float_from_bits(bits | sign << 31);
            if (x < -87.3f || x > 88.72f) {
                continue;
            }
            double distance = ulps_between(math_exp(x), exp((double)x));
            worst = distance > worst ? distance : worst;
            seen++;
        }
    }
    CHECK(seen > 5000000);
    CHECK(worst < 1.0);

    CHECK(math_exp(0.0f) == 1.0f);
    CHECK(math_exp(-0.0f) == 1.0f);
    CHECK(math_exp(0x1p-30f) == 1.0f);
    CHECK(math_exp(MATH_EXP_LEAST) > 0x1p-126f);
    CHECK(math_exp(nextafterf(MATH_EXP_LEAST, -100.0f)) == 0.0f);
    CHECK(math_exp(-1e30f) == 0.0f);
    CHECK(math_exp(-HUGE_VALF) == 0.0f);
    CHECK(isfinite(math_exp(MATH_EXP_MOST)));
    CHECK(math_exp(nextafterf(MATH_EXP_MOST, 100.0f)) == HUGE_VALF);
    CHECK(math_exp(3e38f) == HUGE_VALF);
    CHECK(math_exp(HUGE_VALF) == HUGE_VALF);
    CHECK_EQ(math_float_bits(math_exp(math_float_from_bits(0x7FC12345u))), 0x7FC12345u);
}

static void check_log(void) {
    double worst = 0;
    for (double x = 1.0; x < 1e7; x = x * 1.00001 + 1e-9) {
        double want = log(x), got = math_log(x);
        double distance = want == 0 ? fabs(got) : fabs(got - want) / fabs(want);
        worst = distance > worst ? distance : worst;
    }
    CHECK(worst < 0x1p-51);
    CHECK(math_log(1.0) == 0.0);
    CHECK_NEAR(math_log(0x1.fffffffffffffp+1023), log(0x1.fffffffffffffp+1023), 1e-12);
    CHECK(math_log(HUGE_VAL) == HUGE_VAL);
    CHECK(isnan(math_log(NAN)));
}

static double worst_sincos(double x, double worst) {
    double sine, cosine;
    math_sincos(x, &sine, &cosine);
    double a = (double)fabsl((long double)sine - sinl((long double)x));
    double b = (double)fabsl((long double)cosine - cosl((long double)x));
    worst = a > worst ? a : worst;
    return b > worst ? b : worst;
}

static void check_sincos(void) {
    double small = 0, medium = 0, large = 0;
    for (int i = -200000; i <= 200000; i++) {
        small = worst_sincos(i * 0x1.3p-14, small);            /* to +-14.5 */
        medium = worst_sincos(i * 0.7853981633974483, medium); /* around every quadrant's edge */
        large = worst_sincos(i * 671.08, large);               /* to +-2^27 */
    }
    CHECK(small < 1e-15);
    CHECK(medium < 1e-15);
    CHECK(large < 1e-15);
    CHECK(worst_sincos(0x1p27, 0) < 1e-15);
    CHECK(worst_sincos(-0x1p27, 0) < 1e-15);

    double sine, cosine;
    math_sincos(0.0, &sine, &cosine);
    CHECK(sine == 0.0 && cosine == 1.0);
    math_sincos(HUGE_VAL, &sine, &cosine);
    CHECK(isnan(sine) && isnan(cosine));
    math_sincos(NAN, &sine, &cosine);
    CHECK(isnan(sine) && isnan(cosine));
}

/* From where e^x is nothing to where ln(1 + e^x) is x, and beyond. */
static void check_softplus(void) {
    for (float x = -110.0f; x < 110.0f; x += 0x1.3p-6f) {
        double want = x > 0 ? (double)x + log1p(exp(-(double)x)) : log1p(exp((double)x));
        double error = fabs((double)math_softplus(x) - want);
        CHECK(error <= want * 2e-7 || (x < -87.0f && error < 1e-37));
    }
    CHECK(math_softplus(0.0f) == 0x1.62e43p-1f);
    CHECK(math_softplus(-HUGE_VALF) == 0.0f);
    CHECK(math_softplus(HUGE_VALF) == HUGE_VALF);
    CHECK(math_softplus(3e38f) == 3e38f);
    CHECK(isnan(math_softplus(NAN)));
}

/* What the bits of a half mean (IEEE 754, 3.4), by arithmetic. */
static double value_of_half(uint32_t bits) {
    int exponent = (int)(bits >> 10 & 31);
    double mantissa = bits & 1023;
    double magnitude = exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25);
    return bits & 0x8000 ? -magnitude : magnitude;
}

static void check_all_halves(void) {
    for (uint32_t bits = 0; bits < 65536; bits++) {
        uint32_t f = math_float_bits(math_half_to_float((uint16_t)bits));
        uint32_t sign = (bits & 0x8000u) << 16, mantissa = bits & 1023u;
        if ((bits >> 10 & 31) < 31) {
            float want = (float)value_of_half(bits);
            CHECK_EQ(f, math_float_bits(want));
            CHECK_EQ(math_float_to_half(want), bits);
        } else if (mantissa == 0) {
            CHECK_EQ(f, sign | 0x7F800000u);
            CHECK_EQ(math_float_to_half(math_float_from_bits(f)), bits);
        } else { /* quiet, sign and payload kept */
            CHECK_EQ(f, sign | 0x7FC00000u | mantissa << 13);
            CHECK_EQ(math_float_to_half(math_float_from_bits(f)), bits | 0x200u);
        }
    }
}

/* Between every two neighbours: below the middle, the middle (to even), above it; both signs. */
static void check_rounding_to_half(void) {
    for (uint32_t bits = 0; bits < 0x7C00; bits++) {
        double low = value_of_half(bits);
        double high = bits == 0x7BFF ? 65536.0 : value_of_half(bits + 1);
        float middle = (float)((low + high) / 2);
        uint32_t even = bits & 1 ? bits + 1 : bits; /* 0x7BFF is odd: 65520 becomes infinity */
        CHECK_EQ(math_float_to_half(middle), even);
        CHECK_EQ(math_float_to_half(-middle), even | 0x8000u);
        CHECK_EQ(math_float_to_half(nextafterf(middle, 0.0f)), bits);
        CHECK_EQ(math_float_to_half(nextafterf(middle, 1e9f)), bits + 1);
    }
    CHECK_EQ(math_float_to_half(0x1p-149f), 0);
    CHECK_EQ(math_float_to_half(-0.0f), 0x8000);
    CHECK_EQ(math_float_to_half(3e38f), 0x7C00);
    CHECK_EQ(math_float_to_half(-HUGE_VALF), 0xFC00);
    CHECK_EQ(math_float_to_half(math_float_from_bits(0x7F800001u)), 0x7E00); /* NaN stays NaN */
}

int main(void) {
    check_exp();
    check_log();
    check_sincos();
    check_softplus();
    check_all_halves();
    check_rounding_to_half();
    return check_done();
}
