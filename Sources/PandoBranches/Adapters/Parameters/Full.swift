import PandoBackbones
import PandoNN
import PandoTensor

/// The whole network trained, batch norms included: what every other adapter is measured against.
public struct FullConfiguration: InlineConfiguration {
    public static let kind = "full"
    public static let summary = "every parameter of the network is trained: the ceiling, at full cost"
    public static let options: [PlanOption<FullConfiguration>] = []

    public init() {}

    func makeChange<Network: BlockwiseBackbone>(of network: Network, using generator: inout SeededGenerator)
        throws(AdapterError) -> ParameterChange
    {
        let trained = network.pooledParameters
        let parameters = Set(network.namedTensors.filter(\.isParameter).map(\.name))
        return ParameterChange(of: network, gatheringStatistics: true) { trained.contains($0) || !parameters.contains($0) }
    }
}
