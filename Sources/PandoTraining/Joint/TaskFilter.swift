import Foundation
import PandoBranches
import PandoData
import PandoTensor

/// Which tasks train together without harming each other, and the evidence for it.
///
/// A short joint run measures how the tasks' gradients in the shared part point: a task is suspect whose mean cosine with
/// the others is not above 0 by two standard errors. The run is then repeated without the suspect, and the suspect is
/// filtered out if the others gain by that more than two standard errors of their gains. At most a third of the tasks are
/// filtered out.
///
/// - Source: the first stage of Qu et al. 2025 (arXiv:2411.03644); the paper names the filter and its purpose, the
///   criterion is ours.
public struct TaskFilter: Sendable, Codable {
    /// What was found of one task.
    public struct Evidence: Sendable, Codable {
        public let task: String
        /// The mean cosine between its gradient and the other tasks', and its standard error over the steps.
        public let cosine, cosineError: Double
        /// What the other tasks gain without it, and the standard error over them; `nil` if it was not suspect.
        public var gain, gainError: Double?
        public var isKept = true
    }

    /// In the order of the tasks.
    public private(set) var evidence: [Evidence]

    /// The places of the tasks that are kept.
    public var kept: [Int] { evidence.indices.filter { evidence[$0].isKept } }

    /// Steps of a short run, and training examples of a task in it.
    private static let steps = 40, examples = 256

    /// Measures the tasks.
    /// - Throws: `TrainingError.notFinite`; `CancellationError`.
    public init(
        _ joint: JointTasks, _ plan: TrainPlan, mixture: TaskMixture, sharedRate: Float = 1,
        workers: Int = MachineResources.allowedCores, cancellation: CancellationFlag? = nil,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws {
        let few = JointTasks(
            joint.tasks.map { $0.limited(training: Self.examples, elsewhere: Self.examples) }, sharing: joint.sharing,
            features: joint.features, texts: joint.texts)
        /// Scores after a short run of some tasks, by task, and the cosines of each task at each step.
        func run(_ tasks: [Int], readsGradients: Bool) throws -> (scores: [Int: Score], cosines: [[Double]]) {
            let stage = JointStage("probe", tasks: tasks, epochs: 1, patience: 1, mixture: mixture)
            let recorder: any Balancing = readsGradients ? CosineRecorder(taskCount: few.tasks.count) : EqualBalancing()
            var trainer = JointTrainer(
                plan, few, stages: [stage], balancing: recorder, sharedRate: sharedRate, workers: workers)
            for step in 0..<Self.steps {
                if cancellation?.isCancelled == true { throw CancellationError() }
                try trainer.takeStep(learningRate: Float(plan.learningRate))
                progress(step + 1, Self.steps)
            }
            return (
                trainer.metrics(in: .validation).mapValues(\.watched),
                (trainer.balancing as? CosineRecorder)?.cosines ?? []
            )
        }
        let all = Array(few.tasks.indices)
        let mixed = try run(all, readsGradients: true)
        evidence = all.map { task in
            let cosines = mixed.cosines[task]
            let (mean, error) = Self.meanAndError(cosines)
            return Evidence(task: few.tasks[task].name, cosine: mean, cosineError: error)
        }
        let suspects = all.filter { evidence[$0].cosine < 2 * evidence[$0].cosineError }
            .sorted { evidence[$0].cosine < evidence[$1].cosine }.prefix(all.count / 3)
        var left = all
        var before = mixed.scores
        for suspect in suspects {
            let others = left.filter { $0 != suspect }
            let without = try run(others, readsGradients: false).scores
            let gains = RelativeGain.each(others.map { without[$0]! }, over: others.map { before[$0]! })
            let (gain, error) = Self.meanAndError(gains)
            (evidence[suspect].gain, evidence[suspect].gainError) = (gain, error)
            guard gain > 2 * error else { continue }
            evidence[suspect].isKept = false
            (left, before) = (others, without)
        }
    }

    /// The mean of some numbers and its standard error; infinite for fewer than two.
    private static func meanAndError(_ values: [Double]) -> (mean: Double, error: Double) {
        let mean = values.reduce(0, +) / Double(max(values.count, 1))
        guard values.count > 1 else { return (mean, .infinity) }
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
        return (mean, (variance / Double(values.count)).squareRoot())
    }
}

extension TaskFilter {
    /// A line for each task: what was measured, and what follows.
    public var table: String {
        func number(_ value: Double?) -> String { value.map { String(format: "%+.3f", $0) } ?? "" }
        var table = Table(
            [.init("task")] + ["cosine", "±", "others gain without it", "±"].map { .init($0, .right) } + [.init("verdict")])
        for evidence in evidence {
            table.add([
                evidence.task, number(evidence.cosine), number(evidence.cosineError), number(evidence.gain),
                number(evidence.gainError), evidence.isKept ? "shares" : "alone",
            ])
        }
        return table.description
    }
}

/// Equal weights, and a record of the cosines between the tasks' gradients.
private struct CosineRecorder: Balancing {
    /// By task, its mean cosine with the others at each step.
    var cosines: [[Double]]

    init(taskCount: Int) { cosines = .init(repeating: [], count: taskCount) }

    var readsGradients: Bool { true }
    var weighsLosses: Bool { false }
    var state: [String: Tensor] { get { [:] } set {} }

    mutating func weights(for step: BalancingStep) -> [Float] {
        let count = step.tasks.count
        for first in 0..<count where count > 1 {
            var sum = 0.0
            for second in 0..<count where second != first {
                let length = (step.gramian[first * count + first] * step.gramian[second * count + second]).squareRoot()
                sum += length > 0 ? step.gramian[first * count + second] / length : 0
            }
            cosines[step.tasks[first]].append(sum / Double(count - 1))
        }
        return .init(repeating: 1, count: count)
    }
}
