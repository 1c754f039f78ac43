#include "inflating.h"

#include <gio/gio.h>

uint8_t *ci_inflate(
    const uint8_t *bytes, size_t count, int is_gzip, size_t limit, size_t *inflated, ci_inflation *status) {
    GConverter *converter =
        G_CONVERTER(g_zlib_decompressor_new(is_gzip ? G_ZLIB_COMPRESSOR_FORMAT_GZIP : G_ZLIB_COMPRESSOR_FORMAT_ZLIB));
    size_t capacity = count < limit / 4 ? count * 4 + 64 : limit;
    if (capacity > limit) capacity = limit;
    uint8_t *output = g_malloc(capacity ? capacity : 1);
    size_t taken = 0, made = 0;
    *status = CI_INFLATION_DAMAGED;
    for (;;) {
        if (made == capacity) {
            if (capacity == limit) {
                *status = CI_INFLATION_TOO_LARGE;
                break;
            }
            capacity = capacity > limit / 2 ? limit : capacity * 2;
            output = g_realloc(output, capacity);
        }
        gsize read = 0, written = 0;
        GError *error = NULL;
        GConverterResult result = g_converter_convert(
            converter, bytes + taken, count - taken, output + made, capacity - made, G_CONVERTER_INPUT_AT_END, &read,
            &written, &error);
        taken += read;
        made += written;
        if (result == G_CONVERTER_FINISHED) {
            if (taken == count) *status = CI_INFLATION_OK;
            break;
        }
        if (result == G_CONVERTER_ERROR) {
            int needs_room = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
            g_error_free(error);
            // A full buffer grows above; one that is not full means that the input breaks off or is damaged.
            if (!needs_room) break;
            if (made < capacity) {
                if (capacity == limit) {
                    *status = CI_INFLATION_TOO_LARGE;
                    break;
                }
                capacity = capacity > limit / 2 ? limit : capacity * 2;
                output = g_realloc(output, capacity);
            }
        }
    }
    g_object_unref(converter);
    *inflated = made;
    if (*status == CI_INFLATION_OK) return output;
    g_free(output);
    return NULL;
}
