import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

/// A network of its own that was trained for one task.
public struct FineTuned: Sendable {
    /// Its numbers on test, by name.
    public let scores: [String: Double]
    public let cost: TrainingCost
}

extension TrainingSession {
    /// Trains a network of its own for each task: the plan's backbone, its weights moved too.
    ///
    /// Each becomes a bundle in `folder`, named by its task. One that is there already, of the same plan, is not trained
    /// again, and one whose training was stopped goes on.
    /// - Parameter epochs: passes over each task's training pictures.
    /// - Throws: as `train`.
    public func fineTune(
        epochs: Int, into folder: URL, registry: RunRegistry, runs: URL, cancellation: CancellationFlag? = nil,
        _ report: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws -> [String: FineTuned] {
        var results: [String: FineTuned] = [:]
        for task in plan.tasks {
            let alone = plan.alone(task, epochs: epochs)
            let place = folder.appendingPathComponent(task.name)
            if let known = try? BundleManifest(in: place), known.plan == alone {
                report(.message("\(place.path) is there already"))
                results[task.name] = try FineTuned(task.name, in: place, cost: known.cost)
                continue
            }
            report(.message("a network of its own for \(task.name)"))
            var session = self
            session.plan = alone
            let outcome = try session.train(
                planText: "pando compare \(plan.name) --finetune", into: place, registry: registry, runs: runs,
                resumes: session.hasStoppedRun(for: place, registry: registry, runs: runs), cancellation: cancellation,
                report)
            results[task.name] = try FineTuned(task.name, in: place, cost: outcome.cost)
        }
        return results
    }
}

extension Plan {
    /// This plan with one task alone and its backbone trained.
    fileprivate func alone(_ task: TaskPlan, epochs: Int) -> Plan {
        var plan = self
        plan.name = "\(name) \(task.name) alone"
        plan.tasks = [task]
        plan.data = task.data ?? data
        plan.train = task.train ?? train
        plan.backbone.isTrained = true
        plan.train.epochs = epochs
        // What a step keeps grows with the batch; half is enough for a network that is only moved a little.
        plan.train.batchSize = min(plan.train.batchSize, 32)
        return plan
    }
}

extension FineTuned {
    fileprivate init(_ task: String, in bundle: URL, cost: TrainingCost) throws {
        let metrics = try Bundle.metrics(of: task, in: bundle)
        guard let test = metrics[Split.test.rawValue] else {
            throw BundleError(bundle.path, "tasks/\(task)/metrics.json says nothing about test")
        }
        self.init(scores: test.compactMapValues(\.self), cost: cost)
    }
}
