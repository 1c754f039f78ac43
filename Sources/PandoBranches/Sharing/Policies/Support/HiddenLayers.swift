import PandoNN
import PandoTensor

/// Linear layers one after another, each with an activation behind it.
///
/// - Shapes: `[…, widths[0]]` → `[…, widths.last]`.
public struct HiddenLayers: Module {
    public var layers: [Linear]
    public let activation: Activation

    /// - Parameter widths: of the input, then of each layer.
    /// - Precondition: there is one layer at least.
    public init(_ widths: [Int], activation: Activation = .relu, using generator: inout SeededGenerator) {
        require(widths.count > 1, "HiddenLayers: widths \(widths), expected an input's and a layer's")
        layers = []
        for (from, to) in zip(widths, widths.dropFirst()) { layers.append(Linear(from, to, using: &generator)) }
        self.activation = activation
    }

    public var outFeatures: Int { layers[layers.count - 1].outFeatures }

    public func callAsFunction(_ x: Tensor) -> Tensor { layers.reduce(x) { $1($0).applying(activation) } }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.modules("layers", &layers) }
}
