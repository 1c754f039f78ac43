#include <libavutil/avstring.h>
#include <string.h>

#include "state.h"

/// Demuxers that may open a file: those that hold one video in one file. Playlists (hls, dash, concat), pictures and
/// devices are not among them.
static const char *const formats =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,flv,asf,m4v,h264,hevc,ivf,obu,av1,nut,mxf,dv,"
    "rm,gif,yuv4mpegpipe,wtv,mjpeg,vc1";

/// A file may name others (references of QuickTime, chapters of Matroska): none is opened.
static int refuse_other_files(
    AVFormatContext *format, AVIOContext **io, const char *url, int flags, AVDictionary **options) {
    return AVERROR(EACCES);
}

static double seconds(const cv_video *video, int64_t ticks) { return ticks * av_q2d(video->stream->time_base); }

/// The first video stream that is no cover picture.
static AVStream *video_stream(AVFormatContext *format) {
    for (unsigned i = 0; i < format->nb_streams; i++) {
        AVStream *stream = format->streams[i];
        if (stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO && !(stream->disposition & AV_DISPOSITION_ATTACHED_PIC))
            return stream;
    }
    return NULL;
}

/// Lets libavformat look into the streams, with decoders that keep to the limits.
static int find_streams(AVFormatContext *format, int64_t pixel_limit) {
    unsigned count = format->nb_streams;
    AVDictionary **options = av_calloc(count + 1, sizeof *options);
    if (!options) return AVERROR(ENOMEM);
    for (unsigned i = 0; i < count; i++) {
        av_dict_set_int(&options[i], "max_pixels", pixel_limit, 0);
        av_dict_set(&options[i], "threads", "1", 0);
    }
    int error = avformat_find_stream_info(format, options);
    for (unsigned i = 0; i < count; i++) av_dict_free(&options[i]);
    av_free(options);
    return error;
}

static int open_format(cv_video *video, const char *path) {
    // The prefix makes every name a local file's, whatever it looks like.
    char *url = av_asprintf("file:%s", path);
    AVDictionary *options = NULL;
    AVIOContext *io = NULL;
    int error = url ? 0 : AVERROR(ENOMEM);
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    if (error >= 0) error = avio_open2(&io, url, AVIO_FLAG_READ, NULL, &options);
    av_free(url);
    av_dict_free(&options);
    if (error < 0) return error;
    if (!(video->format = avformat_alloc_context())) {
        avio_closep(&io);
        return AVERROR(ENOMEM);
    }
    video->format->pb = io;
    video->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    video->format->io_open = refuse_other_files;
    video->format->max_streams = 100;
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    av_dict_set(&options, "format_whitelist", formats, 0);
    // Without a name: content alone tells the format.
    error = avformat_open_input(&video->format, "", NULL, &options);
    av_dict_free(&options);
    // A failed open frees the context but not what it was to read from.
    if (error < 0) avio_closep(&io);
    return error;
}

static cv_status open_decoder(cv_video *video, char *message) {
    const AVCodecParameters *parameters = video->stream->codecpar;
    const AVCodec *codec = avcodec_find_decoder(parameters->codec_id);
    if (!codec) {
        av_strlcpy(message, avcodec_get_name(parameters->codec_id), CV_MESSAGE_CAPACITY);
        return CV_NO_DECODER;
    }
    int error = AVERROR(ENOMEM);
    if ((video->decoder = avcodec_alloc_context3(codec))) {
        error = avcodec_parameters_to_context(video->decoder, parameters);
        video->decoder->pkt_timebase = video->stream->time_base;
        video->decoder->thread_count = 1;
        video->decoder->max_pixels = video->pixel_limit;
#if LIBAVCODEC_VERSION_MAJOR >= 60
        video->decoder->flags |= AV_CODEC_FLAG_COPY_OPAQUE;
#endif
        if (error >= 0) error = avcodec_open2(video->decoder, codec, NULL);
    }
    if (error >= 0) return CV_OK;
    cv_explain(message, "the decoder does not start", error);
    return CV_DAMAGED;
}

static void describe(cv_video *video, cv_header *header) {
    const AVStream *stream = video->stream;
    cv_turn turn = cv_turn_of(stream);
    header->quarter_turns = turn.swaps ? (turn.flips_x ? 1 : 3) : (turn.flips_x && turn.flips_y ? 2 : 0);
    header->can_seek = (video->format->pb->seekable & AVIO_SEEKABLE_NORMAL) &&
        !(video->format->iformat->flags & AVFMT_NOTIMESTAMPS) &&
        !(video->format->ctx_flags & AVFMTCTX_UNSEEKABLE);
    header->duration = -1;
    header->duration_is_exact = 0;
    if (stream->duration > 0) {
        header->duration = seconds(video, stream->duration);
        header->duration_is_exact = video->format->duration_estimation_method != AVFMT_DURATION_FROM_BITRATE;
    } else if (
        video->format->duration > 0 && video->format->duration_estimation_method != AVFMT_DURATION_FROM_BITRATE) {
        header->duration = (double)video->format->duration / AV_TIME_BASE;
    }
    AVRational rate = stream->avg_frame_rate;
    if (rate.num <= 0 || rate.den <= 0) rate = av_guess_frame_rate(video->format, video->stream, NULL);
    header->frame_rate = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
    header->frame_count = FFMAX(stream->nb_frames, 0);
    av_strlcpy(header->codec, avcodec_get_name(stream->codecpar->codec_id), sizeof header->codec);
    av_strlcpy(header->container, video->format->iformat->name, sizeof header->container);
}

static cv_status open_video(cv_video *video, const char *path, cv_header *header, char *message) {
    int error = open_format(video, path);
    if (error < 0) {
        cv_explain(message, "the file cannot be opened", error);
        // An index that lies behind the end, a header cut short: the format was known.
        int is_known = error == AVERROR_EOF || error == AVERROR_PATCHWELCOME || error == AVERROR(ENOMEM) ||
            strstr(cv_last_log(), "moov atom");
        return is_known ? CV_DAMAGED : CV_NOT_VIDEO;
    }
    error = find_streams(video->format, video->pixel_limit);
    video->stream = video_stream(video->format);
    if (!video->stream) return CV_NO_STREAM;
    for (unsigned i = 0; i < video->format->nb_streams; i++) {
        if (video->format->streams[i] != video->stream) video->format->streams[i]->discard = AVDISCARD_ALL;
    }
    const AVCodecParameters *parameters = video->stream->codecpar;
    if (error < 0 || parameters->width <= 0 || parameters->height <= 0) {
        cv_explain(message, "the video's size cannot be found out", error);
        return CV_DAMAGED;
    }
    if (!(video->packet = av_packet_alloc()) || !(video->fresh = av_frame_alloc()) ||
        !(video->kept = av_frame_alloc())) {
        cv_explain(message, "no memory", 0);
        return CV_DAMAGED;
    }
    video->start = video->stream->start_time == AV_NOPTS_VALUE ? 0 : video->stream->start_time;
    describe(video, header);
    video->fresh->width = parameters->width;
    video->fresh->height = parameters->height;
    video->fresh->sample_aspect_ratio = av_guess_sample_aspect_ratio(video->format, video->stream, NULL);
    int is_too_large = cv_upright_size(video, video->fresh, &header->width, &header->height);
    av_frame_unref(video->fresh);
    return is_too_large ? CV_TOO_LARGE : open_decoder(video, message);
}

cv_video *cv_open(const char *path, int64_t pixel_limit, cv_header *header, cv_status *status, char *message) {
    cv_start();
    cv_forget_log();
    memset(header, 0, sizeof *header);
    cv_video *video = av_mallocz(sizeof *video);
    if (!video) {
        cv_explain(message, "no memory", 0);
        *status = CV_DAMAGED;
        return NULL;
    }
    video->pixel_limit = pixel_limit;
    video->damaged_packet = -1;
    *status = open_video(video, path, header, message);
    if (*status == CV_OK) return video;
    cv_close(video);
    return NULL;
}

void cv_close(cv_video *video) {
    if (video->format) {
        AVIOContext *io = video->format->pb;
        avformat_close_input(&video->format);
        avio_closep(&io);
    }
    avcodec_free_context(&video->decoder);
    av_packet_free(&video->packet);
    av_frame_free(&video->fresh);
    av_frame_free(&video->kept);
    sws_freeContext(video->scaler);
    av_free(video);
}
