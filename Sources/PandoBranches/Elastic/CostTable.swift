/// What each operating point of an elastic policy takes, measured on one machine, and how good it is.
public struct CostTable: Sendable, Hashable, Codable {
    /// One operating point.
    public struct Entry: Sendable, Hashable, Codable {
        public let point: OperatingPoint
        /// Of one pass over the examples that all points were measured with.
        public let milliseconds: Double
        /// Each task's metric on validation, higher is better.
        public let metrics: [Double]

        public init(point: OperatingPoint, milliseconds: Double, metrics: [Double]) {
            (self.point, self.milliseconds, self.metrics) = (point, milliseconds, metrics)
        }
    }

    /// Cheapest first.
    public let entries: [Entry]
    /// Of the whole.
    public let fullMilliseconds: Double

    /// - Parameter fullMilliseconds: what the whole takes; that of the dearest entry if it is one of them.
    /// - Throws: `ComputeError` if there is no entry, a time is not above 0, or numbers of metrics differ.
    public init(_ entries: [Entry], fullMilliseconds: Double? = nil) throws(ComputeError) {
        guard let dearest = entries.map(\.milliseconds).max() else { throw ComputeError("a cost table needs a row") }
        let full = fullMilliseconds ?? dearest
        guard (entries.map(\.milliseconds) + [full]).allSatisfy({ $0 > 0 && $0.isFinite }) else {
            throw ComputeError("a cost table needs times above 0")
        }
        guard Set(entries.map(\.metrics.count)).count == 1, entries.allSatisfy({ $0.metrics.allSatisfy(\.isFinite) }) else {
            throw ComputeError("a cost table needs a number for each task in every row")
        }
        self.entries = entries.sorted { $0.milliseconds < $1.milliseconds }
        self.fullMilliseconds = full
    }

    /// What an entry takes, as a share of the whole.
    public func share(of entry: Entry) -> Double { entry.milliseconds / fullMilliseconds }

    /// The same measurements put together for other points.
    ///
    /// A task's metric depends on the shared width and on its own alone, and decoders take time one after another: so each
    /// task's number is that of the entry in which all tasks have its width, and the time is the mean of these entries'.
    /// - Throws: `ComputeError` if such an entry is missing.
    public func composed(at points: [OperatingPoint]) throws(ComputeError) -> CostTable {
        var composed: [Entry] = []
        for point in points {
            if let known = entries.first(where: { $0.point == point }) {
                composed.append(known)
                continue
            }
            var (milliseconds, metrics) = (0.0, [Double]())
            for (task, width) in point.tasks.enumerated() {
                guard
                    let alike = entries.first(where: { entry in
                        entry.point.shared == point.shared && entry.point.tasks.allSatisfy { $0 == width }
                    })
                else {
                    throw ComputeError("nothing was measured with \(point.shared) shared and \(width) of each task")
                }
                milliseconds += alike.milliseconds / Double(point.tasks.count)
                metrics.append(alike.metrics[task])
            }
            composed.append(Entry(point: point, milliseconds: milliseconds, metrics: metrics))
        }
        return try CostTable(composed, fullMilliseconds: fullMilliseconds)
    }

    /// The same with times measured anew, as on another machine.
    ///
    /// - Parameter milliseconds: of each entry, in order.
    /// - Throws: `ComputeError`, as `init`.
    public func timed(_ milliseconds: [Double]) throws(ComputeError) -> CostTable {
        guard milliseconds.count == entries.count else {
            throw ComputeError("\(milliseconds.count) times for \(entries.count) points")
        }
        return try CostTable(
            zip(entries, milliseconds).map { Entry(point: $0.point, milliseconds: $1, metrics: $0.metrics) })
    }

    /// The entries that no cheaper one, nor one as cheap, is as good as: better the dearer they are.
    ///
    /// - Parameter preferences: how much each task's metric counts; all alike for `nil`.
    public func front(preferring preferences: TaskPreferences? = nil) -> [Entry] {
        var front: [Entry] = []
        let ordered = entries.sorted {
            ($0.milliseconds, -score($0, preferences)) < ($1.milliseconds, -score($1, preferences))
        }
        for entry in ordered where front.last.map({ score(entry, preferences) > score($0, preferences) }) ?? true {
            front.append(entry)
        }
        return front
    }

    /// The best entry that a level can pay for; the cheapest if it can pay for none.
    public func choice(at level: ComputeLevel, preferring preferences: TaskPreferences? = nil) -> Choice {
        let front = front(preferring: preferences)
        let affordable = front.filter { share(of: $0) <= level.share + 1e-9 }
        guard let best = affordable.last else {
            return Choice(entry: front[0], share: share(of: front[0]), limit: .belowCheapest)
        }
        let isPastEnd = affordable.count == front.count && share(of: best) < level.share - 0.01
        return Choice(entry: best, share: share(of: best), limit: isPastEnd ? .aboveBest : nil)
    }

    /// What was chosen for a level.
    public struct Choice: Sendable, Hashable {
        /// Why what is spent is far from what was allowed.
        public enum Limit: Sendable, Hashable {
            /// The cheapest point costs more than was allowed.
            case belowCheapest
            /// The best point costs less than was allowed; nothing dearer is better.
            case aboveBest
        }

        public let entry: Entry
        /// Of the full cost.
        public let share: Double
        public let limit: Limit?

        /// One sentence for who asked, if the level was not met.
        public var notice: String? {
            let spent = "\(Int((share * 100).rounded())) % of the full cost"
            switch limit {
            case .belowCheapest: return "the cheapest point takes \(spent), more than was asked for; it is used"
            case .aboveBest: return "the best point takes \(spent); nothing dearer is better, so it is used"
            case nil: return nil
            }
        }
    }

    /// - Precondition: a preference for each metric.
    private func score(_ entry: Entry, _ preferences: TaskPreferences?) -> Double {
        preferences?.mean(of: entry.metrics) ?? entry.metrics.reduce(0, +) / Double(max(entry.metrics.count, 1))
    }
}
