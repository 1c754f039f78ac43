/// What the files of this target share.
#pragma once

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "include/cvideo.h"

struct cv_video {
    AVFormatContext *format;
    AVCodecContext *decoder;
    AVStream *stream;
    AVPacket *packet;
    /// The frame decoded last, and the one that is kept.
    AVFrame *fresh, *kept;
    struct SwsContext *scaler;
    int64_t pixel_limit;
    /// Time stamp of the stream's start.
    int64_t start;
    /// For frames without a time stamp: when the one before ends.
    double expected_time;
    /// Packets are numbered, so that frames can be told to have come before or after one that was damaged.
    int64_t packet_number, damaged_packet;
    int is_drained, has_failed, awaits_key;
};

/// What libav* reported last on this thread.
const char *cv_last_log(void);
void cv_forget_log(void);
/// Routes libav*'s log to `cv_last_log`.
void cv_start(void);

/// Writes "what: error (log)" into a message of CV_MESSAGE_CAPACITY.
void cv_explain(char *message, const char *what, int error);

/// Upright size of a frame with square pixels; 0 when it is within the limits.
int cv_upright_size(const cv_video *video, const AVFrame *frame, int *width, int *height);

/// How stored pixels become upright: first the axes change places, then each may run backwards.
typedef struct {
    int swaps, flips_x, flips_y;
} cv_turn;

cv_turn cv_turn_of(const AVStream *stream);
