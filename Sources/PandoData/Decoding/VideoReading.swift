import CVideo
import Foundation

/// One pass through a video.
struct VideoReading {
    private let video: OpenedVideo
    private var instants: VideoInstants
    private let start, end: Double
    var report: VideoReport

    /// The frame that is kept: it is on screen until the next one is.
    private var kept: cv_frame?
    /// Whether nothing is left to be looked at.
    private(set) var isOver = false
    private var hasBegun = false
    /// When the last frame that was decoded ends.
    private var reached = 0.0

    init(video: OpenedVideo, instants: VideoInstants, start: Double, end: Double?) {
        self.video = video
        self.instants = instants
        self.start = start
        self.end = end ?? .infinity
        report = VideoReport(header: video.header)
    }

    /// Decodes one frame further. Returns the frame before it and how often it is looked at, if it is at all.
    mutating func advance() throws(VideoError) -> (frame: VideoFrame, times: Int)? {
        switch try step() {
        case .problem(let text, let time):
            report.note(text, at: time)
            return nil
        case .end:
            noteEarlyEnd()
            return try finish()
        case .frame(let fresh):
            reached = max(reached, fresh.time + fresh.duration)
            if fresh.time < start - VideoInstants.tolerance { return nil }
            if fresh.time >= end - VideoInstants.tolerance { return try finish() }
            var result: (frame: VideoFrame, times: Int)?
            if let kept { result = try look(at: kept, times: instants.passes(from: kept.time, to: fresh.time)) }
            video.keep()
            kept = fresh
            if instants.isOver { isOver = true }
            return result
        }
    }

    /// Reads on, or goes where the next frame is that is looked at.
    private mutating func step() throws(VideoError) -> OpenedVideo.Step {
        if !hasBegun {
            hasBegun = true
            let first = max(start, instants.upcoming ?? 0)
            return first > 1 ? try video.step(to: first) : try video.step()
        }
        guard let kept, let upcoming = instants.upcoming, video.shouldJump(to: upcoming, from: kept.time) else {
            return try video.step()
        }
        let step = try video.step(to: upcoming)
        if case .frame(let frame) = step {
            video.jumped(from: kept.time, to: upcoming, finding: frame.time)
            // What lies between is not looked at: the frame kept so far is not on screen any more.
            self.kept = nil
        }
        return step
    }

    private func look(at frame: cv_frame, times: Int) throws(VideoError) -> (frame: VideoFrame, times: Int)? {
        if times == 0 { return nil }
        return (VideoFrame(timestamp: frame.time, image: try video.image(of: frame)), times)
    }

    /// The last frame stays on screen.
    private mutating func finish() throws(VideoError) -> (frame: VideoFrame, times: Int)? {
        isOver = true
        guard let kept else { return nil }
        return try look(at: kept, times: instants.passesOfLast(from: kept.time, lasting: kept.duration))
    }

    /// Notes that the stream ends long before its header says.
    private mutating func noteEarlyEnd() {
        guard let duration = report.header.duration else { return }
        // A file's duration may be that of its sound.
        let leeway = video.durationIsExact ? max(0.25, 0.01 * duration) : max(1, 0.02 * duration)
        guard reached < duration - leeway else { return }
        let text = "the stream ends after \(Self.inSeconds(reached)), its header says \(Self.inSeconds(duration))"
        report.note(text, at: reached)
    }

    private static func inSeconds(_ time: Double) -> String { "\((time * 100).rounded() / 100) s" }
}
