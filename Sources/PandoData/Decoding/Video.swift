/// What a video's header says; its frames need not have been decoded.
public struct VideoHeader: Sendable, Hashable, Codable {
    /// Size of an upright frame with square pixels.
    public var size: PixelSize
    /// Degrees clockwise by which the stored frames are turned to stand upright: 0, 90, 180 or 270.
    public var rotation: Int
    /// Seconds; nil if the file does not say.
    public var duration: Double?
    /// Average frames a second; nil if the file does not say. With a variable frame rate no more than an average.
    public var frameRate: Double?
    /// nil if the file does not say.
    public var frameCount: Int?
    /// FFmpeg's name of the codec, such as `h264`.
    public var codec: String
    /// FFmpeg's name of the container, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    public var container: String
}

/// One frame of a video.
public struct VideoFrame: Sendable, Hashable {
    /// Seconds from the start of the video stream to when the frame is shown.
    public var timestamp: Double
    /// Upright, with square pixels.
    public var image: Image

    public init(timestamp: Double, image: Image) {
        self.timestamp = timestamp
        self.image = image
    }
}

/// What came of reading a video: how many frames, and what could not be read.
public struct VideoReport: Sendable, Hashable, Codable {
    /// A place at which something could not be read.
    public struct Problem: Sendable, Hashable, Codable {
        /// Seconds from the start, as far as is known.
        public var time: Double
        public var text: String

        public init(time: Double, text: String) {
            self.time = time
            self.text = text
        }
    }

    public var header: VideoHeader
    /// Frames that were given.
    public var frameCount: Int
    /// The first places that could not be read, at most `VideoReport.listedProblems`.
    public var problems: [Problem]
    /// All places that could not be read.
    public var problemCount: Int

    /// At most so many problems are listed.
    public static let listedProblems = 16

    /// Whether everything that was looked at could be read.
    public var isWhole: Bool { problemCount == 0 }

    init(header: VideoHeader) {
        self.header = header
        (frameCount, problems, problemCount) = (0, [], 0)
    }

    /// Notes a problem, but not the same place twice.
    mutating func note(_ text: String, at time: Double) {
        if problems.contains(where: { abs($0.time - time) < VideoInstants.tolerance }) { return }
        problemCount += 1
        if problems.count < Self.listedProblems { problems.append(Problem(time: time, text: text)) }
    }
}
