/// Scaling pictures row by row, in Pillow's arithmetic.
#pragma once

#include "cimaging.h"

/// Scales a picture of which the rows come one after another; holds only the rows that a result row is made of.
typedef struct ci_resampler ci_resampler;

/// A resampler from RGB rows of a `width` x `height` picture to the part that `geometry` names, which goes to `pixels`,
/// row by row. `rows_first`: see `ci_scales_rows_first`. NULL without memory.
ci_resampler *ci_resampler_new(
    int width, int height, const ci_geometry *geometry, int rows_first, uint8_t *pixels);

/// Whether an upright picture's rows are scaled before its columns, which decides how the last bit is rounded: when
/// the height shrinks by more than twice the pixels that the width does.
int ci_scales_rows_first(int width, int height, int scaled_width, int scaled_height);

/// Which rows are wanted: `first` ..< `last`.
void ci_resampler_rows(const ci_resampler *resampler, int *first, int *last);

/// Takes the next wanted row.
void ci_resampler_push(ci_resampler *resampler, const uint8_t *row);

void ci_resampler_free(ci_resampler *resampler);
