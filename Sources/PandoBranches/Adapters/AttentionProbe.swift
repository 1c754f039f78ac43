import PandoBackbones
import PandoNN
import PandoTensor

/// What learned queries see of the deepest tokens or places: one query for each head.
///
/// `softmax(q_h · (W_k x)_h / √d) · (W_v x)_h`, heads one after another, `x` the tokens brought to one scale.
/// - Shapes: tokens `[N, T, C]` or map `[N, H, W, C]`, mask `[N, T]` → `[N, W]`.
/// - Cost: `2 C W + 2 W + 2 C` parameters: keys, values with their bias, queries, the layer norm. A bias of keys would
///   add the same to all scores of a query.
/// - Source: attentive probing, of Chen et al. 2022, CAE (arXiv:2202.03026), in the plain form of El-Nouby et al. 2024, AIM
///   (arXiv:2401.08541): no perceptron and no output projection. Tokens are layer-normalised where AIM has a batch norm,
///   so that examples do not depend on one another.
public struct AttentionProbe: Adapter {
    public let tap: Tap.Name
    public var norm: LayerNorm
    /// One row for each head.
    public var queries: Tensor
    public var key: Linear
    public var value: Linear

    /// - Precondition: `heads` divides `width`.
    public init(reading tap: Tap.Name, channels: Int, width: Int, heads: Int, using generator: inout SeededGenerator) {
        require(width % heads == 0, "attention probe: \(heads) heads do not divide a width of \(width)")
        self.tap = tap
        norm = LayerNorm(channels)
        queries = .truncatedNormal(deviation: 0.02, [heads, width / heads], using: &generator)
        key = Linear(channels, width, bias: false, using: &generator)
        value = Linear(channels, width, using: &generator)
    }

    public var request: FeatureRequest { FeatureRequest(taps: [tap]) }
    public var featureCount: Int { value.outFeatures }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        let tokens = norm(features[tap].places)
        let (count, length) = (tokens.shape[0], tokens.shape[1])
        let (heads, size) = (queries.shape[0], queries.shape[1])
        func split(_ x: Tensor) -> Tensor { x.reshaped(count, length, heads, size).permuted(0, 2, 1, 3) }
        let asked = queries.cast(to: tokens.elementType).reshaped(1, heads, 1, size)
            .broadcast(to: [count, heads, 1, size])
        let mask = features.mask.map { ($0 .!= 0).reshaped(count, 1, 1, length) }
        return attention(query: asked, key: split(key(tokens)), value: split(value(tokens)), mask: mask)
            .reshaped(count, heads * size).cast(to: .float32)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm", &norm)
        visitor.parameter("queries", &queries)
        visitor.module("key", &key)
        visitor.module("value", &value)
    }
}

/// The attention probe's options.
public struct AttentionProbeConfiguration: AdapterConfiguration {
    public static let kind = "attention-probe"
    public static let summary = "learned queries that attend to the deepest tokens or places"
    public static let options: [PlanOption<AttentionProbeConfiguration>] = [
        PlanOption("heads", "queries, each over its share of the width", .integer(1...256) { $0.heads = $1 }),
        PlanOption("width", "length of the vector (the channels it reads)", .integer(1...65536) { $0.width = $1 }),
        PlanOption("tap", "what it reads (the deepest activation)", .texts { $0.tap = $1 }),
    ]

    public var heads = 8
    public var width: Int?
    /// One, or none for the deepest.
    public var tap: [Tap.Name] = []

    public init() {}

    public func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        let states = try StateTaps(of: backbone, named: tap, atLeast: 1, for: Self.kind)
        guard tap.count < 2 else { throw AdapterError(Self.kind, "it reads one tap, not \(tap)") }
        let width = width ?? states.last.channels
        guard width % heads == 0 else {
            let near = (width / heads + 1) * heads
            throw AdapterError(
                Self.kind, "\(heads) heads do not divide a width of \(width); a `width` of \(near) or 1 head would do")
        }
        return AttentionProbe(
            reading: states.last.name, channels: states.last.channels, width: width, heads: heads, using: &generator)
    }
}
