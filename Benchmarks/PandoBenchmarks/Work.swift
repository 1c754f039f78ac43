/// Something that Pando and its peers all do, and the lines of the table that come of it.
struct Work {
    /// What is done, under the name that the peers know it by.
    struct Key: Sendable, Hashable, Codable {
        var work: String
        /// `f32`, `bf16` or `int8`.
        var precision: String
        var batch: Int
        /// What a figure counts, such as `images/s`.
        var unit: String

        var description: String { "\(work) \(precision) batch \(batch)" }

        /// Whether less is better.
        var isCost: Bool { ["s", "ms", "MB", "share"].contains(unit) }
    }

    /// Of the lines, in their order.
    let keys: [Key]
    /// Measures once. A line that nothing can be said of is left out.
    let measure: (inout Meeting) throws -> [Comparison]
}

enum Precision: String, CaseIterable {
    case f32, bf16
}

/// What a line is to reach.
enum Goal: Sendable {
    /// Pando's figure over that of the best peer.
    case ratioAtLeast(Double)
    case ratioAtMost(Double)
    /// Pando's figure.
    case figureAtLeast(Double)
    case figureAtMost(Double)

    var description: String {
        switch self {
        case .ratioAtLeast(let bound): "≥ \(bound.formatted(digits: 1))x"
        case .ratioAtMost(let bound): "≤ \(bound.formatted(digits: 1))x"
        case .figureAtLeast(let bound): "≥ \(bound.formatted(digits: 2))"
        case .figureAtMost(let bound): "≤ \(bound.formatted(digits: 2))"
        }
    }

    /// Whether it is reached; nil if there is no peer to tell by.
    func isMet(figure: Double, ratio: Double?) -> Bool? {
        switch self {
        case .ratioAtLeast(let bound): ratio.map { $0 >= bound }
        case .ratioAtMost(let bound): ratio.map { $0 <= bound }
        case .figureAtLeast(let bound): figure >= bound
        case .figureAtMost(let bound): figure <= bound
        }
    }
}

/// What somebody measured: the median, and how much single measurements differ.
struct Figure: Sendable {
    var value: Double
    /// Half of the way from the smallest to the largest quarter, over the median.
    var spread: Double

    init(_ value: Double) { (self.value, spread) = (value, 0) }

    /// - Precondition: there are some.
    init(medianOf values: [Double]) {
        let sorted = values.sorted()
        value = (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        let quarter = sorted.count / 4
        spread = (sorted[sorted.count - 1 - quarter] - sorted[quarter]) / 2 / value
    }
}

/// A peer's figure at a work.
struct PeerFigure: Sendable {
    var peer: String
    var figure: Figure
    var version: String?
    /// In which of its ways.
    var how: String?
}

/// Pando's figure for a work beside those of its peers.
struct Comparison: Sendable {
    var key: Work.Key
    var ours: Figure
    /// In the order in which they were asked.
    var peers: [PeerFigure] = []
    var goal: Goal?
    /// Of the processor's bfloat16 peak.
    var peakShare: Double?
    var note: String?

    /// The peer that Pando is held against.
    var best: PeerFigure? {
        peers.max { key.isCost ? $0.figure.value > $1.figure.value : $0.figure.value < $1.figure.value }
    }

    /// Pando's figure over the best peer's; nil without peers.
    var ratio: Double? { best.map { ours.value / $0.figure.value } }

    var isMet: Bool? { goal?.isMet(figure: ours.value, ratio: ratio) ?? nil }
}
