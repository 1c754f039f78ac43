// The gradient of the Gaussian error linear unit. The same loop is compiled for each width of vector; where products are
// added in one instruction, the last bit may differ.

#include "kernels.h"

#pragma STDC FP_CONTRACT ON

/// eˣ of what is not above 0; 0 where that is no normal number.
INLINE float exponential(float x)
{
    // x = n · log 2 + r; added to a number this large, n stands in the lowest bits.
    float shifted = x * 1.44269504f + 0x1.8p23f;
    float n = shifted - 0x1.8p23f;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    float power = of_bits((bits_of(shifted) << 23) + 0x3F800000u);
    return x < -87 ? 0 : p * power;
}

/// The derivative of x · Φ(x), which is Φ(x) + x · φ(x); the error function by Abramowitz and Stegun 7.1.26, whose
/// exponential is that of φ too (error below 2e-7).
INLINE float slope(float x)
{
    float distance = __builtin_fabsf(x) * 0.707106781f;
    float exponent = exponential(-0.5f * x * x);
    float t = 1 / (1 + 0.3275911f * distance);
    float tail = 1.061405429f;
    tail = tail * t - 1.453152027f;
    tail = tail * t + 1.421413741f;
    tail = tail * t - 0.284496736f;
    tail = tail * t + 0.254829592f;
    tail = 0.5f * tail * t * exponent;
    return (x < 0 ? tail : 1 - tail) + x * (exponent * 0.398942280f);
}

#define KERNELS(suffix, attribute)                                                                              \
    attribute static void floats_##suffix(const float *restrict input, float *restrict gradient, int64_t count) \
    {                                                                                                           \
        for (int64_t i = 0; i < count; i++) gradient[i] *= slope(input[i]);                                     \
    }                                                                                                           \
    attribute static void halves_##suffix(                                                                      \
        const uint16_t *restrict input, uint16_t *restrict gradient, int64_t count)                             \
    {                                                                                                           \
        for (int64_t i = 0; i < count; i++)                                                                     \
            gradient[i] = rounded(widened(gradient[i]) * slope(widened(input[i])));                             \
    }

KERNELS(portable, )
#if defined(__x86_64__)
KERNELS(avx2, AVX2)
KERNELS(avx512, AVX512)
#endif

void pando_gelu_gradient_float(const float *input, float *gradient, int64_t count, pando_instructions instructions)
{
    DISPATCH(floats, input, gradient, count);
}

void pando_gelu_gradient_bfloat16(
    const uint16_t *input, uint16_t *gradient, int64_t count, pando_instructions instructions)
{
    DISPATCH(halves, input, gradient, count);
}
