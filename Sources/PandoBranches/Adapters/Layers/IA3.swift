import PandoBackbones
import PandoNN
import PandoTensor

/// Factors for what goes into a layer.
///
/// - Shapes: `[in]`.
struct InputScaling: Module, LinearAdapter {
    var scale: Tensor

    init(_ features: Int) { scale = .ones([features]) }

    func output(of layer: Linear, for input: Tensor) -> Tensor { layer(input * scale.cast(to: input.elementType)) }

    func merged(into layer: Linear) -> Linear? {
        Linear(weight: layer.weight.cast(to: scale.elementType) * scale, bias: layer.bias)
    }

    mutating func visit(_ visitor: inout some Visitor) { visitor.parameter("ia3_l", &scale) }
}

/// Learnt factors for keys, values, and what the last layer of each perceptron reads.
///
/// They begin at one, and merge into the layers.
/// - Source: Liu et al. 2022, IA³ (arXiv:2205.05638), section 3.3 and equation 1. PEFT's defaults for BERT scale the input
///   of the attention's output projection as well, which the paper does not.
public struct IA3Change: NetworkChange {
    /// In the order of their rows where a projection is fused.
    private let outputs: [LayerSite]
    private let inputs: [LayerSite]
    private var outputScales: [ScaleAndShift]
    private var inputScales: [InputScaling]

    /// - Precondition: the network has keys and values.
    init(of network: some BlockwiseBackbone) {
        outputs = network.sites(of: .key) + network.sites(of: .value)
        inputs = network.sites(of: .contraction)
        outputScales = outputs.map { ScaleAndShift($0.rows.count, shifts: false) }
        inputScales = inputs.map { InputScaling($0.inFeatures) }
    }

    public var changedTensors: [String] { (outputs + inputs).map { $0.path + ".weight" } }

    public func applied<Network: Module>(to network: Network) -> Network {
        var adapters: [String: any LinearAdapter] = [:]
        for (site, scale) in zip(inputs, inputScales) { adapters[site.path] = scale }
        for (path, parts) in Dictionary(grouping: zip(outputs, outputScales), by: \.0.path) {
            adapters[path] = ScaleAndShift(scale: Self.factors(parts))
        }
        return network.with(adapters)
    }

    /// Those of all of a layer's outputs: 1 for rows that have none.
    private static func factors(_ parts: [(site: LayerSite, scale: ScaleAndShift)]) -> Tensor {
        let ordered = parts.sorted { $0.site.rows.lowerBound < $1.site.rows.lowerBound }
        guard let first = ordered.first, let last = ordered.last else { stop("IA3: a layer without factors") }
        let (before, after) = (first.site.rows.lowerBound, last.site.outFeatures - last.site.rows.upperBound)
        let ones = [before, after].map { $0 > 0 ? [Tensor.ones([$0]).cast(to: first.scale.scale.elementType)] : [] }
        return .concatenated(ones[0] + ordered.map(\.scale.scale) + ones[1])
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        for (index, site) in outputs.enumerated() {
            visitor.module(site.name, &outputScales[index])
        }
        for (index, site) in inputs.enumerated() { visitor.module(site.path, &inputScales[index]) }
    }
}

/// IA³'s options: none.
public struct IA3Configuration: InlineConfiguration {
    public static let kind = "ia3"
    public static let summary = "factors for keys, values and the perceptrons' inside, which merge into the layers"
    public static let options: [PlanOption<IA3Configuration>] = []

    public init() {}

    func makeChange<Network: BlockwiseBackbone>(of network: Network, using generator: inout SeededGenerator)
        throws(AdapterError) -> IA3Change
    {
        guard !network.sites(of: .key).isEmpty else {
            throw AdapterError(
                Self.kind, "\(Network.self) has no attention whose keys could be scaled; ssf scales any layer")
        }
        return IA3Change(of: network)
    }
}
