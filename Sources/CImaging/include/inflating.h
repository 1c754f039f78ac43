#pragma once
#include <stddef.h>
#include <stdint.h>

// Decompression by GIO, which libvips brings along.

typedef enum {
    CI_INFLATION_OK = 0,
    /// The bytes are not of that format, break off, or others follow them.
    CI_INFLATION_DAMAGED = 1,
    /// More than the limit comes out.
    CI_INFLATION_TOO_LARGE = 2,
} ci_inflation;

/// What comes out of gzip's (`is_gzip`) or zlib's format, at most `limit` bytes; released with `ci_free`. NULL with
/// `status` when that fails.
uint8_t *_Nullable ci_inflate(
    const uint8_t *_Nonnull bytes, size_t count, int is_gzip, size_t limit, size_t *_Nonnull inflated,
    ci_inflation *_Nonnull status);
