import CVideo
import Foundation
import PandoTensor

/// Reads the frames of video files as upright 8-bit sRGB with square pixels, one at a time.
///
/// Formats are what the installed FFmpeg reads of files that hold a video by themselves: MP4, MOV, Matroska, WebM,
/// AVI, MPEG, Ogg, FLV, GIF and others. Of several video streams the first is read; sound is passed over. Playlists are
/// refused, and whatever a file refers to, no other file and no network is opened. Rotation and the shape of pixels
/// are followed; colours are converted by the stream's own matrix and range (BT.601 where it does not say), high
/// dynamic range is not mapped to a screen's.
///
/// Times are seconds from the start of the video stream, by the time stamps that decide when a player shows a frame.
///
/// A stream that breaks off or is damaged gives the frames that can be read. A frame that could not be decoded, was
/// patched up by the decoder, or rests upon such a one is left out up to the next key frame, and the report says so.
/// - Cost: a thread decodes some hundred frames of 640 x 360 a second. Memory holds two frames and what the codec keeps.
public struct VideoDecoder: Sendable {
    /// Most pixels that a frame may have.
    public var pixelLimit: Int
    /// Most frames that one call gives.
    public var frameLimit: Int

    /// - Precondition: the limits are positive.
    public init(pixelLimit: Int = 8192 * 8192, frameLimit: Int = 1_000_000) {
        require(
            pixelLimit > 0 && frameLimit > 0,
            "VideoDecoder: expected positive limits, got \(pixelLimit) pixels, \(frameLimit) frames")
        self.pixelLimit = pixelLimit
        self.frameLimit = frameLimit
    }

    /// The version of libavcodec in use.
    public static var libraryVersion: String {
        let version = cv_version()
        return "\(version >> 16).\(version >> 8 & 255).\(version & 255)"
    }

    /// Reads the header only, and holds it against the limits.
    public func header(of url: URL) throws(VideoError) -> VideoHeader {
        try OpenedVideo(file: url, pixelLimit: pixelLimit).header
    }

    /// Calls `body` with each frame that `sampling` chooses, in order of time.
    ///
    /// Only frames of which the time is in `start ..< end` count as the video. Frames far apart are sought by the
    /// file's index rather than decoded towards.
    /// - Parameters:
    ///   - start: seconds.
    ///   - end: seconds; nil for the end of the video.
    /// - Returns: how many frames there were, and what could not be read.
    /// - Throws: `VideoError`; `CancellationError`; what `body` throws.
    /// - Precondition: the sampling's number is positive, and `start` is not negative and before `end`.
    @discardableResult
    public func forEachFrame(
        of url: URL, sampling: VideoSampling, from start: Double = 0, to end: Double? = nil,
        cancellation: CancellationFlag? = nil, _ body: (VideoFrame) throws -> Void
    ) throws -> VideoReport {
        require(sampling.problem == nil, "VideoDecoder: \(sampling.problem ?? "")")
        require(
            start >= 0 && start.isFinite && (end ?? .infinity) > start,
            "VideoDecoder: expected 0 <= start < end, got \(start) and \(end ?? .infinity)")
        if let count = sampling.frameCount, count > frameLimit {
            throw VideoError(source: url.path, reason: .tooManyFrames(limit: frameLimit))
        }
        var instants = VideoInstants(sampling)
        if sampling.frameCount != nil {
            let span = try OpenedVideo(file: url, pixelLimit: pixelLimit)
                .span(from: start - VideoInstants.tolerance, to: (end ?? .infinity) - VideoInstants.tolerance)
            instants = VideoInstants(sampling, first: span.first, last: span.last, end: span.end)
        }
        var reading = try VideoReading(
            video: OpenedVideo(file: url, pixelLimit: pixelLimit), instants: instants, start: start, end: end)
        while !reading.isOver {
            if cancellation?.isCancelled == true { throw CancellationError() }
            guard let (frame, times) = try reading.advance() else { continue }
            guard reading.report.frameCount + times <= frameLimit else {
                throw VideoError(source: url.path, reason: .tooManyFrames(limit: frameLimit))
            }
            for _ in 0..<times { try body(frame) }
            reading.report.frameCount += times
        }
        if reading.report.frameCount == 0 {
            let detail = reading.report.problems.first?.text ?? "there is none in the part that was asked for"
            throw VideoError(source: url.path, reason: .withoutFrames(detail))
        }
        return reading.report
    }
}
