import PandoBackbones
import PandoData
import PandoTensor

/// Features that were asked for and cannot be had.
public struct MediaError: Error, Sendable, CustomStringConvertible {
    public var path: String
    public var text: String

    public var description: String { "\(path): \(text)" }
}

/// Rows of features as they come, and which file they are of.
struct FeatureTable {
    /// Rows that there will be, 0 if nobody knows.
    let expected: Int
    private(set) var rowCount = 0
    private var chunks: [Features] = []
    private var timestamps: [Float] = []
    private var sources: [MediaFeatures.Source] = []
    private var unreadable: [MediaFeatures.Unreadable] = []

    init(expected: Int) { self.expected = expected }

    /// The rows that follow are of this file.
    mutating func begin(_ path: String, kind: String) {
        let first = sources.last.map { $0.firstRow + $0.rowCount } ?? 0
        sources.append(.init(path: path, kind: kind, firstRow: first, rowCount: 0, video: nil, problems: []))
    }

    /// So many rows are of the last file.
    mutating func count(_ rows: Int) { sources[sources.count - 1].rowCount += rows }

    mutating func add(_ features: Features, timestamps times: [Float]) {
        chunks.append(features)
        timestamps += times
        rowCount += times.count
    }

    /// Notes how reading the last file, a video, went.
    mutating func finish(_ report: VideoReport) {
        sources[sources.count - 1].video = report.header
        sources[sources.count - 1].problems = report.problems
    }

    mutating func leaveOut(_ path: String, _ error: String) { unreadable.append(.init(path: path, error: error)) }

    /// The last file broke off. What it gave stays.
    mutating func abandon(_ path: String, _ error: String) {
        if let last = sources.last, last.rowCount == 0 { sources.removeLast() }
        leaveOut(path, error)
    }

    /// - Throws: `MediaError` if there are no rows.
    func features() throws(MediaError) -> MediaFeatures {
        guard let first = chunks.first else {
            guard let failure = unreadable.first else { throw MediaError(path: "", text: "there are no pictures or frames") }
            throw MediaError(path: "nothing could be read", text: failure.error)
        }
        let taps = first.taps.keys.map { name in (name, Tensor.concatenated(chunks.map { $0.taps[name]! })) }
        return MediaFeatures(
            pooled: .concatenated(chunks.map(\.pooled)), taps: Dictionary(uniqueKeysWithValues: taps),
            timestamps: timestamps, sources: sources, unreadable: unreadable)
    }
}
