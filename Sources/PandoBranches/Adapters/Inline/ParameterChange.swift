import PandoBackbones
import PandoNN
import PandoTensor

/// Some of a network's own parameters, trained: all of them, those of the last blocks, biases, norms.
///
/// They begin as the network's, which keeps its own; names are the network's. A merged network is the adapted one.
public struct ParameterChange: NetworkChange {
    public let names: [String]
    /// In the order of the names.
    private var parameters: [Tensor]
    /// Running statistics that are gathered anew along with the parameters.
    private let bufferNames: [String]
    private var buffers: [Tensor]
    private let places: [String: Int]
    /// Parameters that rows are looked up in: what is looked up is less to cast.
    private let tables: Set<String>

    /// The parameters of a network that `isTrained` chooses, as they are; in `float32`.
    ///
    /// - Parameter gathersStatistics: whether the network's buffers that `isTrained` chooses go along.
    public init(
        of network: some Module, gatheringStatistics gathersStatistics: Bool = false, _ isTrained: (String) -> Bool
    ) {
        let chosen = network.namedTensors.filter { isTrained($0.name) && $0.tensor.elementType.isFloatingPoint }
        names = chosen.filter(\.isParameter).map(\.name)
        parameters = chosen.filter(\.isParameter).map { $0.tensor.cast(to: .float32) }
        let gathered = gathersStatistics ? chosen.filter { !$0.isParameter } : []
        // A training pass tells buffers by their storage: these are not the network's.
        (bufferNames, buffers) = (gathered.map(\.name), gathered.map { Tensor($0.tensor.scalars(), shape: $0.tensor.shape) })
        places = Dictionary(uniqueKeysWithValues: zip(names + bufferNames, 0...))
        tables = network.tables
    }

    public var changedTensors: [String] { names }
    public var replacedTensors: [String] { names + bufferNames }
    public var followsStatistics: Bool { !buffers.isEmpty }

    public func applied<Network: Module>(to network: Network) -> Network {
        var changed = network
        var replacer = TensorReplacer(places: places, tensors: parameters + buffers)
        changed.visit(&replacer)
        return changed
    }

    /// Vectors, biases and those of norms, stay as they are: they are added and multiplied in `float32` anyway.
    public func ready(toComputeIn type: ElementType) -> ParameterChange {
        var ready = self
        for (index, name) in names.enumerated() where parameters[index].rank > 1 && !tables.contains(name) {
            ready.parameters[index] = parameters[index].cast(to: type)
        }
        return ready
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        for (index, name) in names.enumerated() { visitor.parameter(name, &parameters[index]) }
        for (index, name) in bufferNames.enumerated() { visitor.buffer(name, &buffers[index]) }
    }
}

private struct TensorReplacer: Visitor {
    let places: [String: Int]
    let tensors: [Tensor]
    private var path: [String] = []

    init(places: [String: Int], tensors: [Tensor]) { (self.places, self.tensors) = (places, tensors) }

    mutating func parameter(_ name: String, _ tensor: inout Tensor) {
        if let place = places[(path + [name]).joined(separator: ".")] { tensor = tensors[place] }
    }
    mutating func buffer(_ name: String, _ tensor: inout Tensor) { parameter(name, &tensor) }
    mutating func enter(_ name: String) { path.append(name) }
    mutating func leave() { path.removeLast() }
}

extension BlockwiseBackbone {
    /// The parameters that the pooled vector depends on: all but those of classifiers and poolers that the pass leaves out.
    ///
    /// What comes into play before the last tap counts; of what follows, a gradient tells.
    var pooledParameters: Set<String> {
        let (tail, all) = (taps.count, Set(namedTensors.filter(\.isParameter).map(\.name)))
        let last = ParameterChange(of: self) { tapIndex(ofTensor: $0) == tail }
        var generator = SeededGenerator(seed: 1)
        let shape: [Int] = if case .map = taps[tail - 1].kind { [1, 2, 2] } else { [1, 8] }
        let state = Tensor.uniform(-1..<1, shape + [taps[tail - 1].channels], using: &generator)
        let (_, gradients) = valueAndGradients(of: last) { last in
            let vector = last.applied(to: self).pooled(state, mask: nil)
            return (vector * .uniform(-1..<1, vector.shape, using: &generator)).sum()
        }
        let idle = zip(last.names, gradients.tensors).filter { $1.scalars().allSatisfy { $0 == 0 } }.map(\.0)
        return all.subtracting(idle)
    }
}
