import PandoBackbones
import PandoNN
import PandoTensor

/// The mean states of several levels of a backbone, each brought to one scale: over tokens that are no padding, or over
/// a map's places.
///
/// - Shapes: taps `[N, T, C_l]` or `[N, H, W, C_l]` → for each `[N, C_l]`.
public struct LevelVectors: Module {
    public let taps: [Tap.Name]
    public var norms: [LayerNorm]

    public init(reading taps: [Tap.Name], channels: [Int]) {
        require(taps.count == channels.count, "LevelVectors: \(taps.count) taps of \(channels.count) widths")
        self.taps = taps
        norms = channels.map { LayerNorm($0) }
    }

    public var request: FeatureRequest { FeatureRequest(taps: taps) }

    public func callAsFunction(_ features: Features) -> [Tensor] {
        zip(features[taps], norms).map { $1($0.places.maskedMean(features.mask)) }
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.modules("norms", &norms) }
}
