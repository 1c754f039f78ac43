import PandoTensor

/// Batch norm of maps: with the statistics gathered so far, or, in a training pass, with the batch's own.
///
/// - Shapes: `[N, H, W, C]` → the same; all tensors `[C]`.
/// - Source: Ioffe and Szegedy 2015 (arXiv:1502.03167), algorithms 1 and 2. As in PyTorch, running statistics move by
///   `momentum` towards the batch's, whose variance is divided by the count less one there and by the count elsewhere.
public struct BatchNorm: Module {
    public var weight: Tensor
    public var bias: Tensor
    public var runningMean: Tensor
    public var runningVariance: Tensor
    public let epsilon: Float
    public let momentum: Float

    public init(_ channels: Int, epsilon: Float = 1e-5, momentum: Float = 0.1) {
        weight = .ones([channels])
        bias = .zeros([channels])
        runningMean = .zeros([channels])
        runningVariance = .ones([channels])
        self.epsilon = epsilon
        self.momentum = momentum
    }

    public func callAsFunction(_ x: Tensor, during pass: TrainingPass? = nil) -> Tensor {
        guard let pass else {
            return x.batchNormalized(
                mean: runningMean, variance: runningVariance, weight: weight, bias: bias, epsilon: epsilon)
        }
        let (output, mean, variance, count) = x.batchNormalized(weight: weight, bias: bias, epsilon: epsilon)
        let unbiased = variance * (Float(count) / Float(max(count - 1, 1)))
        pass.replace(runningMean, by: runningMean * (1 - momentum) + mean * momentum)
        pass.replace(runningVariance, by: runningVariance * (1 - momentum) + unbiased * momentum)
        return output
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("weight", &weight)
        visitor.parameter("bias", &bias)
        visitor.buffer("running_mean", &runningMean)
        visitor.buffer("running_var", &runningVariance)
    }
}
