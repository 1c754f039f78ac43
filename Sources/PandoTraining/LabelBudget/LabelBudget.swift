import PandoTensor

/// What is known before labels are bought: each task's labels, price and learning curve, and how much one task's labels
/// are worth to another.
///
/// - Source: Sun et al. 2023, Label Budget Allocation in Multi-Task Learning (arXiv:2308.12949), which poses the problem. How
///   new information is estimated here, and how it is maximised, is our own.
public struct LabelBudget: Sendable, Hashable, Codable {
    /// One task.
    public struct Task: Sendable, Hashable, Codable {
        public let name: String
        /// Labels that it has.
        public let labelled: Int
        /// Examples that could be labelled for it.
        public let available: Int
        /// Of one label.
        public let cost: Double
        public let curve: LearningCurve

        /// - Precondition: it has a label, and labels cost something.
        public init(_ name: String, labelled: Int, available: Int, cost: Double = 1, curve: LearningCurve) {
            require(
                labelled > 0 && available >= 0 && cost > 0,
                "LabelBudget: \(name) has \(labelled) labels, \(available) available at \(cost) each")
            (self.name, self.labelled, self.available) = (name, labelled, available)
            (self.cost, self.curve) = (cost, curve)
        }
    }

    public let tasks: [Task]
    /// In row `j`, column `k`: how many labels of task `k` one label of task `j` is worth; 1 for its own.
    public let transfer: [[Double]]

    /// - Precondition: a row and a column for each task.
    public init(_ tasks: [Task], transfer: [[Double]]) {
        require(
            transfer.count == tasks.count && transfer.allSatisfy { $0.count == tasks.count },
            "LabelBudget: transfer of \(transfer.count) tasks, expected \(tasks.count)")
        (self.tasks, self.transfer) = (tasks, transfer)
    }

    /// What each task's labels are worth to it, with so many more of each: `Σ_j transfer[j, k] · labels_j`.
    public static func effectiveCounts(_ labels: [Int], transfer: [[Double]]) -> [Double] {
        labels.indices.map { task in
            labels.indices.reduce(0) { $0 + (($1 == task) ? 1 : transfer[$1][task]) * Double(labels[$1]) }
        }
    }

    /// Each task's expected error with so many more labels of each.
    public func errors(buying bought: [Int]) -> [Double] {
        let labels = zip(tasks, bought).map { $0.labelled + $1 }
        return zip(tasks, Self.effectiveCounts(labels, transfer: transfer)).map { $0.curve.error(at: $1) }
    }

    /// By how much the mean error is expected to fall.
    public func gain(buying bought: [Int]) -> Double {
        let none = [Int](repeating: 0, count: tasks.count)
        let falls = zip(errors(buying: none), errors(buying: bought)).map { $0 - $1 }
        return falls.reduce(0, +) / Double(tasks.count)
    }

    /// What so many labels of each task cost.
    public func cost(of bought: [Int]) -> Double { zip(tasks, bought).reduce(0) { $0 + $1.0.cost * Double($1.1) } }
}
