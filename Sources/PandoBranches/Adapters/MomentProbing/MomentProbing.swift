import PandoBackbones
import PandoNN
import PandoTensor

/// First and second moments of the deepest tokens, one after another, each halved.
///
/// A linear layer over them is the mean of a linear classifier of each; it has one bias where two classifiers have two,
/// whose mean it is: `K` parameters fewer of `K` classes, and no function less.
/// - Shapes: vector `[N, V]`, tokens `[N, T, C]` or map `[N, H, W, C]` → `[N, V + (heads - 1) s²]`.
/// - Source: Gao et al. 2023, Moment Probing (ICCV). The first moment is the vector of the frozen pass: of a vision
///   transformer its class token, of a convolutional network the mean, which is layer-normalised. Tokens that stand for
///   no place are left out of the second. A transformer's tokens are normalised before their projection, as its last
///   norm would, whose weights the projection takes in.
public struct MomentProbing: Adapter {
    public let tap: Tap.Name
    /// Tokens at the front that stand for no place.
    public let skipped: Int
    /// Of the vector, where it is a mean of places.
    public var norm: LayerNorm?
    public var second: CrossCovariance
    private let vectorLength: Int
    private let isMap: Bool

    public init(
        reading tap: Tap, vectorLength: Int, skipping skipped: Int, second: CrossCovariance
    ) {
        self.tap = tap.name
        (self.skipped, self.second, self.vectorLength, isMap) = (skipped, second, vectorLength, tap.isMap)
        norm = tap.isMap ? LayerNorm(vectorLength) : nil
    }

    public var request: FeatureRequest { FeatureRequest(taps: [tap], vector: true) }
    public var featureCount: Int { vectorLength + second.featureCount }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        var tokens = features[tap].places
        var mask = features.mask
        if skipped > 0 {
            tokens = tokens.slice(skipped..<tokens.shape[1], along: 1)
            mask = mask.map { $0.slice(skipped..<$0.shape[1], along: 1) }
        }
        if !isMap {
            let channels = tokens.shape[2]
            tokens = tokens.layerNormalized(weight: .ones([channels]), bias: .zeros([channels]), epsilon: 1e-6)
        }
        let vector = norm?(features.pooled) ?? features.pooled
        let moments = [vector, second(tokens, mask: mask)].map { $0.cast(to: .float32) }
        return Tensor.concatenated(moments, along: 1) * 0.5
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm", &norm)
        visitor.module("second", &second)
    }
}

/// Moment probing's options.
public struct MomentProbingConfiguration: AdapterConfiguration {
    /// Which features a head has.
    public enum Split: String, Sendable, Hashable, Codable, CaseIterable { case contiguous, interleaved }

    public static let kind = "moment-probing"
    public static let summary = "the vector, and how features of the deepest tokens or places covary"
    public static let options: [PlanOption<MomentProbingConfiguration>] = [
        PlanOption("width", "features that covariances are taken of", .integer(14...8192) { $0.width = $1 }),
        PlanOption("heads", "parts of the width, each covarying with the next", .integer(2...64) { $0.heads = $1 }),
        PlanOption(
            "split", "which features a head has (interleaved for maps, else contiguous)",
            .choice(Split.allCases.map(\.rawValue)) { $0.split = Split(rawValue: $1) ?? $0.split }),
        PlanOption(
            "centering", "what is taken off before: one mean of all (`scalar`, the paper's code), or each feature's own",
            .choice(CrossCovariance.Centering.allCases.map(\.rawValue)) {
                $0.centering = CrossCovariance.Centering(rawValue: $1) ?? $0.centering
            }),
        PlanOption(
            "skip", "tokens at the front that stand for no place (a vision transformer's own)",
            .integer(0...64) { $0.skip = $1 }),
    ]

    public var width = 512
    public var heads = 4
    public var split: Split?
    public var centering = CrossCovariance.Centering.scalar
    public var skip: Int?

    public init() {}

    public func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        try makeProbe(on: backbone, vectorLength: vectorLength, using: &generator)
    }

    func makeProbe(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> MomentProbing
    {
        guard width % heads == 0, width / heads >= 7 else {
            throw AdapterError(
                Self.kind,
                "a width of \(width) does not fall into \(heads) heads of 7 or more features; \(heads * 64) would do")
        }
        let tap = try StateTaps(of: backbone, atLeast: 1, for: Self.kind).last
        if tap.isMap && (skip ?? 0) > 0 {
            throw AdapterError(Self.kind, "every place of \(tap.name) stands for one: leave out `skip`")
        }
        let second = CrossCovariance(
            channels: tap.channels, width: width, heads: heads, interleaves: split.map { $0 == .interleaved } ?? tap.isMap,
            centering: centering, using: &generator)
        let ownPrefix = (backbone as? VisionTransformer)?.configuration.prefixCount ?? 0
        return MomentProbing(reading: tap, vectorLength: vectorLength, skipping: skip ?? ownPrefix, second: second)
    }
}
