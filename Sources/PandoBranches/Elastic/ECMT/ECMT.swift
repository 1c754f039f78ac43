import PandoBackbones
import PandoNN
import PandoTensor

/// A slimmable encoder that all tasks share and a slimmable decoder for each: cost and the tasks' priorities are chosen when
/// it runs.
///
/// A training step runs the whole, the slimmest configuration and some drawn ones (the sandwich rule), and holds what a slim
/// encoder makes against what the whole one made of the same examples.
/// - Cost: a step takes as much as all its configurations together.
/// - Source: Aich et al. 2023 (arXiv:2308.11744); sandwich rule: Yu and Huang 2019 (arXiv:1903.05134), section 3.2. The
///   inner widths of residual blocks are cut, not the stream's, so that batch norms need no statistics for each width and
///   encodings are compared without cutting channels; the distance is that of the encodings scaled to length 1.
public struct ECMT: Elastic {
    public var whole: EncodedTasks
    /// What widths may be, ascending; the last is 1.
    public let widths: [Double]
    public let training: Training

    /// What is done at each step beside training the whole.
    public struct Training: Sendable, Hashable, Codable {
        /// Configurations drawn at each step.
        public var drawn: Int
        /// Whether the slimmest configuration is always among them.
        public var includesSlimmest: Bool
        /// What the distance of encodings counts; 0 for no distillation.
        public var distillation: Double

        public init(drawn: Int = 2, includesSlimmest: Bool = true, distillation: Double = 1) {
            (self.drawn, self.includesSlimmest, self.distillation) = (drawn, includesSlimmest, distillation)
        }
    }

    /// - Precondition: widths ascend to 1.
    public init(_ whole: EncodedTasks, widths: [Double], training: Training = Training()) {
        require(
            widths.last == 1 && zip(widths, widths.dropFirst()).allSatisfy(<) && widths[0] > 0,
            "ECMT: widths \(widths), expected numbers that ascend from above 0 to 1")
        (self.whole, self.widths, self.training) = (whole, widths, training)
    }

    public var request: FeatureRequest { whole.request }
    public var gradientEntry: Int? { whole.gradientEntry }
    public var taskCount: Int { whole.taskCount }
    public var featureCount: Int { whole.featureCount }

    public var operatingPoints: [OperatingPoint] {
        operatingPoints(preferring: .equal(taskCount: taskCount))
    }

    /// Every width of the encoder with every scale of the decoders: at a scale, the task that is preferred most has that
    /// width, the others as much less as they are preferred less, down to the slimmest.
    ///
    /// - Source: Aich et al. 2023, the rule that decoders follow preferences while the encoder's width is searched.
    public func operatingPoints(preferring preferences: TaskPreferences) -> [OperatingPoint] {
        require(
            preferences.weights.count == taskCount,
            "ECMT: preferences for \(preferences.weights.count) tasks, there are \(taskCount)")
        let most = preferences.weights.max() ?? 1
        let decoders = widths.map { scale in
            preferences.weights.map { weight in
                widths.last { $0 <= scale * weight / most + 1e-9 } ?? widths[0]
            }
        }
        var points: [OperatingPoint] = []
        for shared in widths {
            for tasks in decoders {
                let point = OperatingPoint(shared: shared, tasks: tasks)
                if !points.contains(point) { points.append(point) }
            }
        }
        return points
    }

    public func running(at point: OperatingPoint) -> any Sharing { whole.slimmed(to: point) }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        whole(features, for: asked, during: pass)
    }

    /// Of each task: the whole's loss, and the mean over the other configurations of its loss and its part of the
    /// distillation.
    public func losses(
        of features: Features, for asked: [TaskRows], during pass: TrainingPass,
        by loss: (_ place: Int, _ vectors: Tensor) -> Tensor
    ) -> [Tensor] {
        let encoded = whole.encoder(features, during: pass)
        var losses = whole.decoded(encoded, for: asked).enumerated().map { loss($0, $1) }
        let points = drawnPoints(using: &pass.generator)
        let (share, target) = (1 / Float(max(points.count, 1)), encoded.unitRows.detached)
        for point in points {
            let slim = whole.slimmed(to: point)
            let slimEncoded = slim.encoder(features, during: nil)
            let distance = training.distillation > 0
                ? (slimEncoded.unitRows - target).squared().sum(along: [1]).mean()
                    * Float(training.distillation / Double(asked.count)) : nil
            for (place, vectors) in slim.decoded(slimEncoded, for: asked).enumerated() {
                let own = loss(place, vectors)
                losses[place] = losses[place] + (distance.map { own + $0 } ?? own) * share
            }
        }
        return losses
    }

    /// The configurations of a step beside the whole.
    func drawnPoints(using generator: inout SeededGenerator) -> [OperatingPoint] {
        let slimmest = OperatingPoint(shared: widths[0], tasks: Array(repeating: widths[0], count: taskCount))
        return (training.includesSlimmest ? [slimmest] : [])
            + (0..<training.drawn).map { _ in
                OperatingPoint(
                    shared: widths.randomElement(using: &generator) ?? 1,
                    tasks: (0..<taskCount).map { _ in widths.randomElement(using: &generator) ?? 1 })
            }
    }

    public func keepingFrozenWeights(as type: ElementType) -> ECMT {
        ECMT(whole.keepingFrozenWeights(as: type), widths: widths, training: training)
    }

    public mutating func visit(_ visitor: inout some Visitor) { whole.visit(&visitor) }
}

extension Tensor {
    /// Each row of a matrix scaled to length 1.
    fileprivate var unitRows: Tensor {
        let x = cast(to: .float32)
        return x / (x.squared().sum(along: [1], keepingAxes: true) + 1e-12).squareRoot()
    }
}

/// The slimmable encoder's and decoders' options.
public struct ECMTConfiguration: SharingConfiguration {
    /// What is slimmed.
    public enum Encoder: String, Sendable, Hashable, Codable, CaseIterable {
        /// Perceptrons over the frozen pass's vector.
        case vector
        /// The network's own last blocks.
        case network
    }

    public static let kind = "ecmt"
    public static let summary = "an encoder and a decoder for each task, whose widths follow a budget and preferences"
    public static let options: [PlanOption<ECMTConfiguration>] = [
        PlanOption(
            "encoder", "what all tasks share: perceptrons over the vector, or the network's own blocks",
            .choice(Encoder.allCases.map(\.rawValue)) { $0.encoder = Encoder(rawValue: $1) ?? $0.encoder }),
        PlanOption("hidden", "full width inside each perceptron of the encoder", .integer(4...65536) { $0.hidden = $1 }),
        PlanOption("layers", "perceptrons of the encoder", .integer(1...16) { $0.layers = $1 }),
        PlanOption(
            "blocks", "of the network: how many blocks are trained and slimmed, from the end; 0 for all",
            .integer(0...1000) { $0.blocks = $1 }),
        PlanOption("decoder", "full width inside each task's decoder", .integer(4...65536) { $0.decoder = $1 }),
        PlanOption("features", "length of the vector that each head reads", .integer(1...65536) { $0.features = $1 }),
        PlanOption("drawn", "configurations drawn at each step", .integer(0...8) { $0.drawn = $1 }),
        PlanOption("sandwich", "whether the slimmest is trained at each step", .flag { $0.sandwich = $1 }),
        PlanOption(
            "distillation", "what slim encodings are held to the whole one's by", .number(0...100) { $0.distillation = $1 }),
    ]

    public var encoder = Encoder.vector
    public var hidden = 1024
    public var layers = 2
    public var blocks = 0
    public var decoder = 256
    public var features = 128
    public var drawn = 2
    public var sandwich = true
    public var distillation = 1.0

    public init() {}

    /// Pretrained weights are moved where the network is slimmed.
    public var learningRateScale: Double { encoder == .network ? 0.1 : 1 }

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        let shared: any SlimmableEncoder
        switch encoder {
        case .vector:
            shared = SlimmableTrunk(vectorLength: vectorLength, hidden: hidden, layers: layers, using: &generator)
        case .network:
            shared = try InlineAdapter.throttled(
                backbone, lastBlocks: blocks == 0 ? nil : blocks, orderingUnits: true, for: Self.kind)
        }
        let decoders = (0..<taskCount).map { _ in
            SlimmablePair(shared.featureCount, hidden: decoder, features, using: &generator)
        }
        return ECMT(
            EncodedTasks(encoder: shared, decoders: decoders), widths: [0.25, 0.5, 0.75, 1],
            training: ECMT.Training(drawn: drawn, includesSlimmest: sandwich, distillation: distillation))
    }
}
