#include <math.h>

#include "state.h"

static double seconds(const cv_video *video, int64_t stamp) {
    return ((double)stamp - (double)video->start) * av_q2d(video->stream->time_base);
}

/// The time stamp of an instant, within what can be added to.
static int64_t ticks(const cv_video *video, double time) {
    double stamp = time / av_q2d(video->stream->time_base) + (double)video->start;
    return (int64_t)fmin(fmax(stamp, -4e18), 4e18);
}

static double usual_duration(const cv_video *video) {
    AVRational rate = video->stream->avg_frame_rate;
    return rate.num > 0 && rate.den > 0 ? 1 / av_q2d(rate) : 0.04;
}

// MARK: - Decoding

/// Notes that what is decoded from here on may rest upon something that is missing.
static void note_damage(cv_video *video) {
    video->damaged_packet = video->packet_number;
    video->awaits_key = 1;
}

/// Which packet the frame was made of.
static int64_t packet_of(const AVFrame *frame) {
#if LIBAVCODEC_VERSION_MAJOR >= 60
    return (int64_t)(intptr_t)frame->opaque;
#else
    return frame->reordered_opaque;
#endif
}

static void number_packet(cv_video *video) {
    video->packet_number++;
#if LIBAVCODEC_VERSION_MAJOR >= 60
    video->packet->opaque = (void *)(intptr_t)video->packet_number;
#else
    video->decoder->reordered_opaque = video->packet_number;
#endif
}

static int is_key(const AVFrame *frame) {
#ifdef AV_FRAME_FLAG_KEY
    return (frame->flags & AV_FRAME_FLAG_KEY) != 0;
#else
    return frame->key_frame;
#endif
}

static double duration_of(const cv_video *video, const AVFrame *frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    int64_t duration = frame->duration;
#else
    int64_t duration = frame->pkt_duration;
#endif
    return duration > 0 ? duration * av_q2d(video->stream->time_base) : usual_duration(video);
}

/// Hands the decoder its next packet; at the end of the file, or where reading fails, the end.
/// Returns a negative error if the packet was not taken.
static int feed(cv_video *video) {
    int error = av_read_frame(video->format, video->packet);
    if (error < 0) {
        video->is_drained = 1;
        // Some demuxers tell of an end that comes too early only by where they stand.
        if (error != AVERROR_EOF && error != AVERROR(EAGAIN)) video->has_failed = 1;
        avcodec_send_packet(video->decoder, NULL);
        return video->has_failed ? error : 0;
    }
    if (video->packet->stream_index != video->stream->index) {
        av_packet_unref(video->packet);
        return 0;
    }
    number_packet(video);
    int is_corrupt = video->packet->flags & AV_PKT_FLAG_CORRUPT;
    error = avcodec_send_packet(video->decoder, video->packet);
    av_packet_unref(video->packet);
    if (is_corrupt && error >= 0) error = AVERROR_INVALIDDATA;
    return error == AVERROR_EOF ? 0 : error;
}

/// Whether the frame shows what was filmed: neither patched up nor predicted from one that is missing.
static int is_sound(cv_video *video, const AVFrame *frame) {
    int is_patched = frame->decode_error_flags || (frame->flags & AV_FRAME_FLAG_CORRUPT);
    if (is_patched) {
        video->damaged_packet = FFMAX(video->damaged_packet, packet_of(frame));
        video->awaits_key = 1;
        return 0;
    }
    if (video->awaits_key && packet_of(frame) >= video->damaged_packet) {
        if (!is_key(frame) || packet_of(frame) == video->damaged_packet) return 0;
        video->awaits_key = 0;
    }
    return 1;
}

cv_status cv_decode(cv_video *video, cv_frame *frame, char *message) {
    cv_forget_log();
    for (;;) {
        int error = avcodec_receive_frame(video->decoder, video->fresh);
        if (error == AVERROR_EOF || (error == AVERROR(EAGAIN) && video->is_drained)) return CV_END;
        frame->time = video->expected_time;
        if (error == AVERROR(EAGAIN)) {
            if ((error = feed(video)) >= 0) continue;
            note_damage(video);
            cv_explain(message, video->is_drained ? "reading stops" : "a frame cannot be decoded", error);
            return CV_DAMAGED;
        }
        if (error < 0) {
            note_damage(video);
            cv_explain(message, "a frame cannot be decoded", error);
            // A decoder that fails at the very end would fail for ever.
            if (video->is_drained) {
                avcodec_flush_buffers(video->decoder);
                avcodec_send_packet(video->decoder, NULL);
            }
            return CV_DAMAGED;
        }
        int64_t stamp = video->fresh->best_effort_timestamp;
        if (stamp != AV_NOPTS_VALUE) frame->time = seconds(video, stamp);
        frame->duration = duration_of(video, video->fresh);
        frame->is_key = is_key(video->fresh);
        video->expected_time = frame->time + frame->duration;
        int was_waiting = video->awaits_key;
        if (!is_sound(video, video->fresh)) {
            av_frame_unref(video->fresh);
            if (was_waiting) continue;
            cv_explain(message, "a frame is damaged", 0);
            return CV_DAMAGED;
        }
        if (cv_upright_size(video, video->fresh, &frame->width, &frame->height)) return CV_TOO_LARGE;
        return CV_OK;
    }
}

void cv_keep(cv_video *video) {
    av_frame_unref(video->kept);
    av_frame_move_ref(video->kept, video->fresh);
}

// MARK: - Moving about

double cv_key_frame(cv_video *video, double time) {
    const AVIndexEntry *entry =
        avformat_index_get_entry_from_timestamp(video->stream, ticks(video, time), AVSEEK_FLAG_BACKWARD);
    return entry ? seconds(video, entry->timestamp) : NAN;
}

cv_status cv_seek(cv_video *video, double time, char *message) {
    cv_forget_log();
    int64_t stamp = ticks(video, time);
    int error = avformat_seek_file(video->format, video->stream->index, INT64_MIN, stamp, stamp, 0);
    if (error < 0) error = av_seek_frame(video->format, video->stream->index, stamp, AVSEEK_FLAG_BACKWARD);
    if (error < 0) {
        cv_explain(message, "the file cannot be wound to another place", error);
        return CV_DAMAGED;
    }
    avcodec_flush_buffers(video->decoder);
    video->is_drained = video->has_failed = 0;
    video->expected_time = time;
    // Frames before the key frame would rest upon what was skipped.
    video->awaits_key = 1;
    video->damaged_packet = video->packet_number;
    return CV_OK;
}

void cv_scan(cv_video *video, double from, double to, cv_span *span) {
    *span = (cv_span){0};
    while (av_read_frame(video->format, video->packet) >= 0) {
        const AVPacket *packet = video->packet;
        int64_t stamp = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
        double length = packet->duration > 0
            ? packet->duration * av_q2d(video->stream->time_base) : usual_duration(video);
        double time = stamp == AV_NOPTS_VALUE ? video->expected_time : seconds(video, stamp);
        int counts = packet->stream_index == video->stream->index &&
            !(packet->flags & (AV_PKT_FLAG_DISCARD | AV_PKT_FLAG_CORRUPT)) && time >= from && time < to;
        if (packet->stream_index == video->stream->index) video->expected_time = time + length;
        av_packet_unref(video->packet);
        if (!counts) continue;
        if (!span->count || time < span->first) span->first = time;
        if (!span->count || time > span->last) span->last = time;
        if (!span->count || time + length > span->end) span->end = time + length;
        span->count++;
    }
}
