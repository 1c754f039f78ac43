import PandoTensor

/// Layer norm over the last axis.
///
/// - Shapes: `[…, C]` → the same; `weight` and `bias` `[C]`.
/// - Source: Ba et al. 2016 (arXiv:1607.06450), equation 4.
public struct LayerNorm: Module {
    public var weight: Tensor
    public var bias: Tensor
    public let epsilon: Float

    public init(_ features: Int, epsilon: Float = 1e-5) {
        weight = .ones([features])
        bias = .zeros([features])
        self.epsilon = epsilon
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.layerNormalized(weight: weight, bias: bias, epsilon: epsilon)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("weight", &weight)
        visitor.parameter("bias", &bias)
    }
}
