#include <stdlib.h>
#include <string.h>

#include "resampling.h"
#include "state.h"

/// Rows taken from libvips at once.
enum { STRIP_HEIGHT = 32 };

static int has_axes_swapped(int orientation) { return orientation >= 5; }

/// Whether stored columns, or rows, run backwards in the upright picture.
static int flips_x(int orientation) {
    return orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
}

static int flips_y(int orientation) {
    return orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
}

/// The rectangle of the stored image that becomes the upright rectangle of `geometry`.
static void stored_crop(
    const ci_geometry *geometry, int orientation, int width, int height, int *left, int *top, int *crop_width,
    int *crop_height) {
    int swapped = has_axes_swapped(orientation);
    *left = swapped ? geometry->crop_top : geometry->crop_left;
    *top = swapped ? geometry->crop_left : geometry->crop_top;
    *crop_width = swapped ? geometry->crop_height : geometry->crop_width;
    *crop_height = swapped ? geometry->crop_width : geometry->crop_height;
    if (flips_x(orientation)) *left = width - *left - *crop_width;
    if (flips_y(orientation)) *top = height - *top - *crop_height;
}

/// Puts transparent pixels on white, in the image's own colour space.
static int flatten(VipsImage **image) {
    if (!vips_image_hasalpha(*image)) return 0;
    double white = 255, opaque = 255;
    switch ((*image)->Type) {
    case VIPS_INTERPRETATION_RGB16:
    case VIPS_INTERPRETATION_GREY16: white = opaque = 65535; break;
    case VIPS_INTERPRETATION_scRGB: white = opaque = 1; break;
    case VIPS_INTERPRETATION_CMYK: white = 0; break;
    default: break;
    }
    VipsArrayDouble *background = vips_array_double_newv(1, white);
    VipsImage *result = NULL;
    int failed = vips_flatten(*image, &result, "background", background, "max_alpha", opaque, NULL);
    vips_area_unref(VIPS_AREA(background));
    if (failed) return -1;
    ci_replace(image, result);
    return 0;
}

/// Converts to 8-bit sRGB, through the embedded colour profile when there is one that fits the pixels.
static int convert_to_srgb(VipsImage **image) {
    VipsImage *result = NULL;
    if (vips_image_get_typeof(*image, VIPS_META_ICC_NAME)) {
        if (!vips_icc_transform(*image, &result, "srgb", "embedded", TRUE, "depth", 8, NULL)) {
            ci_replace(image, result);
        } else {
            // As browsers do, a profile that cannot be used is left aside; the pixels are still good.
            vips_error_clear();
        }
    }
    if ((*image)->Type != VIPS_INTERPRETATION_sRGB || (*image)->Bands != 3) {
        if (vips_colourspace(*image, &result, VIPS_INTERPRETATION_sRGB, NULL)) return -1;
        ci_replace(image, result);
    }
    if ((*image)->BandFmt != VIPS_FORMAT_UCHAR) {
        if (vips_cast(*image, &result, VIPS_FORMAT_UCHAR, NULL)) return -1;
        ci_replace(image, result);
    }
    if ((*image)->Bands > 3) {
        if (vips_extract_band(*image, &result, 0, "n", 3, NULL)) return -1;
        ci_replace(image, result);
    }
    return 0;
}

/// How much a JPEG may shrink inside its decoder: always at least four source pixels remain for each result pixel
/// and axis, so that the kernel decides the look.
static int decoder_shrink(VipsImage *image, int width, int height) {
    if (!g_str_has_prefix(ci_loader_name(image), "jpeg")) return 1;
    double shrink = VIPS_MIN((double)image->Xsize / width, (double)image->Ysize / height);
    return shrink >= 32 ? 8 : shrink >= 16 ? 4 : shrink >= 8 ? 2 : 1;
}

/// Pushes the wanted rows of an 8-bit RGB image through the resampler.
static int resample_rows(VipsImage *image, ci_resampler *resampler) {
    int first, last;
    ci_resampler_rows(resampler, &first, &last);
    VipsRegion *region = vips_region_new(image);
    int failed = 0;
    for (int y = first; y < last && !failed; y += STRIP_HEIGHT) {
        VipsRect strip = {0, y, image->Xsize, VIPS_MIN(STRIP_HEIGHT, last - y)};
        failed = vips_region_prepare(region, &strip);
        for (int row = 0; row < strip.height && !failed; row++) {
            ci_resampler_push(resampler, VIPS_REGION_ADDR(region, 0, y + row));
        }
    }
    g_object_unref(region);
    return failed;
}

/// Applies the colour profile of the whole image to its scaled pixels.
static int apply_profile(VipsImage *whole, uint8_t *pixels, int width, int height) {
    const void *profile;
    size_t profile_size, count = (size_t)width * height * 3;
    if (vips_image_get_blob(whole, VIPS_META_ICC_NAME, &profile, &profile_size)) return -1;
    VipsImage *image = vips_image_new_from_memory_copy(pixels, count, width, height, 3, VIPS_FORMAT_UCHAR);
    if (!image) return -1;
    VipsImage *tagged = NULL;
    int failed = vips_copy(image, &tagged, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
    g_object_unref(image);
    if (failed) return -1;
    vips_image_set_blob_copy(tagged, VIPS_META_ICC_NAME, profile, profile_size);
    failed = convert_to_srgb(&tagged);
    void *bytes = failed ? NULL : vips_image_write_to_memory(tagged, &count);
    if (bytes) memcpy(pixels, bytes, count);
    g_object_unref(tagged);
    g_free(bytes);
    return bytes ? 0 : -1;
}

/// Writes pixels as stored where they belong in the upright picture.
static void turn(const uint8_t *stored, int width, int height, int orientation, uint8_t *pixels) {
    int swapped = has_axes_swapped(orientation);
    int out_width = swapped ? height : width;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            int across = flips_x(orientation) ? width - 1 - x : x, down = flips_y(orientation) ? height - 1 - y : y;
            size_t place = swapped ? (size_t)across * out_width + down : (size_t)down * out_width + across;
            memcpy(pixels + place * 3, stored + ((size_t)y * width + x) * 3, 3);
        }
    }
}

/// Pixels in memory are scaled without libvips.
static int render_pixels(const ci_image *image, const ci_geometry *geometry, uint8_t *pixels) {
    int rows_first = ci_scales_rows_first(image->width, image->height, geometry->width, geometry->height);
    ci_resampler *resampler = ci_resampler_new(image->width, image->height, geometry, rows_first, pixels);
    if (!resampler) {
        vips_error("pando", "no memory");
        return -1;
    }
    int first, last;
    ci_resampler_rows(resampler, &first, &last);
    for (int y = first; y < last; y++) ci_resampler_push(resampler, image->pixels + (size_t)y * image->width * 3);
    ci_resampler_free(resampler);
    return 0;
}

int ci_render_alone(ci_image *image, const ci_geometry *geometry, uint8_t *pixels) {
    if (image->pixels) return render_pixels(image, geometry, pixels);
    ci_status status;
    VipsImage *work = image->opened ? image->opened : ci_open_rows(image, 1, &status);
    image->opened = NULL;
    if (!work) return -1;

    VipsImage *result = NULL;
    ci_resampler *resampler = NULL;
    uint8_t *stored = NULL;
    int failed = -1;
    int orientation = vips_image_get_orientation(work);
    ci_geometry part = {
        .width = has_axes_swapped(orientation) ? geometry->height : geometry->width,
        .height = has_axes_swapped(orientation) ? geometry->width : geometry->height,
        .kernel = geometry->kernel};
    stored_crop(
        geometry, orientation, part.width, part.height, &part.crop_left, &part.crop_top, &part.crop_width,
        &part.crop_height);

    int shrink = decoder_shrink(work, part.width, part.height);
    if (shrink > 1) {
        result = ci_open_rows(image, shrink, &status);
        if (!result) goto done;
        ci_replace(&work, result);
    }
    if (flatten(&work)) goto done;
    // A profile of plain colours is applied to the few pixels of the result.
    int is_plain = work->Type == VIPS_INTERPRETATION_sRGB && work->Bands == 3 && work->BandFmt == VIPS_FORMAT_UCHAR;
    int has_profile = is_plain && vips_image_get_typeof(work, VIPS_META_ICC_NAME) != 0;
    if (!is_plain && convert_to_srgb(&work)) goto done;
    if (work->Bands != 3 || work->BandFmt != VIPS_FORMAT_UCHAR) {
        vips_error("pando", "expected 3 bands of 8 bits, got %d", work->Bands);
        goto done;
    }
    int is_upright = orientation <= 1;
    stored = is_upright ? pixels : malloc((size_t)part.crop_width * part.crop_height * 3);
    // Of a picture on its side, stored columns are upright rows.
    int rows_first = has_axes_swapped(orientation)
        ? !ci_scales_rows_first(work->Ysize, work->Xsize, part.height, part.width)
        : ci_scales_rows_first(work->Xsize, work->Ysize, part.width, part.height);
    resampler = ci_resampler_new(work->Xsize, work->Ysize, &part, rows_first, stored);
    if (!stored || !resampler) {
        vips_error("pando", "no memory");
        goto done;
    }
    if (resample_rows(work, resampler)) goto done;
    if (has_profile && apply_profile(work, stored, part.crop_width, part.crop_height)) goto done;
    if (!is_upright) turn(stored, part.crop_width, part.crop_height, orientation, pixels);
    failed = 0;
done:
    if (resampler) ci_resampler_free(resampler);
    if (stored != pixels) free(stored);
    g_object_unref(work);
    return failed;
}
