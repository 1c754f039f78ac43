import PandoBackbones
import PandoNN
import PandoTensor

/// The weights and biases of the norms trained; batch norms keep the statistics that they have.
///
/// - Source: Frankle et al. 2021, Training BatchNorm and Only BatchNorm (arXiv:2003.00152), for convolutional networks;
///   Qi et al. 2022, Parameter-efficient Tuning on Layer Normalization (arXiv:2211.08682), for transformers.
public struct NormConfiguration: InlineConfiguration {
    public static let kind = "norm"
    public static let summary = "only the weights and biases of the norms are trained"
    public static let options: [PlanOption<NormConfiguration>] = []

    public init() {}

    func makeChange<Network: BlockwiseBackbone>(of network: Network, using generator: inout SeededGenerator)
        throws(AdapterError) -> ParameterChange
    {
        let (trained, norms) = (network.pooledParameters, network.norms)
        let change = ParameterChange(of: network) { name in
            trained.contains(name) && norms[name.split(separator: ".").dropLast().joined(separator: ".")] != nil
        }
        if change.names.isEmpty { throw AdapterError(Self.kind, "\(Network.self) has no norms; bitfit trains its biases") }
        return change
    }
}
