#pragma once
#include <stdint.h>

/// The instructions that multiply bfloat16 fastest here.
typedef enum {
    pando_peak_none = 0,
    /// Dot products of pairs in AVX-512 registers.
    pando_peak_avx512_bf16 = 1,
    /// Products of tiles.
    pando_peak_amx = 2,
} pando_peak_kind;

/// What this processor and its system offer.
pando_peak_kind pando_peak_best(void);

/// Multiplies bfloat16 numbers in registers alone, `rounds` times, on the calling thread, and returns how many
/// floating-point operations that was: a product and a sum are two.
/// - Precondition: `kind` is what `pando_peak_best` returned.
double pando_peak_run(pando_peak_kind kind, int64_t rounds);
