import PandoBackbones
import PandoNN
import PandoTensor

/// A learned mixture of the layers' mean states: `γ Σ_l softmax(w)_l · norm(mean h_l)`.
///
/// States of different widths are first brought to the deepest one's by a linear layer each; those of its width stay.
/// - Shapes: states `[N, T, C_l]` or `[N, H, W, C_l]`, mask `[N, T]` → `[N, C]`.
/// - Source: Peters et al. 2018, ELMo (arXiv:1802.05365), equation 1, of means over tokens or places; layers are
///   normalised, as it suggests, without weights.
public struct LayerMix: Adapter {
    public let taps: [Tap.Name]
    /// For each state whose width is not that of the deepest.
    public var projections: [Linear?]
    public var weights: Tensor
    public var scale: Tensor

    public let featureCount: Int

    public init(reading taps: [Tap.Name], channels: [Int], using generator: inout SeededGenerator) {
        self.taps = taps
        featureCount = channels[channels.count - 1]
        projections = []
        for width in channels {
            projections.append(width == featureCount ? nil : Linear(width, featureCount, using: &generator))
        }
        weights = .zeros([channels.count])
        scale = .ones([1])
    }

    public var request: FeatureRequest { FeatureRequest(taps: taps) }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        let means = zip(features[taps], projections).map { state, projection in
            let mean = state.places.maskedMean(features.mask)
            return projection?(mean) ?? mean
        }
        let layers = Tensor.stacked(means, along: 1).cast(to: .float32)  // [N, L, C]
        let normalized = layers.layerNormalized(
            weight: .ones([featureCount]), bias: .zeros([featureCount]), epsilon: 1e-5)
        let shares = weights.cast(to: .float32).softmax().reshaped(1, 1, taps.count)
        return matmul(shares, normalized).squeezed(1) * scale.cast(to: .float32)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.enter("projections")
        for index in projections.indices { visitor.module(String(index), &projections[index]) }
        visitor.leave()
        visitor.parameter("weights", &weights)
        visitor.parameter("scale", &scale)
    }
}

/// The mixture's options.
public struct LayerMixConfiguration: AdapterConfiguration {
    public static let kind = "layer-mix"
    public static let summary = "a learned mixture of the layers' mean states"
    public static let options: [PlanOption<LayerMixConfiguration>] = [
        PlanOption(
            "taps", "the layers it mixes (every tokens', or the last map of each stride)", .texts { $0.taps = $1 })
    ]

    public var taps: [Tap.Name] = []

    public init() {}

    public func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        let states = try StateTaps(of: backbone, named: taps, atLeast: 2, for: Self.kind)
        return LayerMix(reading: states.names, channels: states.channels, using: &generator)
    }
}
