// Conversions between float and bfloat16, sums of bfloat16, and numbers held within bounds. The same loop is compiled
// for each width of vector; all give the same bits.

#include "kernels.h"

#pragma STDC FP_CONTRACT OFF

INLINE float held(float value, float lower, float upper)
{
    value = value < lower ? lower : value;
    return value > upper ? upper : value;
}

#define KERNELS(suffix, attribute)                                                                                  \
    attribute static void round_##suffix(const float *restrict from, uint16_t *restrict to, int64_t count)          \
    {                                                                                                               \
        for (int64_t i = 0; i < count; i++) to[i] = rounded(from[i]);                                               \
    }                                                                                                               \
    attribute static void widen_##suffix(const uint16_t *restrict from, float *restrict to, int64_t count)          \
    {                                                                                                               \
        for (int64_t i = 0; i < count; i++) to[i] = widened(from[i]);                                               \
    }                                                                                                               \
    attribute static void add_##suffix(                                                                             \
        const uint16_t *restrict left, const uint16_t *restrict right, uint16_t *restrict to, int64_t count)        \
    {                                                                                                               \
        for (int64_t i = 0; i < count; i++) to[i] = rounded(widened(left[i]) + widened(right[i]));                  \
    }                                                                                                               \
    attribute static void clamp_##suffix(                                                                           \
        const float *restrict from, float *restrict to, int64_t count, float lower, float upper)                    \
    {                                                                                                               \
        for (int64_t i = 0; i < count; i++) to[i] = held(from[i], lower, upper);                                    \
    }                                                                                                               \
    attribute static void clamp_halves_##suffix(                                                                    \
        const uint16_t *restrict from, uint16_t *restrict to, int64_t count, float lower, float upper)              \
    {                                                                                                               \
        for (int64_t i = 0; i < count; i++) to[i] = rounded(held(widened(from[i]), lower, upper));                  \
    }

KERNELS(portable, )
#if defined(__x86_64__)
KERNELS(avx2, AVX2)
KERNELS(avx512, AVX512)
#endif

void pando_round_to_bfloat16(const float *from, uint16_t *to, int64_t count, pando_instructions instructions)
{
    DISPATCH(round, from, to, count);
}

void pando_widen_bfloat16(const uint16_t *from, float *to, int64_t count, pando_instructions instructions)
{
    DISPATCH(widen, from, to, count);
}

void pando_add_bfloat16(
    const uint16_t *left, const uint16_t *right, uint16_t *to, int64_t count, pando_instructions instructions)
{
    DISPATCH(add, left, right, to, count);
}

void pando_clamp_float(
    const float *from, float *to, int64_t count, float lower, float upper, pando_instructions instructions)
{
    DISPATCH(clamp, from, to, count, lower, upper);
}

void pando_clamp_bfloat16(
    const uint16_t *from, uint16_t *to, int64_t count, float lower, float upper, pando_instructions instructions)
{
    DISPATCH(clamp_halves, from, to, count, lower, upper);
}
