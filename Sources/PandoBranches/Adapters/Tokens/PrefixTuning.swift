import PandoBackbones
import PandoNN
import PandoTensor

/// Learnt keys and values in front of those of every self-attention.
///
/// - Shapes: for each attention a key and a value `[P, C]`.
/// - Source: Li and Liang 2021, Prefix-Tuning (arXiv:2101.00190), section 4; without the perceptron that they compute
///   prefixes by while training (section 4.3). Not the identity at first.
public struct PrefixChange: NetworkChange {
    private let paths: [String]
    private var keys, values: [Tensor]
    public let changedTensors: [String]

    /// - Precondition: the network has self-attentions that prefixes may lead.
    init(on network: some BlockwiseBackbone, count: Int, using generator: inout SeededGenerator) {
        let attentions = network.selfAttentions
        let names = network.namedTensors.map(\.name)
        paths = attentions.map(\.path)
        keys = attentions.map { .normal(deviation: 0.02, [count, $0.attention.features], using: &generator) }
        values = attentions.map { .normal(deviation: 0.02, [count, $0.attention.features], using: &generator) }
        changedTensors = attentions.compactMap { attention in names.first { $0.hasPrefix(attention.path + ".") } }
    }

    public func applied<Network: Module>(to network: Network) -> Network {
        let prefixes = Dictionary(
            uniqueKeysWithValues: paths.indices.map { (paths[$0], AttentionPrefix(key: keys[$0], value: values[$0])) })
        var changed = network
        changed.prefixSelfAttentions { path, _ in prefixes[path] }
        return changed
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        for (index, path) in paths.enumerated() {
            visitor.parameter(path + ".prefix_key", &keys[index])
            visitor.parameter(path + ".prefix_value", &values[index])
        }
    }
}

/// How many keys and values.
public struct PrefixConfiguration: InlineConfiguration {
    public static let kind = "prefix"
    public static let summary = "learnt keys and values in front of those of every self-attention"
    public static let options: [PlanOption<PrefixConfiguration>] = [
        PlanOption("count", "of the keys in each layer", .integer(1...1024) { $0.count = $1 })
    ]

    public var count = 10

    public init() {}

    func makeChange<Network: BlockwiseBackbone>(of network: Network, using generator: inout SeededGenerator)
        throws(AdapterError) -> PrefixChange
    {
        guard !network.selfAttentions.isEmpty else {
            throw AdapterError(
                Self.kind, "\(Network.self) has no self-attention that a prefix could lead; lora and ssf work")
        }
        return PrefixChange(on: network, count: count, using: &generator)
    }
}
