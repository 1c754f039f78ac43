/// What Swift cannot call of libvips itself: its operations take variable arguments.
///
/// Every function may be called from any thread. libvips keeps one error buffer for the process; a decode that
/// fails is therefore repeated alone, so that the message it returns is its own.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "hashing.h"
#include "inflating.h"

#define CI_MESSAGE_CAPACITY 512

/// An opened image: its header has been read, its pixels not.
typedef struct ci_image ci_image;

typedef enum {
    CI_OK = 0,
    /// No loader knows the bytes.
    CI_UNSUPPORTED = 1,
    /// The format is known, the content breaks off or contradicts it.
    CI_DAMAGED = 2,
} ci_status;

typedef struct {
    /// Size as stored, before the orientation is applied.
    int width, height;
    /// EXIF orientation, 1...8.
    int orientation;
    /// Whether rows can be decoded one after another, without the whole image in memory.
    int streams;
    /// libvips's name for the loader, such as "pngload_source".
    char loader[64];
} ci_header;

typedef enum {
    CI_NEAREST = 0,
    CI_BOX = 1,
    CI_LINEAR = 2,
    CI_HAMMING = 3,
    CI_CUBIC = 4,
    CI_LANCZOS3 = 5,
} ci_kernel;

/// What part of the image to return at what size, in the upright image's axes: it is scaled to `width` x `height`,
/// then the rectangle `crop_*` is cut out.
typedef struct {
    int width, height;
    int crop_left, crop_top, crop_width, crop_height;
    ci_kernel kernel;
} ci_geometry;

/// Prepares libvips: no operation cache, one thread a pipeline, only loaders fit for foreign files. Returns 0, or -1 with `message`.
int ci_start(char *message);

/// The version of libvips in use.
const char *ci_version(void);

/// Opens a file and reads its header. NULL with `status` and `message` when that fails.
ci_image *ci_open_file(const char *path, ci_header *header, ci_status *status, char *message);

/// The same for a file's bytes, which are copied.
ci_image *ci_open_bytes(
    const uint8_t *bytes, size_t count, ci_header *header, ci_status *status, char *message);

/// Opens pixels in memory (RGB, 8 bit, row by row), which must outlive the image.
ci_image *ci_open_pixels(const uint8_t *pixels, int width, int height);

/// Writes the part that `geometry` names as RGB, 8 bit, sRGB, upright, alpha over white, row by row.
/// Returns CI_OK, or CI_DAMAGED with `message`.
ci_status ci_render(ci_image *image, const ci_geometry *geometry, uint8_t *pixels, char *message);

void ci_close(ci_image *image);

/// Encodes RGB pixels as PNG; `bytes` is released with `ci_free`. Returns 0, or -1 with `message`.
int ci_encode_png(
    const uint8_t *pixels, int width, int height, uint8_t **bytes, size_t *count, char *message);

/// Draws one or more lines of plain text as a mask, 0 (paper) ... 255 (ink); released with `ci_free`.
/// Returns 0, or -1 with `message`.
int ci_draw_text(const char *text, const char *font, uint8_t **mask, int *width, int *height, char *message);

void ci_free(void *bytes);

/// Releases what libvips keeps for the calling thread; to be called before a thread that decoded ends.
void ci_end_thread(void);
