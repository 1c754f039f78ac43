import PandoTensor

/// Norm over each sample's pixels, channel by channel.
///
/// PyTorch's layer has neither weight nor bias unless asked for (`affine`); the ones and zeros here change nothing.
/// - Shapes: `[N, …, C]` → the same; `weight` and `bias` `[C]`.
/// - Source: Ulyanov et al. 2016 (arXiv:1607.08022), equation 1.
public struct InstanceNorm: Module {
    public var weight: Tensor
    public var bias: Tensor
    public let epsilon: Float

    public init(_ channels: Int, epsilon: Float = 1e-5) {
        weight = .ones([channels])
        bias = .zeros([channels])
        self.epsilon = epsilon
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.instanceNormalized(weight: weight, bias: bias, epsilon: epsilon)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("weight", &weight)
        visitor.parameter("bias", &bias)
    }
}
