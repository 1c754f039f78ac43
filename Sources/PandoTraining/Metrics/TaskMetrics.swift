/// A named number that says how good a task is.
public struct Score: Sendable, Hashable {
    public var name: String
    public var value: Double
    /// Whether a larger value is a better one.
    public var largerIsBetter: Bool

    public init(_ name: String, _ value: Double, largerIsBetter: Bool = true) {
        self.name = name
        self.value = value
        self.largerIsBetter = largerIsBetter
    }

    /// Whether `self` is strictly better than `other`.
    public func isBetter(than other: Score) -> Bool {
        largerIsBetter ? value > other.value : value < other.value
    }
}

/// How good a task is on one split, by the task's kind.
public enum TaskMetrics: Sendable, Hashable {
    case classification(ClassificationMetrics)
    case multilabel(MultilabelMetrics)
    case regression(RegressionMetrics)
    case retrieval(RetrievalMetrics)

    /// All numbers, the task's most telling one first.
    public var scores: [Score] {
        switch self {
        case .classification(let metrics): metrics.scores
        case .multilabel(let metrics): metrics.scores
        case .regression(let metrics): metrics.scores
        case .retrieval(let metrics): metrics.scores
        }
    }

    /// The task's most telling number.
    public var primary: Score { scores[0] }

    /// The number that early stopping and the best checkpoint go by: the primary one, but for classes the log loss,
    /// which moves with every example where the accuracy jumps with a few.
    public var watched: Score {
        if case .classification(let metrics) = self { metrics.logLossScore } else { primary }
    }

    /// Labelled examples that the numbers rest on.
    public var exampleCount: Int {
        switch self {
        case .classification(let metrics): metrics.exampleCount
        case .multilabel(let metrics): metrics.exampleCount
        case .regression(let metrics): metrics.exampleCount
        case .retrieval(let metrics): metrics.exampleCount
        }
    }
}

/// Encodes as one flat object of names and numbers, plus `examples`. A number that is not finite is `null`.
extension TaskMetrics: Encodable {
    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        for score in scores {
            try container.encode(score.value.isFinite ? score.value : nil, forKey: Key(stringValue: score.name))
        }
        try container.encode(exampleCount, forKey: Key(stringValue: "examples"))
    }
}

extension TaskKind {
    /// The name of a task's most telling number.
    var primaryScore: String {
        switch self {
        case .classification: "accuracy"
        case .multilabel: "map"
        case .regression: "mae"
        case .retrieval: "recall@10"
        }
    }
}

/// What `pando evaluate --json` prints: the metrics of each task under `tasks`.
public struct EvaluationReport: Encodable, Sendable {
    public var tasks: [String: TaskMetrics]

    public init(tasks: [String: TaskMetrics]) { self.tasks = tasks }
}
