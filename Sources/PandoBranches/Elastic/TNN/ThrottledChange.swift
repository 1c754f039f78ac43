import PandoBackbones
import PandoNN
import PandoTensor

/// Parameters of a network that are trained, and how far the network is open.
public struct ThrottledChange: NetworkChange {
    public var parameters: ParameterChange
    /// Of all blocks, in order.
    public let gates: [BlockGates]
    /// The first block that may be closed.
    public let firstBlock: Int
    public private(set) var openings: [Int: BlockOpening] = [:]

    /// - Parameter names: of the parameters to train.
    /// - Precondition: `firstBlock` is a block.
    public init(of network: some ThrottleableBackbone, training names: Set<String>, firstBlock: Int) {
        gates = network.gates
        require(gates.indices.contains(firstBlock), "ThrottledChange: block \(firstBlock) of \(gates.count)")
        self.firstBlock = firstBlock
        parameters = ParameterChange(of: network) { names.contains($0) }
    }

    /// The same, opened by `gating` at a utilisation.
    public func opened(by gating: Gating, at utilization: Double, using generator: inout SeededGenerator) -> ThrottledChange {
        var change = self
        change.openings = gating.openings(of: gates, from: firstBlock, at: utilization, using: &generator)
        return change
    }

    public var changedTensors: [String] { parameters.changedTensors }
    public var replacedTensors: [String] { parameters.replacedTensors }

    public func ready(toComputeIn type: ElementType) -> ThrottledChange {
        var ready = self
        ready.parameters = parameters.ready(toComputeIn: type)
        return ready
    }

    public func applied<Network: Module>(to network: Network) -> Network {
        let changed = parameters.applied(to: network)
        guard !openings.isEmpty else { return changed }
        func throttled<Throttleable: ThrottleableBackbone>(_ network: Throttleable) -> Network? {
            network.throttled(to: openings) as? Network
        }
        guard let throttleable = changed as? any ThrottleableBackbone, let result = throttled(throttleable) else {
            stop("ThrottledChange: \(Network.self) has no blocks that can be closed")
        }
        return result
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.module("parameters", &parameters) }
}

extension InlineAdapter<ThrottledChange> {
    /// A network whose last blocks are trained and can be closed.
    ///
    /// - Parameters:
    ///   - blocks: how many, from the end; all and what comes before them for `nil`.
    ///   - ordersUnits: whether the heaviest units come first.
    ///   - source: who asks, for errors.
    /// - Throws: `AdapterError` if the network has no blocks that can be closed, or not so many.
    static func throttled(
        _ backbone: any Backbone, lastBlocks blocks: Int?, orderingUnits ordersUnits: Bool, for source: String
    ) throws(AdapterError) -> InlineAdapter<ThrottledChange> {
        guard let network = backbone as? any ThrottleableBackbone else {
            throw AdapterError(
                source, "\(type(of: backbone)) has no blocks that can be closed; BERT, ViT, ResNet and MobileNets have")
        }
        let chosen = ordersUnits ? ordered(network) : network
        return try throttled(chosen, lastBlocks: blocks, for: source)
    }

    private static func ordered(_ network: some ThrottleableBackbone) -> any ThrottleableBackbone {
        network.orderedByMagnitude()
    }

    private static func throttled(_ network: some ThrottleableBackbone, lastBlocks blocks: Int?, for source: String)
        throws(AdapterError) -> InlineAdapter<ThrottledChange>
    {
        let count = network.taps.count
        if let blocks, blocks >= count {
            throw AdapterError(source, "blocks is \(blocks), and the network has \(count); leave it out for all")
        }
        let first = blocks.map { count - $0 } ?? 0
        let trained = network.pooledParameters.filter { first == 0 || network.tapIndex(ofTensor: $0) >= first }
        return InlineAdapter(ThrottledChange(of: network, training: trained, firstBlock: first), on: network)
    }
}
