import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// What sharing one backbone costs, against one network for each task.
public struct Comparison: Sendable, Encodable {
    /// One way to deploy the tasks.
    public struct Side: Sendable, Encodable {
        /// Backbones and branches together.
        public let parameters: Int
        /// Their bytes on disk, in float32.
        public let bytes: Int
        /// For the answers of all tasks on one image.
        public let multiplyAddsPerImage: Int
        /// Preprocessed images for which all tasks are answered in a second, measured.
        public let imagesPerSecond: Double
        /// Features or pictures, and training; `nil`: not run.
        public let trainingSeconds: Double?
        /// What tensors held at most while heads, or one network after the other, were trained; `nil`: not run.
        public let peakTrainingBytes: Int?
        /// Each task's metric on test; `nil`: not run.
        public let metrics: [String: Double?]

        /// What was not run is `null`, not left out.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(parameters, forKey: .parameters)
            try container.encode(bytes, forKey: .bytes)
            try container.encode(multiplyAddsPerImage, forKey: .multiplyAddsPerImage)
            try container.encode(imagesPerSecond, forKey: .imagesPerSecond)
            try container.encode(trainingSeconds, forKey: .trainingSeconds)
            try container.encode(peakTrainingBytes, forKey: .peakTrainingBytes)
            try container.encode(metrics, forKey: .metrics)
        }

        private enum CodingKeys: String, CodingKey {
            case parameters, bytes, multiplyAddsPerImage, imagesPerSecond, trainingSeconds, peakTrainingBytes, metrics
        }
    }

    public let shared: Side
    public let separate: Side
    /// The name of each task's metric.
    public let metricNames: [String: String]
}

extension Bundle {
    /// Holds this bundle against one network for each of its tasks.
    ///
    /// Counts are exact; speeds are measured here and now, both sides in turns, the backbone with all tasks' heads
    /// after one pass or with each task's head after a pass of its own. Where no networks of their own were trained,
    /// their training and their metrics are missing, not guessed.
    /// - Throws: `BundleError` for a bundle over texts, or with adapters other than probes.
    /// - Parameters:
    ///   - metrics: the shared side's, by task.
    ///   - separate: by task, what `TrainingSession.fineTune` left.
    ///   - seconds: about how long to measure.
    public func compared(
        metrics: [String: TaskMetrics], separate: [String: FineTuned] = [:],
        workers: Int = MachineResources.allowedCores, seconds: Double = 4
    ) throws -> Comparison {
        let network = try backbone.pictures()
        if let task = tasks.first(where: { !($0.branch.adapter is Probe) }) {
            throw BundleError(
                url.path,
                "the task '\(task.name)' has the adapter \(task.plan.adapter.kind); only bundles of plain probes are compared with networks of their own")
        }
        let side = plan.preprocessing.outputSize
        let shape = [1, side.height, side.width, 3]
        let passAdds = multiplyAdds(inputShape: shape) { [network.features(of: $0, reading: []).pooled] }
        // The pretraining's classifier is no part of what is deployed.
        let classifierNumbers = network.namedTensors.filter { tensor in
            type(of: plan.backbone.architecture.configuration).classifierNames.contains { tensor.name.hasPrefix($0 + ".") }
        }.reduce(0) { $0 + $1.tensor.elementCount }
        let backboneNumbers = network.namedTensors.reduce(0) { $0 + $1.tensor.elementCount } - classifierNumbers
        let backboneParameters = network.parameterCount - classifierNumbers
        let headParameters = tasks.map(\.branch.parameterCount)
        let headNumbers = tasks.map { $0.branch.namedTensors.reduce(0) { $0 + $1.tensor.elementCount } }
        let headAdds = tasks.map { task in
            multiplyAdds(inputShape: [1, network.vectorLength(reading: plan.backbone.readTaps)]) { [task.branch.head($0)] }
        }
        let speeds = imagesPerSecond(shape: shape, workers: workers, seconds: seconds)
        func total(_ numbers: [Int], passes: Int, of pass: Int) -> Int { passes * pass + numbers.reduce(0, +) }
        let primary = metrics.mapValues(\.primary)
        return Comparison(
            shared: .init(
                parameters: total(headParameters, passes: 1, of: backboneParameters),
                bytes: 4 * total(headNumbers, passes: 1, of: backboneNumbers),
                multiplyAddsPerImage: total(headAdds, passes: 1, of: passAdds), imagesPerSecond: speeds.shared,
                trainingSeconds: cost.seconds, peakTrainingBytes: cost.peakTensorBytes,
                metrics: primary.mapValues(\.value)),
            separate: .init(
                parameters: total(headParameters, passes: tasks.count, of: backboneParameters),
                bytes: 4 * total(headNumbers, passes: tasks.count, of: backboneNumbers),
                multiplyAddsPerImage: total(headAdds, passes: tasks.count, of: passAdds),
                imagesPerSecond: speeds.separate,
                trainingSeconds: separate.isEmpty ? nil : separate.values.reduce(0) { $0 + $1.cost.seconds },
                peakTrainingBytes: separate.values.map(\.cost.peakTensorBytes).max(),
                metrics: Dictionary(
                    uniqueKeysWithValues: tasks.map { task in
                        (task.name, primary[task.name].flatMap { separate[task.name]?.scores[$0.name] })
                    })),
            metricNames: primary.mapValues(\.name))
    }

    /// Medians of short turns, so that a disturbance hits both sides alike.
    private func imagesPerSecond(shape: [Int], workers: Int, seconds: Double) -> (shared: Double, separate: Double) {
        let count = 8 * workers
        var generator = SeededGenerator(seed: 0)
        let batch = Tensor.uniform(-2..<2, [count] + shape.dropFirst(), using: &generator)
        let frozen = plan.frozen(backbone.network)
        func shared() {
            let vectors = frozen.vectors(of: batch, workers: workers)
            for task in tasks { _ = task.branch.head(vectors) }
        }
        func separate() {
            for task in tasks { _ = task.branch.head(frozen.vectors(of: batch, workers: workers)) }
        }
        func time(_ body: () -> Void) -> Double {
            let start = ContinuousClock.now
            body()
            return (ContinuousClock.now - start) / .seconds(1)
        }
        shared()
        var times: (shared: [Double], separate: [Double]) = ([], [])
        let start = ContinuousClock.now
        repeat {
            times.shared.append(time(shared))
            times.separate.append(time(separate))
        } while ContinuousClock.now - start < .seconds(seconds)
        func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
        return (Double(count) / median(times.shared), Double(count) / median(times.separate))
    }
}
