import PandoBranches
import PandoData
import PandoTensor

/// Learns, from the labels that there are, what more of them would bring.
///
/// Tasks are trained together on all labels and on nested subsets of them; what is seen once counts in later rounds too.
struct BudgetEstimator: Sendable {
    let learner: LabelLearner
    /// Whether one task's labels may count for another.
    let usesTransfer: Bool
    /// Whether each task has a curve of its own; else all are taken to learn alike.
    let usesCurves: Bool

    /// Each task's labels in a training run, and its errors after it.
    private var runs: [(counts: [Int], errors: [Double])] = []
    /// Sums over looks at the affinity, and how many.
    private var transferSum: [[Double]] = []
    private var looks = 0

    init(learner: LabelLearner, usesTransfer: Bool = true, usesCurves: Bool = true) {
        (self.learner, self.usesTransfer, self.usesCurves) = (learner, usesTransfer, usesCurves)
    }

    /// How all tasks are taken to learn where curves are not measured.
    private static let common = LearningCurve(scale: 1, exponent: 0.5)

    /// Trains on the first so many labels of each task, and on parts of them.
    mutating func observe(_ pool: LabelPool, counts: [Int], seed: UInt64) throws {
        if usesCurves {
            // The smaller the part, the more its labels differ from others of that size: two parts of each.
            let parts: [(part: Int, shifts: Int)] = runs.isEmpty ? [(4, 2), (2, 2), (1, 1)] : [(2, 1), (1, 1)]
            for (part, shifts) in parts {
                let few = counts.map { max(1, $0 / part) }
                for turn in 0..<shifts {
                    let joint = pool.tasks(few, within: counts, shift: turn * (counts.min() ?? 0) / 2)
                    let trainer = try learner.trained(joint, seed: seed &+ UInt64(turn))
                    runs.append((few, learner.scores(of: trainer, in: .validation).map { 1 - $0 }))
                }
            }
        }
        guard usesTransfer else { return }
        var plan = learner.plan
        plan.seed = seed
        var settings = TaskAffinity.Settings()
        (settings.measurements, settings.interval) = (3, max(1, learner.steps / 6))
        let affinity = try TaskAffinity(
            of: learner.start(pool.tasks(counts), plan), settings: settings, cancellation: learner.cancellation)
        if transferSum.isEmpty { transferSum = affinity.transfer.map { $0.map { _ in 0 } } }
        for (row, values) in affinity.transfer.enumerated() {
            for (column, value) in values.enumerated() { transferSum[row][column] += value }
        }
        looks += 1
    }

    /// What is known with so many labels of each task.
    func budget(_ names: [String], labelled: [Int], available: [Int], costs: [Double]) -> LabelBudget {
        let transfer = names.indices.map { row in
            names.indices.map { row == $0 ? 1 : looks > 0 ? transferSum[row][$0] / Double(looks) : 0 }
        }
        let counts = runs.map { LabelBudget.effectiveCounts($0.counts, transfer: transfer) }
        let tasks = names.indices.map { task in
            let points = runs.indices.map { LearningCurve.Point(count: counts[$0][task], error: runs[$0].errors[task]) }
            return LabelBudget.Task(
                names[task], labelled: labelled[task], available: available[task], cost: costs[task],
                curve: points.isEmpty ? Self.common : LearningCurve(fitting: points))
        }
        return LabelBudget(tasks, transfer: transfer)
    }
}
