import PandoBackbones
import PandoNN
import PandoTensor

/// Universal parallel tuning: a small network beside the frozen backbone, which reads its states and never enters it.
///
/// - Shapes: states of `N` examples → `[N, featureCount]`.
/// - Source: Diao et al. 2024, UniPT (arXiv:2308.14316). Features are pooled here, by the mean or as the paper's code
///   does for retrieval; a mean is taken before the last layer, which is linear, and so equals that after it.
public struct UniPT<Side: UniPTSide>: Adapter {
    public let taps: [Tap.Name]
    public var side: Side
    public var up: Linear
    /// Whether a rectifier comes before the last layer.
    public let rectifies: Bool
    /// The mean, if there is none.
    public var pooling: GeneralizedPooling?

    public init(
        reading taps: [Tap.Name], side: Side, up: Linear, rectifies: Bool = true, pooling: GeneralizedPooling? = nil
    ) {
        (self.taps, self.side, self.up, self.rectifies, self.pooling) = (taps, side, up, rectifies, pooling)
    }

    public var request: FeatureRequest { FeatureRequest(taps: taps) }
    public var featureCount: Int { up.outFeatures }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        let narrow = side(features[taps], mask: features.mask, during: pass)
        let x = rectifies ? narrow.relu() : narrow
        let pooled = pooling.map { $0(up(x), mask: features.mask) } ?? up(x.maskedMean(features.mask))
        return pooled.cast(to: .float32)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("side", &side)
        visitor.module("up", &up)
        visitor.module("pooling", &pooling)
    }
}
