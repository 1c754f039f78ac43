#include <math.h>
#include <string.h>

#include "state.h"

/// Pixels wider or higher than this many times their other side are taken for a mistake, and for square.
static const double aspect_limit = 4;

static const int32_t *display_matrix(const AVStream *stream) {
#if LIBAVFORMAT_VERSION_MAJOR >= 61
    const AVPacketSideData *data = av_packet_side_data_get(
        stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    return data && data->size >= 36 ? (const int32_t *)data->data : NULL;
#else
    size_t size = 0;
    const uint8_t *data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return data && size >= 36 ? (const int32_t *)data : NULL;
#endif
}

/// The display matrix takes a stored place (p, q) to (a p + c q, b p + d q); here it is brought to the nearest
/// turn by quarters, with or without a reflection.
cv_turn cv_turn_of(const AVStream *stream) {
    const int32_t *matrix = display_matrix(stream);
    cv_turn turn = {0};
    if (!matrix) return turn;
    double a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
    turn.swaps = fabs(b) + fabs(c) > fabs(a) + fabs(d);
    turn.flips_x = (turn.swaps ? c : a) < 0;
    turn.flips_y = (turn.swaps ? b : d) < 0;
    return turn;
}

/// Size with square pixels, before turning: one side grows, none shrinks.
static void square_size(const AVFrame *frame, int64_t *width, int64_t *height) {
    AVRational aspect = frame->sample_aspect_ratio;
    double ratio = aspect.num > 0 && aspect.den > 0 ? av_q2d(aspect) : 1;
    if (ratio > aspect_limit || ratio < 1 / aspect_limit) ratio = 1;
    *width = ratio > 1 ? llround(frame->width * ratio) : frame->width;
    *height = ratio < 1 ? llround(frame->height / ratio) : frame->height;
}

int cv_upright_size(const cv_video *video, const AVFrame *frame, int *width, int *height) {
    int64_t wide, high;
    square_size(frame, &wide, &high);
    int swaps = cv_turn_of(video->stream).swaps;
    *width = (int)FFMIN(swaps ? high : wide, INT32_MAX);
    *height = (int)FFMIN(swaps ? wide : high, INT32_MAX);
    return wide <= 0 || high <= 0 || wide > video->pixel_limit / high;
}

/// The matrix and range that the frame's colours were made with; BT.601 where it does not say.
static void follow_colors(struct SwsContext *scaler, const AVFrame *frame) {
    int is_full = frame->color_range == AVCOL_RANGE_JPEG;
    const int *table = sws_getCoefficients(
        frame->colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : (int)frame->colorspace);
    sws_setColorspaceDetails(scaler, table, is_full, sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
}

/// Writes every stored pixel where it belongs; `channels` is 3, or 4 with alpha, `stride` the bytes of a stored row.
static void write_turned(
    const uint8_t *stored, int64_t stride, int64_t width, int64_t height, int channels, cv_turn turn,
    uint8_t *pixels) {
    int64_t out_width = turn.swaps ? height : width, out_height = turn.swaps ? width : height;
    for (int64_t y = 0; y < out_height; y++) {
        int64_t upright_y = turn.flips_y ? out_height - 1 - y : y;
        for (int64_t x = 0; x < out_width; x++) {
            int64_t upright_x = turn.flips_x ? out_width - 1 - x : x;
            int64_t row = turn.swaps ? upright_x : upright_y, column = turn.swaps ? upright_y : upright_x;
            const uint8_t *from = stored + row * stride + column * channels;
            uint8_t *to = pixels + (y * out_width + x) * 3;
            if (channels == 3) {
                memcpy(to, from, 3);
            } else {
                for (int i = 0; i < 3; i++) to[i] = (from[i] * from[3] + 255 * (255 - from[3]) + 127) / 255;
            }
        }
    }
}

cv_status cv_pixels(cv_video *video, uint8_t *pixels, size_t capacity, char *message) {
    cv_forget_log();
    AVFrame *frame = video->kept;
    int64_t width, height;
    square_size(frame, &width, &height);
    if (frame->width <= 0 || (size_t)(width * height * 3) > capacity) {
        cv_explain(message, "there is no frame, or no room for it", 0);
        return CV_DAMAGED;
    }
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(frame->format);
    int has_alpha = description && (description->flags & (AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_PAL));
    int channels = has_alpha ? 4 : 3;
    video->scaler = sws_getCachedContext(
        video->scaler, frame->width, frame->height, frame->format, (int)width, (int)height,
        has_alpha ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24, SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, NULL,
        NULL, NULL);
    if (!video->scaler) {
        cv_explain(message, "the frame's colours cannot be converted", 0);
        return CV_DAMAGED;
    }
    follow_colors(video->scaler, frame);
    // The scaler writes whole vectors: rows of its own, with room behind them.
    uint8_t *planes[4] = {0};
    int strides[4] = {0};
    int error = av_image_alloc(
        planes, strides, (int)width, (int)height, has_alpha ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24, 64);
    if (error >= 0) {
        error = sws_scale(
            video->scaler, (const uint8_t *const *)frame->data, frame->linesize, 0, frame->height, planes, strides);
    }
    if (error >= 0) {
        write_turned(planes[0], strides[0], width, height, channels, cv_turn_of(video->stream), pixels);
    }
    av_freep(&planes[0]);
    if (error >= 0) return CV_OK;
    cv_explain(message, "the frame's colours cannot be converted", error);
    return CV_DAMAGED;
}
