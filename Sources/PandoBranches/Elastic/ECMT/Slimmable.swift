import PandoBackbones
import PandoNN
import PandoTensor

/// An encoder that can be run at a share of its inner width.
///
/// What it hands on has the same width at every share, so that what reads it need not change.
public protocol SlimmableEncoder: Adapter {
    /// The encoder with a share of its width: weights are slices of this one's.
    /// - Precondition: `width` is above 0 and at most 1.
    func slimmed(to width: Double) -> any SlimmableEncoder
}

extension InlineAdapter: SlimmableEncoder where Change == ThrottledChange {
    public func slimmed(to width: Double) -> any SlimmableEncoder {
        var (slimmed, generator) = (self, SeededGenerator(seed: 0))
        slimmed.change = change.opened(by: Gating(components: 64), at: width, using: &generator)
        return slimmed
    }
}

/// Two layers with a hidden width between them that can be cut: the first units are kept.
///
/// - Shapes: `[…, in]` → `[…, out]`.
public struct SlimmablePair: Module {
    public var norm: LayerNorm
    public var making, adding: Linear

    public init(_ inFeatures: Int, hidden: Int, _ outFeatures: Int, using generator: inout SeededGenerator) {
        norm = LayerNorm(inFeatures)
        making = Linear(inFeatures, hidden, using: &generator)
        adding = Linear(hidden, outFeatures, using: &generator)
    }

    public var hidden: Int { making.outFeatures }

    public func callAsFunction(_ x: Tensor) -> Tensor { adding(making(norm(x)).applying(.relu)) }

    /// The first `ceil(width · hidden)` units.
    /// - Precondition: `width` is above 0 and at most 1.
    public func slimmed(to width: Double) -> SlimmablePair {
        require(width > 0 && width <= 1, "SlimmablePair: a width of \(width), expected above 0 and at most 1")
        let count = Int((width * Double(hidden)).rounded(.up))
        if count == hidden { return self }
        var slimmed = self
        slimmed.making = Linear(weight: making.weight.slice(0..<count), bias: making.bias.map { $0.slice(0..<count) })
        slimmed.adding = Linear(weight: adding.weight.slice(0..<count, along: 1), bias: adding.bias)
        return slimmed
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm", &norm)
        visitor.module("making", &making)
        visitor.module("adding", &adding)
    }
}

/// Residual perceptrons over the vector of the frozen pass, whose hidden widths can be cut.
///
/// - Shapes: `[N, C]` → `[N, C]`.
public struct SlimmableTrunk: SlimmableEncoder {
    public var layers: [SlimmablePair]
    public let featureCount: Int

    public init(vectorLength: Int, hidden: Int, layers: Int, using generator: inout SeededGenerator) {
        self.layers = (0..<layers).map { _ in
            SlimmablePair(vectorLength, hidden: hidden, vectorLength, using: &generator)
        }
        featureCount = vectorLength
    }

    public var request: FeatureRequest { .vector }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        layers.reduce(features.pooled) { $0 + $1($0) }
    }

    public func slimmed(to width: Double) -> any SlimmableEncoder {
        var slimmed = self
        slimmed.layers = layers.map { $0.slimmed(to: width) }
        return slimmed
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.modules("layers", &layers) }
}

/// An encoder that all tasks share, and a decoder for each.
public struct EncodedTasks: Sharing {
    public var encoder: any SlimmableEncoder
    /// Of the vectors that the encoder makes, by the tasks' numbers.
    public var decoders: [SlimmablePair]

    /// - Precondition: there is a decoder, and all make vectors of one length.
    public init(encoder: any SlimmableEncoder, decoders: [SlimmablePair]) {
        require(
            Set(decoders.map(\.adding.outFeatures)).count == 1,
            "EncodedTasks: decoders make vectors of \(decoders.map(\.adding.outFeatures)), expected one length")
        (self.encoder, self.decoders) = (encoder, decoders)
    }

    public var request: FeatureRequest { encoder.request }
    public var gradientEntry: Int? { encoder.gradientEntry }
    public var taskCount: Int { decoders.count }
    public var featureCount: Int { decoders[0].adding.outFeatures }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        decoded(encoder(features, during: pass), for: asked)
    }

    /// The vectors that heads read, from what the encoder made of all rows.
    func decoded(_ encoded: Tensor, for asked: [TaskRows]) -> [Tensor] {
        asked.map { decoders[$0.task]($0.of(encoded)).applying(.relu).cast(to: .float32) }
    }

    /// Encoder and decoders as wide as a point says.
    /// - Precondition: the point has a width for each task.
    func slimmed(to point: OperatingPoint) -> EncodedTasks {
        require(
            point.tasks.count == decoders.count,
            "EncodedTasks: a point for \(point.tasks.count) tasks, there are \(decoders.count)")
        return EncodedTasks(
            encoder: encoder.slimmed(to: point.shared),
            decoders: zip(decoders, point.tasks).map { $0.slimmed(to: $1) })
    }

    public func keepingFrozenWeights(as type: ElementType) -> EncodedTasks {
        EncodedTasks(encoder: keeping(encoder, as: type), decoders: decoders)
    }

    private func keeping(_ encoder: some SlimmableEncoder, as type: ElementType) -> any SlimmableEncoder {
        encoder.keepingFrozenWeights(as: type)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("encoder", &encoder)
        visitor.modules("tasks", &decoders)
    }
}
