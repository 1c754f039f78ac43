// Attention head by head, in tiles of a few query rows and all keys: scores, softmax and the products of one tile stay
// in cache. The same source is compiled for each kind of instructions.

#include "kernels.h"

#include <math.h>

static int64_t padded(int64_t count, int64_t step) { return (count + step - 1) / step * step; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// All lanes of a vector joined, half with half.
#define SUM(a, b) ((a) + (b))
#define LARGER(a, b) __builtin_elementwise_max(a, b)
#define FOLD_4(values, join) ({ __auto_type two = join((values).lo, (values).hi); join(two.x, two.y); })
#define FOLD_8(values, join) ({ __auto_type four = join((values).lo, (values).hi); FOLD_4(four, join); })
#define FOLD_16(values, join) ({ __auto_type eight = join((values).lo, (values).hi); FOLD_8(eight, join); })

// Widths: lanes of a vector, and the rows and vectors of a block of results that stays in registers.

#define NAME(x) x##_portable
#define LANES 4
#define FOLD FOLD_4
#define BLOCK_ROWS 3
#define BLOCK_VECTORS 2
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#include "attention_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define NAME(x) x##_avx2
#define LANES 8
#define FOLD FOLD_8
#define BLOCK_ROWS 6
#define BLOCK_VECTORS 2
#define MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma(a, b, c)
#include "attention_kernels.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#define NAME(x) x##_avx512
#define LANES 16
#define FOLD FOLD_16
#define BLOCK_ROWS 6
#define BLOCK_VECTORS 4
#define MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma(a, b, c)
#include "attention_kernels.h"
#pragma clang attribute pop

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma"))), apply_to = function)
#define NAME(x) x##_avx512_bf16
#define LANES 16
#define FOLD FOLD_16
#define BLOCK_ROWS 6
#define BLOCK_VECTORS 4
#define MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma(a, b, c)
#define MULTIPLIES_PAIRS
#include "attention_kernels.h"
#pragma clang attribute pop

#define CHOOSE(call) \
    switch (instructions) { \
    case pando_avx512_bf16: return call(avx512_bf16); \
    case pando_avx512: return call(avx512); \
    case pando_avx2: return call(avx2); \
    case pando_portable: return call(portable); \
    }
#else
#define CHOOSE(call) \
    (void)instructions; \
    return call(portable);
#endif

size_t pando_attention_scratch_bytes(const pando_attention *attention, pando_instructions instructions) {
#define CALL(kind) scratch_bytes_##kind(attention)
    CHOOSE(CALL)
#undef CALL
    return 0;
}

void pando_attention_forward(
    const pando_attention *attention, void *output, int64_t output_row, int64_t output_head, void *scratch,
    pando_instructions instructions) {
#define CALL(kind) forward_##kind(attention, output, output_row, output_head, scratch)
    CHOOSE(CALL)
#undef CALL
}

void pando_attention_backward(
    const pando_attention *attention, const pando_attention_gradients *gradients, void *scratch,
    pando_instructions instructions) {
#define CALL(kind) backward_##kind(attention, gradients, scratch)
    CHOOSE(CALL)
#undef CALL
}
