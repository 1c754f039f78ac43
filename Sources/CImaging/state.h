/// What the files of this target share.
#pragma once

#include <vips/vips.h>

#include "cimaging.h"

struct ci_image {
    /// One of these three: the file, a file's bytes, or pixels.
    char *path;
    VipsBlob *bytes;
    const uint8_t *pixels;
    int width, height;
    /// The image whose header was read, until its pixels are taken.
    VipsImage *opened;
};

/// Opens the file for reading its rows in order; JPEGs may be shrunk by 2, 4 or 8 while decoding.
VipsImage *ci_open_rows(const ci_image *image, int shrink, ci_status *status);

/// libvips's name for the loader of an image.
const char *ci_loader_name(VipsImage *image);

/// Replaces `*image` by the result of an operation on it.
void ci_replace(VipsImage **image, VipsImage *result);

/// Renders without a message. Returns 0, or -1 with libvips's error buffer filled.
int ci_render_alone(ci_image *image, const ci_geometry *geometry, uint8_t *pixels);
