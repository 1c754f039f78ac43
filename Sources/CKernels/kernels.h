// What the kernels share: conversions of bfloat16, and the choice between instructions.

#pragma once
#include "CKernels.h"
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE float of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE float widened(uint16_t value) { return of_bits((uint32_t)value << 16); }

/// The nearest value, ties to even; what is not a number stays so.
INLINE uint16_t rounded(float value) {
    uint32_t bits = bits_of(value);
    uint32_t nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    uint32_t quiet = (bits >> 16) | 0x40;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : nearest);
}

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))

/// Calls `name_avx512`, `name_avx2` or `name_portable`, whichever may be used.
#define DISPATCH(name, ...)                                              \
    if (instructions >= pando_avx512) return name##_avx512(__VA_ARGS__); \
    if (instructions >= pando_avx2) return name##_avx2(__VA_ARGS__);     \
    name##_portable(__VA_ARGS__)
#else
#define DISPATCH(name, ...) \
    (void)instructions;     \
    name##_portable(__VA_ARGS__)
#endif
