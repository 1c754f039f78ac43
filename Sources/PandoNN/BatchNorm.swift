import PandoTensor

/// Batch norm of maps with the statistics gathered in pre-training.
///
/// - Shapes: `[N, H, W, C]` → the same; all tensors `[C]`.
/// - Source: Ioffe and Szegedy 2015 (arXiv:1502.03167), algorithm 2.
public struct BatchNorm: Module {
    public var weight: Tensor
    public var bias: Tensor
    public var runningMean: Tensor
    public var runningVariance: Tensor
    public let epsilon: Float

    public init(_ channels: Int, epsilon: Float = 1e-5) {
        weight = .ones([channels])
        bias = .zeros([channels])
        runningMean = .zeros([channels])
        runningVariance = .ones([channels])
        self.epsilon = epsilon
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.batchNormalized(mean: runningMean, variance: runningVariance, weight: weight, bias: bias, epsilon: epsilon)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("weight", &weight)
        visitor.parameter("bias", &bias)
        visitor.buffer("running_mean", &runningMean)
        visitor.buffer("running_var", &runningVariance)
    }
}
