import PandoBackbones
import PandoNN
import PandoTensor

/// What an inline adapter changes inside a network: the trained part alone, apart from the network.
public protocol NetworkChange: Module {
    /// The network with the change: a new value, which shares every other weight.
    ///
    /// - Precondition: the change was made for a network of these layers.
    func applied<Network: Module>(to network: Network) -> Network

    /// Tensors of the network whose use it changes; the first of them is where gradients enter.
    var changedTensors: [String] { get }

    /// Tensors of the network that others take the place of, so that the network's own are not used.
    var replacedTensors: [String] { get }

    /// The change with weights that passes bring to `type` brought there, as `Adapter` has it.
    func ready(toComputeIn type: ElementType) -> Self

    /// Whether batch norms are trained along: they then use the batch's own statistics while training.
    var followsStatistics: Bool { get }
}

extension NetworkChange {
    public var replacedTensors: [String] { [] }
    public func ready(toComputeIn type: ElementType) -> Self { self }
    public var followsStatistics: Bool { false }
}

extension Module {
    /// The network with its layers' adapters merged into plain layers; `nil` if one of them cannot be.
    ///
    /// - Cost: weights that no adapter changes are shared.
    public func mergingAdapters() -> Self? {
        var network = self
        var isWhole = true
        network.replaceLayers { _, layer in
            guard let adapter = layer.adapter else { return nil }
            let merged = adapter.merged(into: Linear(weight: layer.weight, bias: layer.bias))
            isWhole = isWhole && merged != nil
            return merged
        } convolution: { _, layer in
            guard let adapter = layer.adapter else { return nil }
            var plain = layer
            plain.adapter = nil
            let merged = adapter.merged(into: plain)
            isWhole = isWhole && merged != nil
            return merged
        }
        return isWhole ? network : nil
    }
}
