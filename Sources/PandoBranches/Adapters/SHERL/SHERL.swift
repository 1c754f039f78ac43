import PandoBackbones
import PandoNN
import PandoTensor

/// The early route beside the frozen backbone, and its last blocks, frozen too, which are run on what the route made.
///
/// Gradients pass through these blocks and no others. Without late blocks the vector is the mean of what the route made.
/// - Shapes: states of `N` examples → `[N, featureCount]`.
/// - Source: Diao et al. 2024, SHERL (arXiv:2407.07523).
public struct SHERL<Route: SHERLRoute>: Adapter {
    public let taps: [Tap.Name]
    public var route: Route
    public let gradientEntry: Int?
    public let featureCount: Int
    /// The network whose last blocks are run; frozen, and so not visited.
    private var network: (any BlockwiseBackbone)?

    /// - Parameters:
    ///   - taps: what the route reads; the late blocks follow the last of them.
    ///   - network: `nil` for no late blocks.
    init(reading taps: [Tap.Name], channels: Int, route: Route, continuing network: (any BlockwiseBackbone)?) {
        (self.taps, self.route, self.network) = (taps, route, network)
        let start = network?.taps.firstIndex { $0.name == taps[taps.count - 1] }
        gradientEntry = start.map { $0 + 1 }
        featureCount = network?.pooledFeatures ?? channels
    }

    public var request: FeatureRequest { FeatureRequest(taps: taps) }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        let state = route(features[taps], during: pass)
        guard let network else { return state.places.maskedMean(features.mask).cast(to: .float32) }
        return network.features(continuing: state, from: taps[taps.count - 1], mask: features.mask).pooled
            .cast(to: .float32)
    }

    public func keepingFrozenWeights(as type: ElementType) -> Self {
        var adapter = self
        adapter.network = network?.keepingWeights(as: type, fromBlock: gradientEntry ?? 0)
        return adapter
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.module("route", &route) }
}
