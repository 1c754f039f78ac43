import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTraining

/// Tokens of a frozen text network, coded and read again, and a linear head on their means.
struct CodingTrial {
    /// What a coder takes and leaves.
    struct Outcome {
        /// Bits of each number, of the encoded bytes.
        let bits: Double
        /// Root mean square, as a share of that of what was coded.
        let error: Double
        /// Of the head trained on the tokens as they are, and of one trained on what the codec leaves; on test, by seed.
        let unchanged, retrained: Sample
    }

    private let data: TaskData
    private let tokens: Tensor
    private let lengths: [Int]
    private let conditions: Conditions
    /// By seed, on the tokens as they are.
    private let heads: [Branch]

    init(_ conditions: Conditions) throws {
        let plan = Plan(
            name: "feature-coding", backbone: try .fetchedSentenceEncoder(maximumTokens: 32),
            data: DataPlan(kind: .debian),
            tasks: [TaskPlan(name: Debian.sectionColumn, kind: .classification, minimumCount: 5)],
            features: FeaturePlan(codec: .float32, stores: true))
        let dataset = try plan.data.dataset().choosing(
            training: 2500, elsewhere: 1000, labelledIn: Debian.sectionColumn)
        let backbone = try plan.openBackbone()
        let last = backbone.network.taps[backbone.network.taps.count - 1]
        let prepared = try TrainingSession(plan, store: conditions.store, workers: conditions.workers).prepare(
            dataset, on: backbone, adapters: [TokenReader(tap: last)], conditions.cancellation, conditions.report)
        let task = prepared.tasks[0]
        let features = task.features.features(
            Array(0..<task.features.rowCount), workers: conditions.workers)
        guard let mask = features.mask else { stop("CodingTrial: tokens without a mask") }
        let lengths = mask.sum(along: [1]).scalars().map { Int($0) }
        (data, tokens, self.lengths, self.conditions) = (task.data, features[last.name], lengths, conditions)
        let vectors = Self.means(features[last.name], lengths)
        heads = try conditions.seeds.map { try Self.head(on: vectors, task.data, seed: $0, conditions) }
    }

    /// On test, with tokens as they are.
    func reference() throws -> Sample { accuracies(of: heads, on: Self.means(tokens, lengths)) }

    /// The codec learns from the training examples alone.
    func outcome(of codec: FeatureCodec) throws -> Outcome {
        let training = data.examples(in: .train).rows
        let fitted = FittedCodec(
            codec, fitting: tokens.gathered(at: Tensor(training.map(Int64.init))), lengths: training.map { lengths[$0] })
        let bytes = fitted.encode(tokens, lengths: lengths)
        let read = fitted.decode(bytes, lengths: lengths)
        let left = lengths.map { ($0 + codec.pooling - 1) / codec.pooling }
        let vectors = Self.means(read, left)
        return try outcome(
            byteCount: bytes.reduce(0) { $0 + $1.count }, error: fitted.measure(tokens, lengths: lengths).relativeError,
            vectors: vectors)
    }

    /// Learned coders, each from the training examples alone.
    func coders(_ trainings: [HyperpriorCoder.Training]) throws -> [HyperpriorCoder] {
        let steps = steps(of: data.examples(in: .train).rows)
        return try mapConcurrently(
            count: trainings.count, workers: conditions.workers, cancellation: conditions.cancellation
        ) { try HyperpriorCoder(fitting: steps, trainings[$0], cancellation: conditions.cancellation) }
    }

    func outcome(of coder: HyperpriorCoder) throws -> Outcome {
        let steps = steps(of: Array(lengths.indices))
        let bytes = coder.encode(steps)
        let read = coder.decode(bytes, count: steps.shape[0])
        let (error, power) = ((read - steps).squared().mean().scalar(), steps.squared().mean().scalar())
        return try outcome(
            byteCount: bytes.count, error: Double((error / power).squareRoot()), vectors: means(of: read))
    }

    /// How many times the bits that its model gives tokens of test a coder's bytes for them are.
    func overhead(of coder: HyperpriorCoder) -> Double {
        let steps = steps(of: data.examples(in: .test).rows)
        return Double(8 * coder.encode(steps).count) / coder.information(of: steps)
    }

    /// How many times as many bytes a coder needs for tokens of test when the numbers of each channel change places.
    func costOfShuffling(for coder: HyperpriorCoder) -> Double {
        let steps = steps(of: data.examples(in: .test).rows)
        var generator = SeededGenerator(seed: 0)
        let channels = (0..<steps.shape[1]).flatMap {
            steps.element($0, along: 1).scalars().shuffled(using: &generator)
        }
        let shuffled = Tensor(channels, shape: [steps.shape[1], steps.shape[0]]).transposed.contiguous()
        return Double(coder.encode(shuffled).count) / Double(coder.encode(steps).count)
    }

    private func outcome(byteCount: Int, error: Double, vectors: Tensor) throws -> Outcome {
        let retrained = try conditions.seeds.map { try Self.head(on: vectors, data, seed: $0, conditions) }
        return Outcome(
            bits: Double(8 * byteCount) / Double(lengths.reduce(0, +) * tokens.shape[2]), error: error,
            unchanged: accuracies(of: heads, on: vectors), retrained: accuracies(of: retrained, on: vectors))
    }

    private func accuracies(of heads: [Branch], on vectors: Tensor) -> Sample {
        let task = BranchTask(data, vectors: TensorFeatures(vectors))
        return Sample(
            heads.map { head in
                head.metrics(
                    on: data.examples(in: .test), of: task, precision: .float32, workers: conditions.workers
                ).primary.value
            })
    }

    private static func head(on vectors: Tensor, _ data: TaskData, seed: UInt64, _ conditions: Conditions) throws -> Branch {
        let task = BranchTask(data, vectors: TensorFeatures(vectors))
        var trainer = try Trainer(TrainPlan(epochs: 8, seed: seed), [task], workers: conditions.workers)
        if try trainer.run(cancellation: conditions.cancellation) == .interrupted { throw CancellationError() }
        return trainer.trained[0].branch
    }

    /// - Shapes: `[N, T, C]` → `[N, C]`, of each row's own steps.
    private static func means(_ tokens: Tensor, _ lengths: [Int]) -> Tensor {
        let (count, steps) = (tokens.shape[0], tokens.shape[1])
        var weights = [Float](repeating: 0, count: count * steps)
        for (row, length) in lengths.enumerated() {
            for step in 0..<length { weights[row * steps + step] = 1 / Float(length) }
        }
        return matmul(Tensor(weights, shape: [count, 1, steps]), tokens.cast(to: .float32)).reshaped(count, tokens.shape[2])
    }

    /// The steps of some rows, one below the other, without padding.
    /// - Shapes: `[S, C]`.
    private func steps(of rows: [Int]) -> Tensor {
        let places = rows.flatMap { row in (0..<lengths[row]).map { Int64(row * tokens.shape[1] + $0) } }
        return tokens.flattened(through: 1).gathered(at: Tensor(places)).cast(to: .float32)
    }

    /// - Shapes: `steps` of all rows, `[S, C]` → `[N, C]`.
    private func means(of steps: Tensor) -> Tensor {
        var start = 0
        return .stacked(
            lengths.map { length in
                defer { start += length }
                return steps.slice(start..<start + length).mean(along: [0])
            })
    }

    /// Asks for the tokens of a tap; there is nothing to train.
    private struct TokenReader: Adapter {
        let tap: Tap

        var request: FeatureRequest { FeatureRequest(taps: [tap.name]) }
        var featureCount: Int { tap.channels }

        func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
            features.vector(summarizing: [tap.name])
        }

        mutating func visit(_ visitor: inout some Visitor) {}
    }
}
