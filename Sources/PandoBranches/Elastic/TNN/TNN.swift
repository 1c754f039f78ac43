import PandoBackbones
import PandoNN
import PandoTensor

/// A backbone that all tasks share and that runs at any utilisation: one number opens more or less of every block.
///
/// Each training step draws a utilisation and trains what is then open, so that every level learns to do with its share.
/// Attention heads, neurons and inner channels are the components (`Gating`): the residual stream keeps its width, and what
/// is closed is not computed. A closed component is exactly absent; batch norms keep the pretrained statistics at every
/// level.
/// - Cost: a step at utilisation `u` takes about `u` of a whole step.
/// - Source: Liu et al. 2020 (arXiv:2011.02836), phase 1. We begin with pretrained networks, order their units by magnitude
///   so that the first are worth most, and draw one utilisation for a part of a batch instead of one for each example.
public struct TNN: Elastic {
    public var network: InlineAdapter<ThrottledChange>
    public let gating: Gating
    public let taskCount: Int
    /// The utilisations of the operating points, ascending; the last is 1.
    public let levels: [Double]
    /// The lowest utilisation that is drawn in training.
    public let lowest: Double

    /// - Precondition: levels ascend to 1, `lowest` is within 0...1.
    public init(
        _ network: InlineAdapter<ThrottledChange>, gating: Gating, taskCount: Int, levels: [Double], lowest: Double = 0
    ) {
        require(
            levels.last == 1 && zip(levels, levels.dropFirst()).allSatisfy(<) && levels[0] > 0,
            "TNN: levels \(levels), expected numbers that ascend from above 0 to 1")
        require((0...1).contains(lowest), "TNN: the lowest utilisation is \(lowest), expected 0...1")
        (self.network, self.gating, self.taskCount) = (network, gating, taskCount)
        (self.levels, self.lowest) = (levels, lowest)
    }

    public var request: FeatureRequest { network.request }
    public var gradientEntry: Int? { network.gradientEntry }
    public var featureCount: Int { network.featureCount }
    public var operatingPoints: [OperatingPoint] { levels.map { OperatingPoint(shared: $0) } }

    /// Components that are drawn are always the same ones of a point.
    public func running(at point: OperatingPoint) -> any Sharing {
        var generator = SeededGenerator(seed: 0)
        return SharedTrunk(opened(at: point.shared, using: &generator), taskCount: taskCount)
    }

    /// The network, open as far as `utilization` says.
    public func opened(at utilization: Double, using generator: inout SeededGenerator) -> InlineAdapter<ThrottledChange> {
        var opened = network
        opened.change = network.change.opened(by: gating, at: utilization, using: &generator)
        return opened
    }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        SharedTrunk(network, taskCount: taskCount)(features, for: asked, during: pass)
    }

    public func losses(
        of features: Features, for asked: [TaskRows], during pass: TrainingPass,
        by loss: (_ place: Int, _ vectors: Tensor) -> Tensor
    ) -> [Tensor] {
        let utilization = Double.random(in: lowest...1, using: &pass.generator)
        let opened = SharedTrunk(opened(at: utilization, using: &pass.generator), taskCount: taskCount)
        return opened.losses(of: features, for: asked, during: pass, by: loss)
    }

    public func keepingFrozenWeights(as type: ElementType) -> TNN {
        TNN(
            network.keepingFrozenWeights(as: type), gating: gating, taskCount: taskCount, levels: levels, lowest: lowest)
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.module("network", &network) }
}

/// The throttleable network's options.
public struct TNNConfiguration: SharingConfiguration {
    public static let kind = "tnn"
    public static let summary = "the network itself, trained to run at any share of its cost"
    public static let options: [PlanOption<TNNConfiguration>] = [
        PlanOption(
            "blocks", "how many blocks are trained and can be closed, from the end; 0 for all",
            .integer(0...1000) { $0.blocks = $1 }),
        PlanOption("components", "the most parts that heads or neurons are cut into", .integer(1...1024) { $0.components = $1 }),
        PlanOption(
            "gating", "what is closed: the last components, drawn ones, or whole blocks",
            .choice(Gating.Order.allCases.map(\.rawValue)) { $0.gating = Gating.Order(rawValue: $1) ?? $0.gating }),
        PlanOption("rescale", "whether what is open makes up for what is closed", .flag { $0.rescale = $1 }),
        PlanOption("ordered", "whether the heaviest units come first", .flag { $0.ordered = $1 }),
        PlanOption("lowest", "the lowest utilisation drawn in training", .number(0...1) { $0.lowest = $1 }),
        PlanOption("levels", "how many utilisations are measured and offered", .integer(1...100) { $0.levels = $1 }),
    ]

    public var blocks = 0
    public var components = 16
    public var gating = Gating.Order.nested
    public var rescale = false
    public var ordered = true
    public var lowest = 0.0
    public var levels = 8

    public init() {}

    /// Pretrained weights are moved.
    public var learningRateScale: Double { 0.1 }

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        TNN(
            try .throttled(
                backbone, lastBlocks: blocks == 0 ? nil : blocks, orderingUnits: ordered, for: Self.kind),
            gating: Gating(order: gating, components: components, rescales: rescale), taskCount: taskCount,
            levels: (1...levels).map { Double($0) / Double(levels) }, lowest: lowest)
    }
}
