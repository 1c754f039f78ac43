/// Something that Pando and its peers all do.
struct Work: Sendable {
    /// What is done, under the name that the peers know it by.
    struct Key: Sendable, Hashable, Codable {
        var work: String
        /// `f32` or `bf16`.
        var precision: String
        var batch: Int
        /// What a rate counts, such as `images/s`.
        var unit: String

        var description: String { "\(work) \(precision) batch \(batch)" }
    }

    let key: Key
    /// The names of those who can do it too, as `peers.py` takes them.
    let peers: [String]
    /// Makes everything ready, and returns one run of the work with the number of units it does.
    let prepare: @Sendable () throws -> (unitsPerRun: Int, run: () throws -> Void)
}

/// Rates of the same work, measured one after the other: units a second.
struct Rates: Sendable {
    private(set) var rates: [Double] = []

    mutating func append(_ more: [Double]) { rates += more }

    var median: Double { median(of: rates) }

    /// Half of the way from the slowest to the fastest quarter, over the median.
    var spread: Double {
        let sorted = rates.sorted()
        let quarter = sorted.count / 4
        return (sorted[sorted.count - 1 - quarter] - sorted[quarter]) / 2 / median
    }

    private func median(of values: [Double]) -> Double {
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}
