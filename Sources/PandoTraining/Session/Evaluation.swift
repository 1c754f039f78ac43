import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

extension Bundle {
    /// The bundle's backbone, ready to run.
    public func frozenBackbone() -> FrozenBackbone {
        plan.frozen(backbone)
    }

    /// How good each task is on one split of the data that the plan names.
    ///
    /// - Throws: `BundleError` if the data has labels that the bundle does not know, and every error of the session.
    public func evaluate(
        on split: Split, session: TrainingSession, cancellation: CancellationFlag? = nil,
        _ report: @escaping @Sendable (TrainingSession.Event) -> Void = { _ in }
    ) throws -> [String: TaskMetrics] {
        let prepared = try session.prepare(
            network: backbone, preprocessing: preprocessing, textFolder: textFolder, cancellation: cancellation, report)
        var metrics: [String: TaskMetrics] = [:]
        for task in tasks {
            guard let data = prepared.tasks.first(where: { $0.name == task.name }) else { continue }
            guard data.labels == task.labels else {
                throw BundleError(
                    url.path,
                    "the data has changed since: task '\(task.name)' learned \(task.labels.count) labels, the data has \(data.labels.count)"
                )
            }
            metrics[task.name] = task.head.metrics(
                on: data.examples(in: split), features: prepared.features, texts: prepared.texts[task.name])
        }
        return metrics
    }
}
