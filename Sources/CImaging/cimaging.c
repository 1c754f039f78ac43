#include "cimaging.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include "resampling.h"

struct ci_image {
    /// The file, or NULL for pixels in memory.
    char *path;
    const uint8_t *pixels;
    int width, height;
    /// The image whose header was read, until its pixels are taken.
    VipsImage *opened;
};

/// Decodes hold it for reading; the repetition of a failed one, which reads the error buffer, for writing.
static pthread_rwlock_t decoding;
static pthread_once_t started = PTHREAD_ONCE_INIT;
static int start_result = -1;
static char start_message[CI_MESSAGE_CAPACITY];

/// The latest warning: of some faults of PNG files libvips says no more.
static char warning[CI_MESSAGE_CAPACITY];
static pthread_mutex_t warning_lock = PTHREAD_MUTEX_INITIALIZER;

/// Keeps a warning instead of printing it: most are about harmless oddities (a colour profile that does not fit).
static void keep_warning(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer data) {
    pthread_mutex_lock(&warning_lock);
    g_strlcpy(warning, text, sizeof warning);
    pthread_mutex_unlock(&warning_lock);
}

/// Forgets earlier errors, before what is repeated.
static void clear_messages(void) {
    vips_error_clear();
    pthread_mutex_lock(&warning_lock);
    warning[0] = 0;
    pthread_mutex_unlock(&warning_lock);
}

/// Copies the first line of libvips's error text, or else of its latest warning, and empties its buffer.
static void take_message(char *message) {
    g_strlcpy(message, vips_error_buffer(), CI_MESSAGE_CAPACITY);
    pthread_mutex_lock(&warning_lock);
    if (!message[0]) g_strlcpy(message, warning, CI_MESSAGE_CAPACITY);
    pthread_mutex_unlock(&warning_lock);
    message[strcspn(message, "\n")] = 0;
    vips_error_clear();
}

static void start(void) {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    // Else a repetition could wait for ever behind decodes that overlap one another.
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&decoding, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, keep_warning, NULL);
    if (VIPS_INIT("pando")) {
        take_message(start_message);
        return;
    }
    vips_cache_set_max(0);
    vips_concurrency_set(1);
    vips_block_untrusted_set(TRUE);
    start_result = 0;
}

int ci_start(char *message) {
    pthread_once(&started, start);
    if (start_result) g_strlcpy(message, start_message, CI_MESSAGE_CAPACITY);
    return start_result;
}

const char *ci_version(void) { return vips_version_string(); }

/// Replaces `*image` by the result of an operation on it.
static void replace(VipsImage **image, VipsImage *result) {
    g_object_unref(*image);
    *image = result;
}

// MARK: - Opening

/// Opens the file for reading its rows in order; JPEGs may be shrunk by 2, 4 or 8 while decoding.
static VipsImage *open_rows(const ci_image *image, int shrink, ci_status *status) {
    if (!image->path) {
        VipsImage *memory = vips_image_new_from_memory(
            image->pixels, (size_t)image->width * image->height * 3, image->width, image->height, 3,
            VIPS_FORMAT_UCHAR);
        if (!memory) return NULL;
        VipsImage *tagged = NULL;
        int failed = vips_copy(memory, &tagged, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
        g_object_unref(memory);
        return failed ? NULL : tagged;
    }
    VipsSource *source = vips_source_new_from_file(image->path);
    if (!source) {
        *status = CI_DAMAGED;
        return NULL;
    }
    VipsImage *rows = NULL;
    if (!vips_foreign_find_load_source(source)) {
        *status = CI_UNSUPPORTED;
    } else {
        *status = CI_DAMAGED;
        if (shrink > 1) {
            rows = vips_image_new_from_source(
                source, "", "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, "shrink", shrink, NULL);
        } else {
            rows = vips_image_new_from_source(
                source, "", "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
        }
    }
    g_object_unref(source);
    return rows;
}

static const char *loader_name(VipsImage *image) {
    const char *loader = "";
    if (vips_image_get_typeof(image, VIPS_META_LOADER)) vips_image_get_string(image, VIPS_META_LOADER, &loader);
    return loader;
}

static void describe(VipsImage *image, ci_header *header) {
    header->width = image->Xsize;
    header->height = image->Ysize;
    header->orientation = vips_image_get_orientation(image);
    g_strlcpy(header->loader, loader_name(image), sizeof header->loader);
    // A TIFF may be one strip from top to bottom, so only these two are sure.
    int ordered = g_str_has_prefix(header->loader, "png") || g_str_has_prefix(header->loader, "jpeg");
    header->streams = ordered && !vips_image_get_typeof(image, "interlaced");
}

ci_image *ci_open_file(const char *path, ci_header *header, ci_status *status, char *message) {
    ci_image *image = g_new0(ci_image, 1);
    image->path = g_strdup(path);
    pthread_rwlock_rdlock(&decoding);
    image->opened = open_rows(image, 1, status);
    pthread_rwlock_unlock(&decoding);
    if (!image->opened) {
        pthread_rwlock_wrlock(&decoding);
        clear_messages();
        image->opened = open_rows(image, 1, status);
        if (!image->opened) take_message(message);
        pthread_rwlock_unlock(&decoding);
    }
    if (!image->opened) {
        ci_close(image);
        return NULL;
    }
    *status = CI_OK;
    describe(image->opened, header);
    return image;
}

ci_image *ci_open_pixels(const uint8_t *pixels, int width, int height) {
    ci_image *image = g_new0(ci_image, 1);
    image->pixels = pixels;
    image->width = width;
    image->height = height;
    return image;
}

void ci_close(ci_image *image) {
    if (image->opened) g_object_unref(image->opened);
    g_free(image->path);
    g_free(image);
}

// MARK: - Rendering

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
    replace(image, result);
    return 0;
}

/// Converts to 8-bit sRGB, through the embedded colour profile when there is one that fits the pixels.
static int convert_to_srgb(VipsImage **image) {
    VipsImage *result = NULL;
    if (vips_image_get_typeof(*image, VIPS_META_ICC_NAME)) {
        if (!vips_icc_transform(*image, &result, "srgb", "embedded", TRUE, "depth", 8, NULL)) {
            replace(image, result);
        } else {
            // As browsers do, a profile that cannot be used is left aside; the pixels are still good.
            vips_error_clear();
        }
    }
    if ((*image)->Type != VIPS_INTERPRETATION_sRGB || (*image)->Bands != 3) {
        if (vips_colourspace(*image, &result, VIPS_INTERPRETATION_sRGB, NULL)) return -1;
        replace(image, result);
    }
    if ((*image)->BandFmt != VIPS_FORMAT_UCHAR) {
        if (vips_cast(*image, &result, VIPS_FORMAT_UCHAR, NULL)) return -1;
        replace(image, result);
    }
    if ((*image)->Bands > 3) {
        if (vips_extract_band(*image, &result, 0, "n", 3, NULL)) return -1;
        replace(image, result);
    }
    return 0;
}

/// How much a JPEG may shrink inside its decoder: always at least four source pixels remain for each result pixel
/// and axis, so that the kernel decides the look.
static int decoder_shrink(VipsImage *image, int width, int height) {
    if (!g_str_has_prefix(loader_name(image), "jpeg")) return 1;
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

static int render(ci_image *image, const ci_geometry *geometry, uint8_t *pixels) {
    if (!image->path) return render_pixels(image, geometry, pixels);
    ci_status status;
    VipsImage *work = image->opened ? image->opened : open_rows(image, 1, &status);
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
        result = open_rows(image, shrink, &status);
        if (!result) goto done;
        replace(&work, result);
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
    stored = malloc((size_t)part.crop_width * part.crop_height * 3);
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
    turn(stored, part.crop_width, part.crop_height, orientation, pixels);
    failed = 0;
done:
    if (resampler) ci_resampler_free(resampler);
    free(stored);
    g_object_unref(work);
    return failed;
}

ci_status ci_render(ci_image *image, const ci_geometry *geometry, uint8_t *pixels, char *message) {
    pthread_rwlock_rdlock(&decoding);
    int failed = render(image, geometry, pixels);
    pthread_rwlock_unlock(&decoding);
    if (!failed) return CI_OK;
    pthread_rwlock_wrlock(&decoding);
    clear_messages();
    failed = render(image, geometry, pixels);
    if (failed) take_message(message);
    pthread_rwlock_unlock(&decoding);
    return failed ? CI_DAMAGED : CI_OK;
}

// MARK: - Writing

int ci_encode_png(
    const uint8_t *pixels, int width, int height, uint8_t **bytes, size_t *count, char *message) {
    ci_image image = {.pixels = pixels, .width = width, .height = height};
    ci_status status;
    pthread_rwlock_wrlock(&decoding);
    clear_messages();
    VipsImage *source = open_rows(&image, 1, &status);
    void *buffer = NULL;
    int failed = !source || vips_pngsave_buffer(source, &buffer, count, NULL);
    if (failed) take_message(message);
    if (source) g_object_unref(source);
    pthread_rwlock_unlock(&decoding);
    *bytes = buffer;
    return failed ? -1 : 0;
}

int ci_draw_text(const char *text, const char *font, uint8_t **mask, int *width, int *height, char *message) {
    char *escaped = g_markup_escape_text(text, -1);
    VipsImage *image = NULL;
    size_t count;
    pthread_rwlock_wrlock(&decoding);
    clear_messages();
    int failed = vips_text(&image, escaped, "font", font, "dpi", 96, NULL);
    if (!failed) {
        *width = image->Xsize;
        *height = image->Ysize;
        *mask = vips_image_write_to_memory(image, &count);
        failed = !*mask;
    }
    if (failed) take_message(message);
    if (image) g_object_unref(image);
    pthread_rwlock_unlock(&decoding);
    g_free(escaped);
    return failed ? -1 : 0;
}

void ci_free(void *bytes) { g_free(bytes); }

void ci_end_thread(void) { vips_thread_shutdown(); }
