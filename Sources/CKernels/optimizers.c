// The inner loops of optimizers: one pass over parameter, gradient and moments, in place. The same loop is compiled for
// each width of vector; all give the same bits, since products and sums are rounded one by one.

#include "kernels.h"

#pragma STDC FP_CONTRACT OFF

INLINE void adam_loop(
    float *restrict p, const float *restrict g, float *restrict m, float *restrict v, int64_t count,
    const pando_adam *step)
{
    const float rate = step->rate, decay = step->decay, scale = step->second_scale, epsilon = step->epsilon;
    const float beta1 = step->beta1, beta2 = step->beta2, rest1 = 1 - beta1, rest2 = 1 - beta2;
    for (int64_t i = 0; i < count; i++) {
        float mean = beta1 * m[i] + rest1 * g[i];
        float square = beta2 * v[i] + rest2 * (g[i] * g[i]);
        m[i] = mean;
        v[i] = square;
        p[i] = decay * p[i] - rate * mean / (__builtin_elementwise_sqrt(square) * scale + epsilon);
    }
}

#define ADAM(name, attribute)                                                                                   \
    attribute static void name(float *p, const float *g, float *m, float *v, int64_t count, const pando_adam *step) \
    {                                                                                                           \
        adam_loop(p, g, m, v, count, step);                                                                     \
    }

ADAM(adam_portable, )
#if defined(__x86_64__)
ADAM(adam_avx2, AVX2)
ADAM(adam_avx512, AVX512)
#endif

void pando_adam_step(
    const pando_adam *step, float *parameter, const float *gradient, float *first, float *second, int64_t count,
    pando_instructions instructions)
{
    DISPATCH(adam, parameter, gradient, first, second, count, step);
}
