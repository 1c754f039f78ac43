/// The first video stream of a local file, frame by frame, through FFmpeg's libav*.
///
/// Nothing of libav* shows outside: its structs change from version to version. A `cv_video` belongs to one thread
/// at a time; several may be used at once. Whatever a file says, no other file and no network is opened.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CV_MESSAGE_CAPACITY 256

typedef struct cv_video cv_video;

typedef enum {
    CV_OK = 0,
    /// There are no more frames.
    CV_END = 1,
    /// The bytes are not of a known video format.
    CV_NOT_VIDEO = 2,
    /// A container without a video stream (sound only, a cover picture).
    CV_NO_STREAM = 3,
    /// No decoder for the stream's codec.
    CV_NO_DECODER = 4,
    /// More pixels than the limit allows.
    CV_TOO_LARGE = 5,
    /// Something could not be read; where it is a frame, the next call goes on behind it.
    CV_DAMAGED = 6,
} cv_status;

typedef struct {
    /// Upright size with square pixels.
    int width, height;
    /// Quarter turns clockwise that make the stored picture upright, 0...3.
    int quarter_turns;
    /// Seconds; negative if the file does not say.
    double duration;
    /// Whether `duration` is this stream's own, not that of the whole file with its sound.
    int duration_is_exact;
    /// Average frames a second; 0 if the file does not say.
    double frame_rate;
    /// 0 if the file does not say.
    int64_t frame_count;
    /// Whether other places than the next can be gone to.
    int can_seek;
    char codec[32], container[32];
} cv_header;

/// What is known of one frame before its pixels are asked for. Times are seconds since the stream's start.
typedef struct {
    double time, duration;
    /// Upright size with square pixels.
    int width, height;
    /// Whether decoding can begin at this frame.
    int is_key;
} cv_frame;

/// The times of the packets between two instants, found without decoding.
typedef struct {
    int64_t count;
    double first, last;
    /// When the last one ends.
    double end;
} cv_span;

/// The version of libavcodec in use: major, minor and micro in 16, 8 and 8 bits.
unsigned cv_version(void);

/// Opens a file and reads its header. NULL with `status` and `message` if that fails.
cv_video *cv_open(const char *path, int64_t pixel_limit, cv_header *header, cv_status *status, char *message);

void cv_close(cv_video *video);

/// Decodes the next frame in order of presentation. CV_OK, CV_END, CV_TOO_LARGE, or CV_DAMAGED with `message`:
/// frames that rest upon one that could not be read are left out until the next key frame. `time` says where.
cv_status cv_decode(cv_video *video, cv_frame *frame, char *message);

/// Keeps the frame decoded last; the one kept before is let go.
void cv_keep(cv_video *video);

/// Writes the kept frame upright as RGB, 8 bit, row by row, transparent pixels over white.
/// `pixels` holds `capacity` bytes, at least the frame's width x height x 3. CV_OK, or CV_DAMAGED with `message`.
cv_status cv_pixels(cv_video *video, uint8_t *pixels, size_t capacity, char *message);

/// The time of the last key frame at or before `time` by the file's index; NaN if the index does not say.
double cv_key_frame(cv_video *video, double time);

/// Goes to a key frame near, mostly before, `time`. CV_OK, or CV_DAMAGED with `message`.
cv_status cv_seek(cv_video *video, double time, char *message);

/// Reads to the end without decoding: the frames of which the time is in `from` ..< `to`.
void cv_scan(cv_video *video, double from, double to, cv_span *span);
