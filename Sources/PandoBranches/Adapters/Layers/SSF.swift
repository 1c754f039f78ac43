import PandoBackbones
import PandoNN
import PandoTensor

/// A scale and a shift for each channel that a layer or norm gives.
///
/// `y ⊙ scale + shift`. Begins as the identity, and merges into the layer's weight and bias.
/// - Shapes: both `[C]`.
/// - Source: Lian et al. 2022 (arXiv:2210.08823), equation 1; merging, equation 4.
struct ScaleAndShift: Module, LinearAdapter, ConvolutionAdapter {
    var scale: Tensor
    /// `nil` behind a norm that has no bias to merge it into.
    var shift: Tensor?

    init(scale: Tensor, shift: Tensor? = nil) { (self.scale, self.shift) = (scale, shift) }

    init(_ channels: Int, shifts: Bool = true) {
        self.init(scale: .ones([channels]), shift: shifts ? .zeros([channels]) : nil)
    }

    func output(of layer: Linear, for input: Tensor) -> Tensor { changed(layer(input)) }
    func output(of layer: Convolution2D, for input: Tensor) -> Tensor { changed(layer(input)) }

    private func changed(_ output: Tensor) -> Tensor {
        let scaled = output * scale.cast(to: output.elementType)
        return shift.map { scaled + $0.cast(to: output.elementType) } ?? scaled
    }

    func merged(into layer: Linear) -> Linear? {
        Linear(weight: layer.weight.cast(to: scale.elementType) * scale.reshaped(-1, 1), bias: mergedBias(layer.bias))
    }

    func merged(into layer: Convolution2D) -> Convolution2D? {
        Convolution2D(
            weight: layer.weight.cast(to: scale.elementType) * scale.reshaped(-1, 1, 1, 1), bias: mergedBias(layer.bias),
            stride: layer.stride, frame: layer.frame, groups: layer.groups)
    }

    /// The norm whose weight and bias give the same: `(ŷ ⊙ w + b) ⊙ s + t = ŷ ⊙ (w ⊙ s) + (b ⊙ s + t)`.
    func merged(into norm: any ChannelNorm) -> any ChannelNorm {
        var merged = norm
        merged.weight = norm.weight.cast(to: scale.elementType) * scale
        if let bias = norm.shift { merged.shift = mergedBias(bias) }
        return merged
    }

    private func mergedBias(_ bias: Tensor?) -> Tensor? {
        let scaled = bias.map { $0.cast(to: scale.elementType) * scale }
        guard let shift else { return scaled }
        return scaled.map { $0 + shift } ?? shift
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("scale", &scale)
        visitor.parameter("shift", &shift)
    }
}

/// A scale and a shift behind every linear layer, convolution and norm.
///
/// - Source: Lian et al. 2022, Scaling & Shifting Your Features (arXiv:2210.08823), section 3.2 and figure 2.
public struct SSFChange: NetworkChange {
    private let layerPaths, normPaths: [String]
    private var layers, norms: [ScaleAndShift]

    init(of network: some BlockwiseBackbone) {
        let trained = network.pooledParameters
        let layers = network.adaptableLayers.filter { trained.contains($0.key + ".weight") }.sorted { $0.key < $1.key }
        let norms = network.norms.filter { trained.contains($0.key + ".weight") }.sorted { $0.key < $1.key }
        (layerPaths, normPaths) = (layers.map(\.key), norms.map(\.key))
        self.layers = layers.map { ScaleAndShift($0.value.weight.shape[0]) }
        self.norms = norms.map { ScaleAndShift($0.value.weight.elementCount, shifts: $0.value.shift != nil) }
    }

    public var changedTensors: [String] { (layerPaths + normPaths).map { $0 + ".weight" } }

    public func applied<Network: Module>(to network: Network) -> Network {
        let norms = Dictionary(uniqueKeysWithValues: zip(normPaths, norms))
        let layers = Dictionary(uniqueKeysWithValues: zip(layerPaths, layers))
        return network.with(layers, convolutions: layers) { path, norm in norms[path]?.merged(into: norm) }
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        for (index, path) in layerPaths.enumerated() { visitor.module(path, &layers[index]) }
        for (index, path) in normPaths.enumerated() { visitor.module(path, &norms[index]) }
    }
}

/// SSF's options: none.
public struct SSFConfiguration: InlineConfiguration {
    public static let kind = "ssf"
    public static let summary = "a scale and a shift for each channel behind every layer and norm, which merge into them"
    public static let options: [PlanOption<SSFConfiguration>] = []

    public init() {}

    func makeChange<Network: BlockwiseBackbone>(of network: Network, using generator: inout SeededGenerator)
        throws(AdapterError) -> SSFChange
    { SSFChange(of: network) }
}
