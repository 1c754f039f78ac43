import PandoNN
import PandoTensor

/// Several experts, layers of one width over the same input, in one product.
///
/// - Shapes: `[N, in]` → `[N, count, width]`.
/// - Cost: `count · width · (in + 1)` parameters, and `2 width` of the norm.
public struct ExpertBank: Module {
    public var layer: Linear
    /// Of each expert's features, before the activation.
    public var norm: LayerNorm?
    public let count: Int
    public let activation: Activation

    public init(
        _ inFeatures: Int, count: Int, width: Int, activation: Activation = .relu, normalizes: Bool = false,
        using generator: inout SeededGenerator
    ) {
        layer = Linear(inFeatures, count * width, using: &generator)
        norm = normalizes ? LayerNorm(width) : nil
        (self.count, self.activation) = (count, activation)
    }

    public var width: Int { layer.outFeatures / count }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        let features = layer(x).reshaped(x.shape[0], count, width)
        return (norm?(features) ?? features).applying(activation)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("layer", &layer)
        visitor.module("norm", &norm)
    }
}

/// Shares of experts that an example's features decide: `softmax(W x)`.
///
/// - Shapes: `[N, in]` → `[N, count]`.
public struct ExpertGate: Module {
    public var layer: Linear

    public init(_ inFeatures: Int, count: Int, using generator: inout SeededGenerator) {
        layer = Linear(inFeatures, count, bias: false, using: &generator)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { layer(x).softmax() }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.module("layer", &layer) }
}

extension Tensor {
    /// The sum of things weighed by an example's shares.
    ///
    /// - Shapes: things `[N, K, C]`, shares `[N, K]` → `[N, C]`.
    func mixed(by shares: Tensor) -> Tensor { matmul(shares.expanded(at: 1), self).squeezed(1) }
}
