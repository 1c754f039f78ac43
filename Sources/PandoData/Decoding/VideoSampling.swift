import PandoTensor

/// Which frames of a video are looked at. Times decide, not numbers of frames, so that a variable frame rate is no
/// special case: a frame is on screen from its own time stamp to the next frame's.
public enum VideoSampling: Sendable, Hashable {
    /// Every frame.
    case every
    /// So many frames a second: those on screen at the first frame's time and every `1 / rate` seconds after it. A
    /// rate above the video's own gives every frame once.
    case rate(Double)
    /// So many frames, evenly placed from the first to the last: with a steady frame rate frame
    /// `⌊i (n − 1) / (count − 1)⌋` of `n`; the first alone for a count of 1. Frames repeat where there are fewer.
    case count(Int)
    /// The middle frame of each of so many parts of equal length. Frames repeat where there are fewer.
    ///
    /// Source: Wang et al. 2016, Temporal Segment Networks (arXiv:1608.00859); in testing, the middle of a segment.
    case segments(Int)

    /// What is wrong with the numbers, if anything.
    var problem: String? {
        switch self {
        case .every: nil
        case .rate(let rate): rate.isFinite && rate > 0 ? nil : "expected a positive rate, got \(rate)"
        case .count(let count), .segments(let count): count > 0 ? nil : "expected at least one frame, got \(count)"
        }
    }

    /// How many frames are asked for, where that is known. Such frames are spread over the whole video, of which the
    /// first and the last frame's times must then be known before the first frame is chosen.
    var frameCount: Int? {
        switch self {
        case .every, .rate: nil
        case .count(let count), .segments(let count): count
        }
    }

    /// About how many frames a video will give; nil if its header does not tell.
    public func expectedCount(of header: VideoHeader, from start: Double = 0, to end: Double? = nil) -> Int? {
        if let frameCount { return frameCount }
        guard let duration = header.duration else { return nil }
        let seconds = max(min(end ?? duration, duration) - start, 0)
        guard let rate = header.frameRate else { return nil }
        let frames = if case .rate(let wanted) = self { min(wanted, rate) * seconds } else { rate * seconds }
        return Int(min(frames, 1e12).rounded(.up))
    }
}

/// The instants of a video that are looked at, handed out in order.
struct VideoInstants {
    private enum Kind {
        case every
        case periodic(period: Double, origin: Double?, number: Double)
        case listed([Double], next: Int)
    }

    /// Time stamps are rounded to the file's unit of time, at worst a millisecond.
    static let tolerance = 0.001

    private var kind: Kind

    /// - Parameters:
    ///   - first, last: times of the first and the last frame. Only a sampling that needs the span looks at them.
    ///   - end: when the last frame ends.
    init(_ sampling: VideoSampling, first: Double = 0, last: Double = 0, end: Double = 0) {
        kind = switch sampling {
        case .every: .every
        case .rate(let rate): .periodic(period: 1 / rate, origin: nil, number: 0)
        case .count(let count):
            .listed((0..<count).map { first + (last - first) * Double($0) / Double(max(count - 1, 1)) }, next: 0)
        case .segments(let count):
            .listed((0..<count).map { first + (end - first) * (Double($0) + 0.5) / Double(count) }, next: 0)
        }
    }

    /// The instant that is looked at next, where it is known before the frame is.
    var upcoming: Double? {
        switch kind {
        case .every: nil
        case .periodic(let period, let origin, let number): origin.map { $0 + number * period }
        case .listed(let times, let next): next < times.count ? times[next] : nil
        }
    }

    /// Whether all instants have been handed out.
    var isOver: Bool {
        if case .listed(let times, let next) = kind { next >= times.count } else { false }
    }

    /// How often the last frame is looked at: always at what instants are left.
    mutating func passesOfLast(from time: Double, lasting duration: Double) -> Int {
        if case .listed = kind { return passes(from: time, to: .infinity) }
        return passes(from: time, to: time + max(duration, 2 * Self.tolerance))
    }

    /// How often a frame on screen from `time` to `end` is looked at.
    mutating func passes(from time: Double, to end: Double) -> Int {
        switch kind {
        case .every: return 1
        case .periodic(let period, let origin, let number):
            let origin = origin ?? time
            kind = .periodic(period: period, origin: origin, number: number)
            guard origin + number * period < end - Self.tolerance else { return 0 }
            let following = ((end - Self.tolerance - origin) / period).rounded(.up)
            kind = .periodic(period: period, origin: origin, number: max(number + 1, following))
            return 1
        case .listed(let times, var next):
            let before = next
            while next < times.count, times[next] < end - Self.tolerance { next += 1 }
            kind = .listed(times, next: next)
            return next - before
        }
    }
}
