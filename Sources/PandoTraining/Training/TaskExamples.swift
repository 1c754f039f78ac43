import PandoBranches
import PandoTensor

/// A task's labelled examples of one split: which rows of the features they are, and their targets.
///
/// An example without a label for the task is not here, so it counts in no loss, no metric and no sampling.
public struct TaskExamples: Sendable {
    /// Targets, one for each row.
    public enum Targets: Sendable {
        case classes([Int])
        case labels([[Int]], count: Int)
        case numbers([Float])
        /// Rows of the text features.
        case texts([Int])
    }

    public let rows: [Int]
    public let targets: Targets

    public init(rows: [Int], targets: Targets) {
        self.rows = rows
        self.targets = targets
    }

    public var count: Int { rows.count }

    /// The first `count` examples, or all if there are fewer.
    func prefix(_ count: Int) -> TaskExamples { chosen(Array(0..<min(count, self.count))) }

    /// The examples at `positions`, in that order.
    func chosen(_ positions: [Int]) -> TaskExamples {
        let targets: Targets =
            switch targets {
            case .classes(let classes): .classes(positions.map { classes[$0] })
            case .labels(let labels, let count): .labels(positions.map { labels[$0] }, count: count)
            case .numbers(let numbers): .numbers(positions.map { numbers[$0] })
            case .texts(let texts): .texts(positions.map { texts[$0] })
            }
        return TaskExamples(rows: positions.map { rows[$0] }, targets: targets)
    }

    /// The targets at `positions`, as a head's loss takes them.
    func batch(_ positions: some Collection<Int>, texts: (any FeatureSource)?) -> TaskHead.Targets {
        switch targets {
        case .classes(let classes):
            return .classes(positions.map { classes[$0] })
        case .labels(let labels, let count):
            return .labels(multiHot(positions.map { labels[$0] }, count: count))
        case .numbers(let numbers):
            return .numbers(Tensor(positions.map { numbers[$0] }))
        case .texts(let textRows):
            guard let texts else { stop("TaskExamples: texts are wanted, but there are no text features") }
            return .texts(texts.rows(positions.map { textRows[$0] }))
        }
    }
}

/// `[N, K]`: 1 where a row has the label, else 0.
func multiHot(_ labels: [[Int]], count: Int) -> Tensor {
    var values = [Float](repeating: 0, count: labels.count * count)
    for (row, labels) in labels.enumerated() {
        for label in labels { values[row * count + label] = 1 }
    }
    return Tensor(values, shape: [labels.count, count])
}
