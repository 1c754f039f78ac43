import PandoBackbones
import PandoNN
import PandoTensor

/// The options of an adapter that lies inside the network.
protocol InlineConfiguration: AdapterConfiguration {
    associatedtype Change: NetworkChange

    /// What changes in this network.
    ///
    /// - Throws: `AdapterError` if it cannot be changed so.
    func makeChange<Network: BlockwiseBackbone>(of network: Network, using generator: inout SeededGenerator)
        throws(AdapterError) -> Change
}

extension InlineConfiguration {
    public func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        guard let network = backbone as? any BlockwiseBackbone else {
            throw AdapterError(
                Self.kind, "\(type(of: backbone)) is no chain of blocks, so its inside cannot be trained; probe works")
        }
        return try makeAdapter(inside: network, using: &generator)
    }

    private func makeAdapter(inside network: some BlockwiseBackbone, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        InlineAdapter(try makeChange(of: network, using: &generator), on: network)
    }
}
