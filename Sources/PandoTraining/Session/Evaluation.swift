import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

extension Bundle {
    /// How good each task is on one split of the data that it learned from.
    ///
    /// - Throws: `BundleError` if the data has labels that the bundle does not know, and every error of the session.
    public func evaluate(
        on split: Split, session: TrainingSession, cancellation: CancellationFlag? = nil,
        _ report: @escaping @Sendable (TrainingSession.Event) -> Void = { _ in }
    ) throws -> [String: TaskMetrics] {
        var metrics: [String: TaskMetrics] = [:]
        for plan in session.plan.byData {
            var part = session
            part.plan = plan
            metrics.merge(try evaluateTogether(on: split, session: part, cancellation, report)) { _, last in last }
        }
        return metrics
    }

    /// As `evaluate`, for tasks of one data set: the session's plan's.
    private func evaluateTogether(
        on split: Split, session: TrainingSession, _ cancellation: CancellationFlag?,
        _ report: @escaping @Sendable (TrainingSession.Event) -> Void
    ) throws -> [String: TaskMetrics] {
        let prepared = try session.prepare(
            on: backbone, adapters: session.plan.tasks.map { try task($0.name).branch.adapter }, textFolder: textFolder,
            cancellation, report)
        var metrics: [String: TaskMetrics] = [:]
        for (task, prepared) in zip(try session.plan.tasks.map { try self.task($0.name) }, prepared.tasks) {
            if let contradiction = task.labels.contradiction(in: prepared.data.labels) {
                throw BundleError(url.path, "the data has changed since task '\(task.name)' learned its labels: \(contradiction)")
            }
            metrics[task.name] = inTrainedPrecision(task.branch).metrics(
                on: prepared.data.examples(in: split), of: prepared, precision: session.plan.train.precision.elementType,
                workers: session.workers)
        }
        return metrics
    }
}
