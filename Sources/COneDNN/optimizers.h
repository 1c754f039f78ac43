#pragma once

// The inner loops of optimizers, in C because Swift compiles for the oldest processor there is and has no vector
// square root: the same loop compiled for three widths of vector, of which Swift chooses at run time. All three give
// the same bits: products and sums are rounded one by one.

#pragma STDC FP_CONTRACT OFF

#define PANDO_LOOP static inline __attribute__((always_inline)) void

// m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², p ← decay · p - rate · m / (√v · secondScale + ε), in place.
PANDO_LOOP pando_adam_loop(
    float *restrict p, const float *restrict g, float *restrict m, float *restrict v, long count, float rate,
    float decay, float beta1, float beta2, float secondScale, float epsilon)
{
    for (long i = 0; i < count; i++) {
        float mean = beta1 * m[i] + (1 - beta1) * g[i];
        float square = beta2 * v[i] + (1 - beta2) * (g[i] * g[i]);
        m[i] = mean;
        v[i] = square;
        p[i] = decay * p[i] - rate * mean / (__builtin_elementwise_sqrt(square) * secondScale + epsilon);
    }
}

#define PANDO_ADAM(name, attributes)                                                                                 \
    attributes static inline void name(                                                                              \
        float *p, const float *g, float *m, float *v, long count, float rate, float decay, float beta1, float beta2, \
        float secondScale, float epsilon)                                                                            \
    {                                                                                                                \
        pando_adam_loop(p, g, m, v, count, rate, decay, beta1, beta2, secondScale, epsilon);                         \
    }

PANDO_ADAM(pando_adam, )
PANDO_ADAM(pando_adam_avx2, __attribute__((target("avx2"))))
PANDO_ADAM(pando_adam_avx512, __attribute__((target("avx512f"))))
