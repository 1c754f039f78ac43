// A result pixel is the weighted mean of the source pixels under a kernel that is centred on it and as much wider as
// the picture gets smaller; a kernel that reaches beyond the picture is cut off there and its weights made to sum to
// one again. Columns and rows are scaled one after the other; both sums are of 8-bit values with weights of 22
// fractional bits, and each is rounded to 8 bits. That is what Pillow 13 computes, to the last bit, so that a network
// sees what it saw when it was trained. `nearest` takes the one pixel under the centre.

#include "resampling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRACTION_BITS = 22 };

/// Compiled for newer processors too; which one is called is settled when the program starts.
#if defined(__x86_64__)
#define PORTABLY_FAST __attribute__((target_clones("avx2", "default")))
#else
#define PORTABLY_FAST
#endif

/// What the results along one axis are made of.
typedef struct {
    int count;
    /// Of each result: its first source place, and where its weights begin; one more of these marks the end.
    int *starts;
    size_t *offsets;
    int32_t *weights;
} ci_axis;

struct ci_resampler {
    ci_axis columns, rows;
    uint8_t *pixels;
    int rows_first;
    /// Bytes of a result row, and of a row in the ring.
    size_t result_bytes, ring_bytes;
    /// The latest rows, their columns scaled unless rows come first: row `y` lies at `y % kept`.
    uint8_t *ring;
    int kept;
    /// A row of the result's height and the source's width, if rows come first.
    uint8_t *wide;
    int32_t *sums;
    int next_source, next_result, first, last;
};

// MARK: - Kernels

static double sinc(double x) { return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x); }

/// The kernel's half width at its natural size.
static double reach_of(ci_kernel kernel) {
    switch (kernel) {
    case CI_NEAREST:
    case CI_BOX: return 0.5;
    case CI_CUBIC: return 2;
    case CI_LANCZOS3: return 3;
    default: return 1;
    }
}

static double value_of(ci_kernel kernel, double x) {
    switch (kernel) {
    // Half open, so that a place between two pixels counts once.
    case CI_BOX: return x > -0.5 && x <= 0.5;
    case CI_HAMMING: x = fabs(x); return x < 1 ? sinc(x) * (0.54 + 0.46 * cos(M_PI * x)) : 0;
    // Keys' cubic convolution with a = -1/2.
    case CI_CUBIC:
        x = fabs(x);
        return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    case CI_LANCZOS3: return fabs(x) < 3 ? sinc(x) * sinc(x / 3) : 0;
    default: x = fabs(x); return x < 1 ? 1 - x : 0;
    }
}

/// Which source places count for one result, and how much.
static int weigh(ci_kernel kernel, int source, double scale, int result, double *weights, int *start) {
    double center = (result + 0.5) * scale, width = fmax(scale, 1), reach = reach_of(kernel) * width;
    int first = (int)fmax(center - reach + 0.5, 0), last = (int)fmin(center + reach + 0.5, source);
    double sum = 0;
    for (int i = first; i < last; i++) sum += weights[i - first] = value_of(kernel, (i - center + 0.5) / width);
    for (int i = 0; i < last - first && sum != 0; i++) weights[i] /= sum;
    *start = first;
    return last - first;
}

/// The one source place of each result. Centres are summed up, which decides where one falls between two places.
static void pick(ci_axis *axis, int source, double scale, int from, int count) {
    double center = scale * 0.5;
    for (int i = 0; i < from + count; i++, center += scale) {
        if (i < from) continue;
        axis->starts[i - from] = (int)fmin(fmax(floor(center), 0), source - 1);
        axis->weights[i - from] = 1 << FRACTION_BITS;
        axis->offsets[i - from] = i - from;
    }
    axis->offsets[count] = count;
}

/// The axis of a picture of `source` places scaled to `scaled`, of which `count` from `from` on are wanted.
static int make_axis(ci_axis *axis, ci_kernel kernel, int source, int scaled, int from, int count) {
    double scale = (double)source / scaled;
    size_t most = (size_t)ceil(reach_of(kernel) * fmax(scale, 1)) * 2 + 1;
    double *weights = malloc(most * sizeof *weights);
    axis->count = count;
    axis->starts = malloc(count * sizeof *axis->starts);
    axis->offsets = malloc((count + 1) * sizeof *axis->offsets);
    axis->weights = calloc(most * count, sizeof *axis->weights);
    int failed = !weights || !axis->starts || !axis->offsets || !axis->weights;
    size_t end = 0;
    if (kernel == CI_NEAREST && !failed) pick(axis, source, scale, from, count);
    for (int i = 0; i < count && kernel != CI_NEAREST && !failed; i++) {
        int used = weigh(kernel, source, scale, from + i, weights, &axis->starts[i]);
        axis->offsets[i] = end;
        for (int j = 0; j < used; j++) axis->weights[end++] = (int32_t)lround(weights[j] * (1 << FRACTION_BITS));
        axis->offsets[i + 1] = end;
    }
    free(weights);
    return failed;
}

static int uses(const ci_axis *axis, int i) { return (int)(axis->offsets[i + 1] - axis->offsets[i]); }

// MARK: - Rows

int ci_scales_rows_first(int width, int height, int scaled_width, int scaled_height) {
    int64_t across = (int64_t)width - scaled_width, down = (int64_t)height - scaled_height;
    return down > 0 && down > 2 * across;
}

ci_resampler *ci_resampler_new(
    int width, int height, const ci_geometry *geometry, int rows_first, uint8_t *pixels) {
    ci_resampler *resampler = calloc(1, sizeof *resampler);
    if (!resampler) return NULL;
    int failed = make_axis(
        &resampler->columns, geometry->kernel, width, geometry->width, geometry->crop_left, geometry->crop_width);
    failed = failed || make_axis(
        &resampler->rows, geometry->kernel, height, geometry->height, geometry->crop_top, geometry->crop_height);
    resampler->pixels = pixels;
    resampler->rows_first = rows_first;
    resampler->result_bytes = (size_t)geometry->crop_width * 3;
    resampler->ring_bytes = rows_first ? (size_t)width * 3 : resampler->result_bytes;
    resampler->first = height;
    for (int i = 0; i < geometry->crop_height && !failed; i++) {
        int start = resampler->rows.starts[i], end = start + uses(&resampler->rows, i);
        if (start < resampler->first) resampler->first = start;
        if (end > resampler->last) resampler->last = end;
        if (end - start > resampler->kept) resampler->kept = end - start;
    }
    resampler->next_source = resampler->first;
    if (!failed) {
        resampler->ring = malloc(resampler->ring_bytes * resampler->kept);
        resampler->sums = malloc(resampler->ring_bytes * sizeof *resampler->sums);
        resampler->wide = malloc(resampler->ring_bytes);
        failed = !resampler->ring || !resampler->sums || !resampler->wide;
    }
    if (!failed) return resampler;
    ci_resampler_free(resampler);
    return NULL;
}

void ci_resampler_rows(const ci_resampler *resampler, int *first, int *last) {
    *first = resampler->first;
    *last = resampler->last;
}

static uint8_t rounded(int32_t sum) {
    int32_t value = (sum + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS;
    return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
}

/// The bytes of one pixel as integers; the fourth is what follows it.
typedef int32_t ci_pixel __attribute__((vector_size(16)));

static inline ci_pixel widened(const uint8_t *bytes, int count) {
    uint8_t four __attribute__((vector_size(4))) = {0};
    memcpy(&four, bytes, count);
    return __builtin_convertvector(four, ci_pixel);
}

PORTABLY_FAST static void scale_columns(const ci_axis *axis, const uint8_t *row, uint8_t *result) {
    for (int i = 0; i < axis->count; i++) {
        const int32_t *weights = axis->weights + axis->offsets[i];
        const uint8_t *pixel = row + (size_t)axis->starts[i] * 3;
        int last = uses(axis, i) - 1;
        // Behind every pixel but the last lies another one, whose first byte may be read along.
        ci_pixel sum = weights[last] * widened(pixel + last * 3, 3);
        for (int j = 0; j < last; j++) sum += weights[j] * widened(pixel + j * 3, 4);
        for (int channel = 0; channel < 3; channel++) result[i * 3 + channel] = rounded(sum[channel]);
    }
}

PORTABLY_FAST static void sum_rows(ci_resampler *resampler, int result, uint8_t *restrict pixels) {
    const ci_axis *axis = &resampler->rows;
    const int32_t *weights = axis->weights + axis->offsets[result];
    size_t count = resampler->ring_bytes;
    int32_t *restrict sums = resampler->sums;
    memset(sums, 0, count * sizeof *sums);
    for (int j = 0, n = uses(axis, result); j < n; j++) {
        const uint8_t *restrict row = resampler->ring + (size_t)((axis->starts[result] + j) % resampler->kept) * count;
        int32_t weight = weights[j];
        for (size_t i = 0; i < count; i++) sums[i] += weight * row[i];
    }
    for (size_t i = 0; i < count; i++) pixels[i] = rounded(sums[i]);
}

void ci_resampler_push(ci_resampler *resampler, const uint8_t *row) {
    int y = resampler->next_source++;
    uint8_t *place = resampler->ring + (size_t)(y % resampler->kept) * resampler->ring_bytes;
    if (resampler->rows_first) {
        memcpy(place, row, resampler->ring_bytes);
    } else {
        scale_columns(&resampler->columns, row, place);
    }
    const ci_axis *axis = &resampler->rows;
    for (; resampler->next_result < axis->count; resampler->next_result++) {
        int result = resampler->next_result;
        if (axis->starts[result] + uses(axis, result) > y + 1) return;
        uint8_t *pixels = resampler->pixels + (size_t)result * resampler->result_bytes;
        sum_rows(resampler, result, resampler->rows_first ? resampler->wide : pixels);
        if (resampler->rows_first) scale_columns(&resampler->columns, resampler->wide, pixels);
    }
}

static void free_axis(ci_axis *axis) {
    free(axis->starts);
    free(axis->offsets);
    free(axis->weights);
}

void ci_resampler_free(ci_resampler *resampler) {
    free_axis(&resampler->columns);
    free_axis(&resampler->rows);
    free(resampler->ring);
    free(resampler->sums);
    free(resampler->wide);
    free(resampler);
}
