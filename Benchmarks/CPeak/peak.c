// How fast a core multiplies bfloat16 if nothing has to come from memory: the bound that kernels are held against.

#include "CPeak.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Linux gives tiles to a process that asks for them: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };

static int has_tiles(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    int offered = (d >> 22 & 1) && (d >> 24 & 1);  // AMX-BF16 and AMX-TILE
    return offered && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

pando_peak_kind pando_peak_best(void) {
    if (has_tiles()) return pando_peak_amx;
    return __builtin_cpu_supports("avx512bf16") ? pando_peak_avx512_bf16 : pando_peak_none;
}

/// Tiles of 16 rows and 64 bytes; four results, each the product of one of two left and one of two right tiles.
__attribute__((target("amx-tile,amx-bf16"))) static double run_tiles(int64_t rounds) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } __attribute__((aligned(64))) shapes;
    memset(&shapes, 0, sizeof shapes);
    shapes.palette = 1;
    for (int tile = 0; tile < 8; tile++) {
        shapes.row_bytes[tile] = 64;
        shapes.rows[tile] = 16;
    }
    _tile_loadconfig(&shapes);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (int64_t round = 0; round < rounds; round++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
    return (double)rounds * 4 * 16 * 16 * 32 * 2;
}

/// Sixteen sums that do not wait for one another.
__attribute__((target("avx512f,avx512bf16"))) static double run_vectors(int64_t rounds) {
    enum { SUMS = 16 };
    __m512 sums[SUMS];
    __m512bh left, right;
    memset(sums, 0, sizeof sums);
    memset(&left, 0, sizeof left);
    memset(&right, 0, sizeof right);
    for (int64_t round = 0; round < rounds; round++) {
        // The compiler must believe that the operands change.
        __asm__ volatile("" : "+v"(left), "+v"(right));
#pragma clang loop unroll(full)
        for (int sum = 0; sum < SUMS; sum++) sums[sum] = _mm512_dpbf16_ps(sums[sum], left, right);
    }
    for (int sum = 0; sum < SUMS; sum++) __asm__ volatile("" : : "v"(sums[sum]));
    return (double)rounds * SUMS * 32 * 2;
}

double pando_peak_run(pando_peak_kind kind, int64_t rounds) {
    return kind == pando_peak_amx ? run_tiles(rounds) : kind == pando_peak_avx512_bf16 ? run_vectors(rounds) : 0;
}

#else

pando_peak_kind pando_peak_best(void) { return pando_peak_none; }

double pando_peak_run(pando_peak_kind kind, int64_t rounds) {
    (void)kind;
    (void)rounds;
    return 0;
}

#endif
