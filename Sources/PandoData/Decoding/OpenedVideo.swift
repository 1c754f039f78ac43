import CVideo
import Foundation

/// A video file whose header has been read, and the place in it from which frames are read on.
///
/// Used by one thread at a time.
final class OpenedVideo {
    let header: VideoHeader
    /// Whether `header.duration` is the video stream's own rather than that of the file with its sound.
    let durationIsExact: Bool
    private let canSeek: Bool
    private let name: String
    private let pixelLimit: Int
    private let handle: OpaquePointer
    /// Cleared when a jump came out no further than reading on would have.
    private var jumpsPay = true
    /// Where the last jump was to go: the next goes further, so that there is an end to them in any file.
    private var lastJump = -Double.infinity

    /// What reading on came to.
    enum Step {
        case frame(cv_frame)
        case problem(String, time: Double)
        case end
    }

    init(file url: URL, pixelLimit: Int) throws(VideoError) {
        switch FileObjection(to: url) {
        case nil: break
        case .missing: throw VideoError(source: url.path, reason: .missing)
        case .unreadable(let detail): throw VideoError(source: url.path, reason: .unreadable(detail))
        case .empty: throw VideoError(source: url.path, reason: .empty)
        }
        var (raw, status) = (cv_header(), CV_OK)
        var opened: OpaquePointer?
        let message = Self.message { opened = cv_open(url.path, Int64(pixelLimit), &raw, &status, $0) }
        let size = PixelSize(width: Int(raw.width), height: Int(raw.height))
        guard let opened else {
            let reason: VideoError.Reason = switch status {
            case CV_NOT_VIDEO: .notVideo(message)
            case CV_NO_STREAM: .withoutVideo
            case CV_NO_DECODER: .unknownCodec(message)
            case CV_TOO_LARGE: .tooLarge(width: size.width, height: size.height, limit: pixelLimit)
            default: .damaged(message)
            }
            throw VideoError(source: url.path, reason: reason)
        }
        handle = opened
        name = url.path
        self.pixelLimit = pixelLimit
        durationIsExact = raw.duration_is_exact != 0
        canSeek = raw.can_seek != 0
        header = VideoHeader(
            size: size, rotation: 90 * Int(raw.quarter_turns), duration: raw.duration > 0 ? raw.duration : nil,
            frameRate: raw.frame_rate > 0 ? raw.frame_rate : nil,
            frameCount: raw.frame_count > 0 ? Int(raw.frame_count) : nil,
            codec: Self.text(raw.codec), container: Self.text(raw.container))
    }

    deinit { cv_close(handle) }

    /// Decodes the next frame.
    func step() throws(VideoError) -> Step {
        var (frame, status) = (cv_frame(), CV_OK)
        let message = Self.message { status = cv_decode(handle, &frame, $0) }
        switch status {
        case CV_OK: return .frame(frame)
        case CV_END: return .end
        case CV_TOO_LARGE:
            throw VideoError(
                source: name,
                reason: .tooLarge(width: Int(frame.width), height: Int(frame.height), limit: pixelLimit))
        default: return .problem(message, time: frame.time)
        }
    }

    /// Keeps the frame decoded last, so that the next can be decoded before its pixels are asked for.
    func keep() { cv_keep(handle) }

    /// The pixels of the kept frame.
    func image(of frame: cv_frame) throws(VideoError) -> Image {
        let count = Int(frame.width) * Int(frame.height) * 3
        var pixels = [UInt8](repeating: 0, count: count)
        var status = CV_OK
        let message = pixels.withUnsafeMutableBufferPointer { pixels in
            Self.message { status = cv_pixels(handle, pixels.baseAddress, count, $0) }
        }
        if status != CV_OK { throw VideoError(source: name, reason: .damaged(message)) }
        return Image(width: Int(frame.width), height: Int(frame.height), pixels: pixels)
    }

    // MARK: - Moving about

    /// Goes to the last key frame at or before `time`, and decodes it.
    ///
    /// A file's index may mislead (it counts in the order of decoding, or there is none), so what comes is looked at,
    /// and where it comes too late the search begins further back, at last from the beginning.
    func step(to time: Double) throws(VideoError) -> Step {
        var back = 0.0
        while canSeek {
            let target = time - back
            var status = CV_OK
            let failure = Self.message { status = cv_seek(handle, target, $0) }
            if status != CV_OK { throw VideoError(source: name, reason: .damaged(failure)) }
            var step = try step()
            while case .problem = step { step = try self.step() }
            if case .frame(let frame) = step, frame.time <= time + VideoInstants.tolerance { return step }
            if target <= 0 { return step }
            back = max(1, 2 * back)
        }
        return try step()
    }

    /// Whether it is worth going to `time` instead of decoding everything from `position` on.
    func shouldJump(to time: Double, from position: Double) -> Bool {
        guard canSeek, jumpsPay, time > position + 1, time > lastJump else { return false }
        let key = cv_key_frame(handle, time)
        // Where the index does not reach so far, a long way is worth a try.
        return key > position + 1 || (!(key > position) && time > position + 10)
    }

    /// Notes what a jump came to.
    func jumped(from position: Double, to time: Double, finding found: Double) {
        lastJump = time
        if found <= position || found > time + VideoInstants.tolerance { jumpsPay = false }
    }

    /// The times of the frames that there are in part of the video, found by reading all packets of the file.
    ///
    /// Uses the file up: nothing can be decoded afterwards.
    func span(from start: Double, to end: Double) -> cv_span {
        var span = cv_span()
        cv_scan(handle, start, end, &span)
        return span
    }

    // MARK: - C strings

    private static func message(_ call: (UnsafeMutablePointer<CChar>) -> Void) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(CV_MESSAGE_CAPACITY)) { buffer in
            buffer.initialize(repeating: 0)
            call(buffer.baseAddress!)
            return String(cString: buffer.baseAddress!)
        }
    }

    private static func text(_ characters: some Any) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
