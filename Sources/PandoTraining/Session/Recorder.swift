import Foundation
import PandoData

/// Writes a run's numbers to the registry and to TensorBoard's file.
package final class Recorder: Sendable {
    private let run: Run.ID
    private let registry: RunRegistry
    private let events: EventFile
    /// Where the state of training is kept.
    let checkpoint: URL

    /// Where the state of tasks is kept that train beside those that share something.
    let aloneCheckpoint: URL
    /// Where is kept which tasks share, once that is found.
    let filter: URL

    static func checkpoint(in folder: URL) -> URL { folder.appendingPathComponent("checkpoint.safetensors") }

    /// - Parameter folder: the run's own.
    init(_ run: Run.ID, registry: RunRegistry, folder: URL) throws {
        self.run = run
        checkpoint = Self.checkpoint(in: folder)
        aloneCheckpoint = folder.appendingPathComponent("alone.safetensors")
        filter = folder.appendingPathComponent("filter.json")
        self.registry = registry
        events = try EventFile(in: folder)
    }

    func record(_ epoch: EpochReport) throws {
        func metric(_ phase: RunMetric.Phase, _ name: String, _ value: Double) -> RunMetric {
            RunMetric(step: epoch.step, epoch: epoch.epoch, task: epoch.task, phase: phase, name: name, value: value)
        }
        var metrics = epoch.validation.scores.map { metric(.validation, $0.name, $0.value) }
        if let loss = epoch.loss { metrics.append(metric(.train, "loss", Double(loss))) }
        metrics.append(metric(.train, "learning_rate", Double(epoch.learningRate)))
        try record(metrics, step: epoch.step)
    }

    func record(_ metrics: [String: [Split: TaskMetrics]]) throws {
        for (task, splits) in metrics.sorted(by: { $0.key < $1.key }) {
            guard let test = splits[.test] else { continue }
            let values = test.scores.map {
                RunMetric(step: 0, epoch: 0, task: task, phase: .test, name: $0.name, value: $0.value)
            }
            try record(values, step: 0)
        }
    }

    private func record(_ metrics: [RunMetric], step: Int) throws {
        let finite = metrics.filter(\.value.isFinite)
        try registry.report(finite, of: run)
        try events.write(finite.map { ("\($0.task)/\($0.phase.rawValue)/\($0.name)", Float($0.value)) }, step: step)
    }
}
