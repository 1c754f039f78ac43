import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor
import PandoTraining

/// Sets of tokens in classes that share their mean: each class stretches the first two features along a direction of its
/// own, or all do along the same.
struct TokenSets {
    private let tokens: Tensor
    private let data: TaskData

    private static let (classes, length, width) = (4, 49, 32)
    private static let counts: [(Split, Int)] = [(.train, 2000), (.validation, 500), (.test, 500)]
    private static let tap = Tap(name: "tokens", depth: 1, channels: width, kind: .tokens)

    init(differ: Bool, seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed).split("token sets")
        let splits = Self.counts.flatMap { Array(repeating: $0, count: $1) }
        let dataset = Dataset(
            name: "token sets",
            examples: splits.indices.map { index in
                Example(
                    id: "\(index)", split: splits[index], image: nil,
                    labels: ["class": .category("\(index % Self.classes)")])
            })
        let plan = Plan(
            name: "token sets", data: DataPlan(kind: .scenes), tasks: [TaskPlan(name: "class", kind: .classification)])
        data = try TaskData.prepare(plan, on: dataset)[0]
        let maps = (0..<Self.classes).map { index in
            Self.stretching(along: differ ? Float(index) * .pi / Float(Self.classes) : 0)
        }
        let noise = Tensor.normal([splits.count, Self.length, Self.width], using: &generator)
        tokens = matmul(noise, .stacked(splits.indices.map { maps[$0 % Self.classes] }, along: 0))
    }

    /// The identity, but for the first two features: `R(θ) diag(1.4, 0.4) R(θ)ᵀ`.
    private static func stretching(along angle: Float) -> Tensor {
        var values = [Float](repeating: 0, count: width * width)
        for place in 0..<width { values[place * width + place] = 1 }
        let (c, s) = (cos(angle), sin(angle))
        values[0] = 1.4 * c * c + 0.4 * s * s
        values[1] = c * s
        values[width] = c * s
        values[width + 1] = 1.4 * s * s + 0.4 * c * c
        return Tensor(values, shape: [width, width])
    }

    /// Of a linear probe of the mean, on test.
    func probeAccuracy(_ conditions: Conditions) throws -> Double {
        try accuracy(of: Probe(featureCount: Self.width), conditions)
    }

    /// Of moment probing, on test.
    func accuracy(keeping kept: PartialMomentProbing.Moments, seed: UInt64, _ conditions: Conditions) throws -> Double {
        var generator = SeededGenerator(seed: seed).split("moment probing")
        let probing = MomentProbing(
            reading: Self.tap, vectorLength: Self.width, skipping: 0,
            second: CrossCovariance(channels: Self.width, width: 128, heads: 4, interleaves: false, using: &generator))
        return try accuracy(
            of: PartialMomentProbing.adapter(probing, keeping: kept, vectorLength: Self.width), conditions)
    }

    private func accuracy(of adapter: any Adapter, _ conditions: Conditions) throws -> Double {
        let task = BranchTask(data, adapter: adapter, features: Reader(tokens: tokens))
        var trainer = try Trainer(TrainPlan(epochs: 15, learningRate: 3e-3), [task], workers: conditions.workers)
        if try trainer.run(cancellation: conditions.cancellation) == .interrupted { throw CancellationError() }
        return trainer.trained[0].branch.metrics(
            on: data.examples(in: .test), of: task, precision: .float32, workers: conditions.workers
        ).primary.value
    }

    /// The sets, and their means.
    private struct Reader: FeatureReader {
        let tokens: Tensor

        var rowCount: Int { tokens.shape[0] }
        var featureCount: Int { TokenSets.width }

        func features(_ indices: [Int], workers: Int) -> Features {
            let chosen = tokens.gathered(at: Tensor(indices.map(Int64.init)))
            return Features(taps: [TokenSets.tap.name: chosen], pooled: chosen.mean(along: [1]))
        }
    }
}
