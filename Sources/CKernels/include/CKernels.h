#pragma once
#include <stddef.h>
#include <stdint.h>

/// Instructions that the kernels may use; each kind includes those before it.
typedef enum {
    /// Whatever the compiler may use everywhere.
    pando_portable = 0,
    /// AVX2 and FMA.
    pando_avx2 = 1,
    /// AVX-512 F, BW, DQ and VL.
    pando_avx512 = 2,
    /// Products of pairs of bfloat16.
    pando_avx512_bf16 = 3,
} pando_instructions;

/// Scaled dot-product attention of `group` query heads that share one head of keys and values.
///
/// Sizes are in elements, strides too. Features stand without gaps; rows and heads stand as far apart as the strides
/// say. The mask is added to the scores; its strides may be 0. Row `i` of a causal attention sees keys `0...i`.
/// A row that sees no key, or only keys hidden by minus infinity, gives zeros.
typedef struct {
    int64_t queries, keys, features, value_features, group;
    const void *query, *key, *value;
    int64_t query_row, query_head, key_row, value_row;
    const float *mask;
    int64_t mask_row, mask_column, mask_head;
    float scale;
    int32_t is_causal;
    /// Whether queries, keys, values and the output are bfloat16 rather than float.
    int32_t is_bfloat16;
} pando_attention;

/// Bytes of scratch memory that either direction needs, aligned to 64 bytes.
size_t pando_attention_scratch_bytes(const pando_attention *attention, pando_instructions instructions);

void pando_attention_forward(
    const pando_attention *attention, void *output, int64_t output_row, int64_t output_head, void *scratch,
    pando_instructions instructions);

/// Gradients of the output, and of queries, keys and values, all of the attention's type and without gaps between
/// features; `mask` is float, may be null and is added to, with the strides of the attention's mask.
typedef struct {
    const void *output;
    int64_t output_row, output_head;
    void *query, *key, *value;
    float *mask;
    int64_t query_row, query_head, key_row, value_row;
} pando_attention_gradients;

void pando_attention_backward(
    const pando_attention *attention, const pando_attention_gradients *gradients, void *scratch,
    pando_instructions instructions);

/// One step of Adam with decoupled weight decay, bias corrections in `rate` and `second_scale`:
/// `m ← β₁m + (1-β₁)g`, `v ← β₂v + (1-β₂)g²`, `p ← decay · p - rate · m / (√v · second_scale + ε)`.
typedef struct {
    float rate, decay, beta1, beta2, second_scale, epsilon;
} pando_adam;

/// Moves `count` parameters and their moments, in place; no two of the four overlap.
void pando_adam_step(
    const pando_adam *step, float *parameter, const float *gradient, float *first, float *second, int64_t count,
    pando_instructions instructions);

/// The nearest bfloat16 of each of `count` floats, ties to even; what is not a number stays so.
void pando_round_to_bfloat16(const float *from, uint16_t *to, int64_t count, pando_instructions instructions);

/// The float of the same value as each of `count` bfloat16 numbers.
void pando_widen_bfloat16(const uint16_t *from, float *to, int64_t count, pando_instructions instructions);

/// The sums of `count` pairs of bfloat16 numbers, rounded once; none of the three overlap.
void pando_add_bfloat16(
    const uint16_t *left, const uint16_t *right, uint16_t *to, int64_t count, pando_instructions instructions);

/// Each of `count` numbers within the bounds; what is not a number stays so.
void pando_clamp_float(
    const float *from, float *to, int64_t count, float lower, float upper, pando_instructions instructions);

/// The same of bfloat16 numbers, the bounds rounded to bfloat16.
void pando_clamp_bfloat16(
    const uint16_t *from, uint16_t *to, int64_t count, float lower, float upper, pando_instructions instructions);

/// Makes the gradient of x · Φ(x) that of x, in place; the two do not overlap.
void pando_gelu_gradient_float(const float *input, float *gradient, int64_t count, pando_instructions instructions);

/// The same of bfloat16 numbers, rounded once.
void pando_gelu_gradient_bfloat16(
    const uint16_t *input, uint16_t *gradient, int64_t count, pando_instructions instructions);
