import PandoBackbones
import PandoNN
import PandoTensor

/// The last blocks trained, and what follows them; what comes before is run once and stored.
public struct LastBlocksConfiguration: InlineConfiguration {
    public static let kind = "last-blocks"
    public static let summary = "the last blocks and what follows them are trained, the rest is run once"
    public static let options: [PlanOption<LastBlocksConfiguration>] = [
        PlanOption("blocks", "how many blocks, from the end", .integer(1...1000) { $0.blocks = $1 })
    ]

    public var blocks = 2

    public init() {}

    func makeChange<Network: BlockwiseBackbone>(of network: Network, using generator: inout SeededGenerator)
        throws(AdapterError) -> ParameterChange
    {
        let count = network.taps.count
        guard blocks < count else {
            throw AdapterError(
                Self.kind,
                "blocks is \(blocks), and the network has \(count); at most \(count - 1) work, or full")
        }
        let trained = network.pooledParameters
        let parameters = Set(network.namedTensors.filter(\.isParameter).map(\.name))
        return ParameterChange(of: network, gatheringStatistics: true) { name in
            network.tapIndex(ofTensor: name) >= count - blocks && (trained.contains(name) || !parameters.contains(name))
        }
    }
}
