/// Pando's figure for a work beside those of its peers.
struct Comparison: Sendable {
    let key: Work.Key
    let ours: Rates
    /// In the order in which they were asked.
    let peers: [PeerRow]

    /// How many times as fast as the fastest peer; nil without peers.
    var ratioToBest: Double? { peers.map(\.theirs).max().map { ours.median / $0 } }
}

/// Figures as a table, or as rows for programs.
struct Report: Sendable, Encodable {
    /// One work and one peer; without peers, the work alone.
    struct Row: Sendable, Codable, Equatable {
        var work: String
        var precision: String
        var batch: Int
        var unit: String
        var ours: Double
        var ours_spread: Double
        var peer: String?
        var theirs: Double?
        var theirs_spread: Double?
        /// Ours over theirs.
        var ratio: Double?
        var version: String?
        var how: String?
    }

    let machine: Machine
    /// What keeps the figures from being the machine's best.
    let complaint: String?
    let rows: [Row]
    /// Peers that gave no figure, and why.
    let failures: [String]

    init(machine: Machine, complaint: String?, comparisons: [Comparison], failures: [String]) {
        self.machine = machine
        self.complaint = complaint
        rows = comparisons.flatMap(Self.rows)
        self.failures = failures
    }

    static func rows(_ comparison: Comparison) -> [Row] {
        let key = comparison.key
        let ours = Row(
            work: key.work, precision: key.precision, batch: key.batch, unit: key.unit, ours: comparison.ours.median,
            ours_spread: comparison.ours.spread)
        if comparison.peers.isEmpty { return [ours] }
        return comparison.peers.map { peer in
            var row = ours
            row.peer = peer.peer
            row.theirs = peer.theirs
            row.theirs_spread = peer.spread
            row.ratio = comparison.ours.median / peer.theirs
            row.version = peer.version
            row.how = peer.how
            return row
        }
    }
}

/// A table with a column for each peer that gave a figure.
func table(_ comparisons: [Comparison]) -> String {
    var names: [String] = []
    for peer in comparisons.flatMap(\.peers).map(\.peer) where !names.contains(peer) { names.append(peer) }
    var lines = [["work", "precision", "batch", "unit", "Pando"] + names + (names.isEmpty ? [] : ["ratio to best"])]
    for comparison in comparisons {
        let key = comparison.key
        let ours = comparison.ours
        var line = [key.work, key.precision, "\(key.batch)", key.unit, rate(ours.median, ours.spread)]
        for name in names {
            let peer = comparison.peers.first { $0.peer == name }
            line.append(
                peer.map { "\(rate($0.theirs, $0.spread)), \((ours.median / $0.theirs).formatted(digits: 2))x" } ?? "")
        }
        if !names.isEmpty { line.append(comparison.ratioToBest.map { $0.formatted(digits: 2) + "x" } ?? "") }
        lines.append(line)
    }
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { line in
        zip(line, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: " | ")
            .replacing(/\ +$/, with: "")
    }.joined(separator: "\n")
}

private func rate(_ median: Double, _ spread: Double) -> String {
    "\(median.formatted(digits: median < 100 ? 1 : 0)) ±\((spread * 100).formatted(digits: 0))%"
}
