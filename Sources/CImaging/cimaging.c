#include "cimaging.h"

#include <pthread.h>
#include <string.h>
#include <vips/vips.h>

#include "state.h"

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

void ci_replace(VipsImage **image, VipsImage *result) {
    g_object_unref(*image);
    *image = result;
}

// MARK: - Opening

VipsImage *ci_open_rows(const ci_image *image, int shrink, ci_status *status) {
    if (image->pixels) {
        VipsImage *memory = vips_image_new_from_memory(
            image->pixels, (size_t)image->width * image->height * 3, image->width, image->height, 3,
            VIPS_FORMAT_UCHAR);
        if (!memory) return NULL;
        VipsImage *tagged = NULL;
        int failed = vips_copy(memory, &tagged, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
        g_object_unref(memory);
        return failed ? NULL : tagged;
    }
    VipsSource *source =
        image->bytes ? vips_source_new_from_blob(image->bytes) : vips_source_new_from_file(image->path);
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

const char *ci_loader_name(VipsImage *image) {
    const char *loader = "";
    if (vips_image_get_typeof(image, VIPS_META_LOADER)) vips_image_get_string(image, VIPS_META_LOADER, &loader);
    return loader;
}

static void describe(VipsImage *image, ci_header *header) {
    header->width = image->Xsize;
    header->height = image->Ysize;
    header->orientation = vips_image_get_orientation(image);
    g_strlcpy(header->loader, ci_loader_name(image), sizeof header->loader);
    // A TIFF may be one strip from top to bottom, so only these two are sure.
    int ordered = g_str_has_prefix(header->loader, "png") || g_str_has_prefix(header->loader, "jpeg");
    header->streams = ordered && !vips_image_get_typeof(image, "interlaced");
}

/// Reads the header of an image whose source is set; closes it where that fails.
static ci_image *open_header(ci_image *image, ci_header *header, ci_status *status, char *message) {
    pthread_rwlock_rdlock(&decoding);
    image->opened = ci_open_rows(image, 1, status);
    pthread_rwlock_unlock(&decoding);
    if (!image->opened) {
        pthread_rwlock_wrlock(&decoding);
        clear_messages();
        image->opened = ci_open_rows(image, 1, status);
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

ci_image *ci_open_file(const char *path, ci_header *header, ci_status *status, char *message) {
    ci_image *image = g_new0(ci_image, 1);
    image->path = g_strdup(path);
    return open_header(image, header, status, message);
}

ci_image *ci_open_bytes(
    const uint8_t *bytes, size_t count, ci_header *header, ci_status *status, char *message) {
    ci_image *image = g_new0(ci_image, 1);
    image->bytes = vips_blob_copy(bytes, count);
    return open_header(image, header, status, message);
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
    if (image->bytes) vips_area_unref(VIPS_AREA(image->bytes));
    g_free(image->path);
    g_free(image);
}

// MARK: - Rendering

ci_status ci_render(ci_image *image, const ci_geometry *geometry, uint8_t *pixels, char *message) {
    pthread_rwlock_rdlock(&decoding);
    int failed = ci_render_alone(image, geometry, pixels);
    pthread_rwlock_unlock(&decoding);
    if (!failed) return CI_OK;
    pthread_rwlock_wrlock(&decoding);
    clear_messages();
    failed = ci_render_alone(image, geometry, pixels);
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
    VipsImage *source = ci_open_rows(&image, 1, &status);
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

void ci_end_thread(void) {
    // A library that was never started keeps nothing, and crashes when told to let go of it.
    if (!start_result) vips_thread_shutdown();
}
