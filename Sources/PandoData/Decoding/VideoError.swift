/// Why a video could not be read: which one, what is wrong, what to do.
public struct VideoError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Reason: Sendable, Hashable {
        /// There is no such file.
        case missing
        /// The file may not be read, or is no regular file.
        case unreadable(String)
        /// The file has no bytes.
        case empty
        /// The bytes are not of a known video format.
        case notVideo(String)
        /// The file holds sound or a cover picture, but no video.
        case withoutVideo
        /// The installed FFmpeg has no decoder for the codec of this name.
        case unknownCodec(String)
        /// The format is known, the content breaks off or contradicts it before the first frame.
        case damaged(String)
        /// No frame could be read in the part that was asked for.
        case withoutFrames(String)
        /// A frame has more pixels than the limit allows; the size is that of an upright frame with square pixels.
        case tooLarge(width: Int, height: Int, limit: Int)
        /// The sampling asks for more frames than the limit allows.
        case tooManyFrames(limit: Int)
    }

    /// The file's path.
    public var source: String
    public var reason: Reason

    public init(source: String, reason: Reason) {
        self.source = source
        self.reason = reason
    }

    public var description: String { "\(source): \(explanation)" }

    private var explanation: String {
        switch reason {
        case .missing:
            "no such video; check the path"
        case .unreadable(let detail):
            "cannot be opened (\(detail)); check its permissions"
        case .empty:
            "the file is empty (0 bytes); fetch it again or leave it out"
        case .notVideo(let detail):
            "not a video file, whatever its name says (\(detail)); expected MP4, MOV, Matroska, WebM, AVI, MPEG or the like"
        case .withoutVideo:
            "the file has no video stream, only sound or a cover picture; leave it out"
        case .unknownCodec(let codec):
            "there is no decoder for \(codec) in the installed FFmpeg; convert the video to H.264"
        case .damaged(let detail):
            "the video is damaged or cut short (\(detail)); fetch it again or leave it out"
        case .withoutFrames(let detail):
            "no frame could be read (\(detail))"
        case .tooLarge(let width, let height, let limit):
            "a frame is \(width) x \(height), more than the limit of \(limit) pixels; if you trust it, raise the limit"
        case .tooManyFrames(let limit):
            "more than \(limit) frames were asked for; ask for fewer, or raise the limit"
        }
    }
}
