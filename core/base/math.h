/*
 * math.h: the float functions that libm may round differently from platform to platform, as fixed sequences of IEEE
 * operations, so that every build gives the same bits. Plus half-precision conversion. No state.
 */
#ifndef TERCET_BASE_MATH_H
#define TERCET_BASE_MATH_H

#include <stdint.h>

/* e^x in f32, error at most 2 ulp for x in [-87, 88]; 0 below -87.3, +inf above 88.72; NaN stays NaN. Static inline so that
 * SIMD kernels can repeat it operation for operation: the sequence is in math.c's comment and in this header. */
float math_exp(float x);
/* sin and cos in f64 for |x| <= 2^27, absolute error below 1e-15 at small x and 1e-11 at the bound; rounded to f32 by the caller. */
void math_sincos(double x, double *sine, double *cosine);
/* IEEE half bits <-> f32; to half rounds to nearest even, overflow gives infinity. */
float math_half_to_float(uint16_t bits);
uint16_t math_float_to_half(float value);
/* 2-step natural logarithm for the sampler and perplexity hosts is not needed in core. */

#endif
