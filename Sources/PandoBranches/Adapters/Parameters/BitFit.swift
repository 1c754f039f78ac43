import PandoBackbones
import PandoNN
import PandoTensor

/// The biases trained, of projections, convolutions and norms.
///
/// - Source: Ben Zaken et al. 2022, BitFit (arXiv:2106.10199), section 3.
public struct BitFitConfiguration: InlineConfiguration {
    public static let kind = "bitfit"
    public static let summary = "only the biases are trained"
    public static let options: [PlanOption<BitFitConfiguration>] = []

    public init() {}

    func makeChange<Network: BlockwiseBackbone>(of network: Network, using generator: inout SeededGenerator)
        throws(AdapterError) -> ParameterChange
    {
        let trained = network.pooledParameters
        let change = ParameterChange(of: network) { trained.contains($0) && $0.hasSuffix(".bias") }
        if change.names.isEmpty {
            throw AdapterError(Self.kind, "\(Network.self) has no biases; norm trains its norms, lora adds to its weights")
        }
        return change
    }
}
